"""Makes trouble on demand: files in the folder XMPPD_TEST_TROUBLE say which.

slow   each statement takes a second and a half: a login has five, and the time limit is ten
full   SQLite's file may not grow, as on a full disk
clock  so many seconds are added to the wall clock
"""

import os
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from xmppd.api import IQ, Module, Session, Stanza, events, iq_get, on

NS = "urn:example:trouble"
FOLDER = Path(os.environ["XMPPD_TEST_TROUBLE"])
ANY_SIZE = 1 << 30  # pages
wall_clock = time.time


@sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
def trouble(connection: sa.engine.Connection, cursor: object, statement: str, *_: object) -> None:
    if (FOLDER / "slow").exists() and not statement.startswith("BEGIN"):
        time.sleep(1.5)
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        most = 1 if (FOLDER / "full").exists() else ANY_SIZE
        driver.execute(f"PRAGMA max_page_count = {most}").close()


def jumping_clock() -> float:
    try:
        return wall_clock() + float((FOLDER / "clock").read_text())
    except (OSError, ValueError):
        return wall_clock()


time.time = jumping_clock


class Trouble(Module):
    name = "trouble"
    default_on = False

    @iq_get(NS, "block")
    def block(self, iq: IQ) -> None:
        """Nothing goes on in the whole server for a while."""
        time.sleep(1.6)

    @on(events.user_sends)
    def crash(self, stanza: Stanza, session: Session) -> None:
        if stanza.id == "crash":
            raise RuntimeError("as asked for")
