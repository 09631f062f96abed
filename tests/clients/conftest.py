"""Real clients against a real server process, over TLS that they verify."""

import asyncio
import inspect
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.account import Account
from tests.support.server import PASSWORD, ServerProcess

CHECKOUT = Path(__file__).parents[2]
DOMAIN = "example.org"
NewAccount = Callable[[str], Account]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Tests that are coroutines run in an asyncio loop of their own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A server of their own, which lets a machine register as many accounts as it likes."""
    with ServerProcess(options={"register": {"per_day": 1000, "tries_per_day": 1000}}) as process:
        yield process


@pytest.fixture(scope="session")
def new_account(server: ServerProcess) -> NewAccount:
    """Makes accounts that no other test knows; their names begin as given."""
    numbers = itertools.count(1)

    def make(name: str) -> Account:
        account = Account.at(server, f"{name}{next(numbers)}@{DOMAIN}", PASSWORD)
        server.create(account.jid, account.password)
        return account

    return make


@pytest.fixture
def romeo(new_account: NewAccount) -> Account:
    return new_account("romeo")


@pytest.fixture
def juliet(new_account: NewAccount) -> Account:
    return new_account("juliet")


@pytest.fixture(scope="session")
def aioxmpp_python() -> str:
    """The interpreter that has aioxmpp."""
    if os.environ.get("XMPPD_WITHOUT_AIOXMPP"):
        pytest.skip("XMPPD_WITHOUT_AIOXMPP is set")
    usual = CHECKOUT / ".venv-aioxmpp" / "bin" / "python"
    python = os.environ.get("XMPPD_AIOXMPP_PYTHON") or str(usual)
    if not Path(python).exists():
        pytest.fail(
            f"There is no {python} to run aioxmpp with: `make test` makes it. Name another one in "
            "XMPPD_AIOXMPP_PYTHON, or set XMPPD_WITHOUT_AIOXMPP=1 to leave these tests out.",
            pytrace=False,
        )
    return python
