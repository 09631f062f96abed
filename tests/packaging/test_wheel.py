"""What is released works away from the checkout: wheel, sdist, editable installs.

Dependencies are those of the environment that runs the tests (a .pth file leads to them); xmppd
itself comes from what was built, into a fresh environment, and is started from another folder.
"""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PATIENCE_S = 60.0
DROP_IN = '''
"""A module of one's own."""

from xmppd.api import Module, command


class Greeter(Module):
    name = "greeter"

    @command("greet", "Say hello.")
    def greet(self) -> str:
        return f"hello from {self.host.name}"
'''
CONFIG = """\
data_dir = "{folder}/data"

[c2s]
listen = ["unix:{folder}/c2s.sock"]
direct_tls = []

[s2s]
enabled = false

[modules]
paths = ["{folder}/dropins"]

[hosts."localhost"]
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Its output; a failure shows it."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is in the checkout: building must not write there."""
    copy = tmp_path_factory.mktemp("source") / "xmppd"
    unwanted = (".git", ".venv*", "var", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
    ignored = shutil.ignore_patterns(*unwanted, "dropin.cache", "results", "_build", ".hypothesis")
    shutil.copytree(CHECKOUT, copy, symlinks=True, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built of the sdist."""
    if importlib.util.find_spec("build") is None:
        pytest.skip("the package `build` is not installed: make test-packaging installs it")
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", dist, source, cwd=dist)
    return dist


class Environment:
    """A fresh virtual environment that borrows all but xmppd from ours."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True, symlinks=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        self.site = site
        borrowed = folder / "borrowed"
        borrowed.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if "xmppd" not in entry.name and entry.suffix != ".pth":
                (borrowed / entry.name).symlink_to(entry)
        (site / "borrowed.pth").write_text(f"{borrowed}\n")

    def install(self, *words: str | Path) -> None:
        """As a user does, but for what is borrowed; what builds it comes from the index."""
        run(self.python, "-m", "pip", "install", "--quiet", "--no-deps", *words, cwd=self.bin)

    def home(self) -> str:
        """Where xmppd is imported from."""
        code = "import xmppd; print(xmppd.__file__)"
        return run(self.python, "-c", code, cwd=self.bin).strip()


class Server:
    """`twistd -n xmppd` of an environment, in a folder of its own."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._environment = environment
        self.folder = folder
        (folder / "dropins").mkdir()
        (folder / "dropins" / "greeter.py").write_text(DROP_IN)
        (folder / "xmppd.toml").write_text(CONFIG.format(folder=folder))
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(0.5)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [self._twistd(), "-n", "--pidfile=", "xmppd", "--config", "xmppd.toml"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": "", "NOTIFY_SOCKET": str(folder / "notify")},
                stdout=log,
                stderr=log,
            )

    def _twistd(self) -> Path:
        """The script that pip would have written, had Twisted been installed by it."""
        script = self._environment.bin / "twistd"
        if not script.exists():
            lines = (
                f"#!{self._environment.python}\nfrom twisted.scripts.twistd import run\nrun()\n"
            )
            script.write_text(lines)
            script.chmod(0o755)
        return script

    def wait_until_ready(self) -> None:
        for _ in range(int(PATIENCE_S / 0.5)):
            try:
                if self._notify.recv(4096).startswith(b"READY=1"):
                    return
            except TimeoutError:
                if self._child.poll() is not None:
                    break
        raise AssertionError(self.log.read_text())

    def opens_a_stream(self) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            client.connect(str(self.folder / "c2s.sock"))
            client.sendall(
                b"<stream:stream xmlns='jabber:client' to='localhost' version='1.0' "
                b"xmlns:stream='http://etherx.jabber.org/streams'>"
            )
            seen = b""
            while b"</stream:features>" not in seen:
                received = client.recv(4096)
                assert received, seen
                seen += received
        return seen

    def xmppctl(self, *words: str) -> str:
        control = self.folder / "data" / "ctl.sock"
        command = self._environment.bin / "xmppctl"
        return run(command, "--socket", control, *words, cwd=self.folder)

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait(PATIENCE_S)
        self._notify.close()


def serves(environment: Environment, folder: Path) -> None:
    """A bundled module and a drop-in one run, and a client gets features."""
    server = Server(environment, folder)
    try:
        server.wait_until_ready()
        assert b"starttls" in server.opens_a_stream()
        modules = {row["module"] for row in json.loads(server.xmppctl("--json", "modules"))}
        assert {"roster", "greeter"} <= modules
        assert server.xmppctl("greet") == "hello from localhost\n"
        assert "greet" in server.xmppctl("--help")
    finally:
        server.stop()


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.mark.timeout(400)
def test_the_wheel_serves(built: Path, environment: Environment, elsewhere: Path) -> None:
    environment.install(next(built.glob("*.whl")))
    assert environment.home().startswith(str(environment.site))
    serves(environment, elsewhere)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", ["lenient", "strict", "compat"])
def test_an_editable_install_serves(
    mode: str, source: Path, environment: Environment, elsewhere: Path
) -> None:
    environment.install("--config-settings", f"editable_mode={mode}", "--editable", source)
    serves(environment, elsewhere)


def test_the_wheel_holds_the_modules_and_the_plugin_and_no_rubbish(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {"xmppd/tap.py", "xmppd/py.typed", "twisted/plugins/xmppd_plugin.py"} <= set(names)
    assert "twisted/__init__.py" not in names
    assert "twisted/plugins/__init__.py" not in names
    bundled = {f"xmppd/modules/{path.name}" for path in (CHECKOUT / "modules").glob("*.py")}
    assert bundled <= set(names)
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"xmppd", "twisted"}
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_the_sdist_holds_what_is_needed_to_test_and_run(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"etc/xmppd.service", "Makefile", "setup.cfg", "pyproject.toml"} <= names
    assert "tests/packaging/test_wheel.py" in names
    assert {f"xmppd/modules/{p.name}" for p in (CHECKOUT / "modules").glob("*.py")} <= names
