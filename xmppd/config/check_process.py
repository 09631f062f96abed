"""Checking what several options of the process decide: listeners, the manhole, encryption."""

from xmppd.config import certificates
from xmppd.config.faults import dotted, show
from xmppd.config.options import OptionPath
from xmppd.config.readable import warn_of_readable
from xmppd.config.report import Report
from xmppd.config.server import ServerOptions
from xmppd.config.types import Listener, read_endpoint

Place = tuple[OptionPath, str]  # an option, and the endpoint that it names


def check_process(report: Report, server: ServerOptions, *, components: bool) -> None:
    """`components`: there are some, so that their listeners are opened."""
    _check_listeners(report, _listening(server, components))
    _check_manhole(report, server)
    warn_of_readable(report, server)
    if server.tls.client_ca is not None:
        wrong = certificates.unreadable(server.tls.client_ca)
        if wrong:
            report.fault(("tls", "client_ca"), wrong)
    _warn_of_plaintext(report, server)


def _listening(server: ServerOptions, components: bool) -> list[Place]:
    found: list[Place] = []
    places = [("c2s", server.c2s), ("s2s", server.s2s)]
    if components:
        places.append(("components", server.components))
    for above, streams in places:
        for key in ("listen", "direct_tls"):
            endpoints: list[str] = getattr(streams, key)
            found += [((above, key, n), text) for n, text in enumerate(endpoints)]
    if server.manhole.listen is not None:
        found.append((("manhole", "listen"), server.manhole.listen))
    return found


def _check_listeners(report: Report, listening: list[Place]) -> None:
    for index, (path, text) in enumerate(listening):
        for earlier, other in listening[:index]:
            one, two = read_endpoint(text), read_endpoint(other)
            if _clash(one, two):
                report.fault(path, f"is {show(text)}, which {dotted(earlier)} listens on")
            elif one.port and one.port == two.port and one.is_any and two.is_any:
                report.warn(
                    path,
                    f"is {show(text)}, which on Linux takes IPv4 too, as {dotted(earlier)} "
                    "does: one of them may fail to listen",
                )


def _clash(one: Listener, other: Listener) -> bool:
    """Whether both listen on the same, an address and all addresses of its kind included."""
    if one.port is None or other.port is None:
        return (one.kind, one.target) == (other.kind, other.target)
    if one.port != other.port or one.port == 0 or one.family != other.family:
        return False
    return one.interface == other.interface or one.is_any or other.is_any


def _check_manhole(report: Report, server: ServerOptions) -> None:
    manhole = server.manhole
    if manhole.listen is None or ("manhole",) in report.wrong:
        return
    if not read_endpoint(manhole.listen).is_local:
        report.fault(
            ("manhole", "listen"),
            f"is {show(manhole.listen)}, must be a Unix socket or a loopback address, like "
            '"tcp:4022:interface=127.0.0.1": whoever enters can do anything',
        )
    if not manhole.user:
        report.fault(("manhole", "user"), "must be set where the manhole is open")
    if not manhole.password.get_secret_value():
        report.fault(("manhole", "password"), "must be set where the manhole is open")


def _warn_of_plaintext(report: Report, server: ServerOptions) -> None:
    if server.s2s.tls == "optional":
        report.warn(("s2s", "tls"), "stanzas may cross the network unencrypted")
    if server.c2s.plaintext_auth:
        report.warn(
            ("c2s", "plaintext_auth"),
            "passwords may cross the network unencrypted, where anyone can read them",
        )
