"""Reading and merging the files."""

from pathlib import Path

import pytest

from xmppd.config.faults import ConfigErrors
from xmppd.config.file import merge, read


def faults(path: Path | None, text: str | None = None) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read(path, text)
    return [str(fault) for fault in caught.value.faults]


def test_tables_are_merged_and_all_else_is_replaced() -> None:
    under = {"a": {"x": 1, "y": [1]}, "b": 2, "c": {"z": 1}}
    over = {"a": {"y": [2], "w": {"v": 3}}, "b": {"t": 1}}
    assert merge(under, over) == {
        "a": {"x": 1, "y": [2], "w": {"v": 3}},
        "b": {"t": 1},
        "c": {"z": 1},
    }
    assert under == {"a": {"x": 1, "y": [1]}, "b": 2, "c": {"z": 1}}


def test_later_files_of_conf_d_have_the_last_word_and_the_blame(tmp_path: Path) -> None:
    main, folder = tmp_path / "xmppd.toml", tmp_path / "conf.d"
    folder.mkdir()
    main.write_text("[log]\nlevel = 1\nformat = 2\n")
    (folder / "20.toml").write_text("\n\n[log]\nlevel = 3\n")
    (folder / "10.toml").write_text("[log]\nlevel = 4\n[c2s]\n")
    (folder / "30.txt").write_text("not TOML")
    document = read(main)
    assert document.data == {"log": {"level": 3, "format": 2}, "c2s": {}}
    source, line = document.where(("log", "level"))
    assert source is not None
    assert (source.path, line) == (folder / "20.toml", 4)
    source, line = document.where(("log", "format", "below"))
    assert source is not None
    assert (source.path, line) == (main, 3)


def test_without_a_file_there_is_an_empty_document() -> None:
    document = read(None)
    assert (document.data, document.base) == ({}, Path().absolute())
    assert document.where(("log",)) == (None, None)


@pytest.mark.parametrize(
    "text, said",
    [
        ("a = 1\nb c = 2", "x.toml:2: column 3: no valid TOML: Expected '=' after a key in a"),
        ("a = 1\na = 2\n", "x.toml:2: column 6: no valid TOML: Cannot overwrite a value"),
        ('a = 1\nb = """x', "x.toml:2: no valid TOML: Unterminated string"),
        ("a = " + "9" * 5000, "x.toml: no valid TOML: Exceeds the limit"),
        ("a = " + "[" * 100_000, "x.toml: is nested too deeply"),
    ],
)
def test_a_syntax_error_names_line_and_column(text: str, said: str) -> None:
    (fault,) = faults(Path("x.toml"), text)
    assert fault.startswith(said)


def test_a_file_that_is_missing_or_not_utf8_is_a_fault(tmp_path: Path) -> None:
    missing, latin = tmp_path / "missing.toml", tmp_path / "latin.toml"
    latin.write_bytes(b"a = 1\nb = '\xe9'\n")
    assert faults(missing) == [f"{missing}: cannot be read: No such file or directory"]
    assert faults(latin) == [f"{latin}:2: is not UTF-8"]


def test_syntax_errors_of_all_files_come_together(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text("= 1")
    assert len(faults(tmp_path / "xmppd.toml", "= 2")) == 2
