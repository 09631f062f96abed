"""The query of the last items is timed as the server asks it."""

import pytest

from bench.items import main


def test_the_plan_and_the_time_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--items", "2000"]) == 0
    told = capsys.readouterr().out
    assert "USING INDEX pubsub_item_order (node=?)" in told
    assert "TEMP B-TREE" not in told  # nothing is sorted
    assert "2000 items: the last 20 of a node take" in told
