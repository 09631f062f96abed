"""Resumption within the login (XEP-0198 §9)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from tests.unit.c2s.resumption.phones import (
    PING,
    SM,
    bodies,
    say,
)
from xmppd.host import Host


def authenticate(inner: str) -> str:
    data = base64.b64encode(b"\0juliet\0secret").decode()
    return (
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>"
        f"<initial-response>{data}</initial-response>{inner}</authenticate>"
    )


ENABLE = (
    "<bind xmlns='urn:xmpp:bind:0'><tag>t</tag>"
    f"<enable xmlns='{SM}' resume='true'/><enable xmlns='urn:xmpp:carbons:2'/></bind>"
)


def test_all_in_one_round_trip(client: Any, romeo: Any, connect: Callable[[], Any]) -> None:
    offer = client.sends(client.header)
    assert f"<sm xmlns='{SM}'/>" in offer
    assert f"<feature var='{SM}'/>" in offer
    assert "<feature var='urn:xmpp:carbons:2'/>" in offer
    answer = client.sends(authenticate(ENABLE))
    found = re.search(rf"<bound .*<enabled xmlns='{SM}' id='(.*?)'", answer)
    assert found, answer
    client.sends("<presence/>")
    say(romeo, "1")
    client.cuts()
    again = connect()
    again.sends(again.header)
    resume = f"<resume xmlns='{SM}' previd='{found[1]}' h='1'/>"
    answer = again.sends(authenticate(resume + ENABLE))
    assert f"<resumed xmlns='{SM}' previd='{found[1]}' h='1'/></success>" in answer
    assert "<bound" not in answer
    assert "<stream:features" not in answer
    assert answer.index("</success>") < answer.index("<message ")
    assert bodies(answer) == ["1"]
    assert "type='result'" in again.sends(PING.format(1))


def test_failed_resumption_binds(client: Any, host: Host) -> None:
    client.sends(client.header)
    resume = f"<resume xmlns='{SM}' previd='gone' h='1'/>"
    answer = client.sends(authenticate(resume + ENABLE))
    assert f"<failed xmlns='{SM}'><item-not-found " in answer
    assert answer.index("<failed ") < answer.index("<bound ")
    assert f"<enabled xmlns='{SM}' id=" in answer
