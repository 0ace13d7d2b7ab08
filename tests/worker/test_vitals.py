"""Health and lateness are recorded for every second of the load."""

import math
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.targets import target
from tests.worker.driver import engines_of, outcome, plan_of, planned, wait_until, workers
from toril.timeline import HealthSeries, Timeline
from toril.timeline.intervals import Recorder, decode
from toril.worker.engine_runs import EngineRun, EngineRuns
from toril.worker.health import Vitals


@pytest.mark.live
@pytest.mark.parametrize("engine", ["locust", "apiritif", "jmeter"])
def test_each_engine_reports_late_sends(tmp_path, engine):
    with target(delay_s=0.01) as service:
        scenario = {"requests": [{"url": f"{service.url}/", "label": "home"}]}
        plan = plan_of([planned(engine, "home", concurrency=2, hold_for_s=3.0)], {"home": scenario})
        found = outcome(plan, tmp_path)
    series = found.timeline.health_series("local-1")
    assert 0 < (series.late_us >= 0).sum() <= 5
    assert (series.late_us >= series.late_p90_us).all()
    assert (series.dropped == -1).all()  # no engine has a schedule here
    assert (series.memory_bytes > 1 << 20).any()
    assert np.isnan(series.core).all() == (engine == "jmeter")
    facts = series.facts
    assert facts["single_threaded"] is (engine != "jmeter")
    assert facts["memory_limit_bytes"] > series.memory_bytes.max()


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.parametrize("engine", ["locust", "apiritif", "jmeter"])
def test_seconds_in_which_an_engine_stands_still_are_late(tmp_path, engine):
    with target(delay_s=0.01) as service:
        scenario = {"requests": [{"url": f"{service.url}/", "label": "home"}]}
        plan = plan_of([planned(engine, "home", concurrency=2, hold_for_s=8.0)], {"home": scenario})
        with workers(plan, tmp_path) as run:
            run.launch()
            run.wait_ready()
            run.start()
            wait_until(lambda: service.answered > 0, run)
            processes = engines_of(run)
            for process in processes:
                process.suspend()
            time.sleep(3)
            for process in processes:
                process.resume()
            assert run.wait() == [0]
            found = run.outcome()
    assert (found.timeline.health_series("local-1").late_p90_us >= 2_000_000).sum() >= 2


@pytest.mark.solo
def test_due_sends_without_a_free_user_are_dropped(tmp_path):
    with target(delay_s=0.1) as service:
        scenario = {"requests": [{"url": f"{service.url}/", "label": "home"}]}
        load: dict[str, Any] = {
            "concurrency": 2,
            "throughput_rps": 60.0,
            "hold_for_s": 8.0,
        }  # two users send 20 a second at most
        found = outcome(plan_of([planned("jmeter", "home", **load)], {"home": scenario}), tmp_path)
    dropped = found.timeline.health_series("local-1").dropped
    missing = 60 * 8 - found.samples
    assert missing >= 480 - 2 * 10 * 9
    assert 0.7 * missing < dropped[dropped >= 0].sum() <= missing  # the last second or two are not reported


def vitals_of(start_at: float = 1000.0, **engine: Any) -> tuple[Vitals, Recorder]:
    recorder = Recorder("w", "here")
    fake = SimpleNamespace(**{"single_threaded": False, "reports_work": False, "process": None} | engine)
    runs = EngineRuns([EngineRun(engine=fake, started=True)])  # type: ignore[arg-type]
    return Vitals(recorder, runs, start_at, start_at - 0.5), recorder


def series_of(recorder: Recorder) -> HealthSeries:
    timeline = Timeline()
    timeline.add(decode(recorder.flush() or b"", "x"))
    return timeline.health_series("w")


def test_a_reading_counts_in_the_second_that_it_covers():
    vitals, recorder = vitals_of(reports_lateness=True)
    for now in (999.9, 1000.02, 1000.5, 1001.03, 1001.1, 1001.9, 1002.0, 1004.7, 1005.1, 1005.3):
        vitals.record(now)
    assert series_of(recorder).second.tolist() == [0, 1, 4]


def test_nothing_is_recorded_before_the_start():
    vitals, recorder = vitals_of(reports_lateness=True)
    vitals.record(999.9)
    vitals.record(1000.1)
    assert recorder.flush() is None


@pytest.mark.parametrize("reports", [False, True])
def test_a_loop_that_always_works_fills_its_core(reports):
    vitals, recorder = vitals_of(reports_lateness=True, reports_work=reports)
    vitals._runs[0].busy = 0.95
    for now in (999.9, 1000.02, 1001.03, 1002.0):
        vitals.record(now)
    assert series_of(recorder).core.tolist() == pytest.approx([0.95, 0.95] if reports else [math.nan] * 2, nan_ok=True)


@pytest.mark.parametrize("reports", [False, True])
def test_an_engine_that_reports_no_lateness_is_as_late_as_its_workers_sleep(reports):
    vitals, recorder = vitals_of(time.time(), reports_lateness=reports)
    slept: list[float] = []
    for _ in range(3):
        vitals.sleep(0.25, slept.append)  # back at once, so not late at all
    vitals.end()
    recorder.unreadable()
    assert slept == [0.25] * 3
    recorded = decode(recorder.flush() or b"", "x").vitals
    assert (recorded.shape[1] > 0) is not reports
