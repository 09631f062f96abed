"""A hibernating session as bytes, to be brought back by the next process."""

import json
import time
from collections.abc import Callable
from typing import Any

from xmppd.api import (
    JID,
    Copy,
    Host,
    Kept,
    Managed,
    Presence,
    Session,
    StanzaReader,
    jid,
    lenient_jid,
)
from xmppd.modules.sm.store import Saved


def dump(session: Session) -> bytes:
    managed, presence = session.managed, session.presence
    assert managed is not None
    return json.dumps(
        {
            "jid": session.jid,
            "secure": session.secure,
            "address": session.address,
            "presence": None if presence is None else presence.write().decode(),
            "handled": managed.handled,
            "acked": managed.acked,
            "max_s": managed.max_s,
            "unwritten": managed.unwritten,
            "queue": [
                (managed.since(kept).timestamp(), _place(kept), kept.stanza.write().decode())
                for kept in managed.unacked()
            ],
            "state": {key: _plain(value) for key, value in (session.state or {}).items()},
        }
    ).encode()


def revive(saved: Saved, host: Host, manage: Callable[[str, float], Managed]) -> Session:
    """Raises ValueError, KeyError for what is damaged."""
    read = json.loads(saved.snapshot)
    now, wall = host.clock.seconds(), time.time()
    session = Session(
        jid(read["jid"]),
        host.hooks,
        None,
        secure=read["secure"],
        address=read["address"],
        opened_at=now,
    )
    stanzas = StanzaReader()
    if read["presence"] is not None:
        presence = stanzas.read(read["presence"].encode())
        assert isinstance(presence, Presence)
        session.presence, session.priority = presence, presence.priority
    managed = session.managed = manage(saved.id, read["max_s"])
    managed.handled = read["handled"]
    managed.acked = managed.sent = read["acked"]
    for at, place, xml in read["queue"]:
        kept = Kept(stanzas.read(xml.encode()), now - (wall - at))
        kept.copy = None if place is None else Copy(place)
        managed.send(kept)
        managed.size += kept.size
    managed.asked, managed.unwritten = 0, read["unwritten"]
    session.state = {key: _living(value) for key, value in read["state"].items()}
    session.state = {key: value for key, value in session.state.items() if value is not None}
    return session


def _place(kept: Kept) -> int | None:
    return None if kept.copy is None else kept.copy.place


# What modules keep of a session: plain values survive, and those are few kinds.


def _plain(value: object) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, JID):
        return {"jid": value}
    if isinstance(value, str):
        return value
    for name, kind in (("set", set), ("list", list), ("tuple", tuple)):
        if isinstance(value, kind):
            items = [_plain(each) for each in value]
            return None if any(item is None for item in items) else {name: items}
    return None


def _living(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((name, inner),) = value.items()
    if name == "jid":
        return lenient_jid(inner)
    items = [_living(each) for each in inner]
    return {"set": set, "list": list, "tuple": tuple}[name](items)
