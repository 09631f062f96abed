"""Two servers of a kind, and messages from one to the other: what both need, added up.

They need no DNS: each serves a domain that is its address. They prove themselves by dialback over
TLS, as all three can do that without an authority. Without SRV records Prosody knows no port but
5269; the others are told another one, which nobody else has.
"""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from bench.load import Chat, Client
from bench.measure import cpu_s
from bench.ports import check, common_port
from bench.servers import Ejabberd, Prosody, Server, ServerError, Xmppd
from bench.units import ChatLoad, Unit

PORT = 5269
GOAL = 0.5
S2S = Unit("chat message through two servers, one in flight", goals=(("ejabberd", GOAL),))
S2S_10 = Unit("chat message through two servers, ten in flight", goals=(("ejabberd", GOAL),))
USERS = ("romeo", "juliet")


class Federated(Server):
    """A server that talks to others. `edits` makes its configuration of that of one which is
    alone: what is on the left must be there.
    """

    addresses: ClassVar[tuple[str, str]]  # of the one that is `other` to the other

    def __init__(
        self, folder: Path, certificate: Path, key: Path, side: int, s2s_port: int
    ) -> None:
        self.address = self.domain = self.addresses[side]
        self.other = self.addresses[1 - side]
        self.s2s_port = s2s_port
        super().__init__(folder / str(side), certificate, key)

    @classmethod
    def choose_port(cls) -> int:
        """For servers, the same at both addresses. Raises PortTaken."""
        return common_port(cls.addresses)

    def configure(self) -> None:
        super().configure()  # type: ignore[safe-super]  # that of the server it is mixed into
        (file,) = (each for each in self.folder.iterdir() if each.name.startswith(self.name))
        text = file.read_text()
        for alone, federated in self.edits().items():
            if alone not in text:
                raise ServerError(f"{file.name} has no {alone!r}")
            text = text.replace(alone, federated, 1)
        file.write_text(text)

    @abstractmethod
    def edits(self) -> dict[str, str]:
        """What is said in the configuration of one alone, and what instead of one of two."""


class FederatedXmppd(Federated, Xmppd):
    addresses = ("127.0.0.31", "127.0.0.41")

    def edits(self) -> dict[str, str]:
        return {
            "[s2s]\nenabled = false\n": f"""[s2s]
listen = ["tcp:{self.s2s_port}:interface={self.address}"]
direct_tls = []
certificates = "dialback"
routes = ["{self.other}={self.other}:{self.s2s_port}"]
"""
        }


class FederatedProsody(Federated, Prosody):
    addresses = ("127.0.0.32", "127.0.0.42")

    @classmethod
    def choose_port(cls) -> int:
        check(cls.addresses, PORT)
        return PORT

    def edits(self) -> dict[str, str]:
        return {
            'modules_disabled = { "s2s" }': f"""s2s_ports = {{ {self.s2s_port} }}
s2s_direct_tls_ports = {{ }}
s2s_interfaces = {{ "{self.address}" }}
s2s_require_encryption = true""",
            '"roster",': '"roster", "dialback",',
        }


class FederatedEjabberd(Federated, Ejabberd):
    addresses = ("127.0.0.33", "127.0.0.43")

    def edits(self) -> dict[str, str]:
        return {
            "listen:\n": f"""s2s_use_starttls: required
outgoing_s2s_port: {self.s2s_port}
listen:
  - port: {self.s2s_port}
    ip: "{self.address}"
    module: ejabberd_s2s_in
""",
            "\nmodules:\n": "\nmodules:\n  mod_s2s_dialback: {}\n",
        }

    def environment(self) -> dict[str, str]:
        """No DNS is asked for SRV records: nobody listens there, so the answer is quick."""
        inetrc = self.folder / "inetrc"
        inetrc.write_text('{resolv_conf, ""}. {nameserver, {127,0,0,1}, 9}. {lookup, [file]}.\n')
        return {**super().environment(), "ERL_INETRC": str(inetrc)}


COUPLES: tuple[type[Federated], ...] = (FederatedXmppd, FederatedProsody, FederatedEjabberd)


class Couple:
    """Two of a kind, which run and have each an account."""

    def __init__(
        self, kind: type[Federated], folder: Path, certificate: tuple[Path, Path]
    ) -> None:
        self.name = kind.name
        port = kind.choose_port()
        self.sides = [kind(folder, *certificate, side, port) for side in range(2)]

    def start(self) -> None:
        for server, user in zip(self.sides, USERS, strict=True):
            server.start()
            server.register([user])

    def stop(self) -> None:
        for server in self.sides:
            server.stop()


class FederatedChat(ChatLoad):
    """From a user of one to a user of the other. The first round connects them."""

    users = USERS
    units = ((S2S, 1), (S2S_10, 10))

    def __init__(self, couple: Couple, count: int) -> None:
        self._sides = couple.sides
        super().__init__(couple.sides[0], count)

    def meet(self) -> Chat:
        sides = zip(self._sides, self.users, strict=True)
        sender, receiver = (Client.log_in(server.target, user) for server, user in sides)
        sender.be_available()
        receiver.be_available()
        return Chat(sender, receiver)

    def cpu_s(self) -> float:
        return sum(cpu_s(server.pid) for server in self._sides)
