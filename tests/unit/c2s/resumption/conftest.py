"""A host with the modules that are usually on, and who is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.c2s.resumption.phones import (
    MODULES,
    Phone,
)
from xmppd.c2s import Extensions, Service
from xmppd.host import Host
from xmppd.module import ModuleHost
from xmppd.module.base import options_of
from xmppd.testing.stage import result_of


@pytest.fixture
def options() -> dict[str, dict[str, object]]:
    return {"sm": {"max_resume": 30}}


@pytest.fixture
def host(host: Host, options: dict[str, dict[str, object]]) -> Host:
    host.modules = ModuleHost(host)
    wanted = {cls: options_of(cls)(**options.get(cls.name, {})) for cls in MODULES}
    result_of(host.modules.start(wanted))
    return host


@pytest.fixture
def service(service: Service) -> Service:
    service.extensions = Extensions(nonza=lambda host, ns, name: host.modules.nonza(ns, name))
    return service


@pytest.fixture
def phone(client: Any, host: Host) -> Phone:
    """Its own presence has come, and is acknowledged."""
    phone = Phone(client)
    phone.acks(1)
    return phone


@pytest.fixture
def romeo(connect: Callable[[], Any], host: Host) -> Any:
    client = connect()
    assert "<jid>" in client.binds("orchard", "romeo")
    return client
