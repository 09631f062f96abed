"""What the process wants of the machine: a folder, a secret in it, descriptors, an exit status."""

import os
import resource
import secrets
import sys
from pathlib import Path

from twisted.logger import Logger

SECRET_BYTES = 32
log = Logger()


def private_folder(path: Path) -> None:
    """Keys and messages will lie in it. Raises OSError, which is a sentence."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise OSError(f"data_dir: {path} cannot be made: {problem.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise OSError(f"data_dir: {path} cannot be written to by this user")


def kept_secret(path: Path) -> bytes:
    """The secret that tokens and keys of this server are made with; a new one if there is none.

    A lost file makes clients log in with their passwords once, no more. Raises OSError.
    """
    try:
        kept = path.read_bytes()
    except FileNotFoundError:
        kept = b""
    if len(kept) >= SECRET_BYTES:
        return kept
    made = secrets.token_bytes(SECRET_BYTES)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return made


def raise_descriptor_limit() -> None:
    """Each client is a descriptor; the soft limit is meant for programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            log.warn("At most {soft} descriptors: {error}", soft=soft, error=error)


def exit_with_failure() -> None:
    """twistd would exit with 0, and whoever restarts what failed would not know."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
