"""The picture of growth is well-formed, and its points are where they belong."""

from xml.etree import ElementTree

import pytest

from bench.plot import Line, Panel, nice_top, plot

SVG = "{http://www.w3.org/2000/svg}"


def points(*lines: Line) -> list[list[tuple[float, float]]]:
    drawn = ElementTree.fromstring(plot([Panel("<Title>", "sessions", "µs", lines)]))
    return [
        [
            (float(x), float(y))
            for x, y in (pair.split(",") for pair in line.get("points", "").split())
        ]
        for line in drawn.iter(f"{SVG}polyline")
    ]


def test_what_costs_the_same_is_a_level_line() -> None:
    (line,) = points(Line("chat", [(10, 30.0), (100, 30.0), (1000, 30.0)]))
    assert len({y for _, y in line}) == 1


def test_each_power_of_ten_is_as_far_from_the_next() -> None:
    ((a, b, c),) = points(Line("chat", [(10, 1), (100, 2), (1000, 3)]))
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.2)
    assert a[1] > b[1] > c[1]


def test_each_line_is_drawn() -> None:
    assert len(points(Line("chat", [(1, 1), (2, 1)]), Line("ping", [(1, 2), (2, 2)]))) == 2


@pytest.mark.parametrize(("value", "top"), [(0.7, 1), (11, 20), (20, 20), (21, 50), (99, 100)])
def test_the_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert nice_top(value) == pytest.approx(top)
