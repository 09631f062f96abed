"""Questions of the server's own: who answers, who must not, and how long one waits."""

import pytest

from xmppd.api import StanzaError
from xmppd.hooks import spawn
from xmppd.jid import jid
from xmppd.stanza import IQ
from xmppd.testing import Client, Talk, like
from xmppd.xml import Element

JULIET = "juliet@example.org/balcony"


class Question:
    def __init__(self, talk: Talk, of: str, from_: str) -> None:
        self.outcome: list[object] = []
        asking = talk.host.questions.ask(
            jid(of), jid(from_), "get", Element("urn:xmpp:ping", "ping")
        )
        _ = spawn(asking).addBoth(self.outcome.append)

    @property
    def problem(self) -> str:
        (failure,) = self.outcome
        error = failure.value  # type: ignore[attr-defined]
        assert isinstance(error, StanzaError)
        return error.condition


def asked(client: Client) -> str:
    return (
        client.receives(like("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>")).get("id") or ""
    )


@pytest.mark.parametrize("from_", ["example.org", "juliet@example.org"])
def test_the_result_comes_to_who_has_asked(talk: Talk, from_: str) -> None:
    juliet = talk.bind(JULIET)
    question = Question(talk, JULIET, from_)
    juliet.sends(f"<iq type='result' id='{asked(juliet)}' to='{from_}'><x xmlns='urn:x'/></iq>")
    (answer,) = question.outcome
    assert isinstance(answer, IQ)
    assert answer.has("urn:x", "x")


def test_an_error_is_raised(talk: Talk) -> None:
    juliet = talk.bind(JULIET)
    question = Question(talk, JULIET, "example.org")
    error = "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    juliet.sends(f"<iq type='error' id='{asked(juliet)}' to='example.org'>{error}</iq>")
    assert question.problem == "forbidden"


def test_nobody_else_can_answer(talk: Talk) -> None:
    juliet, romeo = talk.bind(JULIET), talk.bind("romeo@example.org/orchard")
    question = Question(talk, JULIET, "example.org")
    id_ = asked(juliet)
    romeo.sends(f"<iq type='result' id='{id_}' to='example.org'/>")
    assert question.outcome == []
    juliet.sends(f"<iq type='result' id='{id_}' to='example.org'/>")
    assert len(question.outcome) == 1
    juliet.sends(f"<iq type='result' id='{id_}' to='example.org'/>")  # once more: ignored
    juliet.receives_nothing()


def test_one_does_not_wait_for_ever(talk: Talk) -> None:
    talk.bind(JULIET)
    question = Question(talk, JULIET, "example.org")
    talk.advance(29)
    assert question.outcome == []
    talk.advance(2)
    assert question.problem == "remote-server-timeout"


def test_who_is_not_there_answers_with_an_error(talk: Talk) -> None:
    question = Question(talk, JULIET, "example.org")
    assert question.problem == "service-unavailable"
