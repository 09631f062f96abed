"""Pages made from the code: options, commands, hooks, XEPs, the stream's states, the API, news.

Each file here has a function that returns text. `write_all` puts them into `docs/generated/`
before Sphinx reads its sources, and the pages include them; so what is written there cannot say
anything else than the code does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from xmppd_docs import api, commands, hooks, news, options, stream, threats, xeps

DOCS = Path(__file__).parents[2]
GENERATED: dict[str, Callable[[], str]] = {
    "options.rst": options.reference_page,
    "restart.rst": options.restart_list,
    "xmppd.schema.json": options.schema,
    "commands.rst": commands.page,
    "hooks.rst": hooks.page,
    "xeps.rst": xeps.page,
    "stream.dot": stream.graph,
    "stream.rst": stream.page,
    "api.rst": api.page,
    "threats.rst": threats.page,
    "unreleased.rst": news.page,
}


def write_all(folder: Path) -> None:
    """Write every generated file; one that is the same already keeps its time."""
    folder.mkdir(exist_ok=True)
    for name, make in GENERATED.items():
        path, text = folder / name, make()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app: Any) -> dict[str, Any]:  # Sphinx's application and what it wants to know of us
    app.connect("builder-inited", lambda app: write_all(Path(app.srcdir) / "generated"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
