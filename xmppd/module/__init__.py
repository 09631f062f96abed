"""What a module is (`base`), where modules come from (`catalogue`), and who runs them (`host`)."""

from xmppd.module.base import Module, before_login, iq_get, iq_set, nonza, uses, uses_if
from xmppd.module.catalogue import Catalogue, ModuleFault
from xmppd.module.host import ModuleHost
from xmppd.module.service import Service, ServiceOptions

__all__ = [
    "Catalogue",
    "Module",
    "ModuleFault",
    "ModuleHost",
    "Service",
    "ServiceOptions",
    "before_login",
    "iq_get",
    "iq_set",
    "nonza",
    "uses",
    "uses_if",
]
