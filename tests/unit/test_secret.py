"""The secret that the server keeps beside its database."""

import stat
from pathlib import Path

import pytest

from xmppd.machine import SECRET_BYTES, kept_secret, private_folder


def test_it_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    made = kept_secret(path)
    assert len(made) == SECRET_BYTES
    assert kept_secret(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_half_a_secret_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"short")
    (tmp_path / "secret.new").write_bytes(b"left by a crash")
    assert len(kept_secret(path)) == SECRET_BYTES


def test_a_folder_that_cannot_be_made_is_named_with_its_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=f"data_dir: {tmp_path}/file/data cannot be made"):
        private_folder(tmp_path / "file" / "data")


def test_the_folder_is_for_the_server_alone(tmp_path: Path) -> None:
    private_folder(tmp_path / "a" / "data")
    assert stat.S_IMODE((tmp_path / "a" / "data").stat().st_mode) == 0o700
