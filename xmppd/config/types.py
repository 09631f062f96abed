"""Types of options that TOML lacks: durations, sizes, addresses, secrets, endpoints.

All are `Annotated` forms of plain types, so that code and mypy see a float, an int, a str.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BeforeValidator, PlainValidator, SecretStr, WithJsonSchema
from pydantic.fields import FieldInfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from xmppd.jid import JID, JIDError, jid, prepare_domain

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_BINARY = ("KiB", "MiB", "GiB")
_UNIT = {name.lower(): factor for name, factor in BYTES.items()}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]i?B|B)?", re.IGNORECASE)
KINDS = ("tcp", "tcp6", "unix", "systemd", "haproxy")


@dataclass(frozen=True, slots=True)
class Kind:
    """Marks an annotated type with the name that messages and the reference use for it."""

    name: str


def parse_duration(value: object) -> object:
    """Seconds, of a number or of "30s", "5m", "1h30m", "2d"."""
    wanted = 'must be a duration: seconds, or like "30s", "5m", "1h", "2d"'
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(wanted)
    if isinstance(value, str):
        text = value.strip()
        if not text or _SPAN.sub("", text):
            raise ValueError(wanted)
        return float(sum(float(n) * SECONDS[unit] for n, unit in _SPAN.findall(text)))
    if not 0 <= value < float("inf"):
        raise ValueError(wanted)
    return float(value)


def parse_size(value: object) -> object:
    """Bytes, of an integer or of "256KiB", "2 MiB", "10kB"."""
    wanted = 'must be a size: bytes, or like "64KiB", "2MiB", "1GiB"'
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(wanted)
    size = float(found[1]) * _UNIT[(found[2] or "B").lower()]
    if not size.is_integer():
        raise ValueError("must be a whole number of bytes")
    return int(size)


def format_kind(number: float, kind: str | None) -> str | int | float:
    """A limit or default as an operator would write it: "5m", "256KiB", 3."""
    if kind == "duration":
        return _in_units(number, list(SECONDS.items())[1:5])
    if kind == "size":
        return _in_units(number, [(u, f) for u, f in BYTES.items() if u in _BINARY])
    return int(number) if float(number).is_integer() else number


def _in_units(number: float, units: list[tuple[str, float]]) -> str | int | float:
    """In the largest unit that divides it; a bare number where none does."""
    whole = [(u, f) for u, f in units if number and number % f == 0]
    if not whole:
        return int(number) if float(number).is_integer() else number
    unit, factor = whole[-1]
    return f"{number / factor:.0f}{unit}"


def parse_bare_jid(value: object) -> JID:
    """A prepared bare JID (RFC 7622)."""
    if not isinstance(value, str):
        raise ValueError("must be a bare JID")
    try:
        address = jid(value)
    except JIDError as fault:
        raise ValueError(f"must be a bare JID ({fault})") from None
    if not address.is_bare:
        raise ValueError("must be a bare JID, without a resource")
    return address


def parse_domain(value: str) -> str:
    """A prepared domain name (RFC 7622 §3.2)."""
    try:
        return prepare_domain(value)
    except JIDError as fault:
        raise ValueError(f"must be a domain name ({fault})") from None


@dataclass(frozen=True, slots=True)
class Listener:
    """What an endpoint string listens on; `port` is None where it is no TCP port."""

    kind: str
    target: str
    port: int | None
    interface: str

    @property
    def family(self) -> int:
        """4 or 6, the version of IP."""
        return 6 if self.kind == "tcp6" or ":" in self.interface else 4

    @property
    def is_any(self) -> bool:
        """On all addresses of the family."""
        return self.interface in ("", "0.0.0.0", "::")  # noqa: S104  (only compared)

    @property
    def is_local(self) -> bool:
        """Reached from this machine only: a Unix socket or a loopback address."""
        if self.kind == "unix":
            return True
        if self.kind not in ("tcp", "tcp6"):
            return False
        try:
            return ipaddress.ip_address(self.interface).is_loopback
        except ValueError:
            return self.interface == "localhost"


def read_endpoint(text: str) -> Listener:
    r"""Take a Twisted server endpoint string apart, lightly.

    `tcp:5222`, `tcp6:5222`, `tcp:5222:interface=127.0.0.1`, `tcp:5222:interface=\:\:1`,
    `unix:/run/xmppd/x.sock`; `haproxy:` may stand before. Raises ValueError.
    """
    kind, *arguments = _split(text)
    if kind not in KINDS:
        raise ValueError('must be an endpoint, like "tcp:5222" or "unix:/run/xmppd/c2s.sock"')
    if kind == "haproxy":
        return read_endpoint(text.partition(":")[2])
    words = dict(a.split("=", 1) for a in arguments if "=" in a)
    plain = [a for a in arguments if "=" not in a]
    if kind in ("tcp", "tcp6"):
        return _tcp(kind, plain[0] if plain else words.get("port", ""), words)
    target = plain[0] if plain else words.get("address", "")
    if not target and kind == "unix":
        raise ValueError('must name the path of its socket, like "unix:/run/xmppd/c2s.sock"')
    return Listener(kind, target or text, None, "")


def _tcp(kind: str, port: str, words: dict[str, str]) -> Listener:
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f'must name a port from 0 to 65535, like "{kind}:5222"')
    interface = words.get("interface", "")
    if interface and interface != "localhost":
        try:
            ipaddress.ip_address(interface.partition("%")[0])
        except ValueError:
            raise ValueError("must name its interface by an IP address") from None
    return Listener(kind, port, int(port), interface)


def _split(text: str) -> list[str]:
    return [part.replace("\\:", ":") for part in re.split(r"(?<!\\):", text)]


def check_endpoint(text: str) -> str:
    read_endpoint(text)
    return text


_STRING_OR = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}
Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema(_STRING_OR), Kind("duration")
]
Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema(_STRING_OR), Kind("size")]


def check_network(text: str) -> str:
    """An address or network, as 192.0.2.0/24 or 2001:db8::/32."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("must be an address or a network, as 192.0.2.0/24") from None
    return text


def check_database(text: str) -> str:
    """The URL of a database that can be used; "" stands for the default."""
    if text and read_database(text) is None:
        raise ValueError(
            'must be like "postgresql://user:password@host/name" or "sqlite:////srv/xmppd.sqlite"'
        )
    return text


def read_database(text: str) -> URL | None:
    """The parts of such a URL; None if it is none."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return None
    if url.get_backend_name() == "sqlite":
        return url if url.database not in (None, "", ":memory:") else None
    return url if url.get_backend_name() == "postgresql" else None


BareJID = Annotated[
    JID,
    PlainValidator(parse_bare_jid),
    WithJsonSchema({"type": "string", "format": "jid"}),
    Kind("bare JID"),
]
Domain = Annotated[str, AfterValidator(parse_domain), Kind("domain")]
DatabaseURL = Annotated[str, AfterValidator(check_database), Kind("database")]
Endpoint = Annotated[str, AfterValidator(check_endpoint), Kind("endpoint")]
Network = Annotated[str, AfterValidator(check_network), Kind("network")]
Secret = SecretStr


def kind_of(field: FieldInfo) -> str | None:
    """The name of the option's annotated type, or of its items' in a list; None for others."""
    marks: list[Any] = list(field.metadata)
    for argument in get_args(field.annotation):
        marks.extend(getattr(argument, "__metadata__", ()))
    return next((m.name for m in marks if isinstance(m, Kind)), None)
