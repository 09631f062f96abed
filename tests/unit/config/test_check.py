"""The report: every fault, its file and line, what is wrong and what is permitted."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import model_validator

from xmppd.config import Config, ConfigErrors, Duration, ModuleInfo, Options, Secret, load, option


class Part(Options):
    weight: int = option(1, "A weight.", at_least=1)


class VCardOptions(Options):
    max_size: int = option(65536, "Largest vCard accepted.", at_least=1024)
    keep: Duration = option(60.0, "How long.", at_most=3600)
    token: Secret = option(Secret(""), "A token.", secret=True)
    parts: list[Part] = option([], "Parts.")
    low: int = option(1, "Low.")

    @model_validator(mode="after")
    def _order(self) -> "VCardOptions":
        if self.low > self.max_size:
            raise ValueError("low must not be above max_size")
        return self


KNOWN = {
    "vcard": ModuleInfo(VCardOptions, default_on=True),
    "muc": ModuleInfo(Options),
    "carbons": ModuleInfo(Options),
}
TRIAL = "[tls]\nself_signed = true\n"


def config(text: str) -> Config:
    return load("xmppd.toml", KNOWN, text=text)


def faults(text: str, path: str | Path = "xmppd.toml") -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load(path, KNOWN, text=text)
    assert str(caught.value).splitlines() == [str(fault) for fault in caught.value.faults]
    return [str(fault) for fault in caught.value.faults]


CASES = {
    "a typo": (
        "[c2s]\nidle_pin = 3",
        '2: c2s.idle_pin: unknown option; did you mean "idle_ping"?',
    ),
    "a table that does not exist": (
        "[databse]",
        '1: databse: unknown option; did you mean "database"?',
    ),
    "nothing alike": (
        "[admin]\nxyz = 1",
        "2: admin.xyz: unknown option; there is socket",
    ),
    "a string for an integer": (
        '[c2s]\nattempts = "3"',
        '2: c2s.attempts: is "3", must be an integer',
    ),
    "a float for an integer": (
        "[c2s]\nattempts = 2.0",
        "2: c2s.attempts: is 2.0, must be an integer",
    ),
    "an integer for a boolean": (
        "[tls]\nself_signed = 1",
        "2: tls.self_signed: is 1, must be true or false",
    ),
    "a table for a string": (
        "[log.level]",
        '1: log.level: is a table, must be one of "debug", "info", "warn", "error", "critical"',
    ),
    "a string for a table": (
        'tls = "no"',
        '1: tls: is "no", must be a table',
    ),
    "a string for a list": (
        '[c2s]\nlisten = "tcp:5222"',
        '2: c2s.listen: is "tcp:5222", must be a list',
    ),
    "a number for a path": (
        "data_dir = 3",
        "1: data_dir: is 3, must be a path",
    ),
    "too small": (
        "[c2s]\nattempts = 0",
        "2: c2s.attempts: is 0, must be at least 1",
    ),
    "too large": (
        "[c2s]\nattempts = 6",
        "2: c2s.attempts: is 6, must be at most 5",
    ),
    "a short duration": (
        '[c2s]\nidle_ping = "5s"',
        '2: c2s.idle_ping: is "5s", must be at least 10s',
    ),
    "no duration": (
        '[c2s]\nidle_ping = "5x"',
        '2: c2s.idle_ping: is "5x", must be a duration: seconds, or like "30s", "5m", "1h", "2d"',
    ),
    "a small size": (
        '[c2s.limits.after_login]\nstanza = "1KiB"',
        '2: c2s.limits.after_login.stanza: is "1KiB", must be at least 10000',
    ),
    "a word that is not permitted": (
        '[log]\nlevel = "warning"',
        '2: log.level: is "warning", must be one of "debug", "info", "warn", "error", "critical"'
        '; did you mean "warn"?',
    ),
    "a member that there is not": (
        '[tls]\nmin_version = "1.1"',
        '2: tls.min_version: is "1.1", must be one of "1.2", "1.3"',
    ),
    "an item that is not permitted": (
        '[c2s]\nmechanisms = ["PLAIN", "scram-sha-1"]',
        '2: c2s.mechanisms: is ["PLAIN", "scram-sha-1"], must be one of "SCRAM-SHA-512-PLUS", '
        '"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", '
        '"SCRAM-SHA-1", "EXTERNAL", "PLAIN"; did you mean "SCRAM-SHA-1"?',
    ),
    "the second item of a list": (
        '[c2s]\nlisten = [\n"tcp:5222",\n"tpc:5224"]',
        '4: c2s.listen[1]: is "tpc:5224", must be an endpoint, like "tcp:5222" or '
        '"unix:/run/xmppd/c2s.sock"',
    ),
    "a module's option": (
        '\n[hosts."localhost".modules.vcard]\n\nmax_size = 12',
        "4: hosts.localhost.modules.vcard.max_size: is 12, must be at least 1024",
    ),
    "a module's default": (
        "[modules.vcard]\nmax_size = 12",
        "2: modules.vcard.max_size: is 12, must be at least 1024",
    ),
    "a module's table in an array": (
        "[[modules.vcard.parts]]\n[[modules.vcard.parts]]\nweight = 0",
        "3: modules.vcard.parts[1].weight: is 0, must be at least 1",
    ),
    "a secret": (
        "[modules.vcard]\ntoken = 12345",
        "2: modules.vcard.token: is (hidden), must be a string",
    ),
    "options that contradict each other": (
        "[modules.vcard]\nlow = 100000",
        "1: modules.vcard: low must not be above max_size",
    ),
    "an unknown module": (
        "[modules.vcrad]",
        '1: modules.vcrad: unknown module; did you mean "vcard"?',
    ),
    "an unknown module of a host": (
        "[hosts.localhost.modules.muk]",
        '1: hosts.localhost.modules.muk: unknown module; did you mean "muc"?',
    ),
    "enabling an unknown module": (
        '[hosts.localhost]\nenable = ["muc",\n"carbon"]',
        '3: hosts.localhost.enable[1]: unknown module "carbon"; did you mean "carbons"?',
    ),
    "disabling an unknown module everywhere": (
        '[modules]\ndisable = ["vcards"]',
        '2: modules.disable[0]: unknown module "vcards"; did you mean "vcard"?',
    ),
    "enabling and disabling": (
        '[hosts.localhost]\nenable = ["muc"]\ndisable = ["muc"]',
        '3: hosts.localhost.disable[0]: "muc" is enabled as well',
    ),
    "a resource of an administrator": (
        '[hosts.localhost]\nadmins = ["a@localhost/x"]',
        '2: hosts.localhost.admins[0]: is "a@localhost/x", must be a bare JID, without a resource',
    ),
    "an option of a host": (
        '[hosts.localhost]\nadmin = ["a@localhost"]',
        '2: hosts.localhost.admin: unknown option; did you mean "admins"?',
    ),
    "a domain without quotes": (
        "[hosts.example.org]\nadmins = []",
        '1: hosts.example: write the domain in quotes: [hosts."example.org"]',
    ),
    "a host that is no table": (
        "[hosts]\nlocalhost = 3",
        "2: hosts.localhost: is 3, must be a table",
    ),
    "hosts that are no table": (
        "hosts = ['localhost']",
        '1: hosts: is ["localhost"], must be a table',
    ),
    "hosts in an array": (
        '[[hosts]]\nname = "a.org"',
        '1: hosts: is [{ name = "a.org" }], must be a table',
    ),
    "modules that are no table": (
        "modules = 3",
        "1: modules: is 3, must be a table",
    ),
    "a host twice": (
        '[hosts.localhost]\n[hosts."LocalHost"]',
        "2: hosts.LocalHost: is the same host as another: localhost",
    ),
    "a port twice": (
        '[c2s]\nlisten = ["tcp:5222"]\ndirect_tls = ["tcp:5222:interface=127.0.0.1"]',
        '3: c2s.direct_tls[0]: is "tcp:5222:interface=127.0.0.1", which c2s.listen[0] listens on',
    ),
    "a socket twice": (
        '[c2s]\nlisten = ["unix:/a", "unix:/a"]',
        '2: c2s.listen[1]: is "unix:/a", which c2s.listen[0] listens on',
    ),
    "a manhole for everyone": (
        '[manhole]\nlisten = "tcp:4022"\nuser = "a"\npassword = "b"',
        '2: manhole.listen: is "tcp:4022", must be a Unix socket or a loopback address, like '
        '"tcp:4022:interface=127.0.0.1": whoever enters can do anything',
    ),
    "a manhole without a password": (
        '[manhole]\nlisten = "unix:/x"\nuser = "a"',
        "1: manhole.password: must be set where the manhole is open",
    ),
    "a manhole for nobody": (
        '[manhole]\nlisten = "unix:/x"\npassword = "a"',
        "1: manhole.user: must be set where the manhole is open",
    ),
    "a database of another kind": (
        '[database]\nurl = "mysql://x:y@z/w"',
        '2: database.url: is (hidden), must be like "postgresql://user:password@host/name" or '
        '"sqlite:////srv/xmppd.sqlite"',
    ),
    "a database that is no URL": (
        '[database]\nurl = "xmppd.sqlite"',
        '2: database.url: is (hidden), must be like "postgresql://user:password@host/name" or '
        '"sqlite:////srv/xmppd.sqlite"',
    ),
    "a database in memory": (
        '[database]\nurl = "sqlite://"',
        '2: database.url: is (hidden), must be like "postgresql://user:password@host/name" or '
        '"sqlite:////srv/xmppd.sqlite"',
    ),
    "authorities that are not there": (
        '[tls]\nclient_ca = "/nonexistent/ca.pem"',
        "2: tls.client_ca: /nonexistent/ca.pem cannot be read: No such file or directory",
    ),
}


@pytest.mark.parametrize("text, said", CASES.values(), ids=CASES.keys())
def test_a_fault_is_reported_with_line_and_option(text: str, said: str) -> None:
    assert faults(text) == [f"xmppd.toml:{said}"]


def test_a_name_that_is_no_domain_is_a_fault() -> None:
    (fault,) = faults(TRIAL + '[hosts."exa mple"]')
    assert fault.startswith('xmppd.toml:3: hosts."exa mple": is no domain name: ')


def test_all_faults_come_in_one_report_in_the_order_of_the_file() -> None:
    text = (
        '[hosts."example.org".modules.vcard]\nmax_size = 12\n[tls]\nself_signed = 3\n'
        "[c2s]\nattempts = 9\n[modules.vcard]\nmax_size = 13\n[modules.xyz]\n"
    )
    lines = [fault.split(":")[1] for fault in faults(text)]
    assert lines == ["2", "4", "6", "8", "9"]


def test_a_fault_of_a_modules_default_is_not_repeated_for_each_host() -> None:
    text = TRIAL + '[modules.vcard]\nmax_size = 12\n[hosts."a.org"]\n[hosts."b.org".modules.vcard]'
    assert len(faults(text)) == 1


def test_a_fault_is_blamed_on_the_file_of_conf_d(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    extra = tmp_path / "conf.d" / "limits.toml"
    extra.write_text("[c2s]\nattempts = 9\n")
    found = faults("[c2s]\nattempts = 2\n", tmp_path / "xmppd.toml")
    assert found == [f"{extra}:2: c2s.attempts: is 9, must be at most 5"]


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_without_a_host_there_is_localhost_on_loopback(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no `make run` has left a certificate in var/
    found = load(None if text is None else "xmppd.toml", KNOWN, text=text)
    assert list(found.hosts) == ["localhost"]
    assert found.server.c2s.listen == [
        "tcp:5222:interface=127.0.0.1",
        r"tcp:5222:interface=\:\:1",
    ]
    assert found.server.c2s.direct_tls[0] == "tcp:5223:interface=127.0.0.1"
    assert found.hosts["localhost"].certificate is None
    assert found.warnings == ()


def test_with_a_host_or_an_endpoint_the_default_does_not_interfere() -> None:
    assert config(TRIAL + '[hosts."example.org"]').server.c2s.listen == ["tcp:5222"]
    assert config('[c2s]\nlisten = ["tcp:1"]').server.c2s.listen == ["tcp:1"]


def test_hosts_are_known_by_their_prepared_domains() -> None:
    assert list(config(TRIAL + '[hosts."EXAMPLE.Org"]').hosts) == ["example.org"]


def test_a_hosts_table_has_the_last_word_on_a_modules_options() -> None:
    found = config(
        TRIAL + "[modules.vcard]\nmax_size = 2000\nkeep = 7\n"
        '[hosts."a.org".modules.vcard]\nmax_size = 3000\n[hosts."b.org"]\n'
    )
    options = {name: host.modules["vcard"].model_dump() for name, host in found.hosts.items()}
    assert [options[name]["max_size"] for name in ("a.org", "b.org")] == [3000, 2000]
    assert options["a.org"]["keep"] == options["b.org"]["keep"] == 7.0


def test_which_modules_run_follows_default_then_server_then_host() -> None:
    found = config(
        TRIAL + '[modules]\nenable = ["muc"]\ndisable = ["vcard"]\n'
        '[hosts."a.org"]\nenable = ["vcard"]\n[hosts."b.org"]\ndisable = ["muc"]\n'
        'enable = ["carbons"]\n[hosts."c.org"]\n'
    )
    assert {name: set(host.enabled) for name, host in found.hosts.items()} == {
        "a.org": {"muc", "vcard"},
        "b.org": {"carbons"},
        "c.org": {"muc"},
    }
    assert set(found.hosts["c.org"].modules) == set(KNOWN)
    assert set(config("").hosts["localhost"].enabled) == {"vcard"}


def test_modules_are_looked_for_in_the_folders_of_the_file() -> None:
    asked: list[list[Path]] = []

    def known(paths: list[Path]) -> Mapping[str, ModuleInfo]:
        asked.append(paths)
        return KNOWN

    text = '[modules]\npaths = ["mine"]\n'
    load("/etc/xmppd/xmppd.toml", known, text=text)
    with pytest.raises(ConfigErrors):
        load("/etc/xmppd/xmppd.toml", known, text=text + "[log]\nlevel = 3")
    assert asked == [[Path("/etc/xmppd/mine")]] * 2


def test_relative_paths_start_from_the_files_folder() -> None:
    server = load("/etc/xmppd/xmppd.toml", KNOWN, text='data_dir = "data"').server
    assert server.data_dir == Path("/etc/xmppd/data")
    assert server.database_url == "sqlite:////etc/xmppd/data/xmppd.sqlite"
    assert server.admin_socket == Path("/etc/xmppd/data/ctl.sock")
    assert server.certificates == Path("/etc/xmppd/data/certificates")


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "[c2s]\nplaintext_auth = true",
            "2: c2s.plaintext_auth: passwords may cross the network unencrypted, where anyone "
            "can read them",
        ),
        ("[modules.muc]", "1: modules.muc: the module is not enabled on any host"),
        (
            "[hosts.localhost.modules.muc]",
            "1: hosts.localhost.modules.muc: the module is not enabled on this host",
        ),
        (
            '[c2s]\nlisten = ["tcp:5222", "tcp6:5222"]',
            '2: c2s.listen[1]: is "tcp6:5222", which on Linux takes IPv4 too, as c2s.listen[0] '
            "does: one of them may fail to listen",
        ),
    ],
)
def test_what_is_unwise_is_a_warning_and_loads(text: str, said: str) -> None:
    assert [str(warning) for warning in config(text).warnings] == [f"xmppd.toml:{said}"]


def test_a_secret_in_a_file_that_everyone_may_read_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "xmppd.toml"
    path.write_text('[manhole]\npassword = "hush"\n')
    path.chmod(0o644)
    (warning,) = load(path, KNOWN).warnings
    assert str(warning) == f"{path}:2: manhole.password: everyone may read it: chmod o= {path}"
    path.chmod(0o640)
    assert load(path, KNOWN).warnings == ()


@pytest.mark.parametrize(
    "url, warned",
    [("postgresql://xmppd@/xmppd", 0), ("sqlite:////srv/x", 0), ("postgresql://a:b@h/x", 1)],
)
def test_the_url_of_a_database_is_a_secret_if_it_holds_one(
    tmp_path: Path, url: str, warned: int
) -> None:
    path = tmp_path / "xmppd.toml"
    path.write_text(f'[database]\nurl = "{url}"\n')
    path.chmod(0o644)
    assert len(load(path, KNOWN).warnings) == warned


def test_faults_come_with_the_warnings() -> None:
    with pytest.raises(ConfigErrors) as caught:
        config("[c2s]\nplaintext_auth = true\n[log]\nlevel = 0")
    assert [warning.option for warning in caught.value.warnings] == ["c2s.plaintext_auth"]


def test_a_wrong_option_does_not_hide_faults_between_options_nor_invent_some() -> None:
    text = (
        '[log]\nlevel = 0\n[manhole]\nlisten = "unix:/x"\nuser = "a"\n[hosts."a.org"]\nkey = 3\n'
    )
    assert [fault.partition(" ")[2].split(":")[0] for fault in faults(text)] == [
        "log.level",
        "manhole.password",
        'hosts."a.org".key',
    ]
