"""Logins in one round trip: with Bind 2, and by tokens (XEP-0388, XEP-0386, XEP-0484)."""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from xmppd import events
from xmppd.config import Options
from xmppd.hooks import NORMAL, Handler
from xmppd.host import Host
from xmppd.jid import jid
from xmppd.module import Module
from xmppd.modules.fast import Fast, FastOptions
from xmppd.sessions import Binding
from xmppd.stanza import Message
from xmppd.xml import Element

SASL2 = "urn:xmpp:sasl:2"
UUID = "d4565fa7-4d72-4749-b3d3-740edbf87770"
AGENT = f"<user-agent id='{UUID}'/>"
BIND = "<bind xmlns='urn:xmpp:bind:0'><tag>Tea</tag></bind>"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def authenticate(inner: str, data: bytes = b"\0juliet\0secret", mechanism: str = "PLAIN") -> str:
    return (
        f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>"
        f"<initial-response>{b64(data)}</initial-response>{inner}</authenticate>"
    )


def who(answer: str) -> str:
    found = re.search("<authorization-identifier>(.*?)</", answer)
    assert found, answer
    return found[1]


def test_one_message_logs_in_and_binds(client: Any, host: Host) -> None:
    client.sends(client.header)
    answer = client.sends(authenticate(AGENT + BIND))
    full = who(answer)
    assert full.startswith("juliet@example.org/Tea/")
    assert UUID not in answer
    assert "<bound xmlns='urn:xmpp:bind:0'/></success><stream:features>" in answer
    assert host.sessions.get(jid(full)) is not None


def test_the_same_installation_has_the_same_resource_and_replaces_itself(
    connect: Callable[[], Any], host: Host
) -> None:
    first, second, third = connect(), connect(), connect()
    for client in (first, second, third):
        client.sends(client.header)
    full = who(first.sends(authenticate(AGENT + BIND)))
    assert who(second.sends(authenticate(AGENT + BIND))) == full
    assert "<conflict" in first.hears()
    other = AGENT.replace("d4565fa7", "e4565fa7")
    assert who(third.sends(authenticate(other + BIND))) != full
    assert len(host.sessions) == 2


def test_without_an_installation_resources_are_random(connect: Callable[[], Any]) -> None:
    named = set()
    for client in (connect(), connect()):
        client.sends(client.header)
        named.add(who(client.sends(authenticate(BIND))))
    assert len(named) == 2


def test_a_tag_that_cannot_be_is_left_out(client: Any) -> None:
    client.sends(client.header)
    bind = "<bind xmlns='urn:xmpp:bind:0'><tag>&#9;</tag></bind>"
    assert "\t" not in who(client.sends(authenticate(bind)))


def test_without_a_bind_the_old_one_follows(client: Any) -> None:
    client.sends(client.header)
    assert who(client.sends(authenticate(""))) == "juliet@example.org"
    assert "<jid>juliet@example.org/b</jid>" in client.asks_for("b")


def test_what_modules_answer_stands_in_bound_and_what_came_meanwhile_after_it(
    client: Any, host: Host
) -> None:
    def extend(binding: Binding) -> None:
        binding.answers.append(Element("urn:x", "enabled"))
        binding.session.send(Message(binding.session.jid, jid("romeo@example.org"), id="m"))

    host.hooks.swap((), [(events.bind_extending, Handler(NORMAL, "test", extend))])
    client.sends(client.header)
    answer = client.sends(authenticate(BIND))
    assert "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:x'/></bound></success>" in answer
    assert answer.index("</stream:features>") < answer.index("<message ")
    assert client.sends("<iq type='get' id='1' to='example.org'><x xmlns='urn:x'/></iq>") != ""


def test_the_limit_of_sessions_fails_the_login(client: Any, host: Host) -> None:
    host.intake._policy = lambda: type("P", (), {"max_sessions": 0, "replace_older": True})()
    client.sends(client.header)
    answer = client.sends(authenticate(BIND))
    assert "<temporary-auth-failure" in answer
    assert len(host.sessions) == 0


# Tokens


@pytest.fixture
def fast(host: Host, start: Callable[[type[Module], Options], None]) -> Host:
    """A host with the module."""
    start(Fast, FastOptions())
    return host


REQUEST = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"


def token_in(answer: str) -> bytes:
    found = re.search(r"<token [^>]*token='([^']+)'", answer)
    assert found, answer
    return found[1].encode()


def by_token(token: bytes, attrs: str = "", mechanism: str = "HT-SHA-256-NONE") -> str:
    proof = b"juliet\0" + hmac.digest(token, b"Initiator", "sha256")
    return authenticate(f"{AGENT}<fast xmlns='urn:xmpp:fast:0'{attrs}/>", proof, mechanism)


@pytest.fixture
def says(connect: Callable[[], Any]) -> Callable[[str], str]:
    def said(element: str) -> str:
        client = connect()
        client.sends(client.header)
        return str(client.sends(element))

    return said


def test_a_token_is_given_and_logs_in(fast: Host, says: Callable[[str], str]) -> None:
    token = token_in(says(authenticate(AGENT + REQUEST)))
    answer = says(by_token(token))
    assert who(answer) == "juliet@example.org"
    assert b64(hmac.digest(token, b"Responder", "sha256")) in answer
    assert "<token" not in answer  # not due
    assert "<success" in says(by_token(token, " count='2'"))


def test_without_an_installation_there_is_no_token(fast: Host, says: Callable[[str], str]) -> None:
    assert "<token" not in says(authenticate(REQUEST))


@pytest.mark.parametrize("change", ["token", "mechanism", "agent"])
def test_what_does_not_belong_to_the_token_fails(
    fast: Host, says: Callable[[str], str], change: str
) -> None:
    token = token_in(says(authenticate(AGENT + REQUEST)))
    said = {
        "token": by_token(token + b"x"),
        "mechanism": by_token(token, mechanism="HT-SHA-512-NONE"),
        "agent": by_token(token).replace("d4565fa7", "e4565fa7"),
    }[change]
    assert "<not-authorized" in says(said)


def test_an_expired_token_says_so(
    fast: Host, says: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_in(says(authenticate(AGENT + REQUEST)))
    later = time.time() + 22 * 86400
    monkeypatch.setattr("xmppd.modules.fast.time.time", lambda: later)
    assert "<credentials-expired" in says(by_token(token))


def test_an_old_token_is_rotated_and_serves_until_the_new_one_is_used(
    fast: Host, says: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = token_in(says(authenticate(AGENT + REQUEST)))
    assert "<success" in says(by_token(old))
    later = time.time() + 2 * 86400
    monkeypatch.setattr("xmppd.modules.fast.time.time", lambda: later)
    new = token_in(says(by_token(old)))
    assert new != old
    newer = token_in(says(by_token(old)))  # the client did not get the first
    assert "<not-authorized" in says(by_token(new))
    assert "<success" in says(by_token(newer))
    assert "<not-authorized" in says(by_token(old))


def test_a_token_can_be_given_up(fast: Host, says: Callable[[str], str]) -> None:
    token = token_in(says(authenticate(AGENT + REQUEST)))
    answer = says(by_token(token, " invalidate='true'"))
    assert "<success" in answer
    assert "<token" not in answer
    assert "<not-authorized" in says(by_token(token))


def test_a_new_password_takes_the_tokens_away(fast: Host, says: Callable[[str], str]) -> None:
    token = token_in(says(authenticate(AGENT + REQUEST)))
    fast.hooks.of(events.password_changed).signal(jid("juliet@example.org"))
    assert "<not-authorized" in says(by_token(token))


def test_an_account_has_tokens_for_so_many_clients(
    fast: Host, says: Callable[[str], str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = fast.modules.find(Fast)
    assert module is not None
    module.options = FastOptions(max_clients=1)
    first = token_in(says(authenticate(AGENT + REQUEST)))
    other = AGENT.replace("d4565fa7", "e4565fa7")
    assert token_in(says(authenticate(other + REQUEST)))
    assert "<not-authorized" in says(by_token(first))


def test_tokens_are_offered_where_tls_is(fast: Host, connect: Callable[[], Any]) -> None:
    client = connect()
    offer = client.sends(client.header)
    assert (
        "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism>"
        "<mechanism>HT-SHA-512-NONE</mechanism></fast>"
    ) in offer


def test_nothing_of_a_token_is_stored(fast: Host, says: Callable[[str], str]) -> None:
    token = token_in(says(authenticate(AGENT + REQUEST))).decode()
    module = fast.modules.find(Fast)
    assert module is not None
    kept: list[Any] = []
    module.tokens.of("juliet", UUID).addCallback(kept.extend)
    assert len(kept) == 1
    assert token not in repr(kept)
