"""The pages made from declarations, and what every declaration owes them."""

import json
import tomllib
from enum import Enum
from typing import Any

import pytest
from docutils.core import publish_doctree

from xmppd.config import (
    BareJID,
    Duration,
    HostOptions,
    ModuleInfo,
    Options,
    Secret,
    ServerOptions,
    Size,
    example,
    json_schema,
    load,
    option,
    reference,
)
from xmppd.config.options import declarations


class Kind(Enum):
    OPEN = "open"


class Part(Options):
    """One part."""

    name: str = option("", "A name.")


class History(Options):
    """What newcomers see."""

    length: int = option(20, "Messages.", at_least=0, at_most=100)


class MUCOptions(Options):
    """Rooms."""

    max_size: Size = option(65536, "Largest `message`.", at_least=1024)
    idle: Duration = option(300.0, "When to close.", reloads=False)
    kind: Kind = option(Kind.OPEN, "Of room.")
    owners: list[BareJID] = option([], "Owners.", example=["a@example.org"])
    flavour: str = option("sweet", "Flavour.", choices=["sweet", "sour"])
    flavours: list[str] = option([], "Flavours.", choices=["sweet", "sour"])
    token: Secret = option(Secret(""), "A token.", secret=True)
    parts: list[Part] = option([], "Parts.")
    history: History = option(History(), "History.")


KNOWN = {"muc": ModuleInfo(MUCOptions, default_on=True), "ping": ModuleInfo(Options)}
ALL = [
    (".".join(str(part) for part in path), field)
    for options in (ServerOptions, HostOptions)
    for path, field in declarations(options)
]


def uncommented() -> str:
    lines = example(KNOWN).splitlines()
    return "\n".join(line[1:] if line[:1] == "#" and line[1:2] != " " else line for line in lines)


@pytest.mark.parametrize("name, field", ALL, ids=[name for name, _ in ALL])
def test_every_option_is_documented(name: str, field: Any) -> None:
    assert len(field.description) > 2
    assert field.description[0].isupper()
    assert field.description.endswith(".")


@pytest.mark.parametrize("options", [ServerOptions, HostOptions])
def test_every_default_is_valid(options: type[Options]) -> None:
    assert options.model_validate(options().model_dump()) == options()


def test_the_reference_names_every_option_and_table() -> None:
    text = reference(KNOWN)
    for name, _ in ALL:
        assert f"``{name.rpartition('.')[2]}``" in text or f"{name}]" in text
    for line in ("[c2s.limits.after_login]", "[modules.muc.history]", '[hosts."example.org"]'):
        assert f"\n{line}\n{'-' * len(line)}\n" in text


def test_the_reference_says_type_default_and_limits() -> None:
    text = " ".join(reference(KNOWN).split())
    for said in (
        '``max_size`` *size*, default ``"64KiB"``, at least ``1KiB``. Largest ``message``.',
        '``idle`` *duration*, default ``"5m"``. A change takes a restart. When to close.',
        '``kind`` *one of "open"*, default ``"open"``.',
        '``owners`` *list of bare JIDs*, default ``[]``, such as ``["a@example.org"]``.',
        'default ``"sweet"``, of ``"sweet"``, ``"sour"``.',
        '``token`` *secret*, default ``""``.',
        "``client_ca`` *path*, default none, such as",
        "``parts`` *list of tables*, default ``[]``.",
        "What newcomers see.",
        "Rooms. On by default.",
    ):
        assert said in text


def test_the_reference_is_restructuredtext_without_a_warning() -> None:
    publish_doctree(reference(KNOWN), settings_overrides={"halt_level": 2, "report_level": 2})


def test_the_example_sets_nothing() -> None:
    assert tomllib.loads(example(KNOWN)) == {}


def test_the_example_without_its_comment_signs_sets_the_defaults() -> None:
    text = uncommented().replace('"example.org"', '"localhost"')
    found = load("xmppd.toml", KNOWN, text=text)
    base = load("xmppd.toml", KNOWN, text="[hosts.localhost]")
    assert base.changes(found) == []
    assert found.hosts["localhost"] == base.hosts["localhost"]


def test_the_example_shows_every_option() -> None:
    text = example(KNOWN)
    for name, _ in ALL:
        last = name.rpartition(".")[2]
        assert f"#{last} = " in text or f"example: {last} = " in text or f"{name}]" in text


def test_the_schema_describes_all_tables() -> None:
    schema = json_schema(KNOWN)
    definitions = schema["$defs"]
    json.dumps(schema)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {*ServerOptions.model_fields, "hosts"}
    assert set(definitions["HostOptions"]["properties"]) == {*HostOptions.model_fields, "modules"}
    assert set(definitions["ModulesOptions"]["properties"]) >= {"muc", "paths"}
    muc = definitions["MUCOptions"]["properties"]
    assert muc["flavour"]["enum"] == muc["flavours"]["items"]["enum"] == ["sweet", "sour"]
    assert muc["max_size"]["description"] == "Largest `message`."
    assert definitions["History"]["properties"]["length"]["maximum"] == 100
