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
import aioxmpp.blocking
import aioxmpp.carbons
import aioxmpp.connector
import aioxmpp.disco
import aioxmpp.ibr
import aioxmpp.misc
import aioxmpp.ping
import aioxmpp.private_xml
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


SCENARIOS: dict[str, Callable[[Script], Coroutine[Any, Any, None]]] = {
    scenario.__name__: scenario
    for scenario in (
        *(login, wrong_password, roster, presence, chat, offline),
        *(resumption, services, devices, conflict, registration, echo, rooms),
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
