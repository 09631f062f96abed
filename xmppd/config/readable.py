"""Secrets in files that everybody on the machine may read."""

import os
from pathlib import Path

from xmppd.config.options import OptionPath, Options, declaration, leaves
from xmppd.config.report import Report
from xmppd.config.types import Secret, read_database


def warn_of_readable(report: Report, options: Options, above: OptionPath = ()) -> None:
    for leaf in leaves(options, above):
        hidden = declaration(leaf.field).secret or isinstance(leaf.value, Secret)
        if not hidden or not report.document.says(leaf.path) or not _tells(leaf.value):
            continue
        source, _ = report.document.where(leaf.path)
        if source and source.path and _world_readable(source.path):
            report.warn(leaf.path, f"everyone may read it: chmod o= {source.path}")


def _tells(value: object) -> bool:
    """Whether it is a secret indeed: the URL of a database may come without a password."""
    if not isinstance(value, str):
        return True
    database = read_database(value)
    return bool(value) and (database is None or database.password is not None)


def _world_readable(path: Path) -> bool:
    try:
        return bool(os.stat(path).st_mode & 0o004)
    except OSError:
        return False
