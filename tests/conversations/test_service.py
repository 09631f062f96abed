"""What the server says of itself: disco, ping, time, version, last activity."""

import pytest

from xmppd.testing import Actor, Stage, error, like, presence, result

JULIET, ROMEO = "juliet@example.org/balcony", "romeo@example.net/orchard"
DISCO = "http://jabber.org/protocol/disco#info"
FEATURES = (
    DISCO,
    "http://jabber.org/protocol/disco#items",
    "jabber:iq:version",
    "msgoffline",
    "urn:xmpp:ping",
    "urn:xmpp:time",
    "vcard-temp",
)


def test_the_server_tells_what_it_is_and_can(talk: Stage[Actor]) -> None:
    juliet = talk.bind(JULIET)
    juliet.sends(f"<iq type='get' id='d1' to='example.org'><query xmlns='{DISCO}'/></iq>")
    answer = juliet.receives(
        like(
            f"<iq type='result' id='d1' from='example.org'><query xmlns='{DISCO}'>"
            "<identity category='server' type='im'/></query></iq>"
        )
    )
    query = answer.child(DISCO, "query")
    assert query is not None
    told = {feature.get("var") for feature in query.all(DISCO, "feature")}
    assert set(FEATURES) - told == set()


def test_an_account_is_registered_to_who_may_see_it(talk: Stage[Actor]) -> None:
    talk.befriend(ROMEO, JULIET)
    romeo = talk.bind(ROMEO)
    romeo.sends(f"<iq type='get' id='d2' to='juliet@example.org'><query xmlns='{DISCO}'/></iq>")
    romeo.receives(
        like(
            f"<iq type='result' id='d2'><query xmlns='{DISCO}'>"
            "<identity category='account' type='registered'/></query></iq>"
        )
    )


@pytest.mark.parametrize("to", ["example.org", "example.net"])
def test_a_ping_is_answered(talk: Stage[Actor], to: str) -> None:
    juliet = talk.bind(JULIET)
    juliet.sends(f"<iq type='get' id='p1' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>")
    juliet.receives(result("p1", ""))


def test_time_and_version_are_told(talk: Stage[Actor]) -> None:
    juliet = talk.bind(JULIET)
    juliet.sends("<iq type='get' id='t1' to='example.org'><time xmlns='urn:xmpp:time'/></iq>")
    juliet.receives(
        like("<iq type='result' id='t1'><time xmlns='urn:xmpp:time'><tzo/><utc/></time></iq>")
    )
    juliet.sends("<iq type='get' id='v1' to='example.org'><query xmlns='jabber:iq:version'/></iq>")
    juliet.receives(
        like(
            "<iq type='result' id='v1'><query xmlns='jabber:iq:version'><name/><version/></query>"
            "</iq>"
        )
    )


def test_last_activity_is_for_friends(talk: Stage[Actor]) -> None:
    talk.befriend(ROMEO, JULIET)
    romeo, tybalt, juliet = (
        talk.online(ROMEO),
        talk.bind("tybalt@example.net/x"),
        talk.bind(JULIET),
    )
    juliet.sends("<presence/><presence type='unavailable'><status>Asleep</status></presence>")
    romeo.receives(presence(from_=JULIET), presence(from_=JULIET, type="unavailable"))
    juliet.leaves()
    romeo.forget()  # the time is stored after all have been told
    asked = "<query xmlns='jabber:iq:last'/>"
    romeo.sends(f"<iq type='get' id='l1' to='juliet@example.org'>{asked}</iq>")
    romeo.receives(
        like("<iq type='result' id='l1'><query xmlns='jabber:iq:last'>Asleep</query></iq>")
    )
    tybalt.sends(f"<iq type='get' id='l2' to='juliet@example.org'>{asked}</iq>")
    tybalt.receives(error("l2", "auth", "forbidden"))


def test_a_request_that_nobody_serves_is_refused(talk: Stage[Actor]) -> None:
    juliet = talk.bind(JULIET)
    juliet.sends("<iq type='get' id='x1' to='example.org'><query xmlns='urn:unheard-of'/></iq>")
    juliet.receives(error("x1", "cancel", "service-unavailable"))
