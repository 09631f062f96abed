"""With whom stanzas are exchanged, and what must prove who they are."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from xmppd.config.s2s import HostS2SOptions, PeerOptions, S2SOptions
from xmppd.stream.peer import PeerPolicy
from xmppd.transport.limits import limits_of


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts between one of our domains and one of theirs."""

    refused: str = ""  # why nothing is exchanged, in words
    condition: str = "not-allowed"  # what a sender is told then
    tls_required: bool = True
    certificate_required: bool = True  # else dialback will do


class Policy:
    """`options_of(domain)` are those of the virtual host that a domain of ours belongs to; None
    for a domain that is not served.
    """

    def __init__(
        self, options: S2SOptions, options_of: Callable[[str], HostS2SOptions | None]
    ) -> None:
        self._options = options
        self._options_of = options_of
        limits = options.limits
        self._before = limits_of(limits.before_auth)
        self._after = limits_of(limits.after_auth)

    def rules(self, ours: str, theirs: str) -> Rules:
        """The longest entry of `peers` counts before the host's word, and that before `[s2s]`."""
        options, host = self._options, self._options_of(ours) or HostS2SOptions()
        agreed = self._agreed(theirs)
        tls = (agreed and agreed.tls) or host.tls or options.tls
        proof = (agreed and agreed.certificates) or host.certificates or options.certificates
        talks = self._options.enabled and host.enabled
        return Rules(
            self._refusal(host, theirs) if talks else f"{ours} does not talk to other servers",
            "not-allowed" if talks else "remote-server-not-found",
            tls == "required",
            proof == "required",
        )

    def _agreed(self, theirs: str) -> PeerOptions | None:
        covering = [peer for peer in self._options.peers if covers([peer.domain], theirs)]
        return max(covering, key=lambda peer: len(peer.domain), default=None)

    def _refusal(self, host: HostS2SOptions, theirs: str) -> str:
        for options in (self._options, host):
            if covers(options.deny, theirs):
                return f"{theirs} is denied by the configuration"
            if options.allow and not covers(options.allow, theirs):
                return f"{theirs} is not among those that the configuration allows"
        return ""

    def stream(self, ours: str, theirs: str) -> PeerPolicy:
        """What a stream of these domains has to obey; of nobody in particular for "" and ""."""
        rules = self.rules(ours, theirs) if theirs else Rules()
        return PeerPolicy(
            refused=rules.refused,
            tls_required=rules.tls_required,
            bidi=self._options.bidi,
            unacked=self._options.limits.unacknowledged,
            pending_keys=self._options.limits.verifications_per_peer,
            before_trust=self._before,
            after_trust=self._after,
        )


def covers(domains: Iterable[str], theirs: str) -> bool:
    """Whether one of these is the domain, or stands above it."""
    return any(theirs == domain or theirs.endswith(f".{domain}") for domain in domains)
