"""xmppctl against a process with a control socket: what is shown, what is asked, exit codes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xmppd.admin import ctl

SERVER = """
import sys
from pathlib import Path
from twisted.internet import reactor
from xmppd.admin.commands import CommandError, Commands, Secret, command
from xmppd.admin.control import ControlServer
from xmppd.admin.output import Rows
from xmppd.jid import JID

class Garden:
    @command("adduser", "Create an account.", jid="Its bare JID.")
    async def adduser(self, jid: JID, password: Secret) -> str:
        return f"{jid} {len(password)} {password.upper()}"

    @command("users", "List the accounts.")
    def users(self, host: str | None = None, *, all: bool = False, most: int = 5) -> Rows:
        return Rows(("jid", "n"), [(host, most), ("all", all)])

    @command("count", "Count to a number, as long as it takes, and tell what comes after it"
        " in the order of numbers.")
    def count(self, until: int) -> str:
        return str(until + 1)

    @command("refuse", "Fail.")
    def refuse(self) -> str:
        raise CommandError("it rains")

commands = Commands()
commands.add_from(Garden())
ControlServer(reactor, commands, Path(sys.argv[1])).startService()
print("ready", flush=True)
reactor.run()
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("ctl") / "ctl.sock"
    command_line = [sys.executable, "-c", SERVER, str(path)]
    with subprocess.Popen(command_line, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == b"ready\n"
            yield path
        finally:
            server.terminate()


def xmppctl(path: Path, *words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(ctl.main, ["--socket", str(path), *words], input=typed)


def test_the_socket_is_for_its_owner_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_help_lists_the_commands_of_the_server_beside_its_own(path: Path) -> None:
    shown = xmppctl(path, "--help")
    for line in (
        "adduser  Create an account.",
        "check    Check the configuration",
        "refuse   Fail.",
    ):
        assert line in shown.output


def test_sentences_of_help_are_whole(path: Path) -> None:
    shown = " ".join(xmppctl(path, "--help").output.split())
    assert "and tell what comes after it in the order of numbers." in shown


def test_nought_is_a_number(path: Path) -> None:
    assert xmppctl(path, "count", "0").output == "1\n"


@pytest.mark.parametrize("words", [["users", "a.example"], ["users", "--host", "a.example"]])
def test_a_host_is_named_as_an_argument_or_as_for_other_commands(
    path: Path, words: list[str]
) -> None:
    assert "a.example  5" in xmppctl(path, *words).output


def test_a_host_is_named_once(path: Path) -> None:
    shown = xmppctl(path, "users", "a.example", "--host", "b.example")
    assert (shown.exit_code, "named twice" in shown.output) == (2, True)


def test_the_socket_may_be_named_in_the_environment(path: Path) -> None:
    environment = {"XMPPD_SOCKET": str(path)}
    for words in (["--help"], ["refuse"]):
        shown = CliRunner().invoke(ctl.main, words, env=environment)
        assert ("Fail." if words == ["--help"] else "it rains") in shown.output


def test_the_help_of_a_command_tells_of_its_parameters(path: Path) -> None:
    shown = xmppctl(path, "adduser", "--help").output
    assert "JID: Its bare JID." in shown
    assert "--password-stdin" in shown
    assert "--password " not in shown


def test_help_is_a_command_too(path: Path) -> None:
    assert xmppctl(path, "help").output == xmppctl(path, "--help").output
    assert xmppctl(path, "help", "users").output == xmppctl(path, "users", "--help").output


def test_the_help_of_a_command_shows_which_arguments_may_be_left_out(path: Path) -> None:
    assert "users [OPTIONS] [HOST]" in xmppctl(path, "users", "--help").output


def test_a_table_is_printed(path: Path) -> None:
    answer = xmppctl(path, "users", "example.org", "--all", "--most", "7")
    assert answer.output == "jid          n\nexample.org  7\nall          yes\n"
    assert answer.exit_code == 0


def test_scripts_get_json(path: Path) -> None:
    answer = xmppctl(path, "--json", "users")
    assert json.loads(answer.output) == [{"jid": None, "n": 5}, {"jid": "all", "n": False}]


def test_a_password_is_one_line_of_standard_input(path: Path) -> None:
    answer = xmppctl(path, "adduser", "a@b.example", "--password-stdin", typed=" se cret\nmore\n")
    assert answer.output == "a@b.example 8  SE CRET\n"


def test_a_password_is_asked_for_twice_and_not_echoed(path: Path) -> None:
    answer = xmppctl(path, "adduser", "a@b.example", typed="one\ntwo\npw\npw\n")
    assert answer.output.endswith("a@b.example 2 PW\n")
    assert "one" not in answer.output


@pytest.mark.parametrize(
    "words, typed, code, sentence",
    [
        (["refuse"], None, 1, "it rains"),
        (["adduser", "@", "--password-stdin"], "x\n", 2, "is not a JID"),
        (["adduser", "a@b.example", "--password-stdin"], "", 2, "standard input has no password"),
        (["adduser"], None, 2, "JID"),
        (["adduser", "a@b.example", "hunter2"], None, 2, "unexpected extra argument"),
        (["sing"], None, 2, "No such command 'sing'"),
        (["user"], None, 2, "Did you mean 'users'?"),
        (["help", "sing"], None, 2, "No such command 'sing'"),
        (["users", "--most", "x"], None, 2, "not a valid integer"),
    ],
)
def test_what_fails_says_why_and_tells_by_its_exit_code(
    path: Path, words: list[str], typed: str | None, code: int, sentence: str
) -> None:
    answer = xmppctl(path, *words, typed=typed)
    assert answer.exit_code == code
    assert sentence in answer.output


def test_without_a_server_the_exit_code_is_three_and_help_still_works(tmp_path: Path) -> None:
    answer = xmppctl(tmp_path / "absent.sock", "users")
    assert answer.exit_code == 3
    assert "no server answers at" in answer.output
    shown = xmppctl(tmp_path / "absent.sock", "--help")
    assert shown.exit_code == 0
    assert "check" in shown.output


def test_a_strangers_socket_in_this_folder_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ctl, "SYSTEM_SOCKET", tmp_path / "system.sock")
    monkeypatch.setattr(ctl, "DATA_SOCKET", tmp_path / "data.sock")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "ctl.sock").touch()
    assert ctl.default_socket() == ctl.LOCAL_SOCKET
    monkeypatch.setattr(ctl.os, "geteuid", lambda: -5)
    assert ctl.default_socket() == ctl.SYSTEM_SOCKET


def test_the_systems_server_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ctl, "SYSTEM_SOCKET", tmp_path / "system.sock")
    monkeypatch.setattr(ctl, "DATA_SOCKET", tmp_path / "data.sock")
    (tmp_path / "system.sock").touch()
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "ctl.sock").touch()
    assert ctl.default_socket() == tmp_path / "system.sock"


def test_a_server_that_keeps_its_socket_with_its_data_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ctl, "SYSTEM_SOCKET", tmp_path / "system.sock")
    monkeypatch.setattr(ctl, "DATA_SOCKET", tmp_path / "data.sock")
    (tmp_path / "data.sock").touch()
    assert ctl.default_socket() == tmp_path / "data.sock"


def test_the_example_in_etc_is_what_the_options_say_now() -> None:
    kept = Path(__file__).parents[3] / "etc" / "xmppd.toml"
    assert CliRunner().invoke(ctl.main, ["example"]).output == kept.read_text(), "make example"
