"""What proves a peer's domain: its certificate, and, switched on, DANE or POSH beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xmppd.resolve.targets import Target
    from xmppd.transport.proof import Role, Verdict
    from xmppd.transport.tls import TLSEngine


class Prover:
    """Asked once for each stream and domain, when its TLS is up."""

    async def judge(
        self, engine: TLSEngine, domain: str, role: Role, target: Target | None = None
    ) -> Verdict:
        """`proof.judge`, and where that says no, what DANE and POSH say if they are on.

        `target` is where we connected to (DANE's records hang there), None for a peer that
        connected to us. Waits only where something must be fetched; never raises.
        """
        raise NotImplementedError
