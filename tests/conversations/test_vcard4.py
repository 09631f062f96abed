"""The profile as vCard4 and as the older vCard (XEP-0292)."""

import pytest

from tests.conversations.pubsub import NS, done, form
from xmppd.testing import Actor, Stage, like, result

OWNING, READING = "juliet@example.org/balcony", "romeo@example.net/orchard"
JULIET = "juliet@example.org"
NODE = "urn:xmpp:vcard4"
VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0"
INFO = "http://jabber.org/protocol/disco#info"

PAIRS = [
    ("<FN>Juliet</FN>", "<fn><text>Juliet</text></fn>"),
    (
        "<N><FAMILY>Capulet</FAMILY><GIVEN>Juliet</GIVEN><MIDDLE>M</MIDDLE></N>",
        "<n><surname>Capulet</surname><given>Juliet</given><additional>M</additional></n>",
    ),
    ("<NICKNAME>jc</NICKNAME>", "<nickname><text>jc</text></nickname>"),
    ("<BDAY>1476-06-09</BDAY>", "<bday><date>1476-06-09</date></bday>"),
    (
        "<JABBERID>juliet@example.org</JABBERID>",
        "<impp><uri>xmpp:juliet@example.org</uri></impp>",
    ),
    ("<DESC>More</DESC>", "<note><text>More</text></note>"),
    ("<URL>https://example.org/</URL>", "<url><uri>https://example.org/</uri></url>"),
    ("<TITLE>Lady</TITLE>", "<title><text>Lady</text></title>"),
    ("<ORG><ORGNAME>Capulet</ORGNAME></ORG>", "<org><text>Capulet</text></org>"),
    (
        "<ADR><HOME/><STREET>Via Cappello</STREET><LOCALITY>Verona</LOCALITY>"
        "<PCODE>37121</PCODE><CTRY>Italy</CTRY></ADR>",
        "<adr><parameters><type><text>home</text></type></parameters>"
        "<street>Via Cappello</street><locality>Verona</locality><code>37121</code>"
        "<country>Italy</country></adr>",
    ),
    (
        "<TEL><WORK/><CELL/><PREF/><NUMBER>+39-1</NUMBER></TEL>",
        "<tel><parameters><type><text>work</text><text>cell</text></type>"
        "<pref><integer>1</integer></pref></parameters><uri>tel:+39-1</uri></tel>",
    ),
    (
        "<EMAIL><INTERNET/><HOME/><USERID>j@example.org</USERID></EMAIL>",
        "<email><parameters><type><text>home</text></type></parameters>"
        "<text>j@example.org</text></email>",
    ),
    (
        "<GEO><LAT>45.4</LAT><LON>10.9</LON></GEO>",
        "<geo><uri>geo:45.4,10.9</uri></geo>",
    ),
    (
        "<CATEGORIES><KEYWORD>a</KEYWORD><KEYWORD>b</KEYWORD></CATEGORIES>",
        "<categories><text>a</text><text>b</text></categories>",
    ),
    ("<KEY><CRED>secret</CRED></KEY>", "<key><text>secret</text></key>"),
    (
        "<LOGO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgo=</BINVAL></LOGO>",
        "<logo><uri>data:image/png;base64,iVBORw0KGgo=</uri></logo>",
    ),
    (
        "<LOGO><EXTVAL>https://example.org/l.png</EXTVAL></LOGO>",
        "<logo><uri>https://example.org/l.png</uri></logo>",
    ),
]


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return talk.bind(OWNING)


def writes_old(client: Actor, inside: str) -> None:
    client.sends(f"<iq type='set' id='v'><vCard xmlns='vcard-temp'>{inside}</vCard></iq>")
    client.receives(result("v", ""))


def reads_old(client: Actor, inside: str) -> None:
    client.sends(f"<iq type='get' id='v' to='{JULIET}'><vCard xmlns='vcard-temp'/></iq>")
    client.receives(result("v", f"<vCard xmlns='vcard-temp'>{inside}</vCard>"))


def writes_new(client: Actor, inside: str, **options: str) -> None:
    given = f"<publish-options>{form('publish-options', **options)}</publish-options>"
    item = f"<item id='i'><vcard xmlns='{VCARD4}'>{inside}</vcard></item>"
    publish = f"<publish node='{NODE}'>{item}</publish>{given if options else ''}"
    client.sends(f"<iq type='set' id='a'><pubsub xmlns='{NS}'>{publish}</pubsub></iq>")
    client.receives(done(f"<publish node='{NODE}'><item id='i'/></publish>"))


def reads_new(client: Actor, inside: str, id_: str = "current") -> None:
    asked = f"<pubsub xmlns='{NS}'><items node='{NODE}'/></pubsub>"
    client.sends(f"<iq type='get' id='a' to='{JULIET}'>{asked}</iq>")
    item = f"<item id='{id_}'><vcard xmlns='{VCARD4}'>{inside}</vcard></item>"
    found = f"<pubsub xmlns='{NS}'><items node='{NODE}'>{item}</items></pubsub>"
    client.receives(result("a", found))


def test_the_account_says_that_it_knows_vcard4(juliet: Actor) -> None:
    juliet.sends(f"<iq type='get' id='d' to='{JULIET}'><query xmlns='{INFO}'/></iq>")
    feature = f"<feature var='{VCARD4}'/>"
    juliet.receives(like(f"<iq type='result'><query xmlns='{INFO}'>{feature}</query></iq>"))


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_property_is_said_both_ways(
    talk: Stage[Actor], juliet: Actor, old: str, new: str
) -> None:
    writes_old(juliet, old)
    romeo = talk.bind(READING)
    reads_new(romeo, new)
    writes_old(juliet, "")
    writes_new(juliet, new)
    reads_old(romeo, old)


def test_what_vcard4_cannot_say_stays(juliet: Actor) -> None:
    photo = "<PHOTO><EXTVAL>http://example.org/p.png</EXTVAL></PHOTO>"
    writes_old(juliet, f"<FN>Juliet</FN><MAILER>m</MAILER>{photo}")
    writes_new(juliet, "<fn><text>Juliet C</text></fn>")
    reads_old(juliet, f"<FN>Juliet C</FN><MAILER>m</MAILER>{photo}")


def test_a_card_that_is_taken_away_is_so_both_ways(juliet: Actor) -> None:
    writes_old(juliet, "<FN>Juliet</FN>")
    writes_old(juliet, "")
    asked = f"<pubsub xmlns='{NS}'><items node='{NODE}'/></pubsub>"
    juliet.sends(f"<iq type='get' id='a'>{asked}</iq>")
    juliet.receives(result("a", f"<pubsub xmlns='{NS}'><items node='{NODE}'/></pubsub>"))


def test_a_profile_for_contacts_stays_with_them(talk: Stage[Actor], juliet: Actor) -> None:
    writes_new(juliet, "<fn><text>Juliet</text></fn>", access_model="presence")
    juliet.sends("<iq type='get' id='v'><vCard xmlns='vcard-temp'/></iq>")
    juliet.receives(like("<iq type='error' id='v'/>"))


def test_what_is_no_vcard_changes_nothing(juliet: Actor) -> None:
    writes_old(juliet, "<FN>Juliet</FN>")
    item = "<item id='i'><entry xmlns='urn:example:entry'/></item>"
    publish = f"<publish node='{NODE}'>{item}</publish>"
    juliet.sends(f"<iq type='set' id='a'><pubsub xmlns='{NS}'>{publish}</pubsub></iq>")
    juliet.receives(done("<publish/>"))
    reads_old(juliet, "<FN>Juliet</FN>")
