"""With whom stanzas are exchanged, and what proves who they are."""

import pytest

from xmppd.config.s2s import HostS2SOptions, PeerOptions, S2SOptions
from xmppd.s2s.policy import Policy, covers

OURS, THEIRS = "capulet.example", "montague.example"


def policy(host: HostS2SOptions | None = None, **s2s: object) -> Policy:
    return Policy(S2SOptions(**s2s), lambda domain: host or HostS2SOptions())  # type: ignore[arg-type]


def test_tls_and_a_certificate_are_wanted_unless_somebody_says_otherwise() -> None:
    rules = policy().rules(OURS, THEIRS)
    assert (rules.refused, rules.tls_required, rules.certificate_required) == ("", True, True)


@pytest.mark.parametrize(
    "general, of_host, agreed, required",
    [
        ("required", None, None, True),
        ("dialback", None, None, False),
        ("dialback", "required", None, True),
        ("required", "dialback", None, False),
        ("required", "dialback", "required", True),
        ("dialback", "required", "dialback", False),
    ],
)
def test_the_agreement_counts_before_the_host_and_that_before_the_rest(
    general: str, of_host: str | None, agreed: str | None, required: bool
) -> None:
    host = HostS2SOptions(certificates=of_host)  # type: ignore[arg-type]
    peers = [PeerOptions(domain=THEIRS, certificates=agreed)]  # type: ignore[arg-type]
    made = policy(host, certificates=general, peers=peers)
    assert made.rules(OURS, THEIRS).certificate_required is required


def test_the_longest_agreement_counts() -> None:
    peers = [
        PeerOptions(domain="example", tls="optional"),
        PeerOptions(domain=THEIRS, tls="required"),
    ]
    made = policy(peers=peers)
    assert made.rules(OURS, f"chat.{THEIRS}").tls_required
    assert not made.rules(OURS, "other.example").tls_required


@pytest.mark.parametrize(
    "options, refused",
    [
        ({"deny": [THEIRS]}, "denied"),
        ({"deny": ["example"]}, "denied"),
        ({"allow": ["other.example"]}, "not among those"),
        ({"allow": [THEIRS]}, ""),
        ({"allow": [THEIRS], "deny": [THEIRS]}, "denied"),
        ({"enabled": False}, "does not talk"),
    ],
)
def test_who_is_refused(options: dict[str, object], refused: str) -> None:
    for made in (policy(**options), policy(HostS2SOptions(**options))):  # type: ignore[arg-type]
        said = made.rules(OURS, THEIRS).refused
        assert refused in said
        assert bool(said) == bool(refused)
        assert made.stream(OURS, THEIRS).refused == said


def test_a_domain_covers_what_is_below_it_and_nothing_that_looks_like_it() -> None:
    assert covers(["montague.example"], "chat.montague.example")
    assert not covers(["montague.example"], "notmontague.example")
    assert not covers(["chat.montague.example"], "montague.example")
