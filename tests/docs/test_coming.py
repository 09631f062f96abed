"""The page for those who come from elsewhere names what there is here."""

import re

import pytest

from tests.docs.blocks import ROOT
from xmppd.config import Options, ServerOptions
from xmppd.config.options import section_of
from xmppd.config.server import HostOptions
from xmppd.module import Catalogue
from xmppd.module.base import options_of

PAGE = (ROOT / "docs" / "coming-from-prosody-and-ejabberd.rst").read_text()
MODULES = {cls.name: cls for cls in Catalogue().load()}


def column(section: str) -> list[str]:
    """What stands as code in the column of this server."""
    table = re.split(r"\n-{4,}\n", PAGE.partition(f"\n{section}\n")[2])[0]
    rows = table.split("\n   * - ")[2:]
    return [word for row in rows for word in re.findall(r"``([^`]+)``", row.splitlines()[1])]


@pytest.mark.parametrize("name", column("Modules"))
def test_a_module_that_it_names_is_there(name: str) -> None:
    assert name in MODULES


@pytest.mark.parametrize(
    "path", [word for word in column("Configuration") if re.fullmatch(r"[a-z_0-9.]+", word)]
)
def test_an_option_that_it_names_is_there(path: str) -> None:
    first, *rest = path.split(".")
    if path in MODULES or path == "xmppd.toml":
        return
    if first == "modules" and rest[0] in MODULES:
        assert not rest[1:] or exists(options_of(MODULES[rest[0]]), rest[1:])
    else:
        assert exists(ServerOptions, [first, *rest]) or exists(HostOptions, [first, *rest])


def exists(kind: type[Options], path: list[str]) -> bool:
    field = kind.model_fields.get(path[0])
    if field is None or not path[1:]:
        return field is not None
    section = section_of(field)
    return section is not None and exists(section, path[1:])
