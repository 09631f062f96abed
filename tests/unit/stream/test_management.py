"""Counters of a stream (XEP-0198)."""

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import integers

from xmppd.ns import SM
from xmppd.stream.management import MODULUS, Management, failed, read_count
from xmppd.xml import Element, StreamError


def a(h: object) -> Element:
    return Element(SM, "a", {"h": str(h)})


def managed(count: int, limit: int = 500) -> Management[int]:
    made: Management[int] = Management(limit)
    for number in range(count):
        made.send(number)
    return made


def test_what_is_acknowledged_is_let_go_of_in_order() -> None:
    management = managed(5)
    assert management.acknowledge(a(2)) == [0, 1]
    assert management.acknowledge(a(2)) == []
    assert list(management.unacked()) == [2, 3, 4]
    assert management.drain() == [2, 3, 4]
    assert len(management) == 0


@pytest.mark.parametrize("h", [6, MODULUS - 1])
def test_more_than_was_sent_cannot_be_acknowledged(h: int) -> None:
    management = managed(5)
    with pytest.raises(StreamError) as refused:
        management.acknowledge(a(h))
    assert refused.value.condition == "undefined-condition"
    assert refused.value.app is not None
    assert refused.value.app.name == "handled-count-too-high"
    assert refused.value.app.attrs == {"h": str(h), "send-count": "5"}
    assert len(management) == 5


def test_less_than_before_is_impossible_too() -> None:
    management = managed(5)
    management.acknowledge(a(4))
    with pytest.raises(StreamError):
        management.acknowledge(a(3))


def test_the_counters_begin_again_at_two_to_the_thirty_two() -> None:
    management = managed(0)
    management.sent = management.acked = management.handled = MODULUS - 2
    for number in range(4):
        management.send(number)
        management.handle()
    assert management.sent == 2
    assert management.answer().get("h") == "2"
    assert management.acknowledge(a(MODULUS - 1)) == [0]
    assert management.acknowledge(a(1)) == [1, 2]
    assert management.acknowledge(a(2)) == [3]


@pytest.mark.parametrize(
    "text", [None, "", "-1", "+1", "1.0", " 1", "0x1", "4294967296", "9" * 30, "١"]
)
def test_an_h_is_an_unsigned_decimal_of_32_bits(text: str | None) -> None:
    with pytest.raises(StreamError) as refused:
        read_count(text)
    assert refused.value.condition == "bad-format"


def test_an_acknowledgement_is_asked_for_now_and_then_and_once() -> None:
    management = managed(9)
    assert management.send(9)
    management.request()
    assert not management.send(10)
    management.acknowledge(a(1))
    assert management.send(11)


def test_what_is_not_acknowledged_is_bounded() -> None:
    management = managed(3, limit=3)
    assert management.full
    management.acknowledge(a(1))
    assert not management.full


def test_a_failure_may_tell_what_was_handled() -> None:
    assert failed("item-not-found", 7).get("h") == "7"
    assert failed("unexpected-request").get("h") is None


class Counting(RuleBasedStateMachine):
    """Both ends of a stream, whose connection breaks and is resumed, against plain lists."""

    def __init__(self) -> None:
        super().__init__()
        self.management: Management[int] = Management(10**6)
        start = MODULUS - 5  # so that the counters begin again
        self.management.sent = self.management.acked = self.management.handled = start
        self.start = start
        self.sent: list[int] = []
        self.wire: list[int] = []  # on the way to the peer
        self.peer: list[int] = []  # what the peer has handled
        self.let_go: list[int] = []
        self.heard = 0

    @rule(count=integers(1, 7))
    def send(self, count: int) -> None:
        for _ in range(count):
            self.management.send(len(self.sent))
            self.wire.append(len(self.sent))
            self.sent.append(len(self.sent))

    @rule(count=integers(0, 9))
    def arrive(self, count: int) -> None:
        self.peer += self.wire[:count]
        del self.wire[:count]

    @rule()
    def acknowledge(self) -> None:
        self.let_go += self.management.acknowledge(a((self.start + len(self.peer)) % MODULUS))

    @rule(more=integers(1, 2**31))
    def lie(self, more: int) -> None:
        h = (self.management.sent + more) % MODULUS
        before = list(self.management.unacked())
        with pytest.raises(StreamError):
            self.management.acknowledge(a(h))
        assert list(self.management.unacked()) == before

    @rule()
    def break_and_resume(self) -> None:
        """What was on the way is lost; what is not acknowledged comes again."""
        self.acknowledge()
        self.wire = list(self.management.unacked())

    @rule()
    def hear(self) -> None:
        self.management.handle()
        self.heard += 1
        assert self.management.answer().get("h") == str((self.start + self.heard) % MODULUS)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert self.let_go + list(self.management.unacked()) == self.sent
        assert self.peer + self.wire == self.sent
        assert len(self.management) == (self.management.sent - self.management.acked) % MODULUS


TestCounting = Counting.TestCase
