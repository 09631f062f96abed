"""What an account keeps on the server: its vCard (XEP-0054) and private XML (XEP-0049)."""

from xmppd.testing import Actor, Stage, error, result

JULIET, ROMEO = "juliet@example.org/balcony", "romeo@example.net/orchard"
CARD = "<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><NICKNAME>Jule</NICKNAME></vCard>"
ROSTER_NOTES = "<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>"


def test_a_card_is_published_and_read_by_others(talk: Stage[Actor]) -> None:
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    juliet.sends(f"<iq type='set' id='v1'>{CARD}</iq>")
    juliet.receives(result("v1", ""))
    romeo.sends("<iq type='get' id='v2' to='juliet@example.org'><vCard xmlns='vcard-temp'/></iq>")
    romeo.receives(result("v2", CARD))
    romeo.sends(f"<iq type='set' id='v3' to='juliet@example.org'>{CARD}</iq>")
    romeo.receives(error("v3", "auth", "forbidden"))


def test_private_xml_comes_back_and_is_nobody_elses(talk: Stage[Actor]) -> None:
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    juliet.sends(
        f"<iq type='set' id='p1'><query xmlns='jabber:iq:private'>{ROSTER_NOTES}</query></iq>"
    )
    juliet.receives(result("p1", ""))
    asked = "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>"
    juliet.sends(f"<iq type='get' id='p2'>{asked}</iq>")
    juliet.receives(result("p2", f"<query xmlns='jabber:iq:private'>{ROSTER_NOTES}</query>"))
    romeo.sends(f"<iq type='get' id='p3' to='juliet@example.org'>{asked}</iq>")
    romeo.receives(error("p3", "auth", "forbidden"))
