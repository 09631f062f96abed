"""The states of a client's stream, drawn from the table that the code obeys."""

import shutil
from collections import defaultdict

from xmppd.stream.states import NEXT, Input, State
from xmppd_docs import rst


def graph() -> str:
    """For graphviz. CLOSE leads everywhere to CLOSED, so it is left out."""
    arrows: dict[tuple[State, State], list[str]] = defaultdict(list)
    for (state, said), after in NEXT.items():
        if said is not Input.CLOSE:
            arrows[state, after].append(said.name)
    lines = [
        "digraph stream {",
        "  rankdir=TB;",
        '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=9];',
        *(f"  {state.name};" for state in State if state is not State.CLOSED),
    ]
    for (state, after), names in arrows.items():
        label = "\\n".join(names)
        lines.append(f'  {state.name} -> {after.name} [label="{label}"];')
    return rst.text([*lines, "}"])


def page() -> str:
    """The picture, where graphviz is installed, and the two lists that explain its words."""
    lines: list[str] = []
    if shutil.which("dot"):
        lines += [".. graphviz:: generated/stream.dot", "   :alt: States of a client's stream", ""]
    lines += rst.table(
        ("State", "Meaning", "What may follow"),
        ((rst.code(state.name), plain(state.value), following(state)) for state in State),
        "20 40 40",
    )
    lines += rst.table(
        ("Input", "Meaning"), ((rst.code(said.name), plain(said.value)) for said in Input), "20 80"
    )
    return rst.text(lines)


def following(state: State) -> str:
    steps = [
        f"{said.name} → {after.name}"
        for (at, said), after in NEXT.items()
        if at is state and said is not Input.CLOSE
    ]
    return ", ".join(steps) or "nothing"


def plain(text: str) -> str:
    return text.replace("<", "``<").replace("/>", "/>``")
