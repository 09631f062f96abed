"""Addresses: a JID is a `str` that knows its parts (RFC 7622).

A JID is made by `jid` (strict, cached), `make_jid` (from parts) or `lenient_jid` (what servers of
the stringprep era send), and is always in its prepared form, so equality and hash are those of
`str`. Prepare passwords with `prepare_password` (RFC 8265 §4.2).
"""

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv6Address
from sys import intern
from typing import Final
from unicodedata import category, normalize

import idna
from precis_i18n import get_profile

MAX_PART_BYTES: Final = 1023  # RFC 7622 §3.2, §3.3, §3.4
_MAX_TEXT: Final = 4 * (3 * MAX_PART_BYTES + 2)  # nothing longer can prepare to a legal JID
_CACHED_TEXT: Final = 128  # longer texts are prepared anew each time: they would fill memory
_GENERATION: Final = 8192

_USERNAME: Final = get_profile("UsernameCaseMapped")
_OPAQUE: Final = get_profile("OpaqueString")
# RFC 7622 §3.3.1 takes these from what the IdentifierClass allows; precis-i18n does not know.
_EXCLUDED: Final = re.compile(r"[\"&'/:<>@\s]")
_ASCII_LOCAL: Final = re.compile(r"[!#-%(-.0-9;=?A-Z\[-~]+")
_ASCII_RESOURCE: Final = re.compile(r"[ -~]+")
_LABEL: Final = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # NR-LDH (RFC 5890 §2.3.1)
_ASCII_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DOTS: Final = str.maketrans("\u3002\uff0e\uff61", "...")  # RFC 5895 §2.3


class JIDError(ValueError):
    """The text is no JID, or a part of it is malformed: stanza error jid-malformed."""


class JID(str):
    """A prepared address. `local` and `resource` are "" where absent. Never call this class with
    text of a peer: that is what `jid` and `make_jid` are for.
    """

    __slots__ = ("_bare", "domain", "local", "resource")
    local: str
    domain: str
    resource: str
    _bare: "JID | None"

    def __new__(cls, local: str, domain: str, resource: str, bare: "JID | None" = None) -> "JID":
        text = f"{local}@{domain}" if local else domain
        self = str.__new__(cls, f"{text}/{resource}" if resource else text)
        self.local = local
        self.domain = domain
        self.resource = resource
        self._bare = bare
        return self

    def __reduce__(self) -> tuple[type["JID"], tuple[str, str, str]]:
        return JID, (self.local, self.domain, self.resource)

    @property
    def bare(self) -> "JID":
        """The address without its resource; itself when it has none."""
        if not self.resource:
            return self
        bare = self._bare
        if bare is None:
            bare = self._bare = JID(self.local, self.domain, "")
        return bare

    @property
    def is_bare(self) -> bool:
        return not self.resource

    @property
    def is_full(self) -> bool:
        return bool(self.resource)

    def with_resource(self, resource: str) -> "JID":
        """The full JID of this account with that resource, which is prepared: JIDError."""
        return JID(self.local, self.domain, prepare_resource(resource), self.bare)


def prepare_local(text: str) -> str:
    """A localpart as RFC 7622 §3.3 wants it. Raises JIDError."""
    if _ASCII_LOCAL.fullmatch(text):
        return _bounded("localpart", text.lower())
    prepared = _enforce(_USERNAME.enforce, "localpart", text)
    if _EXCLUDED.search(prepared):  # again after mapping: U+FF20 has become a plain @
        raise JIDError("localpart contains a character that is not allowed")
    return prepared


def prepare_resource(text: str) -> str:
    """A resourcepart as RFC 7622 §3.4 wants it. Raises JIDError."""
    if _ASCII_RESOURCE.fullmatch(text):
        return _bounded("resourcepart", text)
    return _enforce(_OPAQUE.enforce, "resourcepart", text)


def prepare_domain(text: str) -> str:
    """A domainpart as RFC 7622 §3.2 wants it: lower case, U-labels, no trailing dot; IPv4 and
    bracketed IPv6 literals. Raises JIDError.
    """
    lowered = text[:-1].lower() if text.endswith(".") else text.lower()
    if _ASCII_DOMAIN.fullmatch(lowered):
        return intern(_bounded("domainpart", lowered))  # one for all addresses of a domain
    if lowered.startswith("["):
        return _ipv6(lowered)
    mapped = normalize("NFKC", text.translate(_DOTS)).lower().removesuffix(".")
    try:
        prepared = ".".join(_u_label(label) for label in mapped.split("."))
    except UnicodeError as e:
        raise JIDError(f"domainpart: {e}") from None
    return _bounded("domainpart", prepared)


def prepare_password(text: str) -> str:
    """A password as RFC 8265 §4.2 wants it before it is hashed or compared. Raises JIDError."""
    if _ASCII_RESOURCE.fullmatch(text):
        return text
    try:
        return str(_OPAQUE.enforce(text))
    except UnicodeError:  # the cause would repeat the password
        raise JIDError("password contains a character that is not allowed") from None


def make_jid(local: str, domain: str, resource: str = "") -> JID:
    """A JID from its parts ("" where absent), which are prepared. Raises JIDError."""
    return JID(
        prepare_local(local) if local else "",
        prepare_domain(domain),
        prepare_resource(resource) if resource else "",
    )


def lenient_jid(text: str) -> JID:
    """A JID as peers of the stringprep era send it: a part that RFC 7622 refuses is taken with
    the mappings of RFC 6122 if structure, length and forbidden characters allow. Raises JIDError.
    """
    try:
        return jid(text)
    except JIDError:
        local, domain, resource = _split(text)
    return JID(
        _leniently(prepare_local, _loose_local, local) if local else "",
        _leniently(prepare_domain, _loose_domain, domain),
        _leniently(prepare_resource, _loose_resource, resource) if resource else "",
    )


def _split(text: str) -> tuple[str, str, str]:
    """The parts as sent (RFC 7622 §3.1): cut at the first "/", then before it at the first "@"."""
    if len(text) > _MAX_TEXT:
        raise JIDError("too long for a JID")
    address, slash, resource = text.partition("/")
    local, at, domain = address.partition("@")
    if not at:
        local, domain = "", address
    if (slash and not resource) or (at and not local) or not domain:
        raise JIDError("a part of the JID is empty")
    return local, domain, resource


def _bounded(part: str, text: str) -> str:
    if not text:
        raise JIDError(f"{part} is empty")
    if len(text) > MAX_PART_BYTES or len(text.encode()) > MAX_PART_BYTES:
        raise JIDError(f"{part} is longer than {MAX_PART_BYTES} bytes")
    return text


def _enforce(profile: Callable[[str], str], part: str, text: str) -> str:
    try:
        return _bounded(part, profile(text))
    except UnicodeError as e:
        raise JIDError(f"{part}: {getattr(e, 'reason', 'malformed')}") from None


def _ipv6(text: str) -> str:
    if not text.endswith("]") or "%" in text:
        raise JIDError("domainpart: malformed IPv6 literal")
    try:
        return f"[{IPv6Address(text[1:-1]).compressed}]"
    except AddressValueError:
        raise JIDError("domainpart: malformed IPv6 literal") from None


def _u_label(label: str) -> str:
    """RFC 7622 §3.2.2: A-labels are shown as U-labels, which must be legal in IDNA2008."""
    if label.isascii() and not label.startswith("xn--"):
        if not _ASCII_DOMAIN.fullmatch(label):
            raise UnicodeError("malformed label")
        return label
    return str(idna.ulabel(idna.alabel(label)))


def _leniently(strict: Callable[[str], str], loose: Callable[[str], str], text: str) -> str:
    try:
        return strict(text)
    except JIDError:
        return loose(text)


def _loose_local(text: str) -> str:
    mapped = _printable("localpart", normalize("NFKC", normalize("NFKC", text).lower()))
    if _EXCLUDED.search(mapped):
        raise JIDError("localpart contains a character that is not allowed")
    return _bounded("localpart", mapped)


def _loose_domain(text: str) -> str:
    mapped = normalize("NFKC", text.translate(_DOTS)).lower().removesuffix(".")
    if re.search(r"[\"&'/:<>@\s\[\]]|\.\.|^\.", mapped):
        raise JIDError("domainpart is malformed")
    return _bounded("domainpart", _printable("domainpart", mapped))


def _loose_resource(text: str) -> str:
    return _bounded("resourcepart", _printable("resourcepart", normalize("NFKC", text)))


def _printable(part: str, text: str) -> str:
    """No control characters and no lone surrogates; unassigned ones are what leniency is for."""
    if any(category(c) in ("Cc", "Cs") for c in text):
        raise JIDError(f"{part} contains a control character")
    return text


class _Prepared(dict[str, JID]):
    """Text to its JID, in two generations: a full young one becomes the old one, and what is
    asked for again moves up. A hit is one dict lookup, without a Python call.
    """

    def __init__(self) -> None:
        self._old: dict[str, JID] = {}

    def __missing__(self, text: str) -> JID:
        known = self._old.get(text)
        if known is None:
            local, domain, resource = _split(text)
            bare = self[text[: -len(resource) - 1]] if resource else None
            if bare is not None:
                known = JID(bare.local, bare.domain, prepare_resource(resource), bare)
            else:
                known = make_jid(local, domain)
        if len(text) <= _CACHED_TEXT:
            if len(self) >= _GENERATION:
                self._old = dict(self)
                self.clear()
            self[text] = known
        return known


# The one cache of the process: bounded, and its content depends on nothing but its keys.
jid: Final[Callable[[str], JID]] = _Prepared().__getitem__
"""The JID that a text stands for, prepared strictly (RFC 7622). Raises JIDError."""
