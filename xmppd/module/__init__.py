"""What a module is (`base`), where modules come from (`catalogue`), and who runs them (`host`)."""

from xmppd.module.adhoc import Adhoc, Outcome, Run, adhoc, declared_adhoc
from xmppd.module.base import Module, before_login, iq_get, iq_set, nonza, uses, uses_if
from xmppd.module.catalogue import Catalogue, ModuleFault
from xmppd.module.executing import Executor
from xmppd.module.host import ModuleHost
from xmppd.module.service import Service, ServiceOptions

__all__ = [
    "Adhoc",
    "Catalogue",
    "Executor",
    "Module",
    "ModuleFault",
    "ModuleHost",
    "Outcome",
    "Run",
    "Service",
    "ServiceOptions",
    "adhoc",
    "before_login",
    "declared_adhoc",
    "iq_get",
    "iq_set",
    "nonza",
    "uses",
    "uses_if",
]
