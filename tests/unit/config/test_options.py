"""Declaring options."""

from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from pydantic import ValidationError

from xmppd.config import Duration, Options, Secret, Size, option
from xmppd.config.options import BASE, declaration, declarations, leaves


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Options):
    folder: Path = option(Path("inner"), "A folder.")
    wait: Duration = option(3.0, "A wait.", at_least=1)


class Outer(Options):
    """An outer section."""

    count: int = option(3, "A count.", at_least=1, at_most=9)
    ratio: float = option(0.5, "A ratio.")
    on: bool = option(True, "A switch.")
    name: str = option("x", "A name.", choices=["x", "y"])
    names: list[str] = option([], "Names.", choices=["x", "y"])
    colour: Colour = option(Colour.RED, "A colour.")
    colours: list[Colour] = option([], "Colours.")
    mode: Literal["a", "b"] = option("a", "A mode.")
    folder: Path | None = option(None, "A folder.")
    folders: list[Path] = option([], "Folders.")
    size: Size = option(10, "A size.", at_most=1024)
    password: Secret = option(Secret(""), "A secret.", secret=True, reloads=False)
    inner: Inner = option(Inner(), "Nested.")
    more: list[Inner] = option([], "More of them.")


@pytest.mark.parametrize(
    "value, wanted",
    [
        ({"count": 9}, Outer(count=9)),
        ({"ratio": 1}, Outer(ratio=1.0)),
        ({"name": "y", "names": ["y", "x"]}, Outer(name="y", names=["y", "x"])),
        ({"colour": "blue", "colours": ["red"]}, Outer(colour=Colour.BLUE, colours=[Colour.RED])),
        ({"mode": "b"}, Outer(mode="b")),
        ({"size": "1KiB"}, Outer(size=1024)),
        ({"inner": {"wait": "5m"}}, Outer(inner=Inner(wait=300.0))),
        ({"more": [{"wait": 2}, {}]}, Outer(more=[Inner(wait=2.0), Inner()])),
    ],
)
def test_a_value_from_toml_becomes_the_declared_type(
    value: dict[str, object], wanted: Outer
) -> None:
    assert Outer.model_validate(value) == wanted


@pytest.mark.parametrize(
    "value",
    [
        {"count": "3"},
        {"count": 3.0},
        {"count": True},
        {"count": 0},
        {"count": 10},
        {"ratio": "0.5"},
        {"on": 1},
        {"on": "true"},
        {"name": 3},
        {"name": "z"},
        {"names": "x"},
        {"names": ["z"]},
        {"colour": "green"},
        {"colours": ["green"]},
        {"mode": "c"},
        {"folder": ""},
        {"folder": 3},
        {"folder": "a\0b"},
        {"size": "2KiB"},
        {"password": 3},
        {"inner": 3},
        {"inner": {"wait": 0}},
        {"more": {"wait": 2}},
        {"unknown": 1},
    ],
)
def test_nothing_is_silently_converted_or_ignored(value: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Outer.model_validate(value)


def test_relative_paths_start_from_the_base_also_those_of_defaults() -> None:
    found = Outer.model_validate(
        {"folder": "a", "folders": ["b", "/c"], "more": [{}]}, context={BASE: Path("/etc")}
    )
    assert found.folder == Path("/etc/a")
    assert found.folders == [Path("/etc/b"), Path("/c")]
    assert found.inner.folder == found.more[0].folder == Path("/etc/inner")


def test_options_do_not_change_once_made() -> None:
    with pytest.raises(ValidationError):
        Outer().count = 4


def test_a_secret_does_not_show_in_the_representation() -> None:
    assert "hush" not in repr(Outer(password=Secret("hush")))


def test_a_declaration_keeps_what_was_said() -> None:
    said = declaration(Outer.model_fields["password"])
    assert (said.secret, said.reloads) == (True, False)
    assert declaration(Outer.model_fields["names"]).choices == ("x", "y")


def test_leaves_and_declarations_reach_nested_sections() -> None:
    assert ("inner", "wait") in [leaf.path for leaf in leaves(Outer())]
    assert ("more", "folder") in [path for path, _ in declarations(Outer)]
