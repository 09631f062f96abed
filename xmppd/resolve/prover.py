"""What proves a peer's domain: its certificate, and, switched on, DANE or POSH beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppd.resolve.dane import Shown, judge_by_dane
from xmppd.transport.proof import Role, Verdict, judge

if TYPE_CHECKING:
    from xmppd.resolve.posh import Posh
    from xmppd.resolve.resolver import Lookup
    from xmppd.resolve.targets import Target
    from xmppd.transport.tls import TLSEngine


class Prover:
    """Asked once for each stream and domain, when its TLS is up.

    `dane`: the resolver where that is switched on, else None; `posh` as well. See `make_prover`.
    """

    def __init__(self, dane: Lookup | None = None, posh: Posh | None = None) -> None:
        self._dane = dane
        self._posh = posh

    async def judge(
        self, engine: TLSEngine, domain: str, role: Role, target: Target | None = None
    ) -> Verdict:
        """`proof.judge`, and where that says no, what DANE and POSH say if they are on.

        `target` is where we connected to (DANE's records hang there), None for a peer that
        connected to us. TLSA records that are there decide, both ways (RFC 7673 §4.2). Waits
        only where something must be fetched; never raises.
        """
        verdict = judge(engine, domain, role)
        certificate = engine.peer_certificate
        if certificate is None:
            return verdict
        if self._dane is not None and target is not None and role is Role.TLS_SERVER:
            shown = Shown(certificate, engine.peer_chain, engine.peer_problem)
            by_dane = await judge_by_dane(self._dane, target, shown, domain)
            if by_dane is not None:
                return by_dane
        if verdict.proves or self._posh is None:
            return verdict
        by_posh = await self._posh.judge(certificate, domain, role)
        return by_posh if by_posh.proves else Verdict(False, f"{verdict.why}; {by_posh.why}")
