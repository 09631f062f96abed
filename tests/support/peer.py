"""Servers that are not ours, in the raw: one that calls (`Caller`), one that is called (`Host`).

A caller says what a test lets it say. A host serves in the background: it accepts streams, answers
questions about dialback keys, and writes down all that it hears; its attributes change how.
"""

import base64
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from xml.etree.ElementTree import Element
from xml.parsers.expat import ExpatError

from tests.abuse.wire import PATIENCE_S, STARTTLS, Door, Wire, elements

PEM = tuple[Path, Path]
DIALBACK = "{jabber:server:dialback}"
SERVER = "{jabber:server}"
FEATURES = "{http://etherx.jabber.org/streams}features"
SASL_NS = "urn:ietf:params:xml:ns:xmpp-sasl"
TLS_NS = "urn:ietf:params:xml:ns:xmpp-tls"
OFFER_TLS = f"<starttls xmlns='{TLS_NS}'><required/></starttls>"
OFFER_DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
OFFER_EXTERNAL = f"<mechanisms xmlns='{SASL_NS}'><mechanism>EXTERNAL</mechanism></mechanisms>"


def header(from_: str | None, to: str | None, more: str = "", ns: str = "jabber:server") -> str:
    """Of a stream between servers; None leaves an address out."""
    addresses = "".join(
        f" {name}='{value}'" for name, value in (("from", from_), ("to", to)) if value is not None
    )
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{ns}' version='1.0'{addresses}"
        " xmlns:db='jabber:server:dialback'"
        f" xmlns:stream='http://etherx.jabber.org/streams'{more}>"
    )


def client_context(certificate: PEM | None = None) -> ssl.SSLContext:
    """Of who calls; it believes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def server_context(certificate: PEM) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


class Caller(Wire):
    """A stream to the server under test, from `domain` to `to`."""

    def __init__(self, door: Door, domain: str, to: str = "example.org") -> None:
        super().__init__(door)
        self.domain = domain
        self.to = to

    def begins(self, from_: str | None = None, to: str | None = None) -> Self:
        """The header, and the features that answer it."""
        self.new_stream().send(header(from_ or self.domain, to or self.to))
        self.until("</stream:features>", "</stream:stream>", "<stream:features/>")
        return self

    def secured(self, certificate: PEM | None = None) -> Self:  # type: ignore[override]
        """STARTTLS with this certificate of ours, and the features under TLS."""
        self.begins().send(STARTTLS).until("<proceed")
        context = client_context(certificate)
        self.socket = context.wrap_socket(self.socket, server_hostname=self.to)
        return self.begins()

    def external(self, authzid: str | None = None) -> str:
        """SASL EXTERNAL, and `success` or the condition of the failure."""
        text = "=" if authzid is None else base64.b64encode(authzid.encode()).decode()
        self.received = b""
        self.send(f"<auth xmlns='{SASL_NS}' mechanism='EXTERNAL'>{text}</auth>")
        return self.outcome()

    def proven(self, certificate: PEM) -> Self:
        """Authenticated by its certificate, with a stream to send on."""
        assert self.secured(certificate).external() == "success", self.received
        return self.begins()

    @property
    def stream_id(self) -> str:
        found = re.search(rb"<stream:stream[^>]*\sid=['\"]([^'\"]+)", self.received)
        assert found is not None, self.received
        return found[1].decode()

    def claims(self, key: str, from_: str | None = None, to: str | None = None) -> Self:
        """Send a dialback key (XEP-0220 §2.1.1)."""
        self.send(
            f"<db:result from='{from_ or self.domain}' to='{to or self.to}'>{key}</db:result>"
        )
        return self

    def judged(self, from_: str | None = None) -> str:
        """What became of the key: valid, invalid, or the condition of the error."""
        mark = f"to='{from_ or self.domain}'"
        while not (said := self._results(from_ or self.domain)):
            assert self._more(), f"no answer about {mark}: {self.received!r:.2000}"
        if said[-1].get("type") != "error":
            return said[-1].get("type") or ""
        (error,) = said[-1]
        return error[0].tag.rpartition("}")[2]

    def stanzas(self) -> list[Element]:
        """With the prefixes that streams between servers declare, also without the header."""
        begun = self.received.startswith(b"<?xml")
        return list(elements(self.received if begun else header("", "").encode() + self.received))

    def _results(self, domain: str) -> list[Element]:
        return [
            e for e in self.stanzas() if e.tag == f"{DIALBACK}result" and e.get("to") == domain
        ]

    def message(self, to: str, body: str, from_: str | None = None, more: str = "") -> Self:
        sender = f"mallory@{self.domain}/x" if from_ is None else from_
        self.send(f"<message from='{sender}' to='{to}'{more}><body>{body}</body></message>")
        return self

    def sync(self) -> Self:
        """All that was sent before has been taken: a ping is answered on whichever stream leads
        back, so it is the next byte that tells; see `Host.hears`.
        """
        raise NotImplementedError("a stream between servers goes one way")


@dataclass
class Call:
    """One stream that a host accepted."""

    socket: socket.socket
    heard: list[Element] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    secure: bool = False
    over: bool = False


class Host:
    """A server that is called, on a loopback port, with one thread for each stream.

    `verdict(from, to, id, key)` says what it answers to a question about a key: valid, invalid, or
    "" for nothing at all. `accepts` is what it answers to a key for itself, `opens_with` what
    follows its header in place of features, `at_once` what it says after the features under TLS.
    With `silent` it accepts connections and says nothing; with `hangs_up_first` it closes them;
    with `deaf` it stops reading at the first stanza; with `refuses_external` it answers EXTERNAL
    with a failure and hangs up; with `direct` TLS begins with the first byte (XEP-0368).
    """

    def __init__(self, certificate: PEM) -> None:
        self.context = server_context(certificate)
        self.verdict: Callable[[str, str, str, str], str] = lambda *_: "valid"
        self.accepts = "valid"
        self.silent = self.deaf = self.hangs_up_first = self.refuses_external = False
        self.direct = False
        self.offers = OFFER_DIALBACK
        self.offers_in_clear = OFFER_TLS
        self.opens_with = ""
        self.at_once = ""
        self.calls: list[Call] = []
        self._news = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            call = Call(connected)
            with self._news:
                self.calls.append(call)
                self._news.notify_all()
            threading.Thread(target=self._speak, args=[call], daemon=True).start()

    def _speak(self, call: Call) -> None:
        try:
            if self.hangs_up_first:
                call.socket.close()
            if self.direct:
                call.socket = self.context.wrap_socket(call.socket, server_side=True)
                call.secure = True
            while not (self.silent or self.hangs_up_first) and self._read_stream(call):
                pass
        except (OSError, ValueError, ExpatError):
            pass
        if not self.silent:
            call.socket.close()
        with self._news:
            call.over = not self.silent
            self._news.notify_all()

    def _read_stream(self, call: Call) -> bool:
        """One stream, up to STARTTLS (True: another follows) or its end."""
        received, known, begun = b"", 0, False
        while data := call.socket.recv(65536):
            received += data
            if not begun and b"<stream:stream" in received:
                begun = received.find(b">", received.find(b"<stream:stream")) > 0
                if begun:
                    self._answer_header(call, received)
            whole = list(elements(received))
            for element in whole[known:]:
                if self._hear(call, element):
                    return True
            known = len(whole)
            if b"</stream:stream>" in received:
                call.socket.sendall(b"</stream:stream>")
                call.socket.close()
                return False
        return False

    def _answer_header(self, call: Call, received: bytes) -> None:
        text = received.decode(errors="replace")
        call.headers.append(text)
        named = dict(re.findall(r"\s(from|to)=['\"]([^'\"]*)", text))
        more = " id='host-stream-1'"
        offers = self.offers if call.secure else self.offers_in_clear
        said = header(named.get("to"), named.get("from"), more)
        features = self.opens_with or f"<stream:features>{offers}</stream:features>"
        call.socket.sendall((said + features + (self.at_once if call.secure else "")).encode())

    def _hear(self, call: Call, element: Element) -> bool:
        with self._news:
            call.heard.append(element)
            self._news.notify_all()
        if element.tag == f"{{{TLS_NS}}}starttls":
            call.socket.sendall(f"<proceed xmlns='{TLS_NS}'/>".encode())
            call.socket = self.context.wrap_socket(call.socket, server_side=True)
            call.secure = True
            return True
        if element.tag == f"{{{SASL_NS}}}auth" and self.refuses_external:
            refusal = f"<failure xmlns='{SASL_NS}'><not-authorized/></failure></stream:stream>"
            call.socket.sendall(refusal.encode())
            call.socket.close()
            return False
        if element.tag == f"{{{SASL_NS}}}auth":
            call.socket.sendall(f"<success xmlns='{SASL_NS}'/>".encode())
            return True
        if element.tag.startswith(DIALBACK) and element.get("type") is None:
            self._answer_dialback(call, element)
        while self.deaf and element.tag.startswith(SERVER):
            time.sleep(0.05)
        return False

    def _answer_dialback(self, call: Call, asked: Element) -> None:
        from_, to, id_ = (asked.get(name) or "" for name in ("from", "to", "id"))
        name = asked.tag.removeprefix(DIALBACK)
        said, id_of = self.accepts, ""
        if name == "verify":
            said, id_of = self.verdict(from_, to, id_, asked.text or ""), f" id='{id_}'"
        if said:
            answer = f"<db:{name} from='{to}' to='{from_}'{id_of} type='{said}'/>"
            call.socket.sendall(answer.encode())

    def hears(self, wanted: Callable[[Element], bool], timeout_s: float = PATIENCE_S) -> Element:
        """The first element that came on any stream and is wanted, now or when it comes."""
        found: list[Element] = []

        def came() -> bool:
            heard = [element for call in self.calls for element in call.heard]
            found[:] = [element for element in heard if wanted(element)]
            return bool(found)

        with self._news:
            assert self._news.wait_for(came, timeout_s), [
                (e.tag, e.attrib) for call in self.calls for e in call.heard
            ]
        return found[0]

    def heard(self, name: str) -> list[Element]:
        """All of that name so far."""
        with self._news:
            return [e for call in self.calls for e in call.heard if e.tag.endswith(f"}}{name}")]

    def is_called(self, count: int, timeout_s: float = PATIENCE_S) -> None:
        """So many connections have been made in all."""
        with self._news:
            came = self._news.wait_for(lambda: len(self.calls) >= count, timeout_s)
        assert came, len(self.calls)

    def says(self, text: str) -> None:
        """On the newest stream."""
        self.calls[-1].socket.sendall(text.encode())

    def hangs_up(self) -> None:
        """All streams are cut, without a word."""
        for call in self.calls:
            try:
                call.socket.shutdown(socket.SHUT_RDWR)  # wakes its thread up
            except OSError:
                pass
            call.socket.close()

    def forget(self) -> None:
        """Behave as at first, and know of nothing that was; streams that are open stay so."""
        self.silent = self.deaf = self.hangs_up_first = self.refuses_external = False
        self.verdict, self.accepts, self.offers = (lambda *_: "valid"), "valid", OFFER_DIALBACK
        self.offers_in_clear, self.opens_with, self.at_once = OFFER_TLS, "", ""
        with self._news:
            self.calls = [call for call in self.calls if not call.over]
            for call in self.calls:
                call.heard.clear()

    def close(self) -> None:
        self._listener.close()
        self.hangs_up()
