"""The state table of a stream between servers."""

import itertools

import pytest

from xmppd.stream.peer.states import NEXT, Input, State, after
from xmppd.xml import StreamError

BEFORE = (State.CONNECTED, State.ASKED_TLS, State.SECURING, State.SECURED, State.PROVING)
NOT_AUTHORIZED = {
    *((state, Input.STANZA) for state in BEFORE),
    *itertools.product((State.TRUSTED, State.TRUSTED_IN_CLEAR), (Input.AUTH, Input.RESPONSE)),
}


@pytest.mark.parametrize("state, said", list(itertools.product(State, Input)))
def test_each_input_leads_on_or_is_refused(state: State, said: Input) -> None:
    if (state, said) in NEXT:
        assert after(state, said) is NEXT[state, said]
        return
    with pytest.raises(StreamError) as refused:
        after(state, said)
    wanted = "not-authorized" if (state, said) in NOT_AUTHORIZED else "policy-violation"
    assert refused.value.condition == wanted


def test_only_a_certificate_or_a_verified_pair_makes_a_stream_trusted() -> None:
    trusted = {State.TRUSTED, State.TRUSTED_IN_CLEAR}
    ways = {said for (start, said), end in NEXT.items() if end in trusted and start not in trusted}
    assert ways == {Input.SUCCESS, Input.VALID}


def test_nothing_leads_out_of_closed() -> None:
    assert {end for (start, _), end in NEXT.items() if start is State.CLOSED} == {State.CLOSED}
