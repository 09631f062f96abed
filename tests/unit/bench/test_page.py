"""The page shows ratios of medians first, then the numbers with their spread."""

import pytest

from bench.run import Results, Unit, numbers, ratios, spread

RESULTS: Results = {
    Unit("chat", "µs"): {"xmppd": [20.0, 10.0, 90.0], "prosody": [40.0, 41.0, 39.0]},
}


def test_a_ratio_is_that_of_the_medians() -> None:
    assert "chat      0.50" in ratios(RESULTS)


def test_numbers_show_median_smallest_and_largest() -> None:
    assert "20.0 (10.0-90.0)  40.0 (39.0-41.0)" in numbers(RESULTS)


@pytest.mark.parametrize(
    ("values", "shown"), [([1.25], "1.2 (1.2-1.2)"), ([100.4, 99.6, 120], "100 (100-120)")]
)
def test_large_numbers_are_shown_without_decimals(values: list[float], shown: str) -> None:
    assert spread(values) == shown
