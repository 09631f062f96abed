"""The page shows ratios of medians first, then the numbers with their spread, and the goals."""

from pathlib import Path

import pytest

from bench.page import Results, above_floor, numbers, peers_part, ratios, spread, write_part
from bench.units import Unit

RESULTS: Results = {
    Unit("chat", goals=(("prosody", 0.5),)): {
        "xmppd": [20.0, 10.0, 90.0],
        "prosody": [40.0, 41.0, 39.0],
    },
    Unit("a second", "1/s", cost=False): {"xmppd": [7.0], "prosody": [5.0]},
    Unit("resumed"): {"xmppd": [3.0]},
}


def test_a_ratio_is_that_of_the_medians() -> None:
    assert "chat      0.50     0.50, met" in ratios(RESULTS)


def test_a_goal_that_is_missed_is_said_to_be() -> None:
    missed = {Unit("chat", goals=(("prosody", 0.49),)): next(iter(RESULTS.values()))}
    assert "0.49, missed" in ratios(missed)


def test_what_a_peer_cannot_do_has_no_ratio_and_no_number() -> None:
    assert "resumed   –" in ratios(RESULTS)
    assert "3.00 (3.00-3.00)  –" in numbers(RESULTS)


def test_more_messages_a_second_are_no_ratio_of_costs() -> None:
    assert "a second" not in ratios(RESULTS)
    assert "a second, 1/s" in numbers(RESULTS)


def test_numbers_show_median_smallest_and_largest() -> None:
    assert "20.0 (10.0-90.0)  40.0 (39.0-41.0)" in numbers(RESULTS)


def test_the_floor_is_no_peer_but_has_a_table_of_its_own() -> None:
    floor: Results = {Unit("chat"): {"floor": [10.0]}, Unit("bare"): {"floor": [5.0]}}
    text = peers_part(floor, "3 rounds", {}, "a machine")
    assert "Medians" not in text
    chat, *rest = RESULTS.items()
    beside = {**chat[1], "floor": [10.0]}
    both: Results = {chat[0]: beside, **dict(rest), Unit("bare"): {"floor": [5.0]}}
    assert "floor" not in ratios(both) + numbers(both)
    assert "bare" not in numbers(both)
    rows = [line.split() for line in above_floor(both).splitlines()]
    assert ["chat", "10.0", "(10.0-10.0)", "2.0", "4.0"] in rows
    assert ["bare", "5.00", "(5.00-5.00)", "–", "–"] in rows


def test_alone_there_is_nothing_to_compare_with() -> None:
    alone = {unit: {"xmppd": by["xmppd"]} for unit, by in RESULTS.items()}
    text = peers_part(alone, "3 rounds", {"xmppd": "1"}, "a machine")
    assert "xmppd to" not in text
    assert "3 rounds, on " in text


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1.25], "1.25 (1.25-1.25)"),
        ([12.26, 12.3, 12.5], "12.3 (12.3-12.5)"),
        ([100.4, 99.6, 120], "100 (100-120)"),
        ([], "–"),
    ],
)
def test_large_numbers_are_shown_with_fewer_decimals(values: list[float], shown: str) -> None:
    assert spread(values) == shown


def test_a_part_is_replaced_and_the_other_stays(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.rst"
    write_part(page, "growth", "Growth one")
    write_part(page, "peers", "Peers one")
    write_part(page, "growth", "Growth two")
    text = page.read_text()
    assert text.startswith("Benchmarks\n===")
    assert text.index("Peers one") < text.index("Growth two")
    assert "Growth one" not in text
    assert text.count(".. part:") == 2
