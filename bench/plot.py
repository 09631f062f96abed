"""Lines over a logarithmic axis, as SVG: enough for one picture, and no library for it."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

COLOURS: Final = ("#1b6ca8", "#c2571a", "#3a7d44", "#7d3a73")
WIDTH: Final = 430
HEIGHT: Final = 300
LETTER: Final = 6.5  # a letter is about so wide
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 40, 44
STYLE: Final = (
    "text{font:12px sans-serif;fill:#222}.t{font-weight:bold}.g{stroke:#ddd}"
    "polyline{fill:none;stroke-width:2}"
)


class Line(NamedTuple):
    """Points (x, y), the x from 1 upwards."""

    name: str
    points: Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """One diagram."""

    title: str
    across: str
    up: str
    lines: Sequence[Line]


def plot(panels: Sequence[Panel]) -> str:
    """The diagrams side by side."""
    drawn = "".join(
        f'<g transform="translate({place * WIDTH},0)">{_panel(panel)}</g>'
        for place, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(panels)} {HEIGHT}">'
        f"<style>{STYLE}</style>"
        f'<rect width="100%" height="100%" fill="#fff"/>{drawn}</svg>\n'
    )


def nice_top(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _panel(panel: Panel) -> str:
    points = [point for line in panel.lines for point in line.points]
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    top = nice_top(max(y for _, y in points))
    span = math.log10(last / first) or 1.0

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(x / first) / span

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / top

    parts = [_text(LEFT, 18, panel.title, "start", "t"), _text(LEFT, 33, panel.up, "start")]
    for step in range(6):
        y = up(top * step / 5)
        parts.append(f'<path class="g" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{top * step / 5:g}", "end"))
    below = HEIGHT - BOTTOM + 16
    parts += [_text(across(x), below, f"{x:,.0f}", "middle") for x in sorted(dict(points))]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, panel.across, "middle"))
    edge = float(WIDTH - RIGHT)
    for line, colour in zip(panel.lines, COLOURS, strict=False):
        placed = [(across(x), up(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" stroke="{colour}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(edge, 33, line.name, "end"))
        edge -= LETTER * len(line.name)
        parts.append(f'<circle cx="{edge:.1f}" cy="29" r="4" fill="{colour}"/>')
        edge -= 12
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str, name: str = "") -> str:
    kind = f' class="{name}"' if name else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'
