"""``xmppctl``: the server's commands in the shell.

Commands and their help come from the running server, so those of modules are here as well; only
``check`` works without one. Exit codes: 0 done, 1 the command failed, 2 called wrongly,
3 no server answers.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from xmppd.admin.output import result_from_json, to_json, to_text

SYSTEM_SOCKET = Path("/run/xmppd/ctl.sock")
DATA_SOCKET = Path("/var/lib/xmppd/ctl.sock")  # where `admin.socket` is not set
LOCAL_SOCKET = Path("var/ctl.sock")
SOCKET_VARIABLE = "XMPPD_SOCKET"
SYSTEM_CONFIG = Path("/etc/xmppd/xmppd.toml")
TIMEOUT_S = 120.0
HOST_TOO = "host_option"  # where HOST is an argument, for who writes it as for other commands
FAILED, WRONG, UNREACHABLE = 1, 2, 3
Answer = dict[str, Any]  # JSON from the server; looked at where it is used


class Unreachable(click.ClickException):
    """No server answers at the socket."""

    exit_code = UNREACHABLE


class Refused(click.ClickException):
    """The server says that the command was called wrongly."""

    exit_code = WRONG


@dataclass
class Control:
    """The way to the server: a connection for each request."""

    path: Path
    as_json: bool = False

    @cached_property
    def commands(self) -> dict[str, Answer]:
        """What the server offers, by name."""
        return {told["name"]: told for told in self.ask({"list": True})["commands"]}

    def run(self, name: str, arguments: Mapping[str, object]) -> None:
        """Run the command and print its answer."""
        answer = self.ask({"command": name, "arguments": arguments})
        result = result_from_json(answer["result"])
        click.echo(to_json(result) if self.as_json else to_text(result))

    def ask(self, request: Mapping[str, object]) -> Answer:
        answer = self._exchange(json.dumps(request).encode() + b"\n")
        if answer.get("ok"):
            return answer
        kind = Refused if answer.get("kind") == "usage" else click.ClickException
        raise kind(to_text(str(answer.get("error"))))

    def _exchange(self, line: bytes) -> Answer:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(TIMEOUT_S)
                connection.connect(str(self.path))
                connection.sendall(line)
                with connection.makefile("rb") as reader:
                    said = json.loads(reader.readline() or b"null")
        except (OSError, ValueError) as error:
            raise Unreachable(f"no server answers at {self.path} ({_reason(error)})") from None
        if not isinstance(said, dict):
            raise Unreachable(f"the server at {self.path} closed without an answer")
        return said


def _reason(error: OSError | ValueError) -> str:
    """Why nobody answered, and what to do about it."""
    if isinstance(error, FileNotFoundError):
        return "there is no such socket; does it run? --socket names another"
    if isinstance(error, PermissionError):
        return "only the server's own user and root may ask it: sudo -u xmppd"
    if isinstance(error, ConnectionRefusedError):
        return "the server that made this socket is gone"
    return getattr(error, "strerror", None) or str(error)


class ServerGroup(click.Group):
    """A group whose commands are the server's, beside those declared here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        try:
            return sorted({*super().list_commands(ctx), *control_of(ctx).commands})
        except Unreachable as error:
            click.echo(f"Only the commands that need no server: {error.message}.\n", err=True)
            return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name.startswith("-"):
            return own
        told = control_of(ctx).commands.get(cmd_name)
        return None if told is None else as_click(told)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, but sentences are whole."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(n, (c.help or "").partition("\n\n")[0]) for n, c in found if c])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but a slip of the finger is told what was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as unknown:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not near:
                raise
            text = f"{unknown.message} Did you mean {near[0]!r}?"
            raise click.UsageError(text, ctx) from None


def control_of(ctx: click.Context) -> Control:
    """`--socket`, else the system's server (of two paths), else the one in this folder."""
    if ctx.obj is None:
        path: Path | None = ctx.params.get("socket")
        ctx.obj = Control(path or default_socket(), bool(ctx.params.get("json")))
    found: Control = ctx.obj
    return found


def default_socket() -> Path:
    """One in this folder must be our own: a stranger's would be told passwords."""
    told = os.environ.get(SOCKET_VARIABLE)
    if told:  # click reads it too, but not before it answers --help
        return Path(told)
    for path in (SYSTEM_SOCKET, DATA_SOCKET):
        if os.path.exists(path):
            return path
    try:
        if LOCAL_SOCKET.lstat().st_uid == os.geteuid():
            return LOCAL_SOCKET
    except OSError:
        pass
    return SYSTEM_SOCKET


def as_click(told: Answer) -> click.Command:
    """The server's description of a command as one of click's."""
    parameters: list[click.Parameter] = []
    notes: list[str] = []
    for parameter in told["parameters"]:
        parameters.append(as_parameter(parameter))
        if isinstance(parameters[-1], click.Argument) and parameter["help"]:
            notes.append(f"{parameter['name'].upper()}: {parameter['help']}")
    name: str = told["name"]
    secrets = [p["name"] for p in told["parameters"] if p["kind"] == "secret"]

    if any(
        isinstance(parameter, click.Argument) and parameter.name == "host"
        for parameter in parameters
    ):
        parameters.append(click.Option(["--host", HOST_TOO], help="The same."))

    @click.pass_context
    def run(ctx: click.Context, /, **given: object) -> None:
        if (host := given.pop(HOST_TOO, None)) is not None:
            if given["host"] is not None:
                raise click.UsageError("the host is named twice", ctx)
            given["host"] = host
        # by identity: 0 is a number that was given
        arguments = {
            k: value for k, value in given.items() if value is not None and value is not False
        }
        for secret in secrets:
            arguments[secret] = read_secret(secret, bool(arguments.pop(f"{secret}_stdin", False)))
        control_of(ctx.find_root()).run(name, arguments)

    help_text = "\n\n".join([told["help"], *notes])
    return click.Command(name, params=parameters, callback=run, help=help_text)


def as_parameter(told: Answer) -> click.Parameter:
    """Never an argument for a secret: every user of the machine can read argument lists."""
    name, dashed = told["name"], told["name"].replace("_", "-")
    if told["kind"] == "secret":
        sentence = f"Read the {name} from standard input: one line. Else it is asked for."
        return click.Option([f"--{dashed}-stdin", f"{name}_stdin"], is_flag=True, help=sentence)
    if told["kind"] == "flag":
        return click.Option([f"--{dashed}", name], is_flag=True, help=told["help"])
    kind = click.INT if told["kind"] == "int" else click.STRING
    if told["option"]:
        required = bool(told["required"])
        return click.Option([f"--{dashed}", name], type=kind, help=told["help"], required=required)
    shown = name.upper() if told["required"] else f"[{name.upper()}]"
    return click.Argument([name], type=kind, required=told["required"], metavar=shown)


def read_secret(name: str, from_stdin: bool) -> str:
    if from_stdin:
        line = sys.stdin.readline()
        if not line.strip("\r\n"):
            raise click.UsageError(f"standard input has no {name}")
        return line.rstrip("\r\n")
    answer: str = click.prompt(name.capitalize(), hide_input=True, confirmation_prompt=True)
    return answer


@click.group(cls=ServerGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    is_eager=True,  # before --help, which asks the server
    envvar=SOCKET_VARIABLE,
    help=f"The server's control socket; else {SYSTEM_SOCKET}, {DATA_SOCKET} or {LOCAL_SOCKET}.",
)
@click.option("--json", is_flag=True, help="Answer in JSON, for scripts.")
@click.version_option(package_name="xmppd", prog_name="xmppctl")
@click.pass_context
def main(ctx: click.Context, /, **_: object) -> None:
    """Administer the running xmppd."""
    control_of(ctx)


@main.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=SYSTEM_CONFIG,
    show_default=True,
    help="The configuration file.",
)
def check(config: Path) -> None:
    """Check the configuration file; needs no running server."""
    from xmppd.admin.check import check_config  # it loads every module: not for each command

    faults, warnings = check_config(config)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        sys.exit(FAILED)
    click.echo(f"{config}: no mistakes found")


@main.command("help")
@click.argument("name", required=False, metavar="[COMMAND]")
@click.pass_context
def show_help(ctx: click.Context, /, name: str | None) -> None:
    """What a command does and takes; without one, all commands."""
    top = ctx.find_root()
    if name is None:
        click.echo(main.get_help(top))
        return
    _, found, _ = main.resolve_command(top, [name])
    assert found is not None  # else it has raised
    with click.Context(found, info_name=name, parent=top) as inner:
        click.echo(found.get_help(inner))


@main.command()
def example() -> None:
    """Print a configuration file with every option and its default; needs no running server."""
    from xmppd.admin.check import described
    from xmppd.config import example as write

    click.echo(described(write), nl=False)


if __name__ == "__main__":
    main()
