"""What users of aioxmpp do all day, as scenarios whose outcome is printed, fact by fact.

aioxmpp needs older libraries than the server, so this runs in another interpreter and is told
all on its standard input, as JSON. It prints a line of JSON for each fact. It imports nothing of
ours.
"""

import asyncio
import json
import logging
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aioopenssl  # noqa: F401  # so that its absence is told first
import aiosasl
import aiosasl.channel_binding
import aioxmpp
import aioxmpp.avatar
import aioxmpp.blocking
import aioxmpp.bookmarks
import aioxmpp.carbons
import aioxmpp.connector
import aioxmpp.disco
import aioxmpp.ibr
import aioxmpp.misc
import aioxmpp.pep
import aioxmpp.ping
import aioxmpp.private_xml
import aioxmpp.pubsub
import aioxmpp.pubsub.xso
import aioxmpp.service
import aioxmpp.vcard
import aioxmpp.version
import aioxmpp.xso
import OpenSSL.SSL
from aioxmpp.structs import LanguageTag

PATIENCE_S = 20.0
LOG = logging.getLogger(__name__)
Told = dict[str, Any]


@dataclass
class Script:
    """What is played: two accounts of its own, and where to print."""

    name: str
    romeo: Told
    juliet: Told

    def tell(self, fact: str, value: object) -> None:
        print(json.dumps({"scenario": self.name, "fact": fact, "value": value}), flush=True)


class TLSExporter(aiosasl.channel_binding.ChannelBindingProvider):
    """RFC 9266; what aiosasl brings knows neither TLS 1.3 nor certificates with ECDSA."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def cb_name(self) -> bytes:
        return b"tls-exporter"

    def extract_cb_data(self) -> bytes:
        data: bytes = self._connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        return data


class OneMechanism(aioxmpp.security_layer.PasswordSASLProvider):
    """aioxmpp picks the best of what is offered; this one picks as it is told."""

    def __init__(self, password: str, mechanism: str | None) -> None:
        async def answer(jid: aioxmpp.JID, attempt: int) -> str | None:
            return password if attempt == 0 else None

        super().__init__(answer, max_auth_attempts=1)
        self._mechanism = mechanism
        self.used: str | None = None
        self._connection: Any = None

    def _find_supported(self, features: Any, classes: Any) -> tuple[Any, Any]:
        offered = features[aioxmpp.security_layer.SASLMechanisms].get_mechanism_list()
        wanted = [name for name in offered if self._mechanism in (None, name)]
        if any(name.endswith("-PLUS") for name in wanted) and self._mechanism:
            classes = [self._plus]
        for mechanism in classes:
            known = aiosasl.SCRAMPLUS if mechanism == self._plus else mechanism
            if (token := known.any_supported(wanted)) is not None:
                self.used = token[0] if isinstance(token, tuple) else token
                return mechanism, token
        return None, None

    def _plus(self, credentials: Any) -> Any:
        return aiosasl.SCRAMPLUS(credentials, TLSExporter(self._connection))

    async def execute(self, jid: Any, features: Any, stream: Any, tls: Any) -> bool:
        self._connection = tls.get_extra_info("ssl_object")
        done: bool = await super().execute(jid, features, stream, tls)
        return done


def security(account: Told, provider: OneMechanism) -> Any:
    """TLS that accepts nothing but the server's certificate, for its right name."""

    def context() -> Any:
        made = OpenSSL.SSL.Context(OpenSSL.SSL.TLS_CLIENT_METHOD)
        made.load_verify_locations(account["certificate"])
        return made

    return aioxmpp.security_layer.SecurityLayer(
        context, aioxmpp.security_layer.PKIXCertificateVerifier, True, [provider]
    )


def peer(account: Told, direct_tls: bool) -> tuple[str, int, Any]:
    if direct_tls:
        connector = aioxmpp.connector.XMPPOverTLSConnector()
        return account["host"], account["tls_port"], connector
    return account["host"], account["port"], aioxmpp.connector.STARTTLSConnector()


class Client(aioxmpp.PresenceManagedClient):
    """Remembers all messages and presence that come in."""

    def __init__(
        self,
        account: Told,
        resource: str,
        *,
        mechanism: str | None = None,
        direct_tls: bool = False,
        patience: int = 1,
        listening: tuple[type, ...] = (),
    ) -> None:
        self.provider = OneMechanism(account["password"], mechanism)
        super().__init__(
            aioxmpp.JID.fromstr(account["jid"]).replace(resource=resource),
            security(account, self.provider),
            override_peer=[peer(account, direct_tls)],
            max_initial_attempts=patience,
        )
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self._seen: asyncio.Queue[Any] = asyncio.Queue()
        self.asked: asyncio.Queue[Any] = asyncio.Queue()
        self.roster = self.summon(aioxmpp.RosterClient)
        self.contacts = self.summon(aioxmpp.PresenceClient)
        self.contacts.on_available.connect(self._available)
        self.contacts.on_changed.connect(self._changed)
        self.contacts.on_unavailable.connect(self._unavailable)
        self.roster.on_subscribe.connect(self._subscribe)
        dispatcher = self.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
        dispatcher.register_callback(None, None, self.messages.put_nowait)
        for service in listening:  # before its first presence, which tells what it listens to
            self.summon(service)

    def _available(self, jid: Any, stanza: Any) -> None:
        self._seen.put_nowait(("available", str(jid), stanza))

    def _changed(self, jid: Any, stanza: Any) -> None:
        self._seen.put_nowait(("changed", str(jid), stanza))

    def _unavailable(self, jid: Any, stanza: Any) -> None:
        self._seen.put_nowait(("unavailable", str(jid), stanza))

    def _subscribe(self, stanza: Any) -> None:
        self.asked.put_nowait(str(stanza.from_))

    async def sees(self, what: str, who: str) -> Any:
        """The presence stanza with which `who` becomes `what`; others are passed over."""
        while True:
            seen, jid, stanza = await until(self._seen.get())
            if (seen, jid) == (what, who):
                return stanza

    async def sees_next(self, who: str) -> str:
        """What `who` becomes next."""
        while True:
            seen, jid, _ = await until(self._seen.get())
            if jid == who:
                return str(seen)

    async def sees_somebody(self) -> str:
        """The full JID of who comes first."""
        while True:
            seen, jid, _ = await until(self._seen.get())
            if seen == "available" and not jid.startswith(str(self.local_jid.bare())):
                return str(jid)

    def say(self, to: Any, body: str) -> Any:
        message = aioxmpp.Message(type_=aioxmpp.MessageType.CHAT, to=to)
        message.body[None] = body
        return self.send(message)


async def until(coming: Any) -> Any:
    return await asyncio.wait_for(coming, PATIENCE_S)


@asynccontextmanager
async def online(account: Told, resource: str = "orchard", **how: Any) -> AsyncIterator[Client]:
    client = Client(account, resource, **how)
    received = asyncio.Event()
    client.roster.on_initial_roster_received.connect(lambda: received.set() or True)
    async with client.connected(presence=aioxmpp.PresenceState(True)):
        await until(received.wait())
        yield client


async def befriend(one: Client, other: Client) -> None:
    for asker, asked in ((one, other), (other, one)):
        mine, theirs = asker.local_jid.bare(), asked.local_jid.bare()
        asker.roster.subscribe(theirs)
        assert await until(asked.asked.get()) == str(mine)
        asked.roster.approve(mine)
        await asker.sees("available", str(asked.local_jid))


# The scenarios


async def login(script: Script) -> None:
    for direct_tls, way in ((False, "starttls"), (True, "direct-tls")):
        plain = ("SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN")
        for mechanism in (*plain, "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", None):
            async with online(script.romeo, mechanism=mechanism, direct_tls=direct_tls) as client:
                fact = f"{way} {mechanism or 'by its own choice'}"
                script.tell(fact, [client.provider.used, str(client.local_jid)])


async def wrong_password(script: Script) -> None:
    account = {**script.romeo, "password": "guessed"}
    for mechanism in ("SCRAM-SHA-256", "PLAIN"):
        try:
            async with online(account, mechanism=mechanism):
                script.tell(mechanism, "logged in")
        except aiosasl.AuthenticationFailure as failure:
            script.tell(mechanism, failure.opaque_error)


def contents(client: Client) -> dict[str, object]:
    return {
        str(jid): [item.name, item.subscription, sorted(item.groups)]
        for jid, item in client.roster.items.items()
    }


async def roster(script: Script) -> None:
    nurse = aioxmpp.JID.fromstr("nurse@example.org")
    async with online(script.romeo) as one:
        await until(one.roster.set_entry(nurse, name="Nurse", add_to_groups={"Servants"}))
        script.tell("added", contents(one))
        await until(one.roster.set_entry(nurse, name="Angelica ♥"))
        script.tell("renamed", contents(one))
        await until(
            one.roster.set_entry(nurse, add_to_groups={"Ä"}, remove_from_groups={"Servants"})
        )
        script.tell("moved", contents(one))
        async with online(script.romeo, "balcony") as again:
            script.tell("found again", contents(again))
            gone = asyncio.Event()
            again.roster.on_entry_removed.connect(lambda item: gone.set())
            await until(one.roster.remove_entry(nurse))
            await until(gone.wait())
            script.tell("removed", [contents(one), contents(again)])


async def presence(script: Script) -> None:
    async with online(script.romeo) as one:
        async with online(script.juliet) as other:
            await befriend(one, other)
            script.tell("subscriptions", [contents(one), contents(other)])
            server = other.summon(aioxmpp.PresenceServer)
            away = aioxmpp.PresenceState(True, aioxmpp.PresenceShow.AWAY)
            server.set_presence(away, {None: "on the balcony"})
            seen = await one.sees("changed", str(other.local_jid))
            script.tell("away", [seen.show.value, seen.status.any()])
        await one.sees("unavailable", f"{script.juliet['jid']}/orchard")
        script.tell("left", True)
        async with online(script.juliet) as other:
            await one.sees("available", str(other.local_jid))
            script.tell("came back", True)
            resumed = asyncio.Event()
            other.on_stream_resumed.connect(resumed.set)
            transport = other.stream._xmlstream.transport
            transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            await until(resumed.wait())  # of which nobody hears (XEP-0198)
            other.summon(aioxmpp.PresenceServer).set_presence(away, {None: "back again"})
            script.tell("is away again", await one.sees_next(str(other.local_jid)) == "changed")


async def chat(script: Script) -> None:
    bodies = {
        "unicode": "中文, עברית, 👩‍👩‍👧‍👦",
        "markup": "<b>&amp; ]]>",
        "large": "O Romeo, " * 6800,
    }
    async with online(script.romeo) as one, online(script.juliet) as other:
        for fact, body in bodies.items():
            came = []
            for sender, receiver in ((one, other), (other, one)):
                await until(sender.say(receiver.local_jid, body))
                got = await until(receiver.messages.get())
                came.append([str(got.from_) == str(sender.local_jid), got.body.any() == body])
            script.tell(fact, came)
        message = aioxmpp.Message(type_=aioxmpp.MessageType.CHAT, to=other.local_jid)
        message.body.update({LanguageTag.fromstr("cs"): "Ahoj", LanguageTag.fromstr("en"): "Hi"})
        await until(one.send(message))
        got = await until(other.messages.get())
        script.tell("languages", {str(lang): text for lang, text in got.body.items()})
        await until(one.say(aioxmpp.JID.fromstr("nobody@example.org"), "Hello?"))
        refused = await until(one.messages.get())
        script.tell("to nobody", [refused.type_.value, refused.error.condition.value[1]])


async def offline(script: Script) -> None:
    began = datetime.now(UTC).timestamp()
    to = aioxmpp.JID.fromstr(script.juliet["jid"])
    async with online(script.romeo) as one:
        for body in ("first", "second"):
            await until(one.say(to, body))
        await until(aioxmpp.ping.ping(one, one.local_jid.replace(localpart=None, resource=None)))
    async with online(script.juliet) as other:
        got = [await until(other.messages.get()) for _ in range(2)]
        script.tell("bodies", [message.body.any() for message in got])
        stamps = [message.xep0203_delay[0].stamp for message in got]
        ages = [stamp.replace(tzinfo=UTC).timestamp() - began for stamp in stamps]
        script.tell("stamps are from then", [-1 <= age < PATIENCE_S for age in ages])


class Bookmark(aioxmpp.xso.XSO):
    """What a client stores for itself."""

    TAG = ("urn:example:bookmark", "bookmark")
    place = aioxmpp.xso.Attr("place", default=None)


aioxmpp.private_xml.Query.register_child(aioxmpp.private_xml.Query.registered_payload, Bookmark)


async def resumption(script: Script) -> None:
    """The connection is cut, and the session goes on (XEP-0198)."""
    async with online(script.romeo) as one, online(script.juliet, "phone", patience=5) as phone:
        suspended, resumed = asyncio.Event(), asyncio.Event()
        phone.on_stream_suspended.connect(lambda reason: suspended.set())
        phone.on_stream_resumed.connect(resumed.set)
        script.tell("managed", [phone.stream.sm_enabled, phone.stream.sm_resumable])
        await until(one.say(phone.local_jid, "one"))
        script.tell("before", (await until(phone.messages.get())).body.any())
        phone.stream._xmlstream.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        await until(suspended.wait())
        await until(one.say(phone.local_jid, "two"))
        await until(resumed.wait())
        script.tell("meanwhile", (await until(phone.messages.get())).body.any())
        await until(phone.say(one.local_jid, "three"))
        script.tell("afterwards", (await until(one.messages.get())).body.any())
        await until(
            aioxmpp.ping.ping(phone, phone.local_jid.replace(localpart=None, resource=None))
        )
        script.tell("more", phone.messages.qsize())


async def services(script: Script) -> None:
    async with online(script.romeo) as one, online(script.juliet) as other:
        server = one.local_jid.replace(localpart=None, resource=None)
        own = one.local_jid.bare()
        other.summon(aioxmpp.PingService)
        disco = one.summon(aioxmpp.DiscoClient)
        for fact, jid in (("server", server), ("account", own)):
            info = await until(disco.query_info(jid, require_fresh=True))
            kinds = sorted([identity.category, identity.type_] for identity in info.identities)
            script.tell(f"{fact} identities", kinds)
            script.tell(f"{fact} features", sorted(info.features))
        script.tell("items", [str(i.jid) for i in (await until(disco.query_items(server))).items])
        for fact, jid in (("server", server), ("account", own), ("friend", other.local_jid)):
            await until(aioxmpp.ping.ping(one, jid))
            script.tell(f"{fact} ponged", True)
        version = await until(aioxmpp.version.query_version(one.stream, server))
        script.tell("version", version.name)
        await vcards(script, one, other)
        private = one.summon(aioxmpp.private_xml.PrivateXMLService)
        bookmark = Bookmark()
        bookmark.place = "under the balcony <3"
        await until(private.set_private_xml(bookmark))
        kept = await until(private.get_private_xml(Bookmark()))
        script.tell("private", kept.registered_payload.place)


async def vcards(script: Script, one: Client, other: Client) -> None:
    service = one.summon(aioxmpp.vcard.VCardService)
    card = await until(service.get_vcard())
    script.tell("empty vcard", len(card.elements))
    name = card.elements.makeelement("{vcard-temp}FN")
    name.text = "Romeo ♥"
    card.elements.append(name)
    await until(service.set_vcard(card))
    theirs = other.summon(aioxmpp.vcard.VCardService)
    seen = await until(theirs.get_vcard(one.local_jid.bare()))
    script.tell("vcard", [element.text for element in seen.elements])


async def devices(script: Script) -> None:
    """Carbons and the blocking command."""
    async with (
        online(script.romeo) as one,
        online(script.romeo, resource="home") as home,
        online(script.juliet) as other,
    ):
        for each in (one, other):
            each.summon(aioxmpp.PingService)
        await until(home.summon(aioxmpp.CarbonsClient).enable())
        await until(one.say(other.local_jid, "But soft"))
        sent = (await until(home.messages.get())).xep0280_sent.stanza
        script.tell("sent", [sent.body.any(), str(sent.to) == str(other.local_jid)])
        await until(other.say(one.local_jid, "Ay me"))
        copied = (await until(home.messages.get())).xep0280_received.stanza
        script.tell("received", [copied.body.any(), str(copied.from_) == str(other.local_jid)])
        blocking = other.summon(aioxmpp.BlockingClient)
        await until(blocking.block_jids([one.local_jid.bare()]))
        script.tell("pings the blocker", await refusal(aioxmpp.ping.ping(one, other.local_jid)))
        script.tell("pings the blocked", await refusal(aioxmpp.ping.ping(other, one.local_jid)))
        await until(blocking.unblock_jids([one.local_jid.bare()]))
        script.tell("pings when unblocked", await refusal(aioxmpp.ping.ping(one, other.local_jid)))


async def refusal(asked: Coroutine[Any, Any, Any]) -> str:
    try:
        await until(asked)
    except aioxmpp.errors.XMPPError as error:
        return str(error.condition.value[1])
    return "answered"


async def conflict(script: Script) -> None:
    stopped: asyncio.Queue[Any] = asyncio.Queue()
    older = Client(script.romeo, "orchard")
    older.on_failure.connect(stopped.put_nowait)
    state = aioxmpp.PresenceState(True)
    async with older.connected(presence=state), online(script.romeo, "orchard") as newer:
        failure = await until(stopped.get())
        script.tell("older", [type(failure).__name__, str(failure)])
        await until(aioxmpp.ping.ping(newer, newer.local_jid.bare()))
        script.tell("newer is alive", True)


async def registration(script: Script) -> None:
    account = {**script.romeo, "jid": f"new-{script.romeo['jid']}", "password": "first password"}
    jid = aioxmpp.JID.fromstr(account["jid"])
    layer = security(account, OneMechanism("", None))._replace(sasl_providers=[])
    host, port, connector = peer(account, False)
    loop = asyncio.get_running_loop()
    _, stream, _ = await until(
        connector.connect(loop, layer, jid.domain, host, port, 10.0, base_logger=LOG)
    )
    fields = await until(aioxmpp.ibr.get_registration_fields(stream))
    script.tell("fields", [fields.username, fields.password])
    query = aioxmpp.ibr.Query(jid.localpart, account["password"])
    await until(aioxmpp.ibr.register(stream, query))
    await until(stream.close_and_wait())
    async with online(account) as client:
        script.tell("logged in", str(client.local_jid.bare()) == account["jid"])
        service = aioxmpp.ibr.RegistrationService(client.stream)
        await until(service.change_pass("second password"))
    async with online({**account, "password": "second password"}) as client:
        script.tell("logged in with the second password", True)
        service = aioxmpp.ibr.RegistrationService(client.stream)
        try:
            await until(service.cancel_registration())
        except (aioxmpp.errors.StreamError, ConnectionError) as ended:
            # which comes right behind the result, and with stream management before it is read
            script.tell("stream ended with", str(ended))
    try:
        async with online({**account, "password": "second password"}):
            script.tell("removed", False)
    except aiosasl.AuthenticationFailure:
        script.tell("removed", True)


async def echo(script: Script) -> None:
    """For conversations with other clients: approves, answers, and tells what it sees."""
    async with online(script.juliet) as client:
        script.tell("ready", str(client.local_jid))
        asked = await until(client.asked.get())
        one = aioxmpp.JID.fromstr(asked)
        client.roster.approve(one)
        client.roster.subscribe(one)
        who = await client.sees_somebody()
        script.tell("sees", who)
        while (got := await until(client.messages.get())).body.any() != "Farewell":
            await until(client.say(got.from_, got.body.any()[::-1]))
        gone = await client.sees("unavailable", who)
        script.tell("saw leave", [str(gone.from_), gone.status.any() if gone.status else None])


async def rooms(script: Script) -> None:
    """One makes a room, the other enters; they talk, and one leaves."""
    address = aioxmpp.JID.fromstr("aio-ball@conference.example.org")
    async with online(script.romeo) as one, online(script.juliet) as two:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        left: asyncio.Queue[Any] = asyncio.Queue()
        service, other = one.summon(aioxmpp.MUCClient), two.summon(aioxmpp.MUCClient)
        room, entered = service.join(address, "Romeo")
        room.on_message.connect(
            lambda message, member, source, **_: heard.put_nowait(
                (message.body.any(), member.nick)
            )
        )
        room.on_leave.connect(lambda member, mode=None, **_: left.put_nowait(member.nick))
        await until(entered)
        form = await until(service.get_room_config(address))
        script.tell("form", sorted(field.var for field in form.fields if field.var))
        form.type_ = aioxmpp.forms.DataType.SUBMIT
        await until(service.set_room_config(address, form))
        theirs, entered = other.join(address, "Juliet")
        await until(entered)
        script.tell("members", sorted(member.nick for member in theirs.members))
        message = aioxmpp.Message(type_=aioxmpp.MessageType.GROUPCHAT, to=address)
        message.body[None] = "Ay me!"
        await until(theirs.send_message(message))
        script.tell("heard", await until(heard.get()))
        await until(theirs.leave())
        script.tell("left", await until(left.get()))


@aioxmpp.pubsub.xso.as_payload_class
class Entry(aioxmpp.xso.XSO):
    """What is published in a node of its own making."""

    TAG = ("http://www.w3.org/2005/Atom", "entry")
    title = aioxmpp.xso.ChildText(("http://www.w3.org/2005/Atom", "title"), default=None)

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title


async def nodes(script: Script) -> None:
    """A node of the service, which one owns and the other reads (XEP-0060)."""
    service = aioxmpp.JID.fromstr("pubsub.example.org")
    async with online(script.romeo) as one, online(script.juliet) as other:
        owner, reader = (each.summon(aioxmpp.PubSubClient) for each in (one, other))
        told = events(reader)
        name = f"aio-news-{one.local_jid.localpart}"
        features = await until(owner.get_features(service))
        script.tell("features", sorted(feature.name for feature in features))
        script.tell("created", await until(owner.create(service, name)) == name)
        script.tell("created again", await refusal(owner.create(service, name)))
        script.tell("listed", (name, None) in await until(owner.get_nodes(service)))
        await configure(script, owner, service, name)
        answer = await until(reader.subscribe(service, name))
        script.tell("subscribed", str(answer.payload.subscription))
        found = (await until(reader.get_subscriptions(service, name))).subscriptions
        own = other.local_jid.bare()
        script.tell("is subscribed", [entry.jid == own for entry in found])
        for id_, title in (("i1", "To be"), ("i2", "Not to be ♥")):
            await until(owner.publish(service, name, Entry(title), id_=id_))
            script.tell(f"heard {id_}", await until(told.get()))
        script.tell("generates an id", bool(await until(owner.publish(service, name, Entry("")))))
        await until(told.get())
        asked = await until(reader.get_items_by_id(service, name, ["i2"]))
        script.tell("read", read(asked))
        script.tell(
            "publishes as a reader", await refusal(reader.publish(service, name, Entry("")))
        )
        await until(owner.retract(service, name, "i1", notify=True))
        script.tell("retracted", await until(told.get()))
        everything = await until(reader.get_items(service, name))
        script.tell("left", ["i1" in dict(read(everything)), len(read(everything))])
        script.tell("retracts again", await refusal(owner.retract(service, name, "i1")))
        await owned(script, owner, service, name)
        script.tell("deletes as a reader", await refusal(reader.delete(service, name)))
        await until(owner.delete(service, name))
        script.tell("deleted", await until(told.get()))
        script.tell("reads what is deleted", await refusal(reader.get_items(service, name)))


def events(client: Any) -> asyncio.Queue[Any]:
    """What a client is told of nodes, in order."""
    told: asyncio.Queue[Any] = asyncio.Queue()

    def published(jid: Any, node: str, item: Any, **_: Any) -> None:
        told.put_nowait(["published", item.id_, item.registered_payload.title, node])

    client.on_item_published.connect(published)
    client.on_item_retracted.connect(
        lambda jid, node, id_, **_: told.put_nowait(["retracted", id_, node])
    )
    client.on_node_deleted.connect(lambda jid, node, **_: told.put_nowait(["deleted", node]))
    return told


def read(answer: Any) -> list[list[str]]:
    return [[item.id_, item.registered_payload.title] for item in answer.payload.items]


async def configure(script: Script, owner: Any, service: Any, name: str) -> None:
    """The form of a node is read, changed and given back (XEP-0060 §8.2)."""
    form = await until(owner.get_node_config(service, name))
    form.type_ = aioxmpp.forms.DataType.SUBMIT
    (title,) = (field for field in form.fields if field.var == "pubsub#title")
    title.values[:] = ["News of Verona"]
    await until(owner.set_node_config(service, form, name))
    form = await until(owner.get_node_config(service, name))
    values = {field.var: list(field.values) for field in form.fields}
    script.tell("configured", values["pubsub#title"])


async def owned(script: Script, owner: Any, service: Any, name: str) -> None:
    """What an owner sees of its node (XEP-0060 §8.8, §8.9), and empties it (§8.5)."""
    people = (await until(owner.get_node_affiliations(service, name))).payload.affiliations
    script.tell("affiliations", [[str(entry.jid), entry.affiliation] for entry in people])
    readers = (await until(owner.get_node_subscriptions(service, name))).payload.subscriptions
    script.tell("subscriptions", [[str(entry.jid), entry.subscription] for entry in readers])
    await until(owner.purge(service, name))
    script.tell("purged", read(await until(owner.get_items(service, name))))


TUNE = "http://jabber.org/protocol/tune"


@aioxmpp.pubsub.xso.as_payload_class
class Tune(aioxmpp.xso.XSO):
    """What one listens to (XEP-0118)."""

    TAG = (TUNE, "tune")
    artist = aioxmpp.xso.ChildText((TUNE, "artist"), default=None)

    def __init__(self, artist: str) -> None:
        super().__init__()
        self.artist = artist


class Tunes(aioxmpp.service.Service):
    """Wants to know what its contacts listen to, and says so in its capabilities."""

    ORDER_AFTER = (aioxmpp.PEPClient,)
    node = aioxmpp.pep.register_pep_node(TUNE, notify=True)

    def __init__(self, client: Any, **more: Any) -> None:
        super().__init__(client, **more)
        self.heard: asyncio.Queue[Any] = asyncio.Queue()

    def derive_logger(self, logger: Any) -> Any:
        return logger  # what is inherited takes a name from the module, and a script has none

    @aioxmpp.service.attrsignal(node, "on_item_publish")
    def _hear(self, jid: Any, node: str, item: Any, **_: Any) -> None:
        self.heard.put_nowait([str(jid), item.registered_payload.artist])


async def personal(script: Script) -> None:
    """What one publishes at its own account, contacts hear (XEP-0163, XEP-0084)."""
    listening = (Tunes, aioxmpp.avatar.AvatarService)
    async with (
        online(script.romeo, listening=listening) as one,
        online(script.juliet, listening=listening) as other,
    ):
        await befriend(one, other)
        pep, pubsub = one.summon(aioxmpp.PEPClient), other.summon(aioxmpp.PubSubClient)
        script.tell("available", await until(pep.available()))
        await until(pep.publish(TUNE, Tune("Yes"), id_="current"))
        script.tell("heard", await until(other.summon(Tunes).heard.get()))
        script.tell("heard by itself", await until(one.summon(Tunes).heard.get()))
        async with online(script.juliet, "balcony", listening=listening) as later:
            script.tell("heard on arrival", await until(later.summon(Tunes).heard.get()))
        item = await only_item(pubsub, one.local_jid.bare(), TUNE)
        script.tell("read", [item.id_, item.registered_payload.artist])
        await hidden(script, one, pubsub)
        await avatars(script, one, other)


async def only_item(pubsub: Any, owner: Any, node: str) -> Any:
    (item,) = (await until(pubsub.get_items(owner, node))).payload.items
    return item


async def hidden(script: Script, one: Client, theirs: Any) -> None:
    """A node that is made as it is published to, and only for oneself (XEP-0060 §7.1.5)."""
    diary = "urn:example:diary"
    pep, mine = one.summon(aioxmpp.PEPClient), one.summon(aioxmpp.PubSubClient)
    await until(pep.publish(diary, Entry("Ay me"), access_model="whitelist"))
    refused = await refusal(theirs.get_items(one.local_jid.bare(), diary))
    script.tell("read what is hidden", refused)
    item = await only_item(mine, None, diary)
    script.tell("kept for itself", item.registered_payload.title)


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


async def avatars(script: Script, one: Client, other: Client) -> None:
    """One shows a face, which the other is told of and fetches (XEP-0084)."""
    own, told = one.local_jid.bare(), asyncio.Queue[Any]()
    mine = one.summon(aioxmpp.avatar.AvatarService)
    theirs = other.summon(aioxmpp.avatar.AvatarService)
    theirs.on_metadata_changed.connect(lambda jid, known: told.put_nowait((jid, known)))
    avatar = aioxmpp.avatar.AvatarSet()
    avatar.add_avatar_image("image/png", image_bytes=PNG, width=64, height=64)
    await until(mine.publish_avatar_set(avatar))
    image = await published_image(own, told)
    script.tell("avatar", [image.mime_type, image.nbytes, image.width, image.height])
    script.tell("avatar has the right id", image.normalized_id == avatar.png_id)
    script.tell("avatar data", await until(image.get_image_bytes()) == PNG)
    asked = await until(theirs.get_avatar_metadata(own, require_fresh=True))
    script.tell("avatar when asked", [each.normalized_id == avatar.png_id for each in asked])
    card = await until(other.summon(aioxmpp.vcard.VCardService).get_vcard(own))
    script.tell("avatar in the vcard", card.get_photo_data() == PNG)
    async with online(script.juliet, "window") as later:
        seen = await later.sees("available", str(one.local_jid))
        script.tell("avatar in presence", seen.xep0153_x.photo == avatar.png_id)
    await until(mine.disable_avatar())
    while (await until(told.get())) != (own, []):
        pass
    script.tell("avatar disabled", True)


async def published_image(who: Any, told: asyncio.Queue[Any]) -> Any:
    """The image that `who` published; presence may have told of the one in its vCard before."""
    while True:
        jid, known = await until(told.get())
        if jid == who and known and hasattr(known[0], "_pubsub"):
            (image,) = known
            return image


NATIVE = "urn:xmpp:bookmarks:1"


@aioxmpp.pubsub.xso.as_payload_class
class NativeBookmark(aioxmpp.xso.XSO):
    """A bookmark as newer clients publish it (XEP-0402)."""

    TAG = (NATIVE, "conference")
    name = aioxmpp.xso.Attr("name", default=None)
    autojoin = aioxmpp.xso.Attr("autojoin", type_=aioxmpp.xso.Bool(), default=False)
    nick = aioxmpp.xso.ChildText((NATIVE, "nick"), default=None)
    password = aioxmpp.xso.ChildText((NATIVE, "password"), default=None)


async def bookmarks(script: Script) -> None:
    """Bookmarks in private XML (XEP-0048) are those that newer clients have (XEP-0402)."""
    theatre, garden = (f"{room}@conference.example.org" for room in ("theatre", "garden"))
    async with online(script.romeo) as one:
        client = one.summon(aioxmpp.BookmarkClient)
        pubsub = one.summon(aioxmpp.PubSubClient)
        script.tell("at first", await listed(client))
        room = aioxmpp.bookmarks.Conference(
            "Théâtre", aioxmpp.JID.fromstr(theatre), autojoin=True, nick="Romeo", password="<3"
        )
        await until(client.add_bookmark(room))
        script.tell("added", await listed(client))
        script.tell("added, natively", await native(pubsub))
        await until(client.update_bookmark(room, renamed(room)))
        script.tell("renamed, natively", await native(pubsub))
        newer = NativeBookmark()
        newer.name, newer.nick = "Garden", "R"
        await until(pubsub.publish(None, NATIVE, newer, id_=garden))
        script.tell("published natively", await listed(client))
        page = aioxmpp.bookmarks.URL("Verona", "https://verona.example/")
        await until(client.add_bookmark(page))
        await until(client.discard_bookmark(renamed(room)))
        script.tell("discarded, natively", await native(pubsub))
        async with online(script.romeo, "balcony") as again:
            script.tell("found again", await listed(again.summon(aioxmpp.BookmarkClient)))
        async with online(script.juliet) as other:
            theirs = other.summon(aioxmpp.PubSubClient)
            refused = await refusal(theirs.get_items(one.local_jid.bare(), NATIVE))
            script.tell("read by another", refused)
        await until(pubsub.retract(None, NATIVE, garden))
        script.tell("retracted natively", await listed(client))
        script.tell("keeps what is no room", page in await until(client.get_bookmarks()))


def renamed(room: Any) -> Any:
    return aioxmpp.bookmarks.Conference("Stage", room.jid, nick="Mercutio")


async def listed(client: Any) -> list[list[object]]:
    """The bookmarked rooms in the list."""
    found = await until(client.get_bookmarks())
    rooms = [each for each in found if isinstance(each, aioxmpp.bookmarks.Conference)]
    return sorted([[str(b.jid), b.name, b.autojoin, b.nick, b.password] for b in rooms], key=str)


async def native(pubsub: Any) -> list[list[object]]:
    """The bookmarked rooms as items of their own."""
    items = (await until(pubsub.get_items(None, NATIVE))).payload.items
    found = [(item.id_, item.registered_payload) for item in items]
    return sorted([[id_, b.name, b.autojoin, b.nick, b.password] for id_, b in found], key=str)


SCENARIOS: dict[str, Callable[[Script], Coroutine[Any, Any, None]]] = {
    scenario.__name__: scenario
    for scenario in (
        *(login, wrong_password, roster, presence, chat, offline),
        *(resumption, services, devices, conflict, registration, echo, rooms),
        *(nodes, personal, bookmarks),
    )
}


async def play(told: Told) -> None:
    script = Script(told["scenario"], told["romeo"], told["juliet"])
    try:
        await SCENARIOS[script.name](script)
    except Exception:
        script.tell("failure", traceback.format_exc())
    script.tell("end", True)


def main() -> None:
    for line in sys.stdin:
        asyncio.run(play(json.loads(line)))


if __name__ == "__main__":
    main()
