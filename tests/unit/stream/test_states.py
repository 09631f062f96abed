"""The state table of a client's stream."""

import itertools

import pytest

from xmppd.stream.states import BEFORE_LOGIN, NEXT, Input, State, after
from xmppd.xml import StreamError

NOT_AUTHORIZED = {
    *itertools.product(
        (
            State.CONNECTED,
            State.SECURING,
            State.SECURED,
            State.PROVING_IN_CLEAR,
            State.PROVING,
            State.CHOOSING,
            State.AT_TASK,
        ),
        (Input.STANZA, Input.BIND),
    ),
    *itertools.product((State.KNOWN, State.BINDING, State.BOUND), (Input.AUTH, Input.RESPONSE)),
    (State.KNOWN, Input.STANZA),
    (State.BINDING, Input.STANZA),
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


def test_nobody_binds_or_talks_without_having_authenticated() -> None:
    ways = {state: {end for (start, _), end in NEXT.items() if start is state} for state in State}
    without_success = {
        end
        for (start, said), end in NEXT.items()
        if said is not Input.SUCCESS and start in BEFORE_LOGIN
    }
    assert without_success.isdisjoint({State.KNOWN, State.BINDING, State.BOUND})
    assert {start for start, ends in ways.items() if State.BOUND in ends} == {
        State.BINDING,
        State.BOUND,
    }


def test_nothing_leads_out_of_closed() -> None:
    assert {end for (start, _), end in NEXT.items() if start is State.CLOSED} == {State.CLOSED}
