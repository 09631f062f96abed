"""One stanza for many users of another server: written together, with the effect that each has."""

import pytest

from tests.support.verona import CAPULET, JULIET, MONTAGUE, ROMEO, Verona
from xmppd.jid import JID, jid
from xmppd.s2s.connection import PIECE_BYTES, PeerConnection
from xmppd.stanza import Copies, Message
from xmppd.stream.management import Management
from xmppd.testing import error, message
from xmppd.testing.actor import Client

HI = f"<message to='{ROMEO}' type='chat' id='m'><body>hi</body></message>"


class Scene:
    """Capulet's link to montague.example, where romeo is there three times."""

    def __init__(self) -> None:
        self.verona = verona = Verona()
        self.juliet = verona.online(JULIET)
        names = ("orchard", "o'range", "street")
        self.romeos = [verona.online(f"romeo@{MONTAGUE}/{name}") for name in names]
        self.juliet.sends(HI)
        verona.settles()
        for client in self.romeos:
            client.forget()
        connections = verona.capulet.federation.connections
        (self.link,) = [link for link in connections if link.direction == "to" and link.how]

    def says(self, body: bytes, to: list[JID]) -> None:
        copies: Copies[Message] = Message(
            to[0], jid(JULIET), "headline", "m", raw=b"<body>%s</body>" % body
        ).copies(to)
        self.verona.capulet.talk.router.route_copies(copies)

    def to_all(self) -> list[JID]:
        return [client.jid for client in self.romeos]

    @property
    def waiting(self) -> int:
        return self.verona.capulet.federation.peers[MONTAGUE].stanzas


@pytest.fixture
def scene() -> Scene:
    return Scene()


def hear(client: Client, *bodies: str) -> None:
    client.receives(*[message(body, to=client.jid) for body in bodies])


def writes(link: PeerConnection, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    write = link.write

    def noting(data: bytes) -> None:
        sizes.append(len(data))
        write(data)

    monkeypatch.setattr(link, "write", noting)
    return sizes


def test_they_are_written_together(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = writes(scene.link, monkeypatch)
    scene.says(b"all", scene.to_all())
    assert len(sizes) == 1
    scene.verona.settles()
    for client in scene.romeos:
        hear(client, "all")


def test_large_ones_are_written_in_pieces(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = writes(scene.link, monkeypatch)
    scene.says(b"x" * 40_000, scene.to_all())
    assert len(sizes) == 3
    assert all(size <= PIECE_BYTES for size in sizes)
    scene.verona.settles()
    for client in scene.romeos:
        hear(client, "x" * 40_000)


def test_what_the_peer_would_not_take_goes_back(scene: Scene) -> None:
    scene.link.stream.max_bytes = 1000
    scene.says(b"x" * 2000, scene.to_all())
    scene.juliet.receives(*[error("m", "modify", "policy-violation", kind="message")] * 3)
    assert scene.waiting == 0


def test_no_more_are_under_way_than_may_be_and_the_rest_keep_their_order(scene: Scene) -> None:
    managed = scene.link.stream.management = Management(2)
    scene.says(b"first", scene.to_all())
    scene.says(b"second", scene.to_all())
    assert (len(managed), scene.waiting) == (2, 4)
    managed.drain()
    scene.verona.capulet.federation.drained(scene.link)
    assert (len(managed), scene.waiting) == (2, 2)
    managed.drain()
    scene.verona.capulet.federation.drained(scene.link)
    scene.verona.settles()
    for client in scene.romeos:
        hear(client, "first", "second")


def test_the_peer_is_asked_whether_it_has_handled_them(scene: Scene) -> None:
    managed = scene.link.stream.management = Management(100)
    scene.says(b"all", scene.to_all() * 5)
    assert managed.asked == len(managed) == 15


def test_what_is_lost_with_the_connection_goes_back(scene: Scene) -> None:
    scene.link.stream.management = Management(100)
    scene.says(b"all", scene.to_all())
    scene.link.abort("gone")
    scene.juliet.receives(*[error("m", "wait", "remote-server-timeout", kind="message")] * 3)
    assert CAPULET not in scene.verona.capulet.federation.peers
