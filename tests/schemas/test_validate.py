"""The schemas: what they let pass, and what they do not."""

import pytest

from tests.schemas.validate import schemas, validate
from xmppd.ns import CLIENT
from xmppd.xml import parse

GOOD = {
    "message": "<message type='chat' id='no token!' from='a@b/c'><x xmlns='y'/><body>b</body>"
    "<stanza-id xmlns='urn:xmpp:sid:0' by='a@b' id='1'/></message>",
    "empty result": "<iq type='result' id='1'/>",
    "error with a condition of the application": "<iq type='error' id='1'><error type='cancel'>"
    "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    "<blocked xmlns='urn:xmpp:blocking:errors'/></error></iq>",
    "roster": "<iq type='result' id='1'><query xmlns='jabber:iq:roster'>"
    "<item jid='a@b' subscription='both'><group>g</group></item></query></iq>",
    "features": "<features xmlns='http://etherx.jabber.org/streams'>"
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></features>",
    "what has no schema": "<iq type='result' id='1'><vCard xmlns='vcard-temp'><XX/></vCard></iq>",
    "what a client wrote": "<message from='a@b/c'><delay xmlns='urn:xmpp:delay' stamp="
    "'2002-09-10T23:08:25Z'/><query xmlns='jabber:iq:roster'><odd/></query></message>",
}
BAD = {
    "no id": "<iq type='result'/>",
    "unknown type": "<presence type='available'/>",
    "no error type": "<message type='error'><error><conflict xmlns="
    "'urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    "unknown condition": "<iq type='error' id='1'><error type='cancel'>"
    "<strange xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    "payload": "<iq type='result' id='1'><query xmlns='jabber:iq:roster'><item/></query></iq>",
    "payload in a payload": "<iq type='result' id='1'><query xmlns='http://jabber.org/protocol/"
    "disco#info'><identity category='c' type='t'/><feature var='v'/><x xmlns='jabber:x:data'/>"
    "</query></iq>",
    "what we added": "<message from='a@b/c'><delay xmlns='urn:xmpp:delay' stamp='now'/></message>",
    "stream error": "<error xmlns='http://etherx.jabber.org/streams'><odd xmlns="
    "'urn:ietf:params:xml:ns:xmpp-streams'/></error>",
}


@pytest.mark.parametrize("xml", GOOD.values(), ids=GOOD)
def test_what_the_specifications_allow_passes(xml: str) -> None:
    validate(parse(xml, CLIENT))


@pytest.mark.parametrize("xml", BAD.values(), ids=BAD)
def test_what_they_forbid_is_named(xml: str) -> None:
    with pytest.raises(AssertionError, match="breaks the schema of"):
        validate(parse(xml, CLIENT))


def test_all_schemas_compile() -> None:
    assert len(schemas()) > 50
