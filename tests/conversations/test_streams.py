"""What only a stream shows (RFC 6120): negotiation, and how streams end."""

import pytest

from tests.support.client import StreamEnded
from tests.support.stages import ProcessStage
from xmppd.ns import BIND, CAPS, DISCO_INFO, SASL, STREAM_ERRORS, TLS
from xmppd.testing import like

JULIET = "juliet@example.org/balcony"


def test_nothing_is_offered_before_tls_but_tls(process: ProcessStage) -> None:
    juliet = process.connect(JULIET)
    juliet.opens()
    starttls = juliet.features.child(TLS, "starttls")
    assert starttls is not None
    assert starttls.child(TLS, "required") is not None
    assert juliet.features.child(SASL) is None
    juliet.secures()
    mechanisms = juliet.features.child(SASL, "mechanisms")
    assert mechanisms is not None
    names = [each.text for each in mechanisms.elements]
    assert {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"} <= set(names)
    juliet.logs_in()
    assert juliet.features.child(BIND, "bind") is not None


def test_the_servers_capabilities_are_known_before_they_are_asked_for(
    process: ProcessStage,
) -> None:
    juliet = process.bind(JULIET)
    caps = juliet.features.child(CAPS, "c")
    assert caps is not None
    node = f"{caps.get('node')}#{caps.get('ver')}"
    asked = f"<query xmlns='{DISCO_INFO}' node='{node}'/>"
    juliet.sends(f"<iq type='get' id='c1' to='example.org'>{asked}</iq>")
    juliet.receives(like(f"<iq type='result' id='c1'>{asked}</iq>"))


def test_each_header_has_a_new_id(process: ProcessStage) -> None:
    juliet = process.connect(JULIET)
    ids = set()
    for step in (juliet.opens, juliet.secures, juliet.logs_in):
        step()
        assert juliet.header["from"] == "example.org"
        ids.add(juliet.header["id"])
    assert len(ids) == 3


@pytest.mark.parametrize("user", ["juliet", "nobody"])
def test_a_wrong_password_and_an_unknown_account_look_the_same(
    process: ProcessStage, user: str
) -> None:
    process.account("juliet@example.org")
    client = process.stranger(f"{user}@example.org/x")
    client.password = "wrong"
    client.opens()
    client.secures()
    for _ in range(3):
        failure = client.proves()
        assert failure.name == "failure"
        assert failure.child(SASL, "not-authorized") is not None
    with pytest.raises(StreamEnded) as end:
        client.reads()
    assert end.value.error is not None
    assert end.value.error.child(STREAM_ERRORS, "policy-violation") is not None


def test_the_older_of_two_with_one_resource_is_told_of_the_conflict(process: ProcessStage) -> None:
    older = process.bind(JULIET)
    process.bind(JULIET)
    with pytest.raises(StreamEnded) as end:
        older.reads()
    assert end.value.error is not None
    assert end.value.error.child(STREAM_ERRORS, "conflict") is not None


def test_a_closed_stream_is_closed_in_answer(process: ProcessStage) -> None:
    juliet = process.bind(JULIET)
    juliet.sends("</stream:stream>")
    with pytest.raises(StreamEnded) as end:
        juliet.reads()
    assert end.value.error is None


def test_a_removed_account_loses_its_streams(process: ProcessStage) -> None:
    juliet = process.bind(JULIET)
    process.server.delete("juliet@example.org")
    with pytest.raises(StreamEnded) as end:
        juliet.reads()
    assert end.value.error is not None
    assert end.value.error.child(STREAM_ERRORS, "not-authorized") is not None
