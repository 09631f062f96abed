"""Tasks at login, and the keys that a client computes in one (XEP-0388 §2.6.3, XEP-0480)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from xmppd import events
from xmppd.c2s import Service
from xmppd.config import Options
from xmppd.hooks import NORMAL, Handler
from xmppd.host import Host
from xmppd.jid import jid
from xmppd.module import Module
from xmppd.modules.sasl_upgrade import SaslUpgrade
from xmppd.sessions import Login
from xmppd.stream.sasl import SASLFailure, derive
from xmppd.stream.sasl2 import UserAgent
from xmppd.testing.stage import result_of
from xmppd.xml import Element

SASL2 = "urn:xmpp:sasl:2"
UPGRADE = "urn:xmpp:sasl:upgrade:0"
ROUNDS = 2
JULIET = jid("juliet@example.org")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def authenticate(inner: str, password: str = "secret") -> str:
    data = b64(f"\0juliet\0{password}".encode())
    return (
        f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'>"
        f"<initial-response>{data}</initial-response>{inner}</authenticate>"
    )


def upgrade(*names: str) -> str:
    return "".join([f"<upgrade xmlns='{UPGRADE}'>UPGR-SCRAM-{name}</upgrade>" for name in names])


def begin(task: str) -> str:
    return f"<next xmlns='{SASL2}' task='{task}'/>"


def answer(text: str) -> str:
    inner = f"<hash xmlns='urn:xmpp:scram-upgrade:0'>{text}</hash>"
    return f"<task-data xmlns='{SASL2}'>{inner}</task-data>"


@pytest.fixture(autouse=True)
def modules(start: Callable[[type[Module], Options], None]) -> None:
    start(SaslUpgrade, Options())


@pytest.fixture
def secure(connect: Callable[[], Any]) -> Any:
    """A client whose stream is under TLS, and open; its header was answered by `offer`."""
    client = connect()
    client.connection.stream = client.connection._new_stream(secure=True)
    client.offer = client.sends(client.header)
    return client


def forget_all_but(host: Host, name: str) -> None:
    """As after an import: keys of one hash alone."""
    result_of(host.accounts.delete("juliet"))
    result_of(host.accounts.adopt("juliet"))
    keys = {name: derive(name, "secret", b"saltsalt", ROUNDS)}
    result_of(host.accounts.set_keys("juliet", keys))


@pytest.fixture
def imported(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """PLAIN would make the missing keys itself: here it does not, as with SCRAM."""

    async def checks(user: str, password: str) -> bool:
        return password == "secret"

    forget_all_but(host, "SHA-1")
    monkeypatch.setattr(host.accounts, "check_password", checks)
    return host


def test_the_hashes_of_the_offered_mechanisms_are_offered(secure: Any) -> None:
    offered = re.findall(r"<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>([^<]+)<", secure.offer)
    assert offered == [f"UPGR-SCRAM-{name}" for name in ("SHA-1", "SHA-256", "SHA-512")]
    inside = secure.offer.split(f"<authentication xmlns='{SASL2}'>")[1]
    assert inside.index("UPGR-") < inside.index("</authentication>")


def test_what_is_missing_is_computed_by_the_client(secure: Any, imported: Host) -> None:
    asked = secure.sends(authenticate(upgrade("SHA-256")))
    assert asked == (
        f"<continue xmlns='{SASL2}'><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>"
    )
    told = secure.sends(begin("UPGR-SCRAM-SHA-256"))
    rounds = imported.accounts.options.scram_iterations  # type: ignore[attr-defined]
    assert told == (
        f"<task-data xmlns='{SASL2}'><salt xmlns='urn:xmpp:scram-upgrade:0' iterations='{rounds}'>"
        f"{b64(b'saltsalt')}</salt></task-data>"
    )
    salted = hashlib.pbkdf2_hmac("sha256", b"secret", b"saltsalt", rounds)
    assert "<success" in secure.sends(answer(b64(salted)))
    wanted = derive("SHA-256", "secret", b"saltsalt", rounds)
    assert result_of(imported.accounts.keys("juliet", "SHA-256")) == wanted


def test_several_are_asked_for_one_after_another_and_the_bind_comes_last(
    secure: Any, imported: Host
) -> None:
    bind = "<bind xmlns='urn:xmpp:bind:0'/>"
    secure.sends(authenticate(upgrade("SHA-512", "SHA-256") + bind))
    secure.sends(begin("UPGR-SCRAM-SHA-256"))
    second = secure.sends(answer(b64(b"x" * 32)))
    assert second.count("<continue") == 1
    assert "<task>UPGR-SCRAM-SHA-512</task>" in second
    assert not len(imported.sessions)
    secure.sends(begin("UPGR-SCRAM-SHA-512"))
    assert "<bound " in secure.sends(answer(b64(b"x" * 64)))
    assert set(result_of(imported.accounts.stored_keys("juliet"))) == {
        "SHA-1",
        "SHA-256",
        "SHA-512",
    }


def test_who_needs_nothing_is_asked_for_nothing(secure: Any) -> None:
    assert "<success" in secure.sends(authenticate(upgrade("SHA-1", "SHA-256", "SHA-512")))


def test_who_asks_for_nothing_is_asked_for_nothing(secure: Any, imported: Host) -> None:
    assert "<success" in secure.sends(authenticate(""))


def test_what_is_not_offered_is_passed_over(
    connect: Callable[[], Any], service: Service, imported: Host
) -> None:
    options = service.options.model_copy(update={"mechanisms": ["PLAIN", "SCRAM-SHA-256"]})
    service.configure(options)
    client = connect()
    client.connection.stream = client.connection._new_stream(secure=True)
    assert client.sends(client.header).count("UPGR-") == 1
    assert "<success" in client.sends(authenticate(upgrade("SHA-512", "MD5")))


def test_without_tls_nothing_is_offered_and_nothing_asked(client: Any, imported: Host) -> None:
    assert UPGRADE not in client.sends(client.header)
    assert "<success" in client.sends(authenticate(upgrade("SHA-256")))


@pytest.mark.parametrize(
    ("text", "condition"),
    [("", "malformed-request"), ("eHg=", "malformed-request"), ("*", "incorrect-encoding")],
)
def test_what_is_no_salted_password_fails(
    secure: Any, imported: Host, text: str, condition: str
) -> None:
    secure.sends(authenticate(upgrade("SHA-256")))
    secure.sends(begin("UPGR-SCRAM-SHA-256"))
    assert f"<{condition} " in secure.sends(answer(text))
    assert set(result_of(imported.accounts.stored_keys("juliet"))) == {"SHA-1"}


@pytest.mark.parametrize("inner", ["", "<x xmlns='urn:x'/>"])
def test_task_data_without_a_hash_fails(secure: Any, imported: Host, inner: str) -> None:
    secure.sends(authenticate(upgrade("SHA-256")))
    secure.sends(begin("UPGR-SCRAM-SHA-256"))
    said = secure.sends(f"<task-data xmlns='{SASL2}'>{inner}</task-data>")
    assert "<malformed-request " in said


def test_a_task_that_was_not_asked_for_fails(secure: Any, imported: Host) -> None:
    secure.sends(authenticate(upgrade("SHA-256")))
    assert "<invalid-mechanism " in secure.sends(begin("UPGR-SCRAM-SHA-512"))


def test_a_password_that_changes_meanwhile_wins(secure: Any, imported: Host) -> None:
    secure.sends(authenticate(upgrade("SHA-256")))
    secure.sends(begin("UPGR-SCRAM-SHA-256"))
    result_of(imported.accounts.set_password("juliet", "other"))
    assert "<credentials-expired " in secure.sends(answer(b64(b"x" * 32)))


def test_another_client_may_be_faster(secure: Any, imported: Host) -> None:
    secure.sends(authenticate(upgrade("SHA-256")))
    result_of(imported.accounts.set_password("juliet", "secret"))
    assert "<success" in secure.sends(begin("UPGR-SCRAM-SHA-256"))


def test_a_token_makes_no_password(imported: Host) -> None:
    requests = (Element(UPGRADE, "upgrade", None, "UPGR-SCRAM-SHA-256"),)
    offered = ("SCRAM-SHA-1", "SCRAM-SHA-256")
    for mechanism, wanted in (("HT-SHA-256-NONE", 0), ("EXTERNAL", 0), ("SCRAM-SHA-1", 1)):
        login = Login(JULIET, mechanism, UserAgent(), requests, offered=offered)
        result_of(imported.hooks.of(events.login_continuing).wait(login))
        assert len(login.tasks) == wanted, mechanism


# Tasks of other modules


class Code:
    """A second factor of one message."""

    name = "CODE"

    async def begin(self, given: tuple[Element, ...]) -> Sequence[Element] | None:
        if not given:
            return ()
        await self.go_on(given)
        return None

    async def go_on(self, given: tuple[Element, ...]) -> None:
        if given[0].text == "bug":
            raise KeyError("bug")
        if given[0].text != "42":
            raise SASLFailure("not-authorized")


@pytest.fixture
def second_factor(host: Host) -> None:
    def ask(login: Login) -> None:
        login.require(Code())

    host.hooks.swap((), [(events.login_continuing, Handler(NORMAL, "test", ask))])


def code(text: str) -> str:
    return f"<next xmlns='{SASL2}' task='CODE'><code xmlns='urn:c'>{text}</code></next>"


def test_a_second_factor_lets_nobody_in_without_it(secure: Any, second_factor: None) -> None:
    assert "<task>CODE</task>" in secure.sends(authenticate(""))
    assert "<not-authorized " in secure.sends(code("41"))
    assert "<task>CODE</task>" in secure.sends(authenticate(""))
    assert "<success" in secure.sends(code("42"))


def test_wrong_codes_are_counted_as_wrong_passwords_are(
    connect: Callable[[], Any], second_factor: None, service: Service
) -> None:
    for _ in range(20):
        client = connect()
        client.connection.stream = client.connection._new_stream(secure=True)
        client.sends(client.header)
        if "<task>" not in client.sends(authenticate("")):
            break
        client.sends(code("0"))
    assert service.attempts.blocked("192.168.1.1", "juliet@example.org")


def test_a_task_with_a_bug_fails_for_the_moment(
    secure: Any, second_factor: None, logged: list[dict[str, Any]]
) -> None:
    secure.sends(authenticate(""))
    assert "<temporary-auth-failure " in secure.sends(code("bug"))
    assert "KeyError" in str(logged)


def test_what_is_said_too_early_waits_for_the_end_of_the_tasks(
    secure: Any, second_factor: None
) -> None:
    secure.sends(authenticate("<bind xmlns='urn:xmpp:bind:0'/>"))
    ping = "<iq type='get' id='p' to='example.org'><x xmlns='urn:x'/></iq>"
    said = secure.sends(code("42") + ping)
    assert said.index("</success>") < said.index("id='p'")
