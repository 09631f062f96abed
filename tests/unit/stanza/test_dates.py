from datetime import UTC, datetime, timedelta, timezone

import pytest

from xmppd.stanza import format_datetime, parse_datetime

MOON = datetime(1969, 7, 21, 2, 56, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text, moment",
    [
        ("1969-07-21T02:56:15Z", MOON),
        ("1969-07-20T21:56:15-05:00", MOON),
        ("1969-07-21T08:26:15+05:30", MOON),
        (" 1969-07-21T02:56:15Z\n", MOON),
        ("1969-07-21T02:56:15.5Z", MOON + timedelta(milliseconds=500)),
        ("1969-07-21T02:56:15.123456789Z", MOON + timedelta(microseconds=123456)),
    ],
)
def test_a_datetime_reads_in_utc(text: str, moment: datetime) -> None:
    assert parse_datetime(text) == moment
    assert parse_datetime(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1969-07-21",
        "1969-07-21T02:56:15",
        "1969-07-21 02:56:15Z",
        "1969-07-21T02:56:15z",
        "1969-07-21T02:56Z",
        "1969-07-21T02:56:15.Z",
        "1969-13-21T02:56:15Z",
        "1969-02-30T02:56:15Z",
        "1969-07-21T24:56:15Z",
        "1969-07-21T02:56:15+25:00",
        "1969-07-21T02:56:15+05:60",
        "1969-07-21T02:56:15+0500",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "0000-01-01T00:00:00Z",
        "١٩٦٩-07-21T02:56:15Z",
        "19690721T02:56:15",
    ],
)
def test_what_is_no_datetime_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_datetime(text)


@pytest.mark.parametrize(
    "moment, text",
    [
        (MOON, "1969-07-21T02:56:15Z"),
        (MOON.astimezone(timezone(timedelta(hours=-5))), "1969-07-21T02:56:15Z"),
        (MOON.replace(microsecond=500_000), "1969-07-21T02:56:15.5Z"),
        (MOON.replace(microsecond=1), "1969-07-21T02:56:15.000001Z"),
    ],
)
def test_a_moment_is_written_in_utc(moment: datetime, text: str) -> None:
    assert format_datetime(moment) == text
    assert parse_datetime(text) == moment


def test_a_naive_datetime_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_datetime(MOON.replace(tzinfo=None))
