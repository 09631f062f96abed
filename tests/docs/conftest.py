"""The pages of docs/, and the extension that makes some of them from the code."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xmppd.module import Catalogue

DOCS = Path(__file__).parents[2] / "docs"
for folder in (DOCS, DOCS / "_ext"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


@pytest.fixture
def drop_in(tmp_path: Path) -> Iterator[Callable[[str, str], Catalogue]]:
    """Call it with the name of a file and its code: what a server finds in that folder."""

    def load(name: str, code: str) -> Catalogue:
        (tmp_path / name).write_text(code)
        return Catalogue([tmp_path], bundled=False).load()

    yield load
    for python_name in [name for name in sys.modules if name.startswith("xmppd_dropins")]:
        del sys.modules[python_name]
