"""The ids of archived messages: ordered by time, and not to be guessed (XEP-0313 §3, §6.2)."""

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_ID = re.compile("([0-9a-f]{14})([0-9a-f]{15})", re.ASCII)
LATEST = 2**55 - 1  # the largest number whose id has 14 digits: the year 3111


class Id(NamedTuple):
    """`number` is the time in microseconds since 1970, and the order; `token` is random."""

    number: int
    token: int

    def __str__(self) -> str:
        return f"{self.number:014x}{self.token:015x}"

    @property
    def stamp(self) -> datetime:
        return EPOCH + self.number * MICROSECOND


def new_id(number: int) -> Id:
    return Id(number, secrets.randbits(60))


def parse_id(text: str) -> Id | None:
    """None for what is none of ours, and so in no archive."""
    match = _ID.fullmatch(text)
    return None if match is None else Id(int(match[1], 16), int(match[2], 16))


def micros(moment: datetime) -> int:
    """The number that a message of that moment would have."""
    return (moment - EPOCH) // MICROSECOND
