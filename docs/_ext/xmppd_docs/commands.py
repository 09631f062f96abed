"""Every command of xmppctl, from the registry: those of the core, of modules, and of the shell."""

from collections.abc import Iterator

import click

from xmppd.admin import builtin, ctl
from xmppd.admin.commands import HOST, Command, Parameter, declared, described_command
from xmppd.components import commands as components
from xmppd.module import Catalogue
from xmppd_docs import rst


def core_commands() -> Iterator[Command]:
    for file in (builtin, components):
        for kind in vars(file).values():
            if isinstance(kind, type) and kind.__module__ == file.__name__:
                yield from of_class(kind)


def of_class(kind: type) -> list[Command]:
    """What the class declares; commands are described by their signatures, nothing is started."""
    return [described_command(call) for call in declared(kind.__new__(kind))]


def module_commands() -> Iterator[tuple[str, Command]]:
    for cls in Catalogue().load():
        for command in of_class(cls):
            yield cls.name, command


def page() -> str:
    lines: list[str] = []
    for command in sorted(core_commands(), key=lambda command: command.name):
        lines += entry(command)
    for name, command in module_commands():
        lines += entry(command, module=name)
    for own in sorted(ctl.main.commands.values(), key=lambda own: str(own.name)):
        lines += shell_entry(own)
    return rst.text(lines)


def entry(command: Command, module: str | None = None) -> list[str]:
    parameters = [*command.parameters, HOST] if module else list(command.parameters)
    usage = " ".join(["xmppctl", command.name, *map(shown, parameters)])
    by = f" Of the module ``{module}``." if module else ""
    lines = [rst.code(usage), *rst.paragraph(rst.from_docstring(command.help) + by, "   ")]
    for parameter in parameters:
        if parameter.help:
            lines += ["", *rst.paragraph(f"{rst.code(shown(parameter))}: {parameter.help}", "   ")]
    return [*lines, ""]


def shown(parameter: Parameter) -> str:
    """As in a usage line: what need not be given is in brackets."""
    dashed = parameter.name.replace("_", "-")
    if parameter.kind == "secret":
        return f"[--{dashed}-stdin]"
    if parameter.kind == "flag":
        return f"[--{dashed}]"
    text = f"--{dashed} TEXT" if parameter.option else parameter.name.upper()
    return text if parameter.required else f"[{text}]"


def shell_entry(own: click.Command) -> list[str]:
    options = " ".join(
        param.metavar or ""
        if isinstance(param, click.Argument)
        else f"[{param.opts[0]} {str(param.name).upper()}]"
        for param in own.params
    )
    usage = f"xmppctl {own.name} {options}".rstrip()
    return [rst.code(usage), *rst.paragraph(own.help or "", "   "), ""]
