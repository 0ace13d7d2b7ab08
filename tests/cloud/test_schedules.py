"""Due times of schedules in their time zones, computed in the embedded cloud's environment."""

import json
import subprocess
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.cloud.embedded import PYTHON, ROOT

ASK = """
import json, sys
from tests.cloud.server.schedules import parse
expression, zone, after = json.loads(sys.argv[1])
print(json.dumps(parse(expression, zone).due(after)))
"""
MADRID = "Europe/Madrid"


def due(expression: str, zone: str, after: str) -> str:
    """Returns the first due time after a local time, as a local time."""
    moment = datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone)).timestamp()
    asked = json.dumps([expression, zone, moment])
    done = subprocess.run([PYTHON, "-c", ASK, asked], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    return "never" if found is None else datetime.fromtimestamp(found, ZoneInfo(zone)).isoformat()


@pytest.mark.live
@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("cron(0 3 * * ? *)", MADRID, "2026-11-24T02:00:00", "2026-11-24T03:00:00+01:00"),
        ("cron(0 3 * * ? *)", MADRID, "2026-07-24T04:00:00", "2026-07-25T03:00:00+02:00"),
        ("cron(30 2 * * ? *)", MADRID, "2026-03-28T12:00:00", "2026-03-30T02:30:00+02:00"),  # 29 March has no 2:30
        ("cron(0 9 ? * MON *)", "America/New_York", "2026-11-24T10:00:00", "2026-11-30T09:00:00-05:00"),
        ("rate(2 hours)", "UTC", "2026-11-24T10:00:00", "2026-11-24T12:00:00+00:00"),
        ("at(2026-11-24T10:00:01)", MADRID, "2026-11-24T10:00:00", "2026-11-24T10:00:01+01:00"),
        ("at(2026-11-24T10:00:00)", MADRID, "2026-11-24T10:00:00", "never"),
    ],
)
def test_a_schedule_is_due_by_the_clock_of_its_zone(expression, zone, after, expected):
    assert due(expression, zone, after) == expected
