"""The commands of the core, on hosts in memory."""

import pytest

from xmppd import events
from xmppd.admin.builtin import first_sentence, offer_builtins
from xmppd.admin.commands import CommandError, Commands
from xmppd.admin.context import Server
from xmppd.admin.output import Result, Rows
from xmppd.config import Config
from xmppd.hooks import NORMAL, Handler
from xmppd.testing.stage import Talk, result_of


class Scene:
    def __init__(self) -> None:
        self.talk = Talk(hosts=("example.org", "example.net"))
        self.reloaded: list[str] = []
        self.stopped = 0
        self.seen: list[tuple[str, str]] = []
        self.server = Server(
            hosts=self.talk.hosts,
            database=self.talk.database,
            clock=self.talk.clock,
            config=self._no_config,
            reload_config=self._reload_config,
            reload_module=self._reload_module,
            stop=self._stop,
            started=0.0,
            commands=Commands(),
        )
        offer_builtins(self.server)

    def run(self, name: str, **given: object) -> Result:
        return result_of(self.server.commands.run(name, given))

    def rows(self, name: str, **given: object) -> list[tuple[object, ...]]:
        answer = self.run(name, **given)
        assert isinstance(answer, Rows)
        return list(answer.rows)

    def watch(self, *hooks: str) -> None:
        """Note what these account hooks tell on example.org."""
        for name in hooks:
            handler = Handler(
                NORMAL, "test", lambda user, name=name: self.seen.append((name, str(user)))
            )
            self.talk.host.hooks.swap((), [(getattr(events, name), handler)])

    def _no_config(self) -> Config:
        raise AssertionError

    async def _reload_config(self) -> str:
        self.reloaded.append("--config")
        return "reloaded"

    async def _reload_module(self, name: str) -> str:
        self.reloaded.append(name)
        return "reloaded"

    def _stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_adduser_creates_an_account_that_can_log_in(scene: Scene) -> None:
    scene.watch("account_created")
    assert scene.run("adduser", jid="Romeo@example.org", password="pw") == (
        "romeo@example.org is created"
    )
    assert result_of(scene.talk.host.accounts.check_password("romeo", "pw"))
    assert scene.seen == [("account_created", "romeo@example.org")]


def test_the_case_of_a_hosts_name_is_no_matter(scene: Scene) -> None:
    assert scene.run("users", host="Example.ORG") == scene.run("users", host="example.org")


@pytest.mark.parametrize(
    "name, given, sentence",
    [
        ("adduser", {"jid": "romeo@example.com", "password": "x"}, "example.com is not served"),
        ("adduser", {"jid": "example.org", "password": "x"}, "not the bare JID of an account"),
        ("adduser", {"jid": "a@example.org/r", "password": "x"}, "not the bare JID of an account"),
        ("adduser", {"jid": "juliet@example.org", "password": "x"}, "there is an account"),
        ("adduser", {"jid": "a@example.org", "password": ""}, "password"),
        ("passwd", {"jid": "juliet@example.org", "password": ""}, "password"),
        ("passwd", {"jid": "a@example.org", "password": "x"}, "there is no account"),
        ("deluser", {"jid": "a@example.org"}, "there is no account"),
        ("kick", {"jid": "juliet@example.org"}, "has no session"),
        ("kick", {"jid": "nobody@example.org"}, "there is no account nobody@example.org"),
        ("kick", {"jid": "nobody@example.org/x"}, "there is no account nobody@example.org"),
        ("kick", {"jid": "example.org"}, "is not the bare JID of an account"),
        ("users", {"host": "example.com"}, "example.com is not served"),
        ("reload", {}, "name a module"),
        ("reload", {"module": "roster", "config": True}, "name a module"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(
    scene: Scene, name: str, given: dict[str, object], sentence: str
) -> None:
    scene.talk.account("juliet@example.org")
    with pytest.raises(CommandError, match=sentence):
        scene.run(name, **given)


def test_passwd_replaces_the_password(scene: Scene) -> None:
    scene.talk.account("juliet@example.org", "old")
    scene.watch("password_changed")
    scene.run("passwd", jid="juliet@example.org", password="new")
    accounts = scene.talk.host.accounts
    assert result_of(accounts.check_password("juliet", "new"))
    assert not result_of(accounts.check_password("juliet", "old"))
    assert scene.seen == [("password_changed", "juliet@example.org")]


def test_deluser_closes_sessions_and_tells_the_modules_before_and_after(scene: Scene) -> None:
    scene.talk.online("juliet@example.org/balcony")
    scene.watch("account_deleting", "account_deleted")
    scene.run("deluser", jid="juliet@example.org")
    assert [name for name, _ in scene.seen] == ["account_deleting", "account_deleted"]
    assert len(scene.talk.host.sessions) == 0
    assert scene.rows("users") == []


def test_users_are_listed_with_their_sessions_by_host(scene: Scene) -> None:
    scene.talk.online("juliet@example.org/balcony")
    scene.talk.account("romeo@example.net")
    both = [("romeo@example.net", 0), ("juliet@example.org", 1)]
    assert scene.rows("users") == both
    assert scene.rows("users", host="example.net") == both[:1]


def test_sessions_are_listed(scene: Scene) -> None:
    scene.talk.online("juliet@example.org/balcony", priority=5)
    scene.talk.bind("romeo@example.net/orchard")
    scene.talk.clock.advance(7)
    assert scene.rows("sessions") == [
        ("juliet@example.org/balcony", 5, "127.0.0.1", True, 7),
        ("romeo@example.net/orchard", None, "127.0.0.1", True, 7),
    ]


@pytest.mark.parametrize(
    "address, left", [("juliet@example.org", 0), ("juliet@example.org/balcony", 1)]
)
def test_kick_closes_all_of_an_account_or_the_one_named(
    scene: Scene, address: str, left: int
) -> None:
    scene.talk.online("juliet@example.org/balcony")
    scene.talk.online("juliet@example.org/chamber")
    assert scene.run("kick", jid=address, reason="enough") == f"{2 - left} closed"
    assert len(scene.talk.host.sessions) == left


def test_status_tells_how_the_server_is(scene: Scene) -> None:
    scene.talk.online("juliet@example.org/balcony")
    scene.talk.clock.advance(90)
    status = scene.run("status")
    assert isinstance(status, dict)
    assert status["hosts"] == "example.net, example.org"
    assert (status["sessions"], status["uptime_s"]) == (1, 90)
    assert status["database"] == "healthy"


def test_modules_and_hooks_are_listed_by_host(scene: Scene) -> None:
    modules = scene.rows("modules", host="example.org")
    assert {row[0] for row in modules} == {"example.org"}
    [roster] = [row for row in modules if row[1] == "roster"]
    assert str(roster[2]).startswith("Rosters")
    hooks = scene.rows("hooks", host="example.org")
    assert ("example.org", "xmppd.events.presence_changed", "NORMAL", "presence") in hooks


@pytest.mark.parametrize(
    ("doc", "told"),
    [
        ("Notes.", "Notes."),
        (
            "Notes (XEP-0049 1.2, XEP-0223\n    1.1.1). More of them.\n\n    And more.",
            "Notes (XEP-0049 1.2, XEP-0223 1.1.1).",
        ),
    ],
)
def test_what_a_module_is_takes_one_sentence(doc: str, told: str) -> None:
    assert first_sentence(type("Notes", (), {"__doc__": doc})) == told


def test_reload_goes_to_who_can_do_it(scene: Scene) -> None:
    scene.run("reload", config=True)
    scene.run("reload", module="roster")
    assert scene.reloaded == ["--config", "roster"]


def test_stop_answers_before_it_stops(scene: Scene) -> None:
    assert scene.run("stop") == "stopping"
    assert scene.stopped == 0
    scene.talk.clock.advance(1)
    assert scene.stopped == 1
