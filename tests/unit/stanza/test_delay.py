from datetime import UTC, datetime

import pytest

from xmppd.jid import jid
from xmppd.stanza import Delay, StanzaError
from xmppd.stanza.delay import delay as make_delay
from xmppd.xml import parse, to_xml

STAMP = datetime(2002, 9, 10, 23, 8, 25, tzinfo=UTC)


def test_a_delay_reads_and_writes() -> None:
    start = "<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25Z'>"
    xml = f"{start}Gone</delay>"
    delay = Delay(from_=jid("capulet.com"), stamp=STAMP, reason="Gone")
    assert Delay.from_element(parse(xml)) == delay
    assert delay.element() == parse(xml)
    assert make_delay(STAMP, jid("capulet.com"), "Gone") == parse(xml)


def test_sender_and_reason_may_be_missing() -> None:
    delay = Delay.from_element(
        parse("<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>")
    )
    assert (delay.from_, delay.reason) == (None, "")
    assert "from" not in to_xml(delay.element())


@pytest.mark.parametrize("attrs", ["", "stamp='yesterday'", "stamp='2002-09-10T23:08:25'"])
def test_a_missing_or_malformed_stamp_is_bad_request(attrs: str) -> None:
    with pytest.raises(StanzaError, match=r"bad-request.*stamp"):
        Delay.from_element(parse(f"<delay xmlns='urn:xmpp:delay' {attrs}/>"))
