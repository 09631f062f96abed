"""Who sees whom, as in RFC 6121 §4."""

from xmppd.testing import Actor, Stage, like, presence

JULIET, ROMEO = "juliet@example.org/balcony", "romeo@example.org/orchard"


def test_friends_see_each_other_come_change_and_go(talk: Stage[Actor]) -> None:
    talk.befriend(ROMEO, JULIET)
    romeo = talk.online(ROMEO)
    juliet = talk.bind(JULIET)
    juliet.sends("<presence/>")
    juliet.receives_in_any_order(presence(from_=JULIET), presence(from_=ROMEO))
    romeo.receives(presence(from_=JULIET, to="romeo@example.org"))

    juliet.sends("<presence><show>away</show><status>be right back</status></presence>")
    romeo.receives(
        f"<presence from='{JULIET}'><show>away</show><status>be right back</status></presence>"
    )
    juliet.sends("<presence type='unavailable'><status>I go</status></presence>")
    romeo.receives(
        f"<presence from='{JULIET}' type='unavailable'><status>I go</status></presence>"
    )
    romeo.receives_nothing()


def test_a_lost_connection_makes_unavailable(talk: Stage[Actor]) -> None:
    talk.befriend(ROMEO, JULIET)
    juliet = talk.online(JULIET)
    romeo = talk.online(ROMEO)
    romeo.forget()
    juliet.disconnect()
    romeo.receives(presence(from_=JULIET, type="unavailable"))


def test_the_end_of_the_stream_makes_unavailable(talk: Stage[Actor]) -> None:
    talk.befriend(ROMEO, JULIET)
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    romeo.forget()
    juliet.leaves()
    romeo.receives(presence(from_=JULIET, type="unavailable"))
    romeo.receives_nothing()


def test_ones_own_resources_see_each_other(talk: Stage[Actor]) -> None:
    balcony = talk.online(JULIET)
    chamber = talk.bind("juliet@example.org/chamber")
    chamber.sends("<presence><priority>1</priority></presence>")
    chamber.receives_in_any_order(
        presence(from_=JULIET), presence(from_="juliet@example.org/chamber")
    )
    balcony.receives(like("<presence from='juliet@example.org/chamber'><priority>1</priority>"
                          "</presence>"))  # fmt: skip


def test_who_logs_in_again_with_a_resource_replaces_the_older_session(talk: Stage[Actor]) -> None:
    talk.befriend(ROMEO, JULIET)
    romeo = talk.online(ROMEO)
    talk.online(JULIET)
    romeo.receives(presence(from_=JULIET))
    newer = talk.online(JULIET)
    romeo.receives(presence(from_=JULIET, type="unavailable"), presence(from_=JULIET))
    romeo.sends(f"<message to='{JULIET}' id='m1'><body>Still there?</body></message>")
    newer.receives(like("<message id='m1'/>"))


def test_directed_presence_reaches_a_stranger_who_then_hears_of_the_end(
    talk: Stage[Actor],
) -> None:
    juliet, romeo = talk.online(JULIET), talk.online(ROMEO)
    juliet.sends(f"<presence to='{ROMEO}' id='d1'/>")
    romeo.receives(presence(from_=JULIET, to=ROMEO))
    juliet.disconnect()
    romeo.receives(presence(from_=JULIET, type="unavailable"))
    romeo.receives_nothing()
