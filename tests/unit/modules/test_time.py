"""XEP-0202: what time it is at the server."""

from datetime import UTC, datetime, timedelta

import pytest

from xmppd.api import HOST, parse_datetime
from xmppd.modules.time import NS, zone
from xmppd.testing import Talk, result

ASK = f"<iq type='get' to='example.org' id='time_1'><time xmlns='{NS}'/></iq>"


def test_the_utc_time_of_the_server_is_told() -> None:
    romeo = Talk(only=["time"]).bind("romeo@example.org/orchard")
    before = datetime.now(UTC) - timedelta(seconds=1)
    romeo.sends(ASK)
    told = romeo.receives(result("time_1")).elements[0]
    utc = told.child_text(NS, "utc") or ""
    assert utc.endswith("Z")
    assert before <= parse_datetime(utc) <= datetime.now(UTC)
    assert told.child_text(NS, "tzo")


def test_the_time_zone_is_utc_where_it_shall_not_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        shown = Talk(only=["time"]).bind("romeo@example.org/orchard")
        hidden = Talk(only=["time"], options={"time": {"show_timezone": False}})
        asking = hidden.bind("romeo@example.org/orchard")
        for client, offset in ((shown, "+05:30"), (asking, "Z")):
            client.sends(ASK)
            told = client.receives(result("time_1")).elements[0]
            assert told.child_text(NS, "tzo") == offset
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("hours", "written"),
    [
        (0, "Z"),
        (-6, "-06:00"),
        (5.5, "+05:30"),
        (-3.5, "-03:30"),
        (14, "+14:00"),
        (5.75, "+05:45"),
    ],
)
def test_offsets_are_written_as_xep_0082_says(hours: float, written: str) -> None:
    assert zone(timedelta(hours=hours)) == written


def test_time_is_advertised() -> None:
    assert NS in Talk(only=["time"]).host.iqs.namespaces(HOST)
