"""Announcements to all who are online, and the message of the day."""

from tests.conversations.conftest import ADMIN
from xmppd.testing import Actor, Stage, error, like, message

JULIET, ROMEO = "juliet@example.org/balcony", "romeo@example.org/orchard"


def test_an_administrator_tells_all_who_are_online(talk: Stage[Actor]) -> None:
    juliet, romeo, admin = talk.online(JULIET), talk.online(ROMEO), talk.bind(f"{ADMIN}/desk")
    admin.sends(
        "<message to='example.org/announce/online'><body>Maintenance at noon</body></message>"
    )
    for client in (juliet, romeo):
        client.receives(message("Maintenance at noon", from_="example.org", type="headline"))
    juliet.sends("<message to='example.org/announce/online' id='a'><body>Me too</body></message>")
    juliet.receives(error("a", "auth", "forbidden", "message"))
    romeo.receives_nothing()


def test_the_message_of_the_day_is_read_once(talk: Stage[Actor]) -> None:
    admin = talk.bind(f"{ADMIN}/desk")
    admin.sends("<message to='example.org/announce/motd'><body>Be kind</body></message>")
    admin.receives_nothing()
    juliet = talk.bind(JULIET)
    juliet.sends("<presence/>")
    juliet.receives_in_any_order(
        like(f"<presence from='{JULIET}'/>"), message("Be kind", from_="example.org")
    )
    juliet.sends("<presence type='unavailable'/><presence/>")
    juliet.receives(like("<presence type='unavailable'/>"), like(f"<presence from='{JULIET}'/>"))
    juliet.receives_nothing()
    admin.sends("<message to='example.org/announce/motd/delete'/>")
    admin.receives_nothing()
