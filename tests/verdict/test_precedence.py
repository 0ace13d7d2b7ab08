"""The order of the verdict's rules in all combinations, and rare cases."""

import itertools
import json
from dataclasses import replace

import pytest

from tests.measured import (
    BROKEN,
    FAST,
    MS,
    SLOW,
    START,
    Sample,
    codes,
    every_second,
    execution,
    good,
    left,
    plan_of,
    stopped,
    timeline_of,
    verdict_of,
)
from tests.tiers import by_day
from toril.coordinator.fold import Fold
from toril.coordinator.worker_files import interval_name
from toril.records import Plan, worker_key
from toril.records.document import document
from toril.reports import FORMATS, Bundle, render
from toril.store import FolderStore
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict import judge

SECONDS = 40
TWO = ("local-1", "local-2")
DAMAGED = "runs/r/workers/local-2/abcd/intervals-000002 is missing"


def measured(breach: str, missing: str, reached: bool, saturated: bool) -> Timeline:
    """Returns 40 s of 10 requests per second; half of them failed, or all of them slow."""
    slow, broken = breach.startswith("times"), breach == "failures"
    samples = every_second(range(SECONDS), SLOW if slow else FAST, 5)
    samples += every_second(range(SECONDS), replace(BROKEN, us=50 * MS) if broken else SLOW if slow else FAST, 5)
    users = dict.fromkeys(range(SECONDS), 10 if reached else 9)
    return timeline_of(
        samples, workers=1 if missing == "all of a worker" else 2, users=users, health=0.95 if saturated else 0.4
    )


def expected(breach: str, doubt: str, missing: str, reached: bool) -> str:
    """Returns the outcome by the documented rules of precedence."""
    proven = breach == "failures" or (breach == "times" and not doubt)
    if proven and missing != "all of a worker":
        return "failed"
    open_question = doubt or missing or not reached or breach in ("times", "failures")
    return "inconclusive" if open_question else "passed"


@pytest.mark.parametrize(
    ("breach", "doubt", "missing", "reached"),
    by_day(
        itertools.product(
            ["", "times", "failures", "times as non-failed"],
            ["", "saturated", "late-start", "unsure-clock"],
            ["", "end of a worker", "all of a worker", "a file", "stopped"],
            [True, False],
        ),
        each=3,  # prime to each dimension, so each pair of two of them is there by day
    ),
)
def test_rules_take_precedence_as_documented(breach, doubt, missing, reached):
    as_non_failed = ", continue as non-failed" if breach == "times as non-failed" else ""
    plan = plan_of(
        f"avg-rt>200ms{as_non_failed}", "fail>30%", workers=2, executions=[execution(hold_for_s=float(SECONDS))]
    )
    exits = {worker: left(worker, samples=5 * SECONDS) for worker in TWO}
    circumstances: dict[str, object] = {}
    if doubt == "late-start":
        exits["local-1"] = left("local-1", samples=5 * SECONDS, first_sample_lateness_s={"shop": 1.5})
    if doubt == "unsure-clock":
        circumstances["clock_s"] = {"local-1": (-0.9, 0.2)}
    if "of a worker" in missing:
        del exits["local-2"]
        circumstances["lost"] = (("local-2", "killed"),)
    if missing == "a file":
        exits["local-2"] = left("local-2", samples=5 * SECONDS + 7)
        circumstances["damaged"] = (DAMAGED,)
    if missing == "stopped":
        circumstances["stop"] = stopped("user", SECONDS - 0.5)
    timeline = measured(breach, missing, reached, doubt == "saturated")
    verdict = verdict_of(timeline, plan, exits=exits, **circumstances)

    assert verdict.outcome == expected(breach, doubt, missing, reached), codes(verdict)
    assert not doubt or doubt in codes(verdict)
    assert (
        reached or missing not in ("", "a file") or "unreached-load" in codes(verdict)
    )  # otherwise the early end is the reason


# Runs with transactions only


def buying(us: int = 100 * MS, ok: bool = True) -> Timeline:
    buy = Sample(0, us, label="buy", ok=ok, kind="transaction")
    return timeline_of(every_second(range(10), buy, 10), users=dict.fromkeys(range(10), 10))


def test_a_run_with_transactions_only_can_pass_and_fail():
    plan = plan_of("avg-rt of buy>200ms")
    assert verdict_of(buying(), plan).outcome == "passed"
    assert verdict_of(buying(us=300 * MS), plan).outcome == "failed"
    verdict = verdict_of(buying(ok=False), plan)
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["no-success"])


def test_transactions_in_a_damaged_file_make_the_run_inconclusive():
    samples = every_second(range(10), Sample(0, 300 * MS, label="buy", kind="transaction"), 10)
    timeline = timeline_of(samples + every_second(range(10), SLOW, 10))
    exits = {"local-1": left(samples=101)}
    damaged = ("runs/r/workers/local-1/abcd/intervals-000002 is missing",)
    assert verdict_of(timeline, plan_of("avg-rt of buy>200ms"), exits=exits, damaged=damaged).outcome == "inconclusive"


# Extreme percentiles, missing samples, saturated workers


def test_minimum_and_maximum_need_no_minimum_of_samples():
    assert verdict_of(good(), plan_of("p100>100ms", "p0<10ms")).outcome == "passed"
    slow = timeline_of([*every_second(range(10), FAST, 10), replace(SLOW, second=3)])
    verdict = verdict_of(slow, plan_of("p100>100ms"))
    assert (verdict.outcome, verdict.criteria[0].observed) == ("failed", 300 * MS)


def test_recorded_samples_missing_in_the_files_are_detected():
    verdict = verdict_of(good(), plan_of("avg-rt>1s"), exits={"local-1": left(samples=101)})
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["missing-samples"])
    assert verdict_of(good(), plan_of("avg-rt>1s"), exits={"local-1": left(samples=100)}).outcome == "passed"


@pytest.mark.parametrize(("cpu", "skipped", "saturated"), [(0.95, True, True), (0.95, False, True), (0.5, True, False)])
def test_a_worker_too_busy_to_read_its_own_cpu_is_still_saturated(cpu, skipped, saturated):
    recorder = Recorder("local-1", "local")
    for second in range(20):
        if second % 2 or not skipped:
            recorder.health(second, cpu, 0.1, 1 << 20, 0.0)
    timeline = good(20)
    timeline.add(decode(recorder.flush() or b"", "health"))
    verdict = verdict_of(timeline, plan_of("avg-rt>1s"))
    assert ("saturated" in codes(verdict)) is saturated


# Stored files


def stored(tmp_path, workers: int) -> tuple[FolderStore, Plan, Fold]:
    plan = plan_of("hits>5 for 2s, stop as failed", workers=workers)
    store = FolderStore(tmp_path)
    return store, plan, Fold(store, plan, {share.worker: "x" for share in plan.shares})


def put(store: FolderStore, plan: Plan, worker: str, number: int, data: bytes) -> None:
    store.put(worker_key(plan.run_id, worker, "x", interval_name(number)), data)


def test_a_lost_worker_does_not_delay_live_criteria(tmp_path):
    store, plan, fold = stored(tmp_path, 2)
    for worker, last in (("local-1", 9), ("local-2", 2)):
        recorder = Recorder(worker, "local")
        for second in range(last + 1):
            recorder.add_one("shop", completed_s=second, label="home", response_us=1)
        put(store, plan, worker, 1, recorder.flush() or b"")
    fold.poll(0.0)
    assert fold.complete_to() == 1
    assert fold.complete_to({"local-2"}) == 8


def test_a_duplicate_file_counts_once(tmp_path):
    store, plan, fold = stored(tmp_path, 1)
    recorder = Recorder("local-1", "local")
    recorder.add_one("shop", completed_s=1, label="home", response_us=1)
    data = recorder.flush() or b""
    for number in (1, 2):
        put(store, plan, "local-1", number, data)
    fold.finish()
    assert fold.timeline.select().total.samples == 1
    assert ["copy" in damaged for damaged in fold.damaged] == [True]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_lone_surrogate_in_a_label_breaks_no_report(name):
    label = "half \ud800 \x00 </script>"
    timeline = timeline_of(every_second(range(5), Sample(0, label=label, ok=False, rc="\udfff"), 3))
    plan = plan_of("p95>1s")
    complete = Completeness(planned=("local-1",), reported=("local-1",), started_at=START)
    summary = summarise(plan, timeline, complete, START)
    verdict = judge(plan, timeline, complete, summary)
    assert json.loads(document(summary)) == summary.to_dict()
    report = render(name, Bundle(plan=plan, summary=summary, verdict=verdict, timeline=timeline))
    assert report.startswith(b"PAR1") if name.startswith("parquet") else report.decode()
