"""A client of SCRAM, as small as RFC 5802 §3 allows, and a server's side of the database."""

import base64
import hashlib
import hmac
from collections.abc import Callable

from xmppd.stream.sasl import (
    HASHES,
    AskKeys,
    Challenge,
    Channel,
    Done,
    Exchange,
    SASLFailure,
    ScramKeys,
    Step,
    begin,
    derive,
    offered,
)

DOMAIN = "example.org"
SALT = b"0123456789abcdef"
BINDINGS = {"tls-exporter": b"exported keying material", "tls-server-end-point": b"a hash"}
ALL = (
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-512-PLUS",
    "PLAIN",
)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def channel(*names: str, bound: bool = False) -> Channel:
    """A channel under TLS that was offered `names`, or all."""
    types = tuple(BINDINGS) if bound else ()
    open_ = Channel(DOMAIN, secure=True, binding=BINDINGS.get, binding_types=types)
    shown = tuple(offered(open_, names or ALL))
    return Channel(DOMAIN, True, BINDINGS.get, types, (), shown)


def server_keys(ask: Step, password: str = "pencil", refusal: str | None = None) -> ScramKeys:
    assert isinstance(ask, AskKeys)
    keys = derive(ask.hash_name, password, SALT, 10)
    return ScramKeys(SALT, 10, keys.stored_key, keys.server_key, refusal)


class ScramClient:
    """Says the right things; a test changes what shall be wrong."""

    def __init__(
        self,
        mechanism: str,
        *,
        user: str = "romeo",
        password: str = "pencil",
        flag: str = "n",
        authzid: str = "",
        binding: bytes = b"",
    ) -> None:
        self.algorithm = HASHES[mechanism.removeprefix("SCRAM-").removesuffix("-PLUS")]
        self.password = password
        self.gs2 = f"{flag},{f'a={authzid}' if authzid else ''},"
        self.bare = f"n={user},r=rOprNGfwEbeRWgbNEkqO"
        self.binding = binding
        self.server_signature = b""
        self.server_first: dict[str, str] = {}

    def first(self) -> bytes:
        return (self.gs2 + self.bare).encode()

    def final(self, challenge: Step, extension: str = "") -> bytes:
        assert isinstance(challenge, Challenge)
        text = challenge.data.decode()
        self.server_first = dict(part.split("=", 1) for part in text.split(","))
        bound = b64(self.gs2.encode() + self.binding)
        unproven = f"c={bound},r={self.server_first['r']}{extension}"
        proof = self.prove(f"{self.bare},{text},{unproven}".encode())
        return f"{unproven},p={b64(proof)}".encode()

    def prove(self, message: bytes) -> bytes:
        salt = base64.b64decode(self.server_first["s"])
        rounds = int(self.server_first["i"])
        salted = hashlib.pbkdf2_hmac(self.algorithm, self.password.encode(), salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", self.algorithm)
        stored = hashlib.new(self.algorithm, client_key).digest()
        signature = hmac.digest(stored, message, self.algorithm)
        server_key = hmac.digest(salted, b"Server Key", self.algorithm)
        self.server_signature = hmac.digest(server_key, message, self.algorithm)
        return bytes(a ^ b for a, b in zip(client_key, signature, strict=True))


def log_in(mechanism: str, on: Channel, client: ScramClient, **keys: str) -> Done:
    """The whole exchange; the client checks the server's signature."""
    exchange = begin(mechanism, on)
    challenge = exchange.keys(server_keys(exchange.respond(client.first()), **keys))
    done = exchange.respond(client.final(challenge))
    assert isinstance(done, Done)
    assert done.data == f"v={b64(client.server_signature)}".encode()
    return done


def condition(step: Callable[[], object]) -> str:
    """By which condition a step fails; "" if it does not."""
    try:
        step()
    except SASLFailure as failure:
        return failure.condition
    return ""


def challenged(mechanism: str, on: Channel, client: ScramClient) -> tuple[Exchange, Step]:
    """An exchange that waits for the client's last message."""
    exchange = begin(mechanism, on)
    return exchange, exchange.keys(server_keys(exchange.respond(client.first())))
