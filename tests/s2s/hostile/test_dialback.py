"""Dialback as forgers would like it (XEP-0220, XEP-0185): keys, stream ids, domains, answers."""

from typing import TYPE_CHECKING

import pytest

from tests.abuse.server import refusal
from tests.abuse.wire import Wire, stream_error
from tests.support.peer import PEM, Host

if TYPE_CHECKING:
    from tests.s2s.hostile.conftest import Calls, Peered

JULIET = "juliet@example.org/balcony"


def test_a_key_that_its_server_knows_lets_the_domain_speak(
    call: "Calls", hosts: dict[str, Host], juliet: Wire
) -> None:
    host = hosts["spoken.example"]
    wire = call("spoken.example").secured()
    stream_id = wire.stream_id
    assert wire.claims("right").judged() == "valid"
    asked = host.heard("verify")[0]
    assert (asked.get("from"), asked.get("to")) == ("example.org", "spoken.example")
    assert (asked.get("id"), asked.text) == (stream_id, "right")
    wire.message(JULIET, "by dialback")
    juliet.until("by dialback")


def test_a_wrong_key_is_invalid_and_ends_the_stream(
    call: "Calls", hosts: dict[str, Host], juliet: Wire
) -> None:
    hosts["spoken.example"].verdict = lambda *_: "invalid"
    wire = call("spoken.example").secured().claims("wrong")
    assert wire.judged() == "invalid"
    wire.message(JULIET, "with a wrong key").until_closed()
    juliet.sync()
    assert b"wrong key" not in juliet.received


def test_a_domain_of_somebody_else_cannot_be_claimed(
    call: "Calls", hosts: dict[str, Host], juliet: Wire
) -> None:
    """The owner is asked, found by the routes (the DNS), not the caller."""
    hosts["victim.example"].verdict = lambda *_: "invalid"
    wire = call("spoken.example").secured()
    assert wire.claims("right").judged() == "valid"
    said = wire.claims("stolen", from_="victim.example").judged("victim.example")
    assert said == "forbidden" or said == "invalid"
    assert hosts["victim.example"].heard("verify")
    wire.message(JULIET, "as the victim", from_="a@victim.example").until_closed()
    assert stream_error(wire.received) in ("invalid-from", "")
    juliet.sync()
    assert b"as the victim" not in juliet.received


def test_a_domain_that_must_prove_itself_by_certificate_may_not_use_keys(
    call: "Calls", hosts: dict[str, Host]
) -> None:
    wire = call("proven.example").secured()
    assert wire.claims("right").judged() not in ("valid", "")
    assert not hosts["proven.example"].heard("verify")


def test_with_a_good_certificate_no_key_is_asked_about(
    call: "Calls", hosts: dict[str, Host], proof: PEM
) -> None:
    """Dialback without dialling back (XEP-0220 §2.5 of old): the certificate has proven it."""
    assert call("proven.example").secured(proof).claims("any").judged() == "valid"
    assert not hosts["proven.example"].heard("verify")


def test_a_key_is_replayed_on_another_stream(
    call: "Calls", hosts: dict[str, Host], juliet: Wire
) -> None:
    """Keys are of one stream: the question names the new one's id, and its owner says no."""
    first = call("spoken.example").secured()
    known = first.stream_id
    hosts["spoken.example"].verdict = lambda f, t, id_, key: "valid" if id_ == known else "invalid"
    assert first.claims("seen").judged() == "valid"
    second = call("spoken.example").secured()
    assert second.stream_id != known
    assert second.claims("seen").judged() == "invalid"
    juliet.sync()


def test_stream_ids_are_not_guessed(call: "Calls") -> None:
    ids = {call("spoken.example").begins().stream_id for _ in range(20)}
    assert len(ids) == 20
    assert min(map(len, ids)) >= 16
    prefixes = {stream_id[:8] for stream_id in ids}
    assert len(prefixes) == 20


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ("from='example.org' to='proven.example' type='valid'", ""),
        ("from='spoken.example' to='example.org' type='valid'", ""),
        ("from='example.org' to='spoken.example' type='valid'", ""),
        ("from='spoken.example' to='example.org' type='invalid'", ""),
        ("from='spoken.example' to='example.org' type='error'", ""),
        ("from='spoken.example' to='example.org' type='odd'", ""),
        ("from='victim.example' to='example.org' type='valid'", "key"),
    ],
)
@pytest.mark.parametrize("name", ["result", "verify"])
def test_answers_that_nobody_asked_for(
    call: "Calls", juliet: Wire, name: str, attributes: str, text: str
) -> None:
    """Only what we asked, where we asked: nobody can send after these."""
    wire = call("spoken.example").secured()
    wire.send(f"<db:{name} {attributes} id='{wire.stream_id}'>{text}</db:{name}>")
    wire.message(JULIET, "unsolicited").until_closed()
    assert stream_error(wire.received), wire.received
    juliet.sync()
    assert b"unsolicited" not in juliet.received


@pytest.mark.parametrize(
    ("from_", "to", "wanted"),
    [
        ("spoken.example", "nowhere.example", ("item-not-found",)),
        ("spoken.example", "proven.example", ("item-not-found",)),
        ("example.org", "example.org", ("not-acceptable", "not-allowed", "forbidden")),
        ("other.example", "example.org", ("not-acceptable", "not-allowed", "forbidden")),
        ("denied.example", "example.org", ("policy-violation", "not-allowed", "forbidden")),
        ("dead.example", "example.org", ("not-authorized", "remote-server-not-found",
                                         "remote-server-timeout", "remote-connection-failed")),
    ],
)  # fmt: skip
def test_keys_for_pairs_that_cannot_be(
    call: "Calls", from_: str, to: str, wanted: tuple[str, ...]
) -> None:
    """An error (§2.5), not `invalid`: the stream may carry other pairs."""
    wire = call("spoken.example").secured()
    wire.claims("any", from_, to)
    wire.until("</db:result>", "</stream:stream>")
    assert wire.judged(from_) in wanted
    wire.received = b""
    assert wire.claims("right").judged() == "valid"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("<db:result from='spoken.example' to='example.org'/>", id="empty key"),
        pytest.param("<db:result from='spoken.example' to='example.org'>  </db:result>",
                     id="blank key"),
        pytest.param("<db:result to='example.org'>k</db:result>", id="no from"),
        pytest.param("<db:result from='spoken.example'>k</db:result>", id="no to"),
        pytest.param("<db:result from='@' to='example.org'>k</db:result>", id="bad from"),
        pytest.param("<db:result from='spoken.example' to='example.org'><x/></db:result>",
                     id="an element as key"),
        pytest.param("<db:result from='a@spoken.example' to='example.org'>k</db:result>",
                     id="a user"),
        pytest.param("<db:result from='spoken.example' to='example.org'>" + "k" * 15000
                     + "</db:result>", id="long key"),
        pytest.param("<db:verify from='spoken.example' to='example.org'>k</db:verify>",
                     id="verify without id"),
        pytest.param("<db:verify from='spoken.example' to='example.org' id='" + "i" * 5000
                     + "'>k</db:verify>", id="long id"),
        pytest.param("<db:odd from='spoken.example' to='example.org'>k</db:odd>", id="odd name"),
    ],
)  # fmt: skip
def test_dialback_garbage(
    server: "Peered", call: "Calls", hosts: dict[str, Host], juliet: Wire, sent: str
) -> None:
    """Never valid; an error, `invalid`, or the end of the stream."""
    wire = call("spoken.example").secured()
    wire.send(sent)
    wire.message(JULIET, "garbage").until_closed()
    assert b"type='valid'" not in wire.received
    juliet.sync()
    assert b"garbage" not in juliet.received


def test_questions_about_keys_that_are_not_ours_are_answered_with_invalid(call: "Calls") -> None:
    """We are asked as the authoritative server (§2.1.2); guesses are wrong."""
    wire = call("spoken.example").secured()
    for guess in ("0" * 64, "", "guess"):
        wire.received = b""
        wire.send(
            "<db:verify from='spoken.example' to='example.org' id='some-stream'>"
            f"{guess}</db:verify>"
        )
        wire.until("type='invalid'", "type='error'")
    wire.received = b""
    wire.send("<db:verify from='spoken.example' to='nowhere.example' id='x'>k</db:verify>")
    wire.until("item-not-found")


def test_a_key_that_we_made_is_of_one_stream(
    server: "Peered", call: "Calls", hosts: dict[str, Host], romeo: Wire
) -> None:
    """Our key for the host's stream is valid for that id and those domains, and for no other."""
    host = hosts["spoken.example"]
    server.closes("spoken.example")
    romeo.send("<message to='a@spoken.example'><body>hello</body></message>")
    key = host.hears(lambda e: e.tag.endswith("result")).text or ""
    wire = call("spoken.example").secured()

    def verdict(id_: str, to: str = "example.org", from_: str = "spoken.example") -> str:
        wire.received = b""
        wire.send(f"<db:verify from='{from_}' to='{to}' id='{id_}'>{key}</db:verify>")
        wire.until("db:verify")
        (answer,) = [e for e in wire.stanzas() if e.tag.endswith("verify")]
        return answer.get("type") or ""

    assert verdict("host-stream-1") == "valid"
    assert verdict("host-stream-2") == "invalid"
    assert verdict("host-stream-1", to="other.example") == "invalid"
    assert verdict("host-stream-1", from_="victim.example") == "invalid"


def test_an_answer_of_the_wrong_server_is_not_taken(
    call: "Calls", hosts: dict[str, Host], juliet: Wire
) -> None:
    """While the victim thinks about the key, the forger answers in its place, on his stream."""
    hosts["victim.example"].verdict = lambda *_: ""
    forger = call("spoken.example").secured()
    assert forger.claims("right").judged() == "valid"
    thief = call("victim.example").secured()
    thief.claims("stolen")
    hosts["victim.example"].hears(lambda e: e.tag.endswith("verify"))
    forger.send(
        f"<db:verify from='victim.example' to='example.org' type='valid' id='{thief.stream_id}'/>"
    )
    forger.until_closed()
    thief.message(JULIET, "stolen words").until_closed()
    juliet.sync()
    assert b"stolen words" not in juliet.received


def test_a_host_answers_for_another_id(
    call: "Calls", hosts: dict[str, Host], juliet: Wire
) -> None:
    """An answer that names another stream is none to our question."""
    host = hosts["spoken.example"]
    host.verdict = lambda *_: ""
    wire = call("spoken.example").secured().claims("key")
    host.hears(lambda e: e.tag.endswith("verify"))
    host.says("<db:verify from='spoken.example' to='example.org' id='another' type='valid'/>")
    wire.message(JULIET, "by another id").until_closed()
    juliet.sync()
    assert b"by another id" not in juliet.received


def test_verifications_of_a_peer_are_bounded(
    server: "Peered", call: "Calls", hosts: dict[str, Host], juliet: Wire, proof: PEM
) -> None:
    """20 at a time for one domain; what is more is refused at once. Others are served."""
    hosts["slow.example"].verdict = lambda *_: ""
    refusals = 0
    for number in range(30):  # one after the other: each has three seconds
        wire = call("slow.example").secured().claims("key")
        if number >= 20:
            refusals += wire.judged() == "resource-constraint"
    assert refusals >= 10
    call().proven(proof).message(JULIET, "not disturbed")
    juliet.until("not disturbed")
    assert len(hosts["slow.example"].heard("verify")) <= 20
    assert len(hosts["slow.example"].calls) <= 2


def test_who_cannot_be_asked_is_not_called_again_at_once(
    call: "Calls", hosts: dict[str, Host]
) -> None:
    """For a minute the answer is known: a storm of keys is no storm of calls to a third server."""
    host = hosts["flood.example"]
    host.hangs_up_first = True
    first = call("flood.example").secured().claims("key")
    assert first.judged() not in ("valid", "")
    count = len(host.calls)
    assert count >= 1
    for _ in range(10):
        assert call("flood.example").secured().claims("key").judged() not in ("valid", "")
    assert len(host.calls) == count


def test_many_pairs_on_one_stream_are_bounded(server: "Peered", call: "Calls") -> None:
    wire = call("spoken.example").secured()
    for number in range(100):
        wire.claims("key", f"d{number}.dead.example")
    wire.until("resource-constraint", "policy-violation", "</stream:stream>")


def test_a_stanza_for_a_pair_that_is_not_judged_yet(
    server: "Peered", call: "Calls", hosts: dict[str, Host], juliet: Wire
) -> None:
    hosts["spoken.example"].verdict = lambda *_: ""
    wire = call("spoken.example").secured().claims("key").message(JULIET, "impatient")
    assert refusal(server, wire) == "not-authorized"
    juliet.sync()
    assert b"impatient" not in juliet.received
