"""What waits until something else is durable."""

import pytest

from xmppd.api import (
    STOP,
    Commit,
    Host,
    Message,
    Module,
    Options,
    Stanza,
    Stop,
    StorageError,
    events,
    on,
)
from xmppd.jid import JID
from xmppd.routing.gate import MOST_WAITING
from xmppd.testing import Client, Talk, error, message, presence, result


class Holding(Module):
    """Holds each message that says what its commit is called."""

    name = "holding"

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self.commits: dict[str, Commit] = {}
        self.begun: list[str] = []

    @on(events.user_receives)
    def hold(self, stanza: Stanza, user: JID) -> Stop | None:
        if not isinstance(stanza, Message) or not stanza.id or stanza.type == "error":
            return None
        commit = self.commits.setdefault(
            stanza.id, Commit(lambda: self.begun.append(stanza.id or ""))
        )
        self.host.delivery.hold(user, commit)
        return STOP if stanza.has("urn:stopped") else None


@pytest.fixture
def talk() -> Talk:
    return Talk(Holding)


@pytest.fixture
def holding(talk: Talk) -> Holding:
    return talk.module(Holding)


@pytest.fixture
def juliet(talk: Talk) -> Client:
    return talk.online("juliet@example.org/balcony")


@pytest.fixture
def romeo(talk: Talk) -> Client:
    return talk.online("romeo@example.org/orchard")


def says(client: Client, body: str, id: str = "") -> None:
    client.sends(
        f"<message to='juliet@example.org' type='chat' id='{id}'><body>{body}</body></message>"
    )


def test_a_message_is_delivered_when_its_commit_is_durable(
    holding: Holding, juliet: Client, romeo: Client
) -> None:
    says(romeo, "one", "a")
    juliet.receives_nothing()
    assert holding.begun == ["a"]
    holding.commits["a"].end()
    juliet.receives(message("one"))


def test_all_that_comes_later_waits_behind_it_in_order(
    talk: Talk, holding: Holding, juliet: Client, romeo: Client
) -> None:
    nurse = talk.online("nurse@example.org/kitchen")
    says(romeo, "one", "a")
    says(romeo, "two", "b")
    nurse.sends("<message to='juliet@example.org'><body>three</body></message>")
    nurse.sends("<presence to='juliet@example.org/balcony'/>")
    holding.commits["b"].end()
    juliet.receives_nothing()
    holding.commits["a"].end()
    juliet.receives(message("one"), message("two"), message("three"), presence())


def test_what_cannot_be_made_durable_is_refused_and_the_rest_goes_on(
    holding: Holding, juliet: Client, romeo: Client
) -> None:
    says(romeo, "one", "a")
    says(romeo, "two", "b")
    romeo.sends("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
    romeo.receives_nothing()  # the answer would acknowledge what is not durable
    holding.commits["a"].end(StorageError("gone"))
    holding.commits["b"].end()
    romeo.receives(error("a", "wait", "internal-server-error", "message"), result("p"))
    juliet.receives(message("two"))


def test_other_accounts_do_not_wait(
    talk: Talk, holding: Holding, juliet: Client, romeo: Client
) -> None:
    nurse = talk.online("nurse@example.org/kitchen")
    says(romeo, "one", "a")
    romeo.sends("<message to='nurse@example.org'><body>two</body></message>")
    nurse.receives(message("two"))


def test_a_commit_that_is_over_holds_nobody(
    holding: Holding, juliet: Client, romeo: Client
) -> None:
    holding.commits["a"] = Commit(lambda: None)
    holding.commits["a"].end()
    says(romeo, "one", "a")
    juliet.receives(message("one"))


def test_a_commit_that_has_failed_refuses(holding: Holding, juliet: Client, romeo: Client) -> None:
    holding.commits["a"] = Commit(lambda: None)
    holding.commits["a"].end(StorageError("gone"))
    says(romeo, "one", "a")
    romeo.receives(error("a", "wait", "internal-server-error", "message"))
    juliet.receives_nothing()


def test_a_stanza_that_is_swallowed_after_it_was_held_blocks_nobody(
    holding: Holding, juliet: Client, romeo: Client
) -> None:
    romeo.sends("<message to='juliet@example.org' id='a'><x xmlns='urn:stopped'/></message>")
    says(romeo, "two", "b")
    holding.commits["a"].end()
    holding.commits["b"].end()
    juliet.receives(message("two"))


def test_too_much_that_waits_is_refused(talk: Talk, holding: Holding, juliet: Client) -> None:
    writers = [talk.online(f"romeo@example.org/{n}") for n in range(16)]
    for writer in writers:
        writer.forget()
        for _ in range(64):
            says(writer, "x", "a")
    refused = [each for writer in writers for each in writer.inbox]
    assert not refused  # they are not told before what came earlier is durable
    holding.commits["a"].end()
    refused = [each for writer in writers for each in writer.inbox]
    assert len(juliet.inbox) == MOST_WAITING
    assert len(refused) == 16 * 64 - MOST_WAITING
    assert all(error("a", "wait", "resource-constraint", "message")(e) is None for e in refused)


def test_who_asks_waits_for_the_answer_and_is_not_kept_silent_meanwhile(
    holding: Holding, juliet: Client, romeo: Client
) -> None:
    """Its handler may write much, and wait until the client has read it."""
    says(romeo, "one", "a")
    juliet.sends("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    assert juliet.session.undurable is None
    juliet.receives_nothing()
    holding.commits["a"].end()
    juliet.receives(message("one"), result("r"))
