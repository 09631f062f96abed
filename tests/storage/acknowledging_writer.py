"""Writes rows for ever, in bursts, and prints the name of each one that is acknowledged."""

import os
import sys
from collections.abc import Callable
from itertools import count

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))

from xmppd.storage import Database

INSERT = sa.text("INSERT INTO t_blob (host, name, text) VALUES ('h', :name, 'x')")


def put(name: str) -> Callable[[Tx], str]:
    def work(tx: Tx) -> str:
        tx.execute(INSERT, {"name": name})
        return name

    return work


def acknowledge(name: str) -> None:
    os.write(1, f"{name}\n".encode())


async def write(url: str) -> None:
    database = Database(url)
    await database.start()
    for burst in count():
        names = [f"{burst}-{n}" for n in range(1 + burst % 40)]
        await gatherResults([database.run(put(name)).addCallback(acknowledge) for name in names])


running: Deferred[None] = ensureDeferred(write(sys.argv[1]))
running.addErrback(lambda failure: (failure.printTraceback(), reactor.stop()))
reactor.run()
