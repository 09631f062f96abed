"""Of every module that comes along: what the pages made from the code need."""

import re
import sys

import pytest

from xmppd.api import Module
from xmppd.config.options import declarations
from xmppd.module import Catalogue
from xmppd.module.base import options_of
from xmppd.testing.stage import bundled

SPEC = re.compile(r"\bRFC \d{4}\b|\bXEP-\d{4}\b")
UNVERSIONED = re.compile(r"XEP-\d{4}(?! \d+\.\d+)")
MODULES = list(bundled())
OWN_INVENTIONS = {"announce", "strangers"}  # no specification tells what they do


def doc_of(cls: type[Module]) -> str:
    return sys.modules[cls.__module__].__doc__ or ""


def test_all_bundled_files_can_be_imported() -> None:
    assert Catalogue().load().faults == []


@pytest.mark.parametrize("cls", MODULES, ids=lambda cls: cls.name)
def test_a_module_says_in_one_sentence_what_it_is(cls: type[Module]) -> None:
    first = doc_of(cls).partition("\n\n")[0]
    assert first.endswith("."), first


@pytest.mark.parametrize("cls", MODULES, ids=lambda cls: cls.name)
def test_a_module_names_the_specification_it_implements(cls: type[Module]) -> None:
    first = doc_of(cls).partition("\n\n")[0]
    assert cls.name in OWN_INVENTIONS or SPEC.search(first), first


@pytest.mark.parametrize("cls", MODULES, ids=lambda cls: cls.name)
def test_xeps_that_it_implements_are_named_with_their_versions(cls: type[Module]) -> None:
    first = " ".join(doc_of(cls).partition("\n\n")[0].split())
    for named in re.findall(r"\(([^)]*)\)", first):
        assert UNVERSIONED.search(named) is None, named


@pytest.mark.parametrize("cls", MODULES, ids=lambda cls: cls.name)
def test_every_option_is_documented_by_a_sentence(cls: type[Module]) -> None:
    for path, field in declarations(options_of(cls)):
        doc = field.description or ""
        assert len(doc) > 10, f"{cls.name}: {path}"
        assert doc.endswith((".", "?")), f"{cls.name}: {path}"


@pytest.mark.parametrize("cls", MODULES, ids=lambda cls: cls.name)
def test_every_module_runs_with_its_default_options(cls: type[Module]) -> None:
    options_of(cls)()
