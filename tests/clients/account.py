"""An account, and the way to its server."""

from dataclasses import asdict, dataclass, replace
from typing import Self

from tests.support.server import ServerProcess


@dataclass(frozen=True)
class Account:
    """All that a client is told; `certificate` is the file of the one that it trusts."""

    jid: str
    password: str
    port: int
    tls_port: int
    certificate: str
    host: str = "127.0.0.1"

    @classmethod
    def at(cls, server: ServerProcess, jid: str, password: str) -> Self:
        certificate = server.folder / "data" / "certificates" / f"{jid.partition('@')[2]}.crt"
        return cls(jid, password, server.port, server.tls_port, str(certificate))

    def but(self, **changes: str) -> Self:
        return replace(self, **changes)  # type: ignore[arg-type]  # ports stay as they are

    def as_json(self) -> dict[str, object]:
        return asdict(self)
