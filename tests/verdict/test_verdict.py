"""The outcome of criteria, health and completeness."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import (
    BROKEN,
    FAST,
    SLOW,
    START,
    TIMES,
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
from toril import verdict as the_verdict
from toril.records import EngineReport, Rate
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.verdict import exit_code, judge_try

FAILURES = "fail>10%"


def test_a_complete_run_that_keeps_all_criteria_passes():
    verdict = verdict_of(good(), plan_of(TIMES, FAILURES))
    assert (verdict.outcome, codes(verdict)) == ("passed", ["kept"])
    assert [result.outcome for result in verdict.criteria] == ["passed", "passed"]


def test_a_try_passes_only_if_each_request_succeeds():
    plan = plan_of(executions=[execution(iterations=1, hold_for_s=0.0, concurrency=1)])
    plan = plan.model_copy(update={"tried": True})

    def judged(*samples: Sample, **report: object) -> tuple[str, list[str]]:
        requests, timeline = sum(one.kind == "request" for one in samples), timeline_of(samples)
        reports = {"shop": EngineReport.model_validate({"samples": requests, **report})}
        workers, exits = ("local-1",), {"local-1": left(samples=requests, executions=reports)}
        whole = Completeness(started_at=START, exits=exits, planned=workers, reported=workers)
        verdict = judge_try(plan, timeline, whole, summarise(plan, timeline, whole, START))
        return verdict.outcome, codes(verdict)

    assert judged(FAST) == ("passed", ["nothing-judged"])
    assert judged(FAST, BROKEN) == ("failed", ["failed-request"])
    assert judged(FAST, Sample(0, label="buying", kind="transaction", ok=False)) == ("failed", ["failed-request"])
    assert judged(FAST, dropped=1) == ("inconclusive", ["dropped-sends"])
    assert judged(FAST, script_failed="exit code 1") == ("inconclusive", ["script-failed"])
    assert judged(FAST, unfinished_users=1) == ("inconclusive", ["ended-early"])


def test_each_breach_is_a_separate_reason():
    verdict = verdict_of(good(sample=SLOW), plan_of("p50>100ms", FAILURES, TIMES, "hits>5"))
    assert (verdict.outcome, codes(verdict)) == ("failed", ["breach"] * 3)
    assert [result.outcome for result in verdict.criteria] == ["failed", "passed", "failed", "failed"]


@pytest.mark.parametrize(
    ("outcome", "fail_on", "code"),
    [
        ("passed", {"failed", "inconclusive"}, 0),
        ("failed", {"failed", "inconclusive"}, 1),
        ("inconclusive", {"failed", "inconclusive"}, 3),
        ("inconclusive", {"failed"}, 0),
        ("failed", {"inconclusive"}, 0),
    ],
)
def test_the_exit_code_depends_on_outcome_and_fail_on(outcome, fail_on, code):
    assert exit_code(outcome, fail_on) == code


def test_every_code_is_in_the_table_of_reasons():
    sources = Path(str(the_verdict.__file__)).parent.glob("*.py")
    pattern = r'(?:[Rr]eason\(\s*|yield \(?\s*|code ?= ?|undecided\(\w+, )"([a-z-]+)"'
    used = {code for source in sources for code in re.findall(pattern, source.read_text())}
    assert used == {*re.findall(r"^\| `([a-z-]+)`", str(the_verdict.__doc__), re.MULTILINE), "triggered"}


RATE = Rate(number=1, execution="shop", rps=5.0, at=START + 4, asked_at=START + 3, cause="user")
DOUBTS: Mapping[str, Mapping[str, object]] = {
    "late-start": {"exits": {"local-1": left(first_sample_lateness_s={"shop": 1.2})}},
    "unsure-clock": {"clock_s": {"local-1": (0.2, 0.9)}},
}


@pytest.mark.parametrize(("late_s", "late"), [(0.9, False), (1.1, True)])
def test_a_load_change_may_be_one_second_late(late_s, late):
    exits = {"local-1": left(rate_lateness_s={1: late_s})}
    verdict = verdict_of(good(), plan_of(TIMES), exits=exits, rates=(RATE,))
    assert (verdict.outcome, "late-rate" in codes(verdict)) == ("inconclusive" if late else "passed", late)
    assert verdict.note_codes[0] == "changed-rate"
    assert all(part in verdict.notes[0] for part in ("worker local-1", f"{late_s} s late"))


@pytest.mark.parametrize(
    ("ramp_up_s", "late_s", "late"), [(0, 0.9, False), (0, 1.1, True), (60, 5.9, False), (60, 6.1, True)]
)
def test_a_start_may_be_late_by_one_second_or_a_tenth_of_the_ramp_up(ramp_up_s, late_s, late):
    plan = plan_of(TIMES, executions=[execution(ramp_up_s=ramp_up_s)])
    verdict = verdict_of(good(), plan, exits={"local-1": left(first_sample_lateness_s={"shop": late_s})})
    assert ("late-start" in codes(verdict)) is late


# Missing data


@pytest.mark.parametrize(("written", "outcome"), [(110, "failed"), (290, "failed"), (310, "inconclusive")])
def test_the_worker_s_count_limits_the_samples_of_a_damaged_file(written, outcome):
    file = "runs/r/workers/local-1/abcd/intervals-000002 is missing"
    exits = {"local-1": left(samples=written)}
    assert verdict_of(good(sample=SLOW), plan_of(TIMES), damaged=(file,), exits=exits).outcome == outcome


def test_a_run_without_a_single_success_never_passes():
    verdict = verdict_of(good(sample=BROKEN), plan_of(TIMES))
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["no-success"])
    assert "it broke" in verdict.reasons[0].message
    assert verdict_of(good(sample=BROKEN), plan_of(FAILURES)).outcome == "failed"


def test_a_run_without_a_single_sample_never_passes():
    verdict = verdict_of(Timeline(), plan_of())
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["no-success"])
    assert verdict_of(Timeline(), plan_of(TIMES)).outcome == "inconclusive"


def test_a_criterion_that_cannot_fail_may_stay_open():
    assert verdict_of(good(), plan_of("p99.9>1s, continue as non-failed")).outcome == "passed"


def test_a_breach_fails_whatever_else_cannot_be_judged():
    assert verdict_of(good(sample=SLOW), plan_of("p95 of chekout>1s", TIMES)).outcome == "failed"


def test_a_run_stopped_before_start_skips_the_load_check():
    verdict = verdict_of(timeline_of([]), plan_of(), started_at=None, stop=stopped("signal"))
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["stopped", "no-success"])


@pytest.mark.parametrize("measured_to_s", [None, 11.0])
@pytest.mark.parametrize("load", [{"hold_for_s": 20.0}, {"hold_for_s": 0.0, "iterations": 5}])
def test_a_worker_stopped_alone_ended_early(measured_to_s, load):
    plan = plan_of(TIMES, executions=[execution(**load)])
    why = left(at_s=60.0, outcome="stopped", message="the lease was not renewed", last_sample_s=measured_to_s)
    verdict = verdict_of(good(), plan, exits={"local-1": why})
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["ended-early"])
    assert "the lease was not renewed" in verdict.reasons[0].message


def test_criteria_of_an_execution_or_location_consider_only_its_missing_data():
    plan = plan_of(
        {"subject": "avg-rt", "condition": ">", "threshold": "299ms", "location": "eu"}, locations=["eu", "us"]
    )
    timeline = timeline_of(every_second(range(10), replace(SLOW, location="eu")))
    assert verdict_of(timeline, plan, lost=(("us-1", "killed"),)).outcome == "failed"
    assert verdict_of(timeline, plan, lost=(("eu-1", "killed"),)).outcome == "inconclusive"


FLAWS: Mapping[str, Mapping[str, object]] = {
    **DOUBTS,
    "lost-worker": {"lost": (("local-2", "killed"),)},
    "damaged-file": {"damaged": ("runs/r/workers/local-2/abcd/intervals-000001 is missing",)},
    "stopped": {"stop": stopped("user")},
}


@given(
    st.sets(st.sampled_from(sorted(FLAWS)), min_size=1),
    st.sampled_from([FAST, SLOW, BROKEN]),
    st.lists(st.sampled_from([TIMES, FAILURES])),
)
def test_a_run_with_any_flaw_never_passes_and_has_a_reason_for_each(flaws, sample, criteria):
    circumstances: dict[str, object] = {}
    for flaw in flaws:
        circumstances |= FLAWS[flaw]
    found = verdict_of(good(sample=sample), plan_of(*criteria, workers=2), **circumstances)
    assert found.outcome != "passed"
    assert set(codes(found)) >= flaws
    assert (found.outcome == "failed") == any(result.outcome == "failed" for result in found.criteria)
