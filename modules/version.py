"""Software version: what runs here (XEP-0092 1.1)."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from xmppd.api import IQ, Element, Module, Options, iq_get, ns, option

HIDDEN = "hidden"  # the element is required in a result (§2)


class VersionOptions(Options):
    show_version: bool = option(True, "Tell the version of this server, not only its name.")
    show_os: bool = option(False, "Tell the operating system and its version (§5 warns of it).")


class Version(Module):
    name = "version"
    options: VersionOptions

    @iq_get(ns.VERSION, "query")
    def tell(self, iq: IQ) -> Element:
        shown = own_version() if self.options.show_version else HIDDEN
        told = Element(
            ns.VERSION,
            "query",
            None,
            Element(ns.VERSION, "name", None, "xmppd"),
            Element(ns.VERSION, "version", None, shown),
        )
        if self.options.show_os:
            told.append(
                Element(ns.VERSION, "os", None, f"{platform.system()} {platform.release()}")
            )
        return told


def own_version() -> str:
    try:
        return version_of("xmppd")
    except PackageNotFoundError:  # a bare checkout
        return "unknown"
