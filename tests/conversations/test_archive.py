"""Message archives: XEP-0313 with its examples, XEP-0441, XEP-0431 and XEP-0359."""

from collections.abc import Iterator

import pytest

from tests.support.archives import asks, form, page, stanza_id
from tests.support.server import HOSTS, ServerProcess
from tests.support.stages import ProcessStage
from xmppd.ns import MAM
from xmppd.testing import Actor, Stage, Talk, error, like, message, result
from xmppd.testing.stage import bundled

JULIET, ROMEO = "juliet@example.org/balcony", "romeo@example.org/orchard"
WITCH = "witch@example.net/broom"
HAIL = "<message to='juliet@example.org' type='chat' id='a1'><body>Hail</body></message>"


@pytest.fixture(scope="module")
def archiving() -> Iterator[ServerProcess]:
    with ServerProcess(enable=["archive"]) as server:
        yield server


@pytest.fixture(params=["memory", "process"])
def talk(request: pytest.FixtureRequest) -> "Iterator[Talk | ProcessStage]":
    if request.param == "memory":
        yield Talk(bundled().get("archive"), hosts=HOSTS)
        return
    stage = ProcessStage(request.getfixturevalue("archiving"))
    yield stage
    stage.close()


def says(client: Actor, to: str, *bodies: str) -> None:
    for body in bodies:
        client.sends(f"<message to='{to}' type='chat'><body>{body}</body></message>")


def talked(talk: Stage[Actor], *bodies: str) -> Actor:
    """Juliet, whose archive has these from romeo."""
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    says(romeo, "juliet@example.org", *bodies)
    juliet.receives(*[message(body) for body in bodies])
    return juliet


# §3: what is archived, and the id that tells


def test_both_sides_have_the_message_in_their_archives_as_it_was_sent(talk: Stage[Actor]) -> None:
    juliet, witch = talk.online(JULIET), talk.online(WITCH)
    witch.sends(
        "<message to='juliet@example.org' type='chat' id='a1' xml:lang='en'>"
        "<body>Hail &#x9;&lt;to&gt; thee</body><x xmlns='urn:x' a='1'/></message>"
    )
    heard = juliet.receives(message("Hail \t<to> thee"))
    for client in (juliet, witch):
        answer = asks(client)
        assert answer.bodies == ["Hail \t<to> thee"]
        sent = answer.originals[0]
        assert (sent.get("to"), sent.get("from")) == ("juliet@example.org", WITCH)
        assert (sent.get("type"), sent.get("id")) == ("chat", "a1")
        assert sent.child("urn:x", "x") is not None
        assert stanza_id(sent, "juliet@example.org") is None
        assert answer.complete
    assert stanza_id(heard, "juliet@example.org") == asks(juliet).ids[0]
    assert asks(juliet).ids != asks(witch).ids


def test_the_sender_is_not_told_the_receivers_id_nor_the_receiver_the_senders(
    talk: Stage[Actor],
) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    says(romeo, "juliet@example.org", "Hail")
    heard = juliet.receives(message("Hail"))
    assert stanza_id(heard, "romeo@example.org") is None
    romeo.receives_nothing()


def test_a_message_to_who_is_away_comes_with_its_archive_id(talk: Stage[Actor]) -> None:
    talk.account(JULIET)
    romeo = talk.online(ROMEO)
    romeo.sends(HAIL + "<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
    romeo.receives(result("p"))
    juliet = talk.bind(JULIET)
    juliet.sends("<presence/>")
    juliet.receives(like("<presence/>"))
    heard = juliet.receives(message("Hail"))
    assert asks(juliet).ids == [stanza_id(heard, "juliet@example.org")]


def test_what_was_read_in_the_archive_does_not_come_again_from_the_offline_store(
    talk: Stage[Actor],
) -> None:
    talk.account(JULIET)
    romeo = talk.online(ROMEO)
    says(romeo, "juliet@example.org", "one", "two")
    romeo.receives_nothing()
    juliet = talk.bind(JULIET)
    assert asks(juliet, page(max=1)).bodies == ["one"]
    juliet.sends("<presence/>")
    juliet.receives(like("<presence/>"), message("two"))
    juliet.receives_nothing()
    juliet.leaves()
    again = talk.bind(JULIET)
    again.sends("<presence/>")
    again.receives(like("<presence/>"))
    again.receives_nothing()


def test_a_message_to_oneself_is_archived_once(talk: Stage[Actor]) -> None:
    juliet, chamber = talk.online(JULIET), talk.online("juliet@example.org/chamber")
    juliet.forget()
    says(juliet, "juliet@example.org", "note")
    juliet.receives(message("note"))
    chamber.receives(message("note"))
    says(juliet, "romeo@example.org", "other")
    juliet.receives(error(None, "cancel", "service-unavailable", "message"))
    assert asks(juliet, form(with_="juliet@example.org")).bodies == ["note"]
    assert asks(juliet).bodies == ["note", "other"]


def test_what_is_refused_is_not_archived(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends("<message to='juliet@example.org/gone' id='n'><body>normal</body></message>")
    romeo.receives(error("n", "cancel", "service-unavailable", "message"))
    assert asks(juliet).ids == []


@pytest.mark.parametrize(
    "content, kept",
    [
        ("<body>x</body>", True),
        ("<body>x</body><no-store xmlns='urn:xmpp:hints'/>", False),
        ("<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>", False),
        ("<thing xmlns='urn:thing'/><store xmlns='urn:xmpp:hints'/>", True),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", False),
        ("<received xmlns='urn:xmpp:receipts' id='m'/>", True),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>", True),
        (
            "<reactions xmlns='urn:xmpp:reactions:0' id='m'><reaction>x</reaction></reactions>",
            True,
        ),
        ("<retract xmlns='urn:xmpp:message-retract:1' id='m'/>", True),
        ("<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>", True),
        ("<replace xmlns='urn:xmpp:message-correct:0' id='m'/><body>y</body>", True),
        ("<received xmlns='urn:xmpp:carbons:2'/><body>y</body>", False),
    ],
)
def test_what_lasts_is_archived_and_what_passes_is_not(
    talk: Stage[Actor], content: str, kept: bool
) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends(f"<message to='{JULIET}' type='chat'>{content}</message>")
    heard = juliet.receives(like("<message type='chat'/>"))
    assert asks(juliet).ids == [stanza_id(heard, "juliet@example.org")] * kept
    assert len(asks(romeo).ids) == kept


@pytest.mark.parametrize("type_", ["headline", "groupchat", "error"])
def test_other_types_are_not_archived(talk: Stage[Actor], type_: str) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends(f"<message to='{JULIET}' type='{type_}'><body>x</body></message>")
    assert asks(romeo).ids == []
    juliet.forget()
    assert asks(juliet).ids == []


def test_a_forged_id_of_the_archive_does_not_arrive(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends(
        f"<message to='{JULIET}' type='chat'><body>x</body>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.org' id='forged'/>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='JULIET@example.org' id='forged'/></message>"
    )
    heard = juliet.receives(message("x"))
    assert asks(juliet).ids == [stanza_id(heard, "juliet@example.org")]
    assert "forged" not in str([each.attrs for each in heard.elements])


# §4: queries


def test_results_carry_the_query_id_and_the_stamp_and_come_before_the_end(
    talk: Stage[Actor],
) -> None:
    juliet = talked(talk, "one", "two")
    answer = asks(juliet, queryid="it's <&>".replace("'", "&apos;").replace("<&>", "&lt;"))
    assert [each.get("queryid") for each in answer.results] == ["it's <", "it's <"]
    assert all(each.get("from") == "juliet@example.org" for each in answer.messages)
    assert all(stamp.endswith("Z") for stamp in answer.stamps)
    assert answer.stamps == sorted(answer.stamps)
    assert (answer.rsm("first"), answer.rsm("last")) == (answer.ids[0], answer.ids[1])
    assert (answer.rsm("count"), answer.index) == ("2", "0")


def test_an_empty_archive_answers_with_an_empty_set(talk: Stage[Actor]) -> None:
    answer = asks(talk.online(JULIET))
    assert answer.ids == []
    assert answer.complete
    assert answer.rsm("first") is None
    assert answer.rsm("count") == "0"


def test_with_finds_either_side_and_all_resources_or_just_one(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    garden, witch = talk.online("romeo@example.org/garden"), talk.online(WITCH)
    says(romeo, "juliet@example.org", "from romeo")
    says(garden, "juliet@example.org", "from garden")
    says(witch, "juliet@example.org", "from witch")
    juliet.forget()
    says(juliet, "romeo@example.org", "to romeo")
    assert asks(juliet, form(with_="Romeo@example.org")).bodies == [
        "from romeo",
        "from garden",
        "to romeo",
    ]
    assert asks(juliet, form(with_=ROMEO)).bodies == ["from romeo"]
    assert asks(juliet, form(with_="nobody@example.org")).bodies == []


def test_start_and_end_include_their_moments(talk: Stage[Actor]) -> None:
    juliet = talked(talk, "one", "two", "three")
    stamps = asks(juliet).stamps
    assert asks(juliet, form(start=stamps[1])).bodies == ["two", "three"]
    assert asks(juliet, form(end=stamps[1])).bodies == ["one", "two"]
    assert asks(juliet, form(start=stamps[1], end=stamps[1])).bodies == ["two"]
    assert asks(juliet, form(start="2999-01-01T00:00:00Z")).bodies == []
    assert asks(juliet, form(end="0001-01-01T00:00:00Z")).bodies == []


def test_before_id_after_id_and_ids(talk: Stage[Actor]) -> None:
    juliet = talked(talk, "one", "two", "three")
    one, _, three = asks(juliet).ids
    assert asks(juliet, form(after_id=one)).bodies == ["two", "three"]
    assert asks(juliet, form(before_id=three)).bodies == ["one", "two"]
    assert asks(juliet, form(after_id=one, before_id=three)).bodies == ["two"]
    assert asks(juliet, form(ids=[three, one])).bodies == ["one", "three"]


@pytest.mark.parametrize("unknown", ["nonsense", "0" * 29, "f" * 29, "'; DROP TABLE archive; --"])
@pytest.mark.parametrize("where", ["before_id", "after_id", "ids", "after", "before"])
def test_an_unknown_id_is_item_not_found(talk: Stage[Actor], where: str, unknown: str) -> None:
    juliet = talked(talk, "one")
    text = unknown.replace("'", "&apos;")
    asked = page(**{where: text}) if where in ("after", "before") else form(**{where: text})
    answer = asks(juliet, asked)
    assert answer.ids == []
    assert error("mam", "cancel", "item-not-found")(answer.end) is None


def test_an_id_of_another_archive_is_item_not_found(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    says(romeo, "juliet@example.org", "one")
    juliet.forget()
    theirs = asks(romeo).ids[0]
    answer = asks(juliet, form(ids=theirs))
    assert error("mam", "cancel", "item-not-found")(answer.end) is None


@pytest.mark.parametrize(
    "content, type_, condition",
    [
        (form(start="yesterday"), "modify", "bad-request"),
        (form(with_="@"), "modify", "bad-request"),
        (form(unheard="x"), "cancel", "feature-not-implemented"),
        (page(max="many"), "modify", "bad-request"),
        (page(max="-1"), "modify", "bad-request"),
        ("<x xmlns='jabber:x:data' type='submit'/>", "modify", "bad-request"),
        ("<x xmlns='jabber:x:data'/>", "modify", "bad-request"),
        (form(ids=["x"] * 1).replace("<value>x</value>", ""), "", ""),
    ],
)
def test_malformed_queries_are_refused(
    talk: Stage[Actor], content: str, type_: str, condition: str
) -> None:
    answer = asks(talk.online(JULIET), content)
    if condition:
        assert error("mam", type_, condition)(answer.end) is None, answer.end
    else:
        assert answer.complete


def test_pages_forwards_and_backwards_give_all_in_order(talk: Stage[Actor]) -> None:
    bodies = [str(number) for number in range(7)]
    juliet = talked(talk, *bodies)
    first = asks(juliet, page(max=3))
    assert (first.bodies, first.complete, first.index) == (bodies[:3], False, "0")
    second = asks(juliet, page(max=3, after=first.rsm("last")))
    assert (second.bodies, second.complete, second.index) == (bodies[3:6], False, "3")
    third = asks(juliet, page(max=3, after=second.rsm("last")))
    assert (third.bodies, third.complete, third.rsm("count")) == (bodies[6:], True, "7")
    last = asks(juliet, page(max=3, before=""))
    assert (last.bodies, last.complete, last.index) == (bodies[4:], False, "4")
    before = asks(juliet, page(max=5, before=last.rsm("first")))
    assert (before.bodies, before.complete) == (bodies[:4], True)


def test_a_page_of_nothing_counts(talk: Stage[Actor]) -> None:
    answer = asks(talked(talk, "one", "two"), page(max=0))
    assert (answer.ids, answer.rsm("count"), answer.complete) == ([], "2", False)


def test_a_flipped_page_is_the_same_page_in_reverse(talk: Stage[Actor]) -> None:
    juliet = talked(talk, "one", "two", "three")
    answer = asks(juliet, page(max=2), "<flip-page/>")
    assert answer.bodies == ["two", "one"]
    assert (answer.rsm("first"), answer.rsm("last")) == (answer.ids[1], answer.ids[0])


def test_the_form_names_all_fields_and_the_ids_are_open(talk: Stage[Actor]) -> None:
    juliet = talk.online(JULIET)
    juliet.sends(f"<iq type='get' id='form1'><query xmlns='{MAM}'/></iq>")
    fields = "".join(
        f"<field var='{name}' type='{kind}'/>"
        for name, kind in [
            ("with", "jid-single"),
            ("start", "text-single"),
            ("end", "text-single"),
            ("before-id", "text-single"),
            ("after-id", "text-single"),
            ("include-groupchat", "boolean"),
            ("{urn:xmpp:fulltext:0}fulltext", "text-single"),
        ]
    )
    juliet.receives(
        like(
            f"<iq type='result' id='form1'><query xmlns='{MAM}'>"
            f"<x xmlns='jabber:x:data' type='form'>{fields}<field var='ids' type='list-multi'>"
            "<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'>"
            "<open/></validate></field></x></query></iq>"
        )
    )


def test_metadata_name_the_first_and_the_last(talk: Stage[Actor]) -> None:
    juliet = talk.online(JULIET)
    ask = f"<iq type='get' id='meta'><metadata xmlns='{MAM}'/></iq>"
    juliet.sends(ask)
    juliet.receives(result("meta", f"<metadata xmlns='{MAM}'/>"))
    romeo = talk.online(ROMEO)
    says(romeo, "juliet@example.org", "one", "two", "three")
    juliet.receives(message("one"), message("two"), message("three"))
    answer = asks(juliet)
    juliet.sends(ask)
    juliet.receives(
        result(
            "meta",
            f"<metadata xmlns='{MAM}'><start id='{answer.ids[0]}' timestamp='{answer.stamps[0]}'/>"
            f"<end id='{answer.ids[2]}' timestamp='{answer.stamps[2]}'/></metadata>",
        )
    )


@pytest.mark.parametrize(
    "iq",
    [
        f"<iq type='set' id='x' to='juliet@example.org'><query xmlns='{MAM}'/></iq>",
        f"<iq type='get' id='x' to='juliet@example.org'><query xmlns='{MAM}'/></iq>",
        f"<iq type='get' id='x' to='juliet@example.org'><metadata xmlns='{MAM}'/></iq>",
        f"<iq type='get' id='x' to='juliet@example.org'><prefs xmlns='{MAM}'/></iq>",
        f"<iq type='set' id='x' to='juliet@example.org'>"
        f"<prefs xmlns='{MAM}' default='never'/></iq>",
    ],
)
def test_the_archive_of_others_is_forbidden(talk: Stage[Actor], iq: str) -> None:
    talked(talk, "one")
    romeo = talk.bind("romeo@example.org/spy")
    romeo.sends(iq)
    romeo.receives(error("x", "auth", "forbidden"))


def test_the_features_are_those_of_the_account(talk: Stage[Actor]) -> None:
    juliet = talk.online(JULIET)
    juliet.sends(
        "<iq type='get' id='d' to='juliet@example.org'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    features = "".join(
        f"<feature var='{each}'/>"
        for each in (
            MAM,
            f"{MAM}#extended",
            f"{MAM}#groupchat-field",
            "urn:xmpp:sid:0",
            "urn:xmpp:fulltext:0",
        )
    )
    disco = "http://jabber.org/protocol/disco#info"
    juliet.receives(like(f"<iq id='d'><query xmlns='{disco}'>{features}</query></iq>"))


# XEP-0431


def test_words_are_searched_in_ones_own_archive_only(talk: Stage[Actor]) -> None:
    juliet = talked(talk, "Call me but love", "and I'll be new baptized", "Love, love")
    assert asks(juliet, form(text="love")).bodies == ["Call me but love", "Love, love"]
    assert asks(juliet, form(text="CALL love")).bodies == ["Call me but love"]
    assert asks(juliet, form(text="hate")).bodies == []
    assert asks(juliet, form(text="&quot; OR words : love) --")).bodies == []
    says(juliet, "romeo@example.org", "more love")
    assert asks(juliet, form(text="love"), page(max=1, before="")).bodies == ["more love"]
    witch = talk.online(WITCH)
    assert asks(witch, form(text="love")).bodies == []


# XEP-0441


def prefers(client: Actor, default: str, always: str = "", never: str = "") -> None:
    lists = "".join(
        f"<{name}>" + (f"<jid>{who}</jid>" if who else "") + f"</{name}>"
        for name, who in (("always", always), ("never", never))
    )
    client.sends(
        f"<iq type='set' id='p'><prefs xmlns='{MAM}' default='{default}'>{lists}</prefs></iq>"
    )
    prepared = lists.replace("ROMEO", "romeo")
    client.receives(result("p", f"<prefs xmlns='{MAM}' default='{default}'>{prepared}</prefs>"))


def test_preferences_are_told_and_kept(talk: Stage[Actor]) -> None:
    juliet = talk.online(JULIET)
    juliet.sends(f"<iq type='get' id='g'><prefs xmlns='{MAM}'/></iq>")
    juliet.receives(
        result("g", f"<prefs xmlns='{MAM}' default='always'><always/><never/></prefs>")
    )
    prefers(juliet, "roster", "ROMEO@example.org")
    juliet.sends(f"<iq type='get' id='g'><prefs xmlns='{MAM}'/></iq>")
    juliet.receives(
        result(
            "g",
            f"<prefs xmlns='{MAM}' default='roster'>"
            "<always><jid>romeo@example.org</jid></always><never/></prefs>",
        )
    )


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize(
    "default, always, never, kept",
    [
        ("never", "", "", False),
        ("never", "romeo@example.org", "", True),
        ("never", ROMEO, "", True),
        ("never", "romeo@example.org/other", "", False),
        ("always", "", "romeo@example.org", False),
        ("always", "", "example.org", True),
        ("roster", "", "", False),
        ("roster", "romeo@example.org", "", True),
    ],
)
def test_preferences_are_obeyed(
    talk: Stage[Actor], default: str, always: str, never: str, kept: bool, away: bool
) -> None:
    juliet = talk.online(JULIET)
    prefers(juliet, default, always, never)
    if away:
        juliet.leaves()
    romeo = talk.online(ROMEO)
    says(romeo, "juliet@example.org", "Hail")
    romeo.receives_nothing()
    if away:
        juliet = talk.online(JULIET)
    juliet.forget()
    assert asks(juliet).bodies == ["Hail"] * kept


def test_who_is_in_the_roster_is_archived(talk: Stage[Actor]) -> None:
    juliet = talk.online(JULIET)
    juliet.sends(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
        "<item jid='romeo@example.org'/></query></iq>"
    )
    juliet.forget()
    prefers(juliet, "roster")
    romeo, witch = talk.online(ROMEO), talk.online(WITCH)
    says(romeo, "juliet@example.org", "known")
    says(witch, "juliet@example.org", "strange")
    juliet.receives_in_any_order(message("known"), message("strange"))
    assert asks(juliet).bodies == ["known"]


@pytest.mark.parametrize(
    "prefs, condition",
    [
        ("<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>", "bad-request"),
        ("<prefs xmlns='urn:xmpp:mam:2'/>", "bad-request"),
        (
            "<prefs xmlns='urn:xmpp:mam:2' default='always'><never><jid>@</jid></never></prefs>",
            "jid-malformed",
        ),
    ],
)
def test_malformed_preferences_are_refused(talk: Stage[Actor], prefs: str, condition: str) -> None:
    juliet = talk.online(JULIET)
    juliet.sends(f"<iq type='set' id='p'>{prefs}</iq>")
    juliet.receives(error("p", "modify", condition))
