"""Entity time: the server's clock and its time zone (XEP-0202 2.0)."""

from datetime import UTC, datetime, timedelta

from xmppd.api import IQ, Element, Module, Options, format_datetime, iq_get, option

NS = "urn:xmpp:time"


class TimeOptions(Options):
    show_timezone: bool = option(
        True, "Tell the server's offset from UTC, which hints at where it stands; else say UTC."
    )


class EntityTime(Module):
    name = "time"
    options: TimeOptions

    @iq_get(NS, "time")
    def tell(self, iq: IQ) -> Element:
        now = datetime.now(UTC).replace(microsecond=0)
        offset = now.astimezone().utcoffset() if self.options.show_timezone else None
        return Element(
            NS,
            "time",
            None,
            Element(NS, "tzo", None, zone(offset or timedelta())),
            Element(NS, "utc", None, format_datetime(now)),
        )


def zone(offset: timedelta) -> str:
    """An offset from UTC in the format of XEP-0082 §3.2, to the minute: `-06:00`, `Z` for none."""
    minutes = round(offset.total_seconds() / 60)
    if not minutes:
        return "Z"
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
