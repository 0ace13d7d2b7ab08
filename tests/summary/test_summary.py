"""The figures of the summary, in the schema toril.summary/1."""

import json
import math

import pytest

from tests.measured import MS, Sample, every_second, execution, plan_of, timeline_of
from toril.records import Exit, Stop
from toril.records.document import document
from toril.records.summary import EarlyStop, LostWorker
from toril.summary import Completeness, planned_by_second, planned_users, steady_load, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode


def complete(plan, **changes):
    names = tuple(share.worker for share in plan.shares)
    return Completeness(**{"planned": names, "reported": names} | changes)


def summary_of(timeline, plan=None, **changes):
    """Returns the content of `summary.json`."""
    plan = plan or plan_of()
    return json.loads(document(summarise(plan, timeline, complete(plan, **changes), 1_795_532_647.25)))


def test_a_summary_has_the_names_and_times_of_the_run():
    found = summary_of(timeline_of(every_second(range(10))))

    assert (found["schema"], found["suite"], found["duration_s"]) == ("toril.summary/1", "shop", 10)
    assert found["started_at"] == "2026-11-24T15:04:07.250Z"
    assert found["window"] == {"from_s": 0, "to_s": 10}
    assert found["workers"]["planned"] == found["workers"]["reported"] == 1


def test_a_label_has_all_figures():
    samples = [
        *every_second(range(9), Sample(0, us=100 * MS, bytes=10, ttfb_us=40 * MS)),
        Sample(9, us=200 * MS, ok=False, rc="503"),
    ]
    found = summary_of(timeline_of(samples))["labels"]

    assert found.keys() == {"", "home"}
    home = found["home"]
    assert (home["kind"], home["samples"], home["failures"], home["failures_share"]) == ("request", 10, 1, 0.1)
    assert (home["rps"], home["bytes"], home["rc"]) == (1.0, 90, {"200": 9, "503": 1})
    assert home["errors"] == [{"message": "it broke", "rc": "503", "count": 1}]
    times = home["response_us"]
    assert (times["min"], times["mean"], times["stdev"], times["max"]) == (100_000, 110_000, 30_000, 200_000)
    assert (times["p50"], times["p90"], times["p95"], times["p99_99"]) == (100_031, 100_031, 200_000, 200_000)
    assert times["interval"]["p50"] == [99_968, 100_031] and times["interval"]["p99"][1] is None
    assert home["failed_response_us"]["p50"] == 200_000
    assert home["ttfb_us"] == {"mean": 40_000, "samples": 9} and home["connect_us"] is None
    assert home["histogram"] == [[99_968, 100_031, 9], [199_936, 200_063, 1]]


def test_a_transaction_with_the_label_of_a_request_gets_its_own_label():
    samples = [*every_second(range(4)), *every_second(range(2), Sample(0, us=900 * MS, kind="transaction"))]
    found = summary_of(timeline_of(samples))["labels"]

    assert {label: (entry["kind"], entry["samples"]) for label, entry in found.items()} == {
        "": ("request", 4),
        "home": ("request", 4),
        "home (transaction)": ("transaction", 2),
    }
    assert found["home (transaction)"]["response_us"]["max"] == 900 * MS


def test_figures_without_samples_are_null():
    found = summary_of(Timeline())

    assert (found["duration_s"], found["series"], found["generators"]["cpu_max"]) == (0, [], None)
    everything = found["labels"][""]
    assert (everything["samples"], everything["rps"], everything["failures_share"]) == (0, None, None)
    assert everything["response_us"]["p95"] is None
    assert everything["response_us"]["interval"]["p95"] == [None, None]


def test_a_label_that_only_has_unfinished_requests_is_listed():
    recorder = Recorder("local-1", "local")
    recorder.unfinished(3, "shop", "slow", 4)
    timeline = Timeline()
    data = recorder.flush()
    assert data is not None
    timeline.add(decode(data, "x"))
    found = summary_of(timeline)

    assert (found["labels"]["slow"]["samples"], found["labels"]["slow"]["unfinished"]) == (0, 4)
    assert found["labels"][""]["unfinished"] == 4


def test_without_the_ramp_up_only_samples_of_the_steady_state_count():
    planned = execution(ramp_up_s=4.0, hold_for_s=6.0)
    samples = [*every_second(range(4), Sample(0, steady=False, us=900 * MS)), *every_second(range(4, 10))]
    plan = plan_of(executions=[planned], ramp_up_exclude=True)
    found = summary_of(timeline_of(samples), plan)

    assert found["window"] == {"from_s": 4, "to_s": 10}
    assert (found["labels"][""]["samples"], found["labels"][""]["rps"]) == (6, 1.0)
    assert found["labels"][""]["response_us"]["max"] == 100 * MS
    assert len(found["series"]) == 10 and found["series"][0]["samples"] == 1


def test_executions_and_locations_have_their_own_labels():
    samples = [Sample(0, location="a"), Sample(1, location="b", execution="admin"), Sample(1, location="b", label="x")]
    plan = plan_of(executions=[execution(), execution("admin")], locations=("a", "b", "c"))
    found = summary_of(timeline_of(samples), plan)

    assert {name: part["labels"][""]["samples"] for name, part in found["executions"].items()} == {
        "shop": 2,
        "admin": 1,
    }
    assert {name: part["labels"][""]["samples"] for name, part in found["locations"].items()} == {
        "a": 1,
        "b": 2,
        "c": 0,
    }
    assert found["locations"]["b"]["labels"].keys() == {"", "home", "x"}


def test_the_series_has_each_second():
    samples = [Sample(0, location="a", bytes=5), Sample(0, location="b", ok=False, rc="500"), Sample(3, location="a")]
    planned = execution(concurrency=8, ramp_up_s=2.0, hold_for_s=2.0, throughput_rps=4.0)
    found = summary_of(
        timeline_of(samples, users={0: 3, 1: 8}, health=0.1), plan_of(executions=[planned], locations=("a", "b"))
    )["series"]

    assert [entry["second"] for entry in found] == [0, 1, 2, 3]
    assert [entry["samples"] for entry in found] == [2, 0, 0, 1]
    assert [entry["planned_users"] for entry in found] == [2, 6, 8, 8]
    assert [entry["planned_rps"] for entry in found] == [1, 3, 4, 4]
    assert [entry["virtual_users"] for entry in found] == [3, 8, 8, 8]
    assert (found[0]["failures"], found[0]["bytes"], found[1]["p95_us"]) == (1, 5, None)
    assert found[0]["locations"]["b"] == {"samples": 1, "failures": 1, "virtual_users": 0, "p95_us": 100_000}


def test_the_resolution_of_a_label_is_the_coarsest_of_its_executions():
    timeline = timeline_of([Sample(0), Sample(0, label="y", execution="admin")])
    recorder = Recorder("local-1", "local")
    recorder.resolution("admin", 1000)
    recorder.resolution("shop", 1)
    recorder.unreadable(2)
    data = recorder.flush()
    assert data is not None
    timeline.add(decode(data, "x"))
    found = summary_of(timeline)

    assert {label: part["resolution_us"] for label, part in found["labels"].items()} == {"": 1000, "home": 1, "y": 1000}
    assert found["workers"]["unreadable_records"] == 2


def test_a_generator_above_its_limit_is_saturated():
    found = summary_of(timeline_of(every_second(range(5)), health=0.93))["generators"]

    assert (found["saturated"], found["cpu_max"]) == (["local-1"], 0.93)
    assert found["workers"]["local-1"]["longest_above_s"] == 5


@pytest.mark.parametrize(
    ("load", "curve"),
    [
        ({"ramp_up_s": 4.0, "hold_for_s": 2.0}, [0, 2.5, 5, 7.5, 10, 10, 0]),
        ({"ramp_up_s": 4.0, "hold_for_s": 2.0, "steps": 2}, [5, 5, 10, 10, 10, 10, 0]),
        ({"delay_s": 2.0, "hold_for_s": 2.0}, [0, 0, 10, 10, 0, 0, 0]),
        ({"iterations": 3, "hold_for_s": 0.0}, [10] * 7),
    ],
)
def test_planned_users_follow_ramp_up_steps_and_hold(load, curve):
    planned = execution(**load)

    assert [planned_users(planned, second) for second in range(7)] == curve
    assert planned_by_second(planned, range(1, 2)) is None


def test_steady_load_leaves_a_second_out_at_both_ends():
    users = {second: min(10, 1 + second) for second in range(20)} | {19: 2}
    plan = plan_of(executions=[execution(ramp_up_s=9.5, hold_for_s=10.5, throughput_rps=3.0)])
    ramp_up = every_second(range(9), Sample(0, steady=False), times=3)
    timeline = timeline_of(ramp_up + every_second(range(9, 20), times=3)[:-2], users=users)
    (load,) = steady_load(plan, timeline)

    assert (load.from_s, load.to_s) == (11, 19)
    assert (load.achieved_users, load.achieved_rps) == (10, 31 / 10.5)
    found = summary_of(timeline, plan)["load"]
    assert found["requested"] == {"virtual_users": 10, "rps": 3, "journeys_per_s": None}
    assert found["achieved"] == {"virtual_users": 10, "rps": round(31 / 10.5, 3), "journeys_per_s": None}


def test_requests_count_when_sent_so_slow_or_missing_responses_are_no_missing_load():
    samples = every_second([14], Sample(0, us=9_000_000), times=20)  # of 30 that were sent, 3 a second
    plan = plan_of(executions=[execution(throughput_rps=3.0)])
    (load,) = steady_load(plan, timeline_of(samples, unfinished=10))

    assert (load.requested_rps, load.achieved_rps) == (3, 3)


def test_the_total_load_is_known_only_if_that_of_each_execution_is():
    both = [execution(throughput_rps=3.0), execution("open"), execution("short", iterations=5, hold_for_s=0.0)]
    timeline = timeline_of(every_second(range(10), times=3), users=dict.fromkeys(range(20), 10))
    found = summary_of(timeline, plan_of(executions=both))["load"]

    assert found["requested"] == {"virtual_users": 30, "rps": None, "journeys_per_s": None}
    assert found["achieved"] == {"virtual_users": None, "rps": None, "journeys_per_s": None}
    assert found["executions"]["shop"]["requested"]["rps"] == 3
    assert found["executions"]["shop"]["achieved"] == {"virtual_users": 10, "rps": 3, "journeys_per_s": None}


def test_steady_load_ends_with_an_early_stop_and_needs_a_planned_end():
    timeline = timeline_of(every_second(range(10)), users={0: 10})
    (stopped,) = steady_load(plan_of(executions=[execution(hold_for_s=60.0)]), timeline, stopped_at_s=9.7)
    (unbounded,) = steady_load(plan_of(executions=[execution(hold_for_s=0.0, iterations=5)]), timeline)

    assert (stopped.from_s, stopped.to_s, stopped.achieved_rps) == (1, 8, 10 / 9.7)
    assert unbounded.achieved_users is None and unbounded.achieved_rps is None


def test_completeness_lists_the_missing_data():
    plan = plan_of(workers=2)
    record = Exit(
        worker="local-1",
        attempt="x",
        at=9.0,
        outcome="finished",
        unreadable_records=3,
        first_sample_lateness_s={"shop": 0.2},
    )
    stop = Stop(at=112.5, cause="user", message="enough")

    partial = complete(plan, lost=(("local-2", "killed"),), exits={"local-1": record}, stop=stop, started_at=100.0)
    assert (partial.unreadable_records, partial.stopped_at_s) == (3, 12.5)
    assert partial.lateness_s == {("local-1", "shop"): 0.2}
    found = summarise(plan, Timeline(), partial, None)
    assert found.workers.lost == (LostWorker(worker="local-2", reason="killed"),)
    assert found.stop == EarlyStop(cause="user", at_s=12.5)
    assert summarise(plan, Timeline(), complete(plan), None).stop is None


@pytest.mark.parametrize(("stopped_s", "lasted", "planned"), [(None, 10, 10), (6.5, 6.5, 6.5), (1.5, 2, 1.5)])
def test_a_service_that_hangs_does_not_shorten_the_load(stopped_s, lasted, planned):
    recorder = Recorder("local-1", "local")
    for second in (0, 1):
        recorder.add_one("shop", completed_s=second + 0.5, label="home", response_us=1, ok=True, steady=True)
    recorder.unfinished(12, "shop", "home", 3)
    data = recorder.flush()
    assert data is not None
    timeline = Timeline()
    timeline.add(decode(data, "file"))
    plan = plan_of("throughput<1/s", executions=[execution(hold_for_s=10.0)])
    stop = None if stopped_s is None else Stop(at=1000 + stopped_s, cause="user", message="enough")
    found = summarise(plan, timeline, complete(plan, stop=stop, started_at=1000.0), 1000.0)

    assert (found.duration_s, found.window and found.window.to_s) == (lasted, lasted)
    assert found.total.rps == pytest.approx(2 / planned, abs=0.001)
    assert [entry.samples for entry in found.series] == [1, 1] + [0] * (math.ceil(lasted) - 2)


def test_the_load_lasts_to_the_last_reported_sample():
    record = Exit(worker="local-1", attempt="x", at=9.0, outcome="finished", last_sample_s=9.25)
    plan = plan_of()

    assert complete(plan, exits={"local-1": record}).load_s(9) == 9.25
    assert complete(plan, exits={"local-1": record}).load_s(12) == 13  # a worker without exit.json has a later sample
    assert complete(plan).load_s(None) == 0
