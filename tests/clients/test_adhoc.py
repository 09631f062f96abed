"""slixmpp executes ad-hoc commands of a real server (XEP-0050, XEP-0133)."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.account import Account
from tests.clients.slix import PATIENCE_S, Client, logged_in
from tests.support.server import PASSWORD, ServerProcess

ADMIN = "http://jabber.org/protocol/admin"


@pytest.fixture(scope="module")
def yard() -> Iterator[ServerProcess]:
    with ServerProcess(admins=["admin@example.org"]) as server:
        server.create("admin@example.org")
        server.create("romeo@example.org")
        yield server


def account(yard: ServerProcess, user: str) -> Account:
    return Account.at(yard, f"{user}@example.org", PASSWORD)


async def execute(client: Client, node: str, **values: str) -> Any:
    """The `command` of the last answer: the first, or the one to the filled-in form."""
    adhoc = client.plugin["xep_0050"]
    answers: asyncio.Queue[Any] = asyncio.Queue()

    def filled_in(iq: Any, session: dict[str, Any]) -> None:
        if iq["command"]["status"] != "executing":
            answers.put_nowait(iq["command"])
            return
        form = iq["command"]["form"]
        for name, value in values.items():
            form.get_fields()[name]["value"] = value
        form["type"] = "submit"
        session["payload"] = form
        session["next"] = session["done"]
        adhoc.complete_command(session)

    def done(iq: Any, session: dict[str, Any]) -> None:
        answers.put_nowait(iq["command"])

    def failed(iq: Any, session: dict[str, Any]) -> None:
        answers.put_nowait(iq["error"])

    session = {"next": filled_in, "done": done, "error": failed}
    adhoc.start_command("example.org", node, session)
    return await asyncio.wait_for(answers.get(), PATIENCE_S)


async def test_an_administrator_adds_and_deletes_a_user(yard: ServerProcess) -> None:
    async with logged_in(account(yard, "admin")) as admin:
        admin.register_plugin("xep_0050")
        items = await admin.asks(admin.plugin["xep_0050"].get_commands("example.org"))
        nodes = {node for _, node, _ in items["disco_items"]["items"]}
        assert f"{ADMIN}#add-user" in nodes
        added = await execute(
            admin,
            f"{ADMIN}#add-user",
            accountjid="juliet@example.org",
            password="R0m30",
        )
        assert added["status"] == "completed"
        assert "juliet@example.org" in yard.accounts()
        deleted = await execute(admin, f"{ADMIN}#delete-user", accountjids="juliet@example.org")
        assert deleted["status"] == "completed"
        assert "juliet@example.org" not in yard.accounts()


async def test_a_user_is_no_administrator(yard: ServerProcess) -> None:
    async with logged_in(account(yard, "romeo")) as romeo:
        romeo.register_plugin("xep_0050")
        refused = await execute(romeo, f"{ADMIN}#get-online-users-num")
        assert refused["condition"] == "forbidden"
