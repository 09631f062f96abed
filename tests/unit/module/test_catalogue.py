"""Finding modules in folders, importing them afresh, and what is said when that fails."""

import sys
from pathlib import Path

import pytest

from xmppd.admin.check import check_config
from xmppd.module import Catalogue, ModuleFault

GREETER = '''
"""Greets."""
from xmppd.api import Module
class Greeter(Module):
    name = "greeter"
    greeting = "{}"
'''
FRIEND = '''
"""Uses the greeter."""
from xmppd.api import Module, uses
from xmppd_dropins.greeter import Greeter
class Friend(Module):
    name = "friend"
    greeter = uses(Greeter)
    seen = Greeter.greeting
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "greeter.py").write_text(GREETER.format("hello"))
    return tmp_path


def catalogue(folder: Path) -> Catalogue:
    return Catalogue([folder], bundled=False).load()


@pytest.fixture(autouse=True)
def forget_dropins() -> None:
    for name in [name for name in sys.modules if name.startswith("xmppd_dropins")]:
        del sys.modules[name]


def test_a_file_dropped_into_a_folder_is_found(folder: Path) -> None:
    found = catalogue(folder)
    assert [cls.name for cls in found] == ["greeter"]
    assert found.file("greeter") == str(folder / "greeter.py")
    assert found.faults == []


def test_a_package_dropped_into_a_folder_is_found_with_its_files(tmp_path: Path) -> None:
    package = tmp_path / "greeter"
    package.mkdir()
    (package / "words.py").write_text("WORD = 'salut'\n")
    (package / "__init__.py").write_text(
        "from xmppd_dropins.greeter.words import WORD\n" + GREETER.replace('"{}"', "WORD")
    )
    found = catalogue(tmp_path)
    assert found.faults == []
    assert found.get("greeter").greeting == "salut"  # type: ignore[attr-defined]


def test_a_reload_imports_the_changed_file_and_those_that_use_it(folder: Path) -> None:
    (folder / "friend.py").write_text(FRIEND)
    found = catalogue(folder)
    (folder / "greeter.py").write_text(GREETER.format("good morning"))
    with found.reloaded("greeter") as names:
        assert names == {"friend", "greeter"}
    assert found.get("greeter").greeting == "good morning"  # type: ignore[attr-defined]
    assert found.get("friend").seen == "good morning"  # type: ignore[attr-defined]


@pytest.mark.parametrize("broken", ["def (", "raise ValueError('no')", "import nothing_such"])
def test_a_file_that_cannot_be_imported_leaves_the_old_class(folder: Path, broken: str) -> None:
    found = catalogue(folder)
    before = found.get("greeter")
    (folder / "greeter.py").write_text(broken)
    with (
        pytest.raises(ModuleFault, match=r"greeter\.py cannot be imported"),
        found.reloaded("greeter"),
    ):
        pass
    assert found.get("greeter") is before


def refuse_unless_fresh(found: Catalogue, before: object) -> None:
    if found.get("greeter") is not before:
        raise ModuleFault("the swap failed")


def test_when_the_swap_fails_the_old_class_is_back(folder: Path) -> None:
    found = catalogue(folder)
    before = found.get("greeter")
    with pytest.raises(ModuleFault), found.reloaded("greeter"):
        refuse_unless_fresh(found, before)
    assert found.get("greeter") is before


def test_a_file_that_is_new_in_the_folder_can_be_loaded_by_its_name(folder: Path) -> None:
    found = catalogue(folder)
    (folder / "late.py").write_text(GREETER.format("late").replace('"greeter"', '"late"'))
    with found.reloaded("late") as names:
        assert names == {"late"}
    assert "late" in found


def test_loading_what_does_not_exist_says_so(folder: Path) -> None:
    with (
        pytest.raises(ModuleFault, match="no module 'nothing'"),
        catalogue(folder).reloaded("nothing"),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def (", "cannot be imported: SyntaxError"),
        ("x = 1\n", "defines no module"),
    ],
)
def test_a_bad_file_is_a_sentence_and_does_not_hide_the_others(
    folder: Path, text: str, said: str
) -> None:
    (folder / "bad.py").write_text(text)
    found = catalogue(folder)
    assert "greeter" in found
    assert len(found.faults) == 1
    assert said in found.faults[0]
    assert "bad.py" in found.faults[0]


def test_two_modules_of_one_name_are_a_fault(folder: Path) -> None:
    (folder / "zz_other.py").write_text(GREETER.format("other"))
    assert "two modules are named 'greeter'" in catalogue(folder).faults[0]


def test_a_module_belongs_to_its_own_file_though_another_is_named_alike(folder: Path) -> None:
    (folder / "greet.py").write_text(FRIEND)  # imports a class from greeter.py
    found = catalogue(folder)
    with found.reloaded("friend") as names:
        assert names == {"friend"}


def test_why_a_module_is_missing_comes_with_the_mistakes_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_thing")
    config = tmp_path / "xmppd.toml"
    config.write_text(f'[modules]\npaths = ["{tmp_path}"]\nenable = ["broken"]\n')
    faults, _ = check_config(config)
    assert "broken.py cannot be imported: ModuleNotFoundError" in faults[0]
    assert "unknown module" in faults[1]


def test_a_folder_that_does_not_exist_is_a_fault(tmp_path: Path) -> None:
    assert "does not exist" in catalogue(tmp_path / "nowhere").faults[0]


def test_hidden_files_and_tests_are_passed_over(folder: Path) -> None:
    for name in ("_private.py", ".hidden.py", "test_greeter.py", "notes.txt"):
        (folder / name).write_text("def (")
    assert catalogue(folder).faults == []


def test_all_bundled_modules_can_be_imported() -> None:
    found = Catalogue().load()
    assert found.faults == []
    assert {"roster", "presence", "subscriptions"} <= {cls.name for cls in found}


def installed(site: Path, text: str) -> None:
    """A distribution as pip leaves it, that announces the module in its file."""
    (site / "some_greeter.py").write_text(text)
    info = site / "some_greeter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-greeter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[xmppd.modules]\ngreeter = some_greeter\n")


def test_an_installed_distribution_is_found_by_its_entry_point_and_reloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    installed(tmp_path, GREETER.format("hello"))
    found = Catalogue().load()
    assert vars(found.get("greeter"))["greeting"] == "hello"
    (tmp_path / "some_greeter.py").write_text(GREETER.format("good evening"))
    with found.reloaded("greeter"):
        assert vars(found.get("greeter"))["greeting"] == "good evening"
    monkeypatch.delitem(sys.modules, "some_greeter")
