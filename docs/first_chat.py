"""A first chat: romeo and juliet talk through the server that ``make run`` started.

    .venv/bin/xmppctl adduser romeo@localhost
    .venv/bin/xmppctl adduser juliet@localhost
    .venv/bin/python -m pip install slixmpp
    .venv/bin/python docs/first_chat.py

Each of them is a complete XMPP client: it logs in over TLS, says who is online, and chats.
"""

import argparse
import asyncio
import getpass
import ssl
import sys
from typing import Any

from slixmpp import ClientXMPP

LINES = ("Art thou not Romeo, and a Montague?", "Neither, fair saint, if either thee dislike. ♥")


class Chatter(ClientXMPP):  # type: ignore[misc]  # slixmpp's types are not complete
    """A client that is online once `arrived` is done, and hands over what it is told."""

    def __init__(self, address: str, password: str, trusted: ssl.SSLContext) -> None:
        super().__init__(address, password, ssl_context=trusted)
        self.enable_direct_tls = False  # the connection begins in the clear and turns to TLS
        self.arrived = asyncio.get_running_loop().create_future()
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.add_event_handler("session_start", self.greet)
        self.add_event_handler("failed_auth", lambda _: self.give_up("wrong user or password"))
        self.add_event_handler("ssl_invalid_chain", self.give_up)
        self.add_event_handler("connection_failed", self.give_up)
        self.add_event_handler("message", self.heard.put_nowait)

    def greet(self, _: Any) -> None:
        self.send_presence()
        self.arrived.set_result(None)

    def give_up(self, why: Any) -> None:
        if not self.arrived.done():
            self.arrived.set_exception(ConnectionError(f"{self.boundjid.bare}: {why}"))
        self.cancel_connection_attempt()

    async def say(self, other: "Chatter", text: str) -> None:
        """Tell the other, and wait until it has arrived there."""
        self.send_message(mto=other.boundjid, mbody=text, mtype="chat")
        message = await asyncio.wait_for(other.heard.get(), 10)
        print(f"{message['from'].user}: {message['body']}")


async def chat(options: argparse.Namespace, passwords: list[str]) -> None:
    trusted = ssl.create_default_context(cafile=options.trust)
    pair = [Chatter(*who, trusted) for who in zip(options.users, passwords, strict=True)]
    try:
        for client in pair:
            client.connect(options.server, options.port)
            await asyncio.wait_for(client.arrived, 20)
            print(f"{client.boundjid} is online, encrypted with {client.socket.version()}")
        romeo, juliet = pair
        await juliet.say(romeo, LINES[0])
        await romeo.say(juliet, LINES[1])
    finally:
        await asyncio.gather(*(client.disconnect() for client in pair))


def password_of(user: str) -> str:
    """Asked for, or read from standard input where that is no terminal."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    return sys.stdin.readline().rstrip("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Two clients log in and chat.")
    parser.add_argument("users", nargs="*", default=["romeo@localhost", "juliet@localhost"])
    parser.add_argument("--server", default="127.0.0.1", help="address to connect to")
    parser.add_argument("--port", default=5222, type=int)
    parser.add_argument(
        "--trust", default="var/certificates/localhost.crt", help="certificate to trust"
    )
    options = parser.parse_args()
    if len(options.users) != 2:
        parser.error("it takes two to chat")
    try:
        asyncio.run(chat(options, [password_of(user) for user in options.users]))
    except (OSError, TimeoutError) as fault:
        sys.exit(f"No chat: {fault or 'the server does not answer'}")


if __name__ == "__main__":
    main()
