"""Generated pages are complete: whatever the code declares stands in them."""

from pathlib import Path

import pytest
import xep_titles
import xmppd_docs
from xmppd_docs import api, commands, hooks, news, options, stream, xeps

import xmppd.api
import xmppd.testing
from xmppd import events
from xmppd.config.options import section_of
from xmppd.hooks import Hook
from xmppd.module import Catalogue
from xmppd.stream.states import NEXT, Input, State

MODULES = list(Catalogue().load())
ROOT = Path(__file__).parents[2]


def test_all_files_are_written_and_those_unchanged_keep_their_time(tmp_path: Path) -> None:
    xmppd_docs.write_all(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(xmppd_docs.GENERATED)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    xmppd_docs.write_all(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


# Options


@pytest.mark.parametrize("cls", MODULES, ids=lambda cls: cls.name)
def test_each_module_has_its_table_of_options(cls: type[xmppd.api.Module]) -> None:
    page = options.reference_page()
    found = f"\n[modules.{cls.name}]\n"
    assert found in page
    for name, field in options.known()[cls.name].options.model_fields.items():
        place = f"[modules.{cls.name}.{name}]" if section_of(field) else f"``{name}``"
        assert f"\n{place}\n" in page.partition(found)[2]


def test_an_option_that_wants_a_restart_is_listed_and_one_that_reloads_is_not() -> None:
    page = options.restart_list()
    assert "- ``data_dir``" in page
    assert "- ``c2s.listen``" in page
    assert "c2s.attempts" not in page


# Commands


def test_each_command_of_the_core_and_of_modules_is_described() -> None:
    page = commands.page()
    names = [command.name for command in commands.core_commands()]
    names += [command.name for _, command in commands.module_commands()]
    assert {"adduser", "reload", "hooks", "announce"} <= set(names)
    for name in (*names, "check", "example"):
        assert f"``xmppctl {name}" in page


def test_a_password_is_shown_as_read_from_standard_input_never_as_an_argument() -> None:
    assert "``xmppctl adduser JID [--password-stdin]``" in commands.page()


# Hooks


def test_each_hook_of_the_core_has_its_contract() -> None:
    page = " ".join(hooks.page().split())
    declared = {name: hook for name, hook in vars(events).items() if isinstance(hook, Hook)}
    assert len(declared) > 15
    for name, hook in declared.items():
        assert f"``events.{name}`` ``{hook.kind}[" in page
        assert hook.doc.replace("`", "``") in page


def test_hooks_that_modules_offer_say_where_to_import_them_from() -> None:
    assert "from xmppd.modules.vcard import vcard_published" in hooks.page()


def test_types_are_those_of_the_declaration() -> None:
    assert "``Filter[Stanza, [Session]]``" in hooks.page()


# XEPs


def test_each_version_that_a_bundled_module_claims_is_in_the_table() -> None:
    page = xeps.page()
    claimed = {
        claim
        for path in ROOT.glob("modules/**/*.py")
        for text in xeps.docstrings(path)
        for claim in xeps.CLAIM.findall(text)
    }
    assert len(claimed) > 10
    for number, version in claimed:
        assert f"xep-{number}.html" in page
        assert f"     - {version}\n" in page


def test_modules_that_are_off_by_default_are_shown_so() -> None:
    assert "``register``, off by default" in xeps.page()
    assert "``ping``, on by default" in xeps.page()


@pytest.mark.parametrize("core", xep_titles.CORE, ids=lambda core: core.claim[0])
def test_what_the_core_claims_is_named_in_its_source(core: xep_titles.Core) -> None:
    number = core.claim[0]
    assert f"XEP-{number}" in (ROOT / core.file).read_text()
    assert number in xep_titles.TITLES


# The stream's states


def test_every_step_of_the_table_is_drawn_and_listed() -> None:
    graph, page = stream.graph(), stream.page()
    for state in State:
        assert f"``{state.name}``" in page
    for (state, said), after in NEXT.items():
        if said is not Input.CLOSE:
            assert f"  {state.name} -> {after.name} [label=" in graph
            assert f"{said.name} → {after.name}" in page


# API and news


def test_every_name_of_the_api_is_on_its_page() -> None:
    page = api.page() + "\n"
    for module in (xmppd.api, xmppd.testing):
        for name in module.__all__:
            assert f":: {module.__name__}.{name}\n" in page


def test_every_name_of_the_api_has_words() -> None:
    assert api.undocumented() == []


def test_news_of_an_unknown_type_stop_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "newsfragments").mkdir()
    (tmp_path / "newsfragments" / "x.surprise.rst").write_text("Boo.\n")
    (tmp_path / "towncrier.toml").write_text((news.DOCS / "towncrier.toml").read_text())
    monkeypatch.setattr(news, "DOCS", tmp_path)
    with pytest.raises(ValueError, match="surprise"):
        news.page()


def test_all_news_are_shown_under_the_names_of_their_types() -> None:
    page = " ".join(news.page().split())
    for kind, texts in news.fragments().items():
        assert kind in {known["directory"] for known in news.settings()["type"]}
        for text in texts:
            assert text in page
