"""Clients with stream management, and what they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from xmppd import events
from xmppd.host import Host
from xmppd.jid import jid
from xmppd.modules.sm import StreamManagement
from xmppd.sessions import Session
from xmppd.testing.stage import bundled, result_of

SM = "urn:xmpp:sm:3"
BALCONY = jid("juliet@example.org/balcony")
MODULES = [cls for cls in bundled() if cls.default_on]  # now, for the database makes their tables
PING = "<iq type='get' id='{}' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"


class Phone:
    """Juliet's, with stream management."""

    def __init__(self, client: Any, resource: str = "balcony", *, presence: bool = True) -> None:
        self.client = client
        assert "<jid>" in client.binds(resource)
        enabled = client.sends(f"<enable xmlns='{SM}' resume='true'/>")
        found = re.search("id='(.*?)'", enabled)
        assert found, enabled
        assert "resume='true'" in enabled
        assert "max='30'" in enabled
        self.id = found[1]
        if presence:
            client.sends("<presence/>")

    def acks(self, h: int) -> str:
        heard: str = self.client.sends(f"<a xmlns='{SM}' h='{h}'/>")
        return heard


def say(romeo: Any, *bodies: str, to: str = "juliet@example.org", more: str = "") -> str:
    heard: str = romeo.sends(
        "".join(
            f"<message to='{to}' type='chat' id='{b}'><body>{b}</body>{more}</message>"
            for b in bodies
        )
    )
    return heard


def bodies(heard: str) -> list[str]:
    return re.findall("<body>(.*?)</body>", heard)


def resume(client: Any, id_: str, h: object, user: str = "juliet") -> str:
    assert "<success" in client.logs_in(user)
    assert f"<sm xmlns='{SM}'/>" in client.sends(client.header)
    heard: str = client.sends(f"<resume xmlns='{SM}' previd='{id_}' h='{h}'/>")
    return heard


def online(connect: Callable[[], Any], resource: str) -> Any:
    """Another client of juliet's, without stream management."""
    client = connect()
    client.binds(resource)
    client.sends("<presence/>")
    return client


def dies_and_starts(host: Host) -> Session:
    """The process of a host that was told to stop is gone, and another one begins. The session of
    the balcony, as the first knew it.
    """
    sm = host.modules.find(StreamManagement)
    session = host.sessions.get(BALCONY)
    assert sm is not None
    assert session is not None
    host.sessions.remove(session)
    sm._cancel(session)
    result_of(host.hooks.of(events.host_started).wait(host.domain))
    return session


def stops_and_starts(host: Host) -> Session:
    result_of(host.hooks.of(events.host_stopping).wait(host.domain))
    return dies_and_starts(host)


def what_waits(connect: Callable[[], Any]) -> list[str]:
    """The messages that a new session is given."""
    fresh = connect()
    fresh.binds("fresh")
    return bodies(fresh.sends("<presence/>"))
