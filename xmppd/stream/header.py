"""Stream headers: the client's read, ours written, and our last words (RFC 6120 §4.2 to §4.9)."""

import os
import re
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache

from xmppd.jid import JID, JIDError, jid
from xmppd.ns import CLIENT, STREAM_ERRORS, STREAMS
from xmppd.xml import XML_LANG, Element, StreamError, StreamOpen, escape_attr, to_xml

END = b"</stream:stream>"
_VERSION = re.compile(r"([0-9]{1,64})(\.[0-9]{1,64})?", re.ASCII)
_LANG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,7}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Header:
    """What the client's header said; `domain` is one of our hosts, prepared.

    `lang` is None where the client gave none, or none that is a language tag: a wrong one is no
    reason to refuse a stream.
    """

    domain: str
    from_: JID | None
    lang: str | None


class HeaderError(StreamError):
    """A header that is refused, with what our own header may tell nevertheless."""

    def __init__(
        self,
        condition: str,
        *,
        from_: str = "",
        to: JID | None = None,
        versioned: bool = True,
        asked: str | None = None,
    ) -> None:
        super().__init__(condition)
        self.asked = asked  # the host that is not ours, as sent: for the log, with care
        self.from_ = from_
        self.to = to
        self.versioned = versioned


def read_header(opened: StreamOpen, hosts: Container[str]) -> Header:
    """Check a client's header; HeaderError carries what to answer it with (§4.9.1.2)."""
    check_namespaces(opened, CLIENT)
    sender = _sender(opened)
    domain = _domain(opened, hosts, sender)
    if sender is not None and sender.domain != domain:  # of another host (XEP-0388 §2.1)
        raise HeaderError("invalid-from", from_=domain)
    if not is_version_1(opened.attrs.get("version")):
        versioned = _VERSION.fullmatch(opened.attrs.get("version", "0")) is None
        raise HeaderError("unsupported-version", from_=domain, to=sender, versioned=versioned)
    return Header(domain, sender, language(opened))


def language(opened: StreamOpen) -> str | None:
    """The default language of the stream's stanzas (§4.7.4), if it is a language tag."""
    lang = opened.attrs.get(XML_LANG, "")
    return lang if _LANG.fullmatch(lang) else None


def check_namespaces(opened: StreamOpen, content_ns: str) -> None:
    """§4.8.1, §4.8.2: the content namespace is the default one, or each child declares its own."""
    if opened.ns != STREAMS or opened.default_ns not in (content_ns, STREAMS):
        raise HeaderError("invalid-namespace")
    if opened.name != "stream":
        raise HeaderError("bad-format")


def _sender(opened: StreamOpen) -> JID | None:
    """Who the client says it is (§4.7.1), as a bare JID. Without TLS anybody may have said it.

    None as well for a name that is no user's: sendxmpp tells that of its machine.
    """
    text = opened.attrs.get("from")
    if text is None:
        return None
    try:
        said = jid(text)
    except JIDError:
        raise HeaderError("invalid-from") from None
    return said.bare if said.local else None


def _domain(opened: StreamOpen, hosts: Container[str], sender: JID | None) -> str:
    """The host that is asked for (§4.7.2); what we do not serve is never repeated (§4.9.1.3)."""
    text = opened.attrs.get("to")
    try:
        asked = jid(text or "")
    except JIDError:
        raise HeaderError("host-unknown", to=sender, asked=text) from None
    if asked not in hosts:  # also "user@host": no domain
        raise HeaderError("host-unknown", to=sender, asked=text)
    return asked.domain  # which addresses share


def is_version_1(version: str | None) -> bool:
    """Whether it is 1.0 or later (§4.7.5). Without a version it would be 0.9, which had no SASL.

    Compared as digits: a peer may send a number of any length.
    """
    match = _VERSION.fullmatch(version or "")
    return match is not None and match[1].strip("0") != ""


def new_stream_id() -> str:
    """128 random bits (§4.7.3)."""
    return os.urandom(16).hex()


def write_header(from_: str, to: JID | None = None, *, versioned: bool = True) -> bytes:
    """Our header. `from_` is "" only before an error on a header that named no host of ours."""
    attributes = _attributes(from_, versioned)
    if to:
        attributes = f" to='{escape_attr(to)}'{attributes}"
    return f"{_BEGINNING} id='{new_stream_id()}'{attributes}".encode()


_BEGINNING = f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'"


@lru_cache  # our hosts
def _attributes(from_: str, versioned: bool) -> str:
    version = " version='1.0'" if versioned else ""
    return f" from='{escape_attr(from_)}'{version} xml:lang='en'>"


def write_error(error: StreamError) -> bytes:
    """§4.9.2. Its prefix is the one that our header declares."""
    inner = to_xml(Element(STREAM_ERRORS, error.condition), CLIENT)
    if error.text:
        inner += to_xml(Element(STREAM_ERRORS, "text", {XML_LANG: "en"}, error.text), CLIENT)
    if error.app is not None:
        inner += to_xml(error.app, CLIENT)
    return f"<stream:error>{inner}</stream:error>".encode()
