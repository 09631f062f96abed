"""XEP-0082 1.1.1: the DateTime profile, as every XEP writes moments in time."""

import re
from datetime import UTC, datetime, timedelta

_DATETIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):([0-5]\d))", re.ASCII
)


def parse_datetime(text: str) -> datetime:
    """The moment that `CCYY-MM-DDThh:mm:ss[.sss]TZD` names, in UTC; ValueError if malformed.

    The time zone is mandatory (§3.2). Of a fraction the first six digits count.
    """
    match = _DATETIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a date and time: {text[:64]!r}")
    moment, fraction, sign, hours, minutes = match.groups()
    micros = int((fraction or "")[:6].ljust(6, "0"))
    time = datetime.fromisoformat(moment).replace(microsecond=micros, tzinfo=UTC)
    if sign is None:
        return time
    if int(hours) > 14:  # the limit of XML Schema's dateTime
        raise ValueError(f"not a time zone: {text[:64]!r}")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        return time - offset if sign == "+" else time + offset
    except OverflowError:
        raise ValueError(f"out of range: {text[:64]!r}") from None


def format_datetime(moment: datetime) -> str:
    """In UTC with `Z`; a fraction only where there is one. ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without time zone names no moment")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    if not utc.microsecond:
        return f"{utc.isoformat()}Z"
    return utc.isoformat(timespec="microseconds").rstrip("0") + "Z"
