"""Headers of streams between servers (RFC 6120 §4.7, XEP-0220 §2.4.1)."""

from collections.abc import Container
from dataclasses import dataclass

from xmppd.jid import JIDError, lenient_jid
from xmppd.ns import DIALBACK, SERVER, STREAMS
from xmppd.stream.header import check_namespaces, is_version_1, language
from xmppd.xml import StreamError, StreamOpen, escape_attr

MAX_ID = 1024  # characters of a stream id that we take into a dialback key


@dataclass(frozen=True, slots=True)
class PeerHeader:
    """What a peer's header said. `ours` and `theirs` are prepared domains.

    `id` is that of the stream, "" on an initial header; `dialback` whether its namespace is
    declared; `versioned` is False for servers older than XMPP 1.0.
    """

    ours: str
    theirs: str
    id: str
    lang: str | None
    dialback: bool
    versioned: bool


class PeerHeaderError(StreamError):
    """A header that is refused, with what our own may tell nevertheless."""

    def __init__(
        self, condition: str, *, ours: str = "", theirs: str = "", asked: str | None = None
    ) -> None:
        super().__init__(condition)
        self.ours = ours
        self.theirs = theirs
        self.asked = asked  # the domain that is not ours, as sent: for the log, with care


def read_initial(
    opened: StreamOpen, domains: Container[str], served: Container[str], *, secure: bool = True
) -> PeerHeader:
    """The header of a server that connected to us. Raises PeerHeaderError.

    Who it is, it need not say before TLS (RFC 6120 §4.7.1): `theirs` is "" then.
    """
    _check(opened)
    text = opened.attrs.get("to")
    ours, theirs = _domain(text), _domain(opened.attrs.get("from"))
    if ours is None or ours not in domains:
        raise PeerHeaderError("host-unknown", theirs=theirs or "", asked=text)
    if theirs is None and not secure and "from" not in opened.attrs:
        return _header(opened, ours, "")
    if theirs is None:
        raise PeerHeaderError("improper-addressing", ours=ours)
    if theirs in served:  # nobody outside is one of us
        raise PeerHeaderError("invalid-from", ours=ours, theirs=theirs)
    return _header(opened, ours, theirs)


def read_response(opened: StreamOpen, ours: str, theirs: str) -> PeerHeader:
    """The header of a server that we connected to. Raises PeerHeaderError.

    Its addresses may be missing; where they are there, they are those that we asked for.
    """
    _check(opened)
    for name, expected in (("from", theirs), ("to", ours)):
        text = opened.attrs.get(name)
        if text and _domain(text) != expected:
            condition = "invalid-from" if name == "from" else "host-unknown"
            raise PeerHeaderError(condition, ours=ours, theirs=theirs, asked=text)
    return _header(opened, ours, theirs)


def _check(opened: StreamOpen) -> None:
    try:
        check_namespaces(opened, SERVER)
    except StreamError as error:
        raise PeerHeaderError(error.condition) from None


def _header(opened: StreamOpen, ours: str, theirs: str) -> PeerHeader:
    version = opened.attrs.get("version")
    if version is not None and not is_version_1(version):
        raise PeerHeaderError("unsupported-version", ours=ours, theirs=theirs)
    return PeerHeader(
        ours,
        theirs,
        opened.attrs.get("id", "")[:MAX_ID],
        language(opened),
        DIALBACK in opened.prefixes.values(),
        version is not None,
    )


def _domain(text: str | None) -> str | None:
    """A domain alone, prepared; None for anything else."""
    try:
        said = lenient_jid(text or "")
    except JIDError:
        return None
    return said.domain if said == said.domain else None


def write_header(ours: str, theirs: str, id_: str = "") -> bytes:
    """Our header; `id_` is for who accepted the stream. `ours` is "" only before an error."""
    addressed = f" from='{escape_attr(ours)}'" if ours else ""
    addressed += f" to='{escape_attr(theirs)}'" if theirs else ""
    if id_:
        addressed += f" id='{escape_attr(id_)}'"
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{SERVER}' xmlns:stream='{STREAMS}'"
        f" xmlns:db='{DIALBACK}'{addressed} version='1.0' xml:lang='en'>"
    ).encode()
