"""Passwords as they are exported: the keys of SCRAM (XEP-0227 §4.3)."""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from xmppd.api import HASHES, Element, ScramKeys, StanzaError, ns

NS: Final = f"{ns.PIE}#scram"
PREFIX: Final = "SCRAM-"
MAX_ITERATIONS: Final = 10_000_000  # more would let a login cost what nobody has
MIN_SALT, MAX_SALT = 1, 1024


def written(keys: Mapping[str, ScramKeys]) -> Iterable[Element]:
    """An element for each hash."""
    for name, each in sorted(keys.items()):
        texts = {
            "iter-count": str(each.iterations),
            "salt": _base64(each.salt),
            "server-key": _base64(each.server_key),
            "stored-key": _base64(each.stored_key),
        }
        children = [Element(NS, child, None, text) for child, text in texts.items()]
        yield Element(NS, "scram-credentials", {"mechanism": f"{PREFIX}{name}"}, *children)


def read(element: Element) -> tuple[str, ScramKeys] | None:
    """The hash and its keys; None for a hash that is not known here. Raises bad-request."""
    name = (element.get("mechanism") or "").removeprefix(PREFIX)
    if name not in HASHES:
        return None
    length = hashlib.new(HASHES[name]).digest_size
    salt, stored, server = (_bytes(element, each) for each in ("salt", "stored-key", "server-key"))
    if len(stored) != length:  # ejabberd 23.01 writes the Base64 of what is Base64 already
        salt, stored, server = (_again(each) for each in (salt, stored, server))
    keys = ScramKeys(salt, _count(element), stored, server)
    if len(keys.stored_key) != length or len(keys.server_key) != length:
        raise StanzaError("bad-request", f"keys for {name} have {length} bytes")
    if not MIN_SALT <= len(salt) <= MAX_SALT:
        raise StanzaError("bad-request", "a salt is needed")
    return name, keys


def _count(element: Element) -> int:
    text = (element.child_text(NS, "iter-count") or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10) or text.startswith("0"):
        raise StanzaError("bad-request", "iter-count is a positive integer")
    if int(text) > MAX_ITERATIONS:
        raise StanzaError("bad-request", f"more than {MAX_ITERATIONS} iterations")
    return int(text)


def _bytes(element: Element, name: str) -> bytes:
    found = element.all(NS, name)
    if len(found) != 1:
        raise StanzaError("bad-request", f"one {name} is needed")
    try:
        return base64.b64decode("".join(found[0].text.split()), validate=True)
    except binascii.Error:
        raise StanzaError("bad-request", f"{name} is not Base64") from None


def _again(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return data


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
