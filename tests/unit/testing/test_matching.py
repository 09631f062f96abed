"""What tests say that a client must receive: each matcher finds fault where there is one."""

import pytest

from xmppd.ns import CLIENT
from xmppd.testing import Matcher, error, like, message, presence, result
from xmppd.testing.matching import exactly
from xmppd.xml import parse

PING = "<ping xmlns='urn:xmpp:ping'/>"
MESSAGE = "<message from='a@b/c' id='1' type='chat'><body>Hi</body><x xmlns='y'/></message>"
FORBIDDEN = (
    "<iq type='error' id='1'><error type='auth'>"
    "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
)
FITS: list[tuple[Matcher, str]] = [
    (exactly("<message id='1'><x xmlns='y'/><body>Hi</body></message>"), MESSAGE),
    (like("<message id='1'><body>Hi</body></message>"), MESSAGE),
    (like("<message><body/></message>"), MESSAGE),
    (message(), MESSAGE),
    (message("Hi", from_="a@b/c", type="chat"), MESSAGE),
    (presence(from_="a@b"), "<presence from='a@b'/>"),
    (presence(type="unavailable"), "<presence type='unavailable'/>"),
    (result("1"), f"<iq type='result' id='1'>{PING}</iq>"),
    (result("1", PING), f"<iq type='result' id='1'>{PING}</iq>"),
    (result("1", ""), "<iq type='result' id='1'/>"),
    (error("1", "auth", "forbidden"), FORBIDDEN),
    (error(None, "auth", "forbidden"), FORBIDDEN),
]
MISSES: list[tuple[Matcher, str]] = [
    (exactly("<message id='1'><body>Hi</body></message>"), MESSAGE),
    (exactly("<message id='2'><body>Hi</body><x xmlns='y'/></message>"), MESSAGE),
    (exactly("<message><body>Ho</body><x xmlns='y'/></message>"), MESSAGE),
    (like("<message><body>Ho</body></message>"), MESSAGE),
    (like("<message><x xmlns='y' a='b'/></message>"), MESSAGE),
    (like("<message><body/><body/></message>"), MESSAGE),
    (message("Ho"), MESSAGE),
    (message(type="normal"), MESSAGE),
    (message(), "<presence/>"),
    (presence(), "<presence type='unavailable'/>"),
    (presence(from_="a@b"), "<presence from='c@d'/>"),
    (result("2"), "<iq type='result' id='1'/>"),
    (result("1"), "<iq type='error' id='1'/>"),
    (result("1", ""), f"<iq type='result' id='1'>{PING}</iq>"),
    (result("1", PING), "<iq type='result' id='1'/>"),
    (error("1", "cancel", "forbidden"), FORBIDDEN),
    (error("1", "auth", "conflict"), FORBIDDEN),
    (error("2", "auth", "forbidden"), FORBIDDEN),
    (error("1", "auth", "forbidden", "message"), FORBIDDEN),
]


@pytest.mark.parametrize("judge, xml", FITS)
def test_what_fits_has_no_problem(judge: Matcher, xml: str) -> None:
    assert judge(parse(xml, CLIENT)) is None


@pytest.mark.parametrize("judge, xml", MISSES)
def test_what_does_not_fit_is_told_in_words(judge: Matcher, xml: str) -> None:
    assert judge(parse(xml, CLIENT))
