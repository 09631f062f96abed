"""Rosters and subscriptions, as in RFC 6121 §2 and §3."""

from xmppd.testing import Actor, Matcher, Stage, like, presence, result

JULIET, ROMEO = "juliet@example.org/balcony", "romeo@example.net/orchard"


def push(jid: str, subscription: str, **more: str) -> Matcher:
    """A roster push (§2.1.6) of that item."""
    attributes = "".join(f" {name}='{value}'" for name, value in more.items())
    return like(
        "<iq type='set'><query xmlns='jabber:iq:roster'>"
        f"<item jid='{jid}' subscription='{subscription}'{attributes}/></query></iq>"
    )


def interested(client: Actor) -> None:
    """It asks for its roster, and so gets pushes; and it is available."""
    client.sends("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence/>")
    client.forget()


def test_a_contact_is_added_changed_and_removed(talk: Stage[Actor]) -> None:
    juliet, chamber = talk.bind(JULIET), talk.bind("juliet@example.org/chamber")
    interested(juliet)
    interested(chamber)
    juliet.forget()
    juliet.sends(
        "<iq type='set' id='r2'><query xmlns='jabber:iq:roster'>"
        "<item jid='nurse@example.org' name='Nurse'><group>Servants</group></item></query></iq>"
    )
    added = push("nurse@example.org", "none", name="Nurse")
    juliet.receives_in_any_order(added, result("r2", ""))
    chamber.receives(added)
    juliet.sends(
        "<iq type='set' id='r3'><query xmlns='jabber:iq:roster'>"
        "<item jid='nurse@example.org' subscription='remove'/></query></iq>"
    )
    juliet.receives_in_any_order(push("nurse@example.org", "remove"), result("r3", ""))
    chamber.receives(push("nurse@example.org", "remove"))
    juliet.sends("<iq type='get' id='r4'><query xmlns='jabber:iq:roster'/></iq>")
    juliet.receives(like("<iq id='r4' type='result'><query xmlns='jabber:iq:roster'/></iq>"))
    juliet.receives_nothing()


def test_a_subscription_is_asked_for_and_granted_both_ways(talk: Stage[Actor]) -> None:
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    interested(romeo)
    interested(juliet)

    romeo.sends("<presence to='juliet@example.org' type='subscribe'/>")
    romeo.receives(push("juliet@example.org", "none", ask="subscribe"))
    juliet.receives(presence(from_="romeo@example.net", type="subscribe"))
    juliet.sends("<presence to='romeo@example.net' type='subscribed'/>")
    juliet.receives(push("romeo@example.net", "from"))
    romeo.receives_in_any_order(
        presence(from_="juliet@example.org", type="subscribed"),
        push("juliet@example.org", "to"),
        presence(from_=JULIET),
    )

    juliet.sends("<presence to='romeo@example.net' type='subscribe'/>")
    juliet.receives(push("romeo@example.net", "from", ask="subscribe"))
    romeo.receives(presence(from_="juliet@example.org", type="subscribe"))
    romeo.sends("<presence to='juliet@example.org' type='subscribed'/>")
    romeo.receives(push("juliet@example.org", "both"))
    juliet.receives_in_any_order(
        presence(from_="romeo@example.net", type="subscribed"),
        push("romeo@example.net", "both"),
        presence(from_=ROMEO),
    )
    juliet.receives_nothing()
    romeo.receives_nothing()


def test_a_cancelled_subscription_ends_the_sight_of_presence(talk: Stage[Actor]) -> None:
    talk.befriend(ROMEO, JULIET)
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    interested(romeo)
    interested(juliet)
    romeo.receives(presence(from_=JULIET))
    romeo.receives_nothing()

    juliet.sends("<presence to='romeo@example.net' type='unsubscribed'/>")
    juliet.receives(push("romeo@example.net", "to"))
    romeo.receives_in_any_order(
        presence(from_="juliet@example.org", type="unsubscribed"),
        push("juliet@example.org", "from"),
        presence(from_=JULIET, type="unavailable"),
    )
    juliet.sends("<presence><show>dnd</show></presence>")
    juliet.receives(presence(from_=JULIET))
    romeo.receives_nothing()


def test_a_request_waits_for_who_is_away(talk: Stage[Actor]) -> None:
    talk.account("juliet@example.org")
    talk.bind(ROMEO).sends("<presence to='juliet@example.org' type='subscribe'/>")
    juliet = talk.bind(JULIET)
    juliet.sends("<presence/>")
    juliet.receives_in_any_order(
        presence(from_=JULIET), presence(from_="romeo@example.net", type="subscribe")
    )


def test_a_removed_contact_is_unsubscribed_both_ways(talk: Stage[Actor]) -> None:
    talk.befriend(ROMEO, JULIET)
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    interested(romeo)
    interested(juliet)
    romeo.receives(presence(from_=JULIET))
    juliet.sends(
        "<iq type='set' id='r5'><query xmlns='jabber:iq:roster'>"
        "<item jid='romeo@example.net' subscription='remove'/></query></iq>"
    )
    romeo.receives_in_any_order(
        presence(from_="juliet@example.org", type="unsubscribe"),
        push("juliet@example.org", "to"),
        presence(from_="juliet@example.org", type="unsubscribed"),
        push("juliet@example.org", "none"),
        presence(from_=JULIET, type="unavailable"),
    )
