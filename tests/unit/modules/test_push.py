"""XEP-0357, with an app server of ours."""

import pytest

from tests.support.rooms import configure, enter, order, say
from xmppd.api import (
    IQ,
    SERVICE,
    Element,
    Host,
    Message,
    Options,
    Service,
    ServiceOptions,
    StanzaError,
    iq_set,
    ns,
    to_xml,
)
from xmppd.modules.push import NS, Push, services
from xmppd.testing import Client, Talk, error, message, result, result_of

ROMEO, PHONE = "romeo@example.org/orchard", "juliet@example.org/phone"
FORM = (
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
    "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
    "<field var='secret'><value>eruio234vzxc2kla-91</value></field></x>"
)


class AppServer(Service):
    """Takes what is published, or refuses."""

    name = "appserver"
    subdomain = "push"
    options: ServiceOptions

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self.published: list[IQ] = []
        self.refusal: StanzaError | None = None

    @iq_set(ns.PUBSUB, "pubsub", at=SERVICE)
    def take(self, iq: IQ) -> Element | None:  # type: ignore[override]
        self.published.append(iq)
        if self.refusal is not None:
            raise self.refusal
        return None

    @property
    def nodes(self) -> list[str | None]:
        return [each.payload.elements[0].get("node") for each in self.published]

    @property
    def last(self) -> str:
        return to_xml(self.published[-1].payload)


@pytest.fixture
def talk() -> Talk:
    return Talk(AppServer)


@pytest.fixture
def app(talk: Talk) -> AppServer:
    return talk.module(AppServer)


@pytest.fixture
def romeo(talk: Talk) -> Client:
    return talk.online(ROMEO)


def enables(
    client: Client, node: str = "n1", inner: str = "", jid: str = "push.example.org"
) -> None:
    named = f"jid='{jid}' node='{node}'"
    client.sends(f"<iq type='set' id='e'><enable xmlns='{NS}' {named}>{inner}</enable></iq>")
    client.receives(result("e", ""))


def away(talk: Talk, address: str = PHONE, node: str = "n1", inner: str = "") -> None:
    """A device that has enabled notifications, and gone."""
    phone = talk.online(address)
    phone.forget()
    enables(phone, node, inner)
    phone.leaves()


def says(client: Client, content: str = "<body>But soft</body>", type_: str = "chat") -> None:
    client.sends(f"<message to='juliet@example.org' type='{type_}'>{content}</message>")


def test_a_device_that_is_away_is_notified_and_not_told_what_was_said(
    talk: Talk, app: AppServer, romeo: Client
) -> None:
    away(talk)
    says(romeo)
    says(romeo)
    assert app.nodes == ["n1", "n1"]
    assert app.published[0].from_ == "juliet@example.org"
    assert "<value>urn:xmpp:push:summary</value>" in app.last
    assert "<field var='message-count'><value>2</value></field>" in app.last
    assert "soft" not in app.last
    assert "romeo" not in app.last


def test_the_publish_options_go_along(talk: Talk, app: AppServer, romeo: Client) -> None:
    away(talk, inner=FORM)
    says(romeo)
    assert "<publish-options>" in app.last
    assert "eruio234vzxc2kla-91" in app.last


def test_what_is_told_can_be_configured(romeo: Client) -> None:
    talk = Talk(AppServer, options={"push": {"content": "all"}})
    away(talk)
    says(talk.online(ROMEO))
    told = talk.module(AppServer).last
    assert "<field var='last-message-body'><value>But soft</value></field>" in told
    assert f"<field var='last-message-sender'><value>{ROMEO}</value></field>" in told


def test_a_device_that_is_connected_is_not_notified_and_another_is(
    talk: Talk, app: AppServer, romeo: Client
) -> None:
    away(talk)
    tablet = talk.online("juliet@example.org/tablet")
    enables(tablet, "n2")
    says(romeo)
    tablet.receives(message("But soft"))
    assert app.nodes == ["n1"]


def test_the_count_begins_anew_when_the_device_was_here(
    talk: Talk, app: AppServer, romeo: Client
) -> None:
    away(talk)
    says(romeo)
    talk.online(PHONE).leaves()
    says(romeo)
    assert "<field var='message-count'><value>1</value></field>" in app.last


@pytest.mark.parametrize(
    "content, told",
    [
        ("<body>x</body>", True),
        ("<encrypted xmlns='urn:xmpp:omemo:2'/><store xmlns='urn:xmpp:hints'/>", True),
        ("<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>", True),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", False),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", False),
        ("<reactions xmlns='urn:xmpp:reactions:0' id='1'/>", False),
    ],
)
def test_what_calls_for_attention_is_told(
    talk: Talk, app: AppServer, romeo: Client, content: str, told: bool
) -> None:
    away(talk)
    says(romeo, content)
    assert len(app.published) == told


def test_disabling_takes_one_node_or_all(talk: Talk, app: AppServer, romeo: Client) -> None:
    for node in ("n1", "n2", "n3"):
        away(talk, node=node)
    desk = talk.bind("juliet@example.org/desk")
    disable = f"<iq type='set' id='d'><disable xmlns='{NS}' jid='push.example.org'"
    desk.sends(f"{disable} node='n2'/></iq>")
    says(romeo)
    assert sorted(map(str, app.nodes)) == ["n1", "n3"]
    desk.sends(f"{disable}/></iq>")
    says(romeo)
    assert len(app.nodes) == 2


def test_an_error_disables_and_one_that_may_pass_does_so_at_last(
    talk: Talk, app: AppServer, romeo: Client
) -> None:
    away(talk)
    app.refusal = StanzaError("resource-constraint", type="wait")
    for _ in range(4):
        says(romeo)
    app.refusal = None
    says(romeo)
    app.refusal = StanzaError("resource-constraint", type="wait")
    for _ in range(9):
        says(romeo)
    assert len(app.published) == 4 + 1 + 5
    away(talk)
    app.refusal = StanzaError("item-not-found")
    says(romeo)
    says(romeo)
    assert len(app.published) == 11
    assert result_of(talk.module(Push).store.load()) == []


def test_a_service_may_end_it_itself(talk: Talk, app: AppServer, romeo: Client) -> None:
    away(talk)
    taken = (
        "<message to='juliet@example.org' from='push.example.org'>"
        f"<pubsub xmlns='{ns.PUBSUB}' node='n1'>"
        "<affiliation jid='juliet@example.org' affiliation='none'/></pubsub></message>"
    )
    romeo.sends(taken.replace("push.example.org", ROMEO))
    says(romeo)
    assert len(app.published) == 1  # nobody else may
    right = Element(ns.PUBSUB, "affiliation", {"affiliation": "none"})
    pubsub = Element(ns.PUBSUB, "pubsub", {"node": "n1"}, right)
    app.send(Message(talk.account(PHONE), app.domain, "normal", None, pubsub))
    says(romeo)
    assert len(app.published) == 1


@pytest.mark.parametrize(
    "payload, type_, condition",
    [
        (f"<enable xmlns='{NS}'/>", "modify", "bad-request"),
        (f"<enable xmlns='{NS}' jid='@'/>", "modify", "jid-malformed"),
        (f"<enable xmlns='{NS}' jid='a' node='{'x' * 1024}'/>", "modify", "not-acceptable"),
        (
            f"<enable xmlns='{NS}' jid='a'><x xmlns='jabber:x:data' type='submit'/></enable>",
            "modify",
            "bad-request",
        ),
        (f"<disable xmlns='{NS}'/>", "modify", "bad-request"),
    ],
)
def test_malformed_requests_are_refused(
    romeo: Client, payload: str, type_: str, condition: str
) -> None:
    romeo.sends(f"<iq type='set' id='x'>{payload}</iq>")
    romeo.receives(error("x", type_, condition))


def test_there_is_a_limit(talk: Talk) -> None:
    phone = talk.bind(PHONE)
    for number in range(10):
        enables(phone, f"n{number}")
    enables(phone, "n3")
    phone.sends(f"<iq type='set' id='x'><enable xmlns='{NS}' jid='a' node='more'/></iq>")
    phone.receives(error("x", "cancel", "resource-constraint"))


def test_it_outlives_a_restart_and_goes_with_the_account(
    talk: Talk, app: AppServer, romeo: Client
) -> None:
    away(talk)
    fresh = talk.module(Push)
    result_of(talk.host.modules.swap(["push"], {Push: fresh.options}))
    says(romeo)
    assert app.nodes == ["n1"]
    push = talk.module(Push)
    owner = talk.account(PHONE)
    result_of(push.erase(owner))
    push.forget(owner)
    left = result_of(talk.database.run(lambda tx: tx.execute(services.select()).all()))
    assert left == []
    says(romeo)
    assert app.nodes == ["n1"]


def test_a_forged_answer_changes_nothing(talk: Talk, app: AppServer, romeo: Client) -> None:
    phone = talk.bind(PHONE)
    enables(phone, jid=ROMEO)  # a service that answers late
    phone.leaves()
    mallory = talk.online("mallory@example.org/x")
    says(romeo)
    asked = romeo.inbox[-1]
    forged = f"<iq type='error' id='{asked.get('id')}' to='juliet@example.org'/>"
    mallory.sends(forged)
    assert len(result_of(talk.module(Push).store.load())) == 1
    says(romeo)
    assert len(romeo.inbox) == 1  # one at a time
    romeo.sends(forged.replace("error", "result"))
    assert len(romeo.inbox) == 2


def test_who_is_spoken_to_in_a_room_while_away_is_notified(
    talk: Talk, app: AppServer, romeo: Client
) -> None:
    phone = talk.online(PHONE)
    enables(phone)
    phone.leaves()
    room = "verona@conference.example.org"
    enter(romeo, "Romeo", room)
    configure(romeo, room, persistentroom=1)
    order(romeo, "<item jid='juliet@example.org' affiliation='member' nick='Juliet'/>", room)
    before = len(app.published)
    say(romeo, "it is the east", room)
    assert len(app.published) == before
    say(romeo, "and Juliet is the sun", room)
    assert len(app.published) == before + 1
    assert "the sun" not in app.last
