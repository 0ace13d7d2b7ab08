"""Impossible records of engines, and too many labels: they count as unreadable, and no worker fails."""

import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.pathological.brute import flushed
from tests.targets import target
from tests.worker.driver import outcome, plan_of, planned
from toril.engines import Batch, LoadFacts
from toril.timeline import Timeline
from toril.timeline.intervals import MAX_DURATION_US, MAX_SECOND, Recorder, decode
from toril.worker.capture import Capture, CaseBook

START = 1_700_000_000.0
GOOD = {
    "completed_s": START + 1.5, "response_us": 1000, "ttfb_us": 500, "connect_us": -1, "bytes": 7, "label": "home",
}  # fmt: skip
IMPOSSIBLE = [
    {"response_us": -1},
    {"response_us": -(1 << 62)},
    {"response_us": MAX_DURATION_US},
    {"completed_s": float("nan")},
    {"completed_s": float("inf")},
    {"completed_s": -float("inf")},
    {"completed_s": START + MAX_SECOND},
    {"completed_s": START - MAX_SECOND},
    {"completed_s": 1e300},
    {"completed_s": time.time() + 86_400},  # in the future
    {"ttfb_us": -2},
    {"connect_us": MAX_DURATION_US},
    {"bytes": -1},
]


def captured(*rows):
    """Returns the timeline and engine run of a worker that records these rows in one batch."""
    columns = {name: [row.get(name, good) for row in rows] for name, good in GOOD.items()}
    size = len(rows)
    completed = np.array(columns["completed_s"], np.float64)
    numbers = {name: np.array(columns[name], np.int64) for name in ("response_us", "ttfb_us", "connect_us", "bytes")}
    batch = Batch(
        started_s=completed - 0.001, completed_s=completed, label=np.array(columns["label"], object),
        kind=np.full(size, "request", object),
        ok=np.ones(size, np.bool_), rc=np.full(size, "200", object), message=np.full(size, "", object), **numbers,
    )  # fmt: skip
    engine = SimpleNamespace(
        resolution_us=1, recorded=False, context=SimpleNamespace(functional=False, turns=()),
        batches=lambda final: iter([batch]), sends=lambda: iter(()),
        unreadable=lambda: 0, unfinished=tuple, facts=LoadFacts,
    )  # fmt: skip
    lane: Any = SimpleNamespace(
        planned=planned("locust", "shop", hold_for_s=10.0), engine=engine, queued_s=lambda at: 0.0, samples=Counter(),
        unfinished=Counter(), first_started_s=None, last_completed_s=None, begins_at=None,
    )  # fmt: skip
    recorder = Recorder("local-1", "local")
    Capture(recorder, [lane], START, CaseBook("local-1", str)).read(lane, final=True)
    timeline = Timeline()
    for data in flushed(recorder):
        timeline.add(decode(data, "file"))
    timeline.labels()
    return timeline, lane


@pytest.mark.parametrize("row", IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_an_impossible_record_counts_as_unreadable_and_does_not_affect_others(row):
    timeline, lane = captured({}, row, {"completed_s": START + 2.5})
    assert (timeline.select().total.samples, timeline.unreadable, lane.samples.total()) == (2, 1, 2)
    assert timeline.select().total.response.counts.tolist() == [2]
    assert (lane.first_started_s, lane.last_completed_s) == (START + 1.499, START + 2.5)


def test_an_empty_label_is_not_the_label_of_all_requests():
    timeline, _ = captured({"label": ""}, {})
    assert timeline.labels() == ("(no name)", "home")
    assert timeline.select("(no name)").total.samples == 1


def test_impossible_records_alone_give_no_samples():
    timeline, lane = captured(*IMPOSSIBLE)
    assert (timeline.select().total.samples, timeline.unreadable) == (0, len(IMPOSSIBLE))
    assert (lane.first_started_s, lane.last_completed_s) == (None, None)


def test_records_at_the_limits_are_accepted():
    edges = [{"response_us": MAX_DURATION_US - 1}, {"response_us": 0}, {"completed_s": START - 3.0}]
    timeline, _ = captured(*edges)
    assert (timeline.select().total.samples, timeline.unreadable) == (3, 0)
    assert timeline.select().seconds == [0, 1]


@pytest.mark.live
@pytest.mark.nightly
def test_labels_beyond_the_limit_count_as_unreadable_records():
    rows = [{"label": f"/items/{n}"} for n in range(262_143 + 25)]
    timeline, lane = captured(*rows, {"label": "/items/3"})
    assert (timeline.select().total.samples, timeline.unreadable) == (262_143 + 1, 25)
    assert timeline.select("/items/3").total.samples == 2
    assert lane.samples.total() == len(rows) + 1  # includes the unreadable ones, so the verdict detects them


FIRES_ANYTHING = """
import math
from locust import User, task

class Odd(User):
    @task
    def fire(self):
        for number in (5.0, None, 0, math.nan, math.inf, -math.inf, -3, 1e300, 1e9):
            self.environment.events.request.fire(
                request_type="X", name="odd", response_time=number, response_length=1, exception=None, context={}
            )
        for size in (None, 10.0, math.nan, -1, 1e300):
            self.environment.events.request.fire(
                request_type="X", name="size", response_time=1, response_length=size, exception=None, context={}
            )
"""


@pytest.mark.live
def test_impossible_times_reported_by_a_script_count_as_unreadable(tmp_path):
    with target() as service:
        plan = plan_of(
            [planned("locust", "own", concurrency=1, iterations=4)],
            {"own": {"script": "locustfile.py", "default-address": service.url}},
        )
        found = outcome(plan, tmp_path, {"locustfile.py": FIRES_ANYTHING})
    assert found.exits[0].outcome == "finished"
    assert found.total("odd").samples == 4 * 4  # 5 ms, None, 0 and 11.6 days
    assert found.total("size").samples == 2 * 4
    assert found.timeline.unreadable == (5 + 3) * 4
