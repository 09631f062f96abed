"""Dialback's keys, elements and pairs (XEP-0185, XEP-0220)."""

import itertools

import pytest

from xmppd.ns import DIALBACK, SERVER
from xmppd.stanza import StanzaError
from xmppd.stream.dialback import NEXT, Input, Pair, Pairs, Said, State, is_key, key, read, write
from xmppd.xml import Element, StreamError, parse

PAIR = Pair("capulet.example", "montague.example")
ADDRESSES = {"from": "capulet.example", "to": "montague.example"}


@pytest.mark.parametrize(
    "secret, receiving, originating, id_, wanted",
    [
        (  # XEP-0185 §3
            b"s3cr3tf0rd14lb4ck",
            "xmpp.example.com",
            "example.org",
            "D60000229F",
            "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643",
        ),
        (  # XEP-0220 §2.1.1
            b"s3cr3tf0rd14lb4ck",
            "montague.example",
            "capulet.example",
            "D60000229F",
            "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3",
        ),
        (  # XEP-0220 §2.2.2
            b"d14lb4ck43v3r",
            "capulet.example",
            "montague.example",
            "417GAF25",
            "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d",
        ),
    ],
)
def test_the_keys_of_the_specifications(
    secret: bytes, receiving: str, originating: str, id_: str, wanted: str
) -> None:
    assert key(secret, receiving, originating, id_) == wanted
    assert is_key(wanted, key(secret, receiving, originating, id_))
    assert not is_key(wanted.upper(), wanted)


@pytest.mark.parametrize("state, said", list(itertools.product(State, Input)))
def test_a_pair_moves_only_as_its_table_says(state: State, said: Input) -> None:
    pairs = Pairs()
    way = {
        State.UNKNOWN: [],
        State.ASKED: [Input.KEY],
        State.VALID: [Input.KEY, Input.VALID],
        State.ASKED_AGAIN: [Input.KEY, Input.VALID, Input.KEY],
    }
    for step in way[state]:
        pairs.move(PAIR, step)
    assert pairs.state(PAIR) is state
    if (state, said) not in NEXT:
        with pytest.raises(StreamError):
            pairs.move(PAIR, said)
        return
    pairs.move(PAIR, said)
    after = NEXT[state, said]
    assert pairs.state(PAIR) is after
    assert (PAIR in pairs.valid) == (after in (State.VALID, State.ASKED_AGAIN))
    assert pairs.asked == (after in (State.ASKED, State.ASKED_AGAIN))


def test_what_is_refused_is_forgotten() -> None:
    pairs = Pairs()
    pairs.move(PAIR, Input.KEY)
    pairs.move(PAIR, Input.REFUSED)
    assert len(pairs) == 0
    assert list(pairs) == []


def test_trust_in_a_pair_does_not_answer_the_key_that_is_looked_at() -> None:
    pairs = Pairs()
    pairs.move(PAIR, Input.KEY)
    pairs.trust(PAIR)
    assert PAIR in pairs.valid
    assert pairs.may(PAIR, Input.REFUSED)


@pytest.mark.parametrize(
    "name, attrs, condition",
    [
        ("result", {}, "improper-addressing"),
        ("result", {"from": "capulet.example"}, "improper-addressing"),
        ("result", {**ADDRESSES, "to": ""}, "improper-addressing"),
        ("result", {**ADDRESSES, "from": "juliet@capulet.example"}, "improper-addressing"),
        ("result", {**ADDRESSES, "from": "capulet.example/x"}, "improper-addressing"),
        ("result", {**ADDRESSES, "from": "<&'"}, "improper-addressing"),
        ("result", {**ADDRESSES, "type": "VALID"}, "bad-format"),
        ("verify", ADDRESSES, "bad-format"),
        ("verify", {**ADDRESSES, "id": "x" * 1025}, "bad-format"),
        ("vouch", ADDRESSES, "bad-format"),
    ],
)
def test_what_is_no_dialback_ends_the_stream(
    name: str, attrs: dict[str, str], condition: str
) -> None:
    with pytest.raises(StreamError) as refused:
        read(Element(DIALBACK, name, attrs, "key"))
    assert refused.value.condition == condition


def test_a_key_of_any_length_is_not_taken() -> None:
    with pytest.raises(StreamError):
        read(Element(DIALBACK, "result", ADDRESSES, "k" * 2000))


def test_white_space_around_a_key_is_no_part_of_it() -> None:
    assert read(Element(DIALBACK, "result", ADDRESSES, "\n   abc \n")).key == "abc"


def test_domains_are_compared_prepared() -> None:
    said = read(
        Element(DIALBACK, "result", {"from": "CAPULET.Example", "to": "xn--bcher-kva.example"})
    )
    assert (said.from_, said.to) == ("capulet.example", "bücher.example")


def test_elements_carry_the_prefix_of_the_header() -> None:
    assert write(Said("result", "a.example", "b.example", "", "", "k<")) == (
        b"<db:result from='a.example' to='b.example'>k&lt;</db:result>"
    )
    assert write(Said("verify", "a.example", "b.example", "i'd", "valid", "")) == (
        b"<db:verify from='a.example' to='b.example' id='i&apos;d' type='valid'></db:verify>"
    )


def test_errors_are_written_and_read() -> None:
    error = StanzaError("item-not-found")
    written = write(Said("result", "a.example", "b.example", "", "error", "", error)).decode()
    declared = f"<db:result xmlns:db='{DIALBACK}' xmlns='{SERVER}'"
    said = read(parse(written.replace("<db:result", declared, 1)))
    assert said.error is not None
    assert (said.type, said.error.condition, said.error.type) == (
        "error",
        "item-not-found",
        "cancel",
    )
    without = read(Element(DIALBACK, "result", {**ADDRESSES, "type": "error"}))
    assert without.error is not None
    assert without.error.condition == "undefined-condition"
