"""The whole server under what systemd does to it: readiness, reload, stop, failing starts."""

import signal
from typing import Any

import pytest

Process = Any  # conftest.py's: fixtures are not imported


def test_ready_is_said_when_clients_are_served(process: Process) -> None:
    process.launch()
    assert process.says() == ["READY=1", "STATUS=Serving example.org"]
    assert b"starttls" in process.connects().opens()


def test_the_watchdog_is_fed(process: Process) -> None:
    process.start(WATCHDOG_USEC="400000")
    for _ in range(3):
        assert process.says() == ["WATCHDOG=1"]


def test_sigterm_tells_clients_and_ends_in_order(process: Process) -> None:
    process.start()
    stream = process.connects()
    stream.opens()
    process.signal(signal.SIGTERM)
    assert process.says()[0] == "STOPPING=1"
    last_words = stream.reads_until(b"</stream:stream>")
    assert b"<system-shutdown" in last_words
    stream.sends(b"</stream:stream>")
    assert stream.is_closed()
    stream.leaves()
    assert process.ends() == -signal.SIGTERM  # as twistd does it; systemd takes it as success
    assert not (process.folder / "data" / "ctl.sock").exists()
    assert "Traceback" not in process.log.read_text()


def test_what_was_confirmed_is_there_after_a_restart(process: Process) -> None:
    process.start()
    assert process.runs("adduser", jid="romeo@example.org", password="secret")
    process.signal(signal.SIGTERM)
    process.ends()
    process.start()
    assert process.runs("users") == [["romeo@example.org", 0]]


def test_what_was_confirmed_survives_sigkill(process: Process) -> None:
    process.start()
    assert process.runs("adduser", jid="romeo@example.org", password="secret")
    process.signal(signal.SIGKILL)
    process.ends()
    process.start()
    assert process.runs("users") == [["romeo@example.org", 0]]


def test_sighup_takes_a_new_certificate_and_leaves_streams_alone(process: Process) -> None:
    process.start()
    before, stream = process.certificate(), process.connects()
    stream.opens()
    process.new_certificate()
    process.signal(signal.SIGHUP)
    first, stamp, *_ = process.says()
    assert first == "RELOADING=1"
    assert stamp.startswith("MONOTONIC_USEC=")
    assert process.says()[0] == "READY=1"
    assert process.certificate() != before
    stream.sends(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert b"<proceed" in stream.reads_until(b">")


def test_a_mistake_in_the_configuration_changes_nothing_at_reload(process: Process) -> None:
    process.start()
    before = process.certificate()
    process.new_certificate()
    process.configure("enabel = []\n")
    process.signal(signal.SIGHUP)
    assert process.says()[0] == "RELOADING=1"
    assert process.says()[0] == "READY=1"
    assert process.certificate() == before
    assert "enabel" in process.log.read_text()


def test_a_broken_certificate_keeps_the_old_one(process: Process) -> None:
    process.start()
    before = process.certificate()
    (process.folder / "certificate.pem").write_text("no certificate")
    process.signal(signal.SIGHUP)
    process.says_until("READY=1")
    assert process.certificate() == before


def test_certificates_of_clients_stay_when_those_of_peers_cannot_be_read(process: Process) -> None:
    process.start()
    before = process.certificate()
    process.new_certificate()
    (process.folder / "trust.pem").write_text("no authority")
    text, line = process.config.read_text(), f'[s2s]\ntrust = "{process.folder}/trust.pem"'
    process.config.write_text(text.replace("[s2s]", line))
    with pytest.raises(AssertionError, match="MalformedFraming"):
        process.runs("reload", config=True)
    assert process.certificate() == before


def test_modules_are_enabled_and_disabled_at_reload(process: Process) -> None:
    process.start()
    assert "roster" in [row[1] for row in process.runs("modules")]
    process.configure('disable = ["last"]\n')
    process.runs("reload", config=True)
    assert "last" not in [row[1] for row in process.runs("modules")]
    process.configure()
    process.runs("reload", config=True)
    assert "last" in [row[1] for row in process.runs("modules")]


def test_a_modules_code_is_reloaded(process: Process) -> None:
    process.start()
    assert "last" in process.runs("reload", module="last").removeprefix("reloaded: ").split(", ")
    assert b"starttls" in process.connects().opens()


def test_the_stop_command_answers_and_stops(process: Process) -> None:
    process.start()
    assert process.runs("stop") == "stopping"
    assert process.ends() == 0


MANHOLE = """
[manhole]
listen = "{listen}"
user = "admin"
password = "pass word"
"""


def test_the_manhole_shows_the_live_hosts_and_knows_the_commands(process: Process) -> None:
    process.configure(MANHOLE.format(listen=f"unix:{process.folder}/manhole.sock"))
    process.start()
    visitor = process.connects("manhole.sock")
    visitor.reads_until(b"Username: ")
    visitor.sends(b"admin\r\n")
    visitor.reads_until(b"Password: ")
    visitor.sends(b"pass word\r\n")
    visitor.reads_until(b">>> ")
    visitor.sends(b"host('example.org')\r\n")
    visitor.reads_until(b"<Host example.org: 0 sessions>")
    visitor.sends(b"sessions(), len(modules().rows) > 1\r\n")
    visitor.reads_until(b"([], True)")
    visitor.sends(b"adduser('romeo@example.org', 'secret')\r\n")
    visitor.reads_until(b"romeo@example.org is created")
    assert process.runs("users") == [["romeo@example.org", 0]]


@pytest.mark.parametrize(
    "more, listen, sentence",
    [
        (MANHOLE.format(listen="tcp:4022:interface=0.0.0.0"), "", "manhole"),
        ("enabel = []\n", "", "enabel"),
        ("", "tcp:5222:interface=203.0.113.1", "cannot listen on"),
        ('[database]\nurl = "sqlite:////absent/x.sqlite"\n', "", "cannot start"),
        ('[database]\nurl = "postgresql://x:y@127.0.0.1:1/z"\n', "", "port 1 failed"),
        ('[database]\nurl = "mysql://x/y"\n', "", "database.url"),
        ('[modules]\npaths = ["absent"]\n', "", "modules.paths"),
    ],
)
def test_a_start_that_fails_says_why_and_exits_with_one(
    process: Process, more: str, listen: str, sentence: str
) -> None:
    process.configure(more, listen)
    process.launch()
    assert process.ends() == 1
    log = process.log.read_text()
    assert sentence in log
    assert "Traceback" not in log


def test_a_second_server_does_not_take_the_first_ones_socket(process: Process) -> None:
    process.start()
    first = process.child
    process.configure(listen=f"unix:{process.folder}/other.sock")
    process.launch()
    assert process.ends() == 1
    process.child = first
    assert process.runs("users") == []
