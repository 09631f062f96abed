"""Messages between two, as in RFC 6121 §5 and §8, and while one is away (XEP-0160)."""

from xmppd.testing import Actor, Stage, error, like, message

JULIET, ROMEO = "juliet@example.org/balcony", "romeo@example.net/orchard"


def test_two_talk_across_virtual_hosts(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends(
        "<message to='juliet@example.org' type='chat' id='m1' xml:lang='en'>"
        "<body>Art thou not Romeo, and a Montague?</body><thread>t1</thread></message>"
    )
    heard = juliet.receives(
        message("Art thou not Romeo, and a Montague?", from_=ROMEO, id="m1", type="chat")
    )
    assert heard.child_text("jabber:client", "thread") == "t1"
    juliet.sends(f"<message to='{ROMEO}' type='chat'><body>Neither, fair saint.</body></message>")
    romeo.receives(message("Neither, fair saint.", from_=JULIET, to=ROMEO))


def test_messages_keep_their_order(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends(
        "".join(
            f"<message to='juliet@example.org' type='chat'><body>{number}</body></message>"
            for number in range(50)
        )
    )
    juliet.receives(*[message(str(number)) for number in range(50)])


def test_what_is_said_is_heard_unchanged(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends(
        f"<message to='{JULIET}'><body>&lt;&amp;&gt; ]]&gt; \U0001f339 &#x9;&#xA;</body>"
        "<a:x xmlns:a='urn:a' a:b='&quot;&#xA;'><y xmlns='urn:y'/></a:x></message>"
    )
    heard = juliet.receives(message("<&> ]]> \U0001f339 \t\n"))
    strange = heard.child("urn:a", "x")
    assert strange is not None
    assert strange.attrs == {"{urn:a}b": '"\n'}
    assert strange.child("urn:y", "y") is not None


def test_a_forged_stanza_id_and_delay_are_taken_out(talk: Stage[Actor]) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.sends(
        f"<message to='{JULIET}'><body>I was first</body>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.org' id='forged'/>"
        "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2002-09-10T23:08:25Z'/>"
        "<origin-id xmlns='urn:xmpp:sid:0' id='mine'/></message>"
    )
    received = juliet.receives(like(f"<message from='{ROMEO}'/>"))
    assert [child.name for child in received.elements] == ["body", "origin-id", "stanza-id"]
    assert received.elements[1].get("id") == "mine"
    assert received.elements[2].get("id") != "forged"


def test_a_message_to_the_account_goes_to_its_best_resource(talk: Stage[Actor]) -> None:
    romeo = talk.online(ROMEO)
    hidden = talk.online("juliet@example.org/hidden", -1)
    best = talk.online("juliet@example.org/best", 5)
    hidden.forget()
    romeo.sends("<message to='juliet@example.org' type='chat'><body>Hark</body></message>")
    best.receives(message("Hark"))
    hidden.receives_nothing()


def test_nobody_can_tell_whether_an_account_exists(talk: Stage[Actor]) -> None:
    talk.account("juliet@example.org")
    romeo = talk.online(ROMEO)
    for number, user in enumerate(("juliet", "nobody")):
        romeo.sends(
            f"<iq type='get' id='{number}' to='{user}@example.org/x'>"
            "<query xmlns='jabber:iq:version'/></iq>"
        )
        romeo.receives(error(str(number), "cancel", "service-unavailable"))
    romeo.sends("<message to='nobody@example.org' id='m'><body>Hello?</body></message>")
    romeo.receives(error("m", "cancel", "service-unavailable", "message"))


def test_messages_wait_for_who_is_away(talk: Stage[Actor]) -> None:
    talk.account("juliet@example.org")
    romeo = talk.online(ROMEO)
    for text in ("O, speak again", "bright angel"):
        romeo.sends(f"<message to='juliet@example.org' type='chat'><body>{text}</body></message>")
    romeo.receives_nothing()
    juliet = talk.bind(JULIET)
    juliet.sends("<presence/>")
    juliet.receives(like(f"<presence from='{JULIET}'/>"))
    for text in ("O, speak again", "bright angel"):
        juliet.receives(
            like(
                f"<message from='{ROMEO}' type='chat'><body>{text}</body>"
                "<delay xmlns='urn:xmpp:delay' from='example.org'/></message>"
            )
        )
    juliet.sends("<presence><show>chat</show></presence>")  # she has got them, then
    juliet.receives(like(f"<presence from='{JULIET}'/>"))
    juliet.leaves()
    again = talk.bind(JULIET)
    again.sends("<presence/>")
    again.receives(like(f"<presence from='{JULIET}'/>"))
    again.receives_nothing()
