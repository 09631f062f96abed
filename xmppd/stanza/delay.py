"""XEP-0203 2.0: when a stanza was originally sent, and who held it back; XEP-0082 dates."""

from datetime import datetime

from xmppd.jid import JID
from xmppd.ns import DELAY
from xmppd.stanza.dates import format_datetime, parse_datetime
from xmppd.stanza.payload import Payload, attr, text
from xmppd.xml import Element

__all__ = ["Delay", "delay", "format_datetime", "parse_datetime"]


class Delay(Payload, ns=DELAY, name="delay"):
    """`<delay/>`: `stamp` is when it was sent; `from_` who sent it first or delayed it."""

    from_: JID | None = attr(default=None)
    stamp: datetime = attr()
    reason: str = text(default="")


def delay(stamp: datetime, from_: JID | None = None, reason: str = "") -> Element:
    """The `<delay/>` to add to a stanza; `stamp` has a time zone. Made without the payload class,
    which takes twice as long: whoever comes back gets one with each message.
    """
    attrs: dict[str, str] = {} if from_ is None else {"from": from_}
    attrs["stamp"] = format_datetime(stamp)
    return Element(DELAY, "delay", attrs, reason) if reason else Element(DELAY, "delay", attrs)
