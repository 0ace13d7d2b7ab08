"""Breaches that missing data cannot change, and percentiles of too few samples."""

from dataclasses import replace

import pytest

from tests.measured import (
    BROKEN,
    FAST,
    SLOW,
    codes,
    every_second,
    execution,
    good,
    judged,
    plan_of,
    stopped,
    timeline_of,
    verdict_of,
)
from toril.records import Journey
from toril.verdict.evidence import Gap, MissingData

# Enough samples


def test_a_low_percentile_of_too_few_samples_is_inconclusive():
    result = judged("p99>300ms", timeline_of(every_second(range(100))))
    assert (result.outcome, result.code) == ("inconclusive", "too-few-samples")
    assert judged("p99>300ms", timeline_of(every_second(range(100), times=4))).outcome == "passed"


def test_a_percentile_with_its_lower_bound_in_breach_fails_with_few_samples():
    assert judged("p99>200ms", timeline_of(every_second(range(100), SLOW))).outcome == "failed"
    one_slow = timeline_of([*every_second(range(99), FAST), replace(SLOW, second=99)])
    assert judged("p99.5>200ms", one_slow).code == "too-few-samples"


def test_windows_of_a_percentile_need_no_interval():
    assert judged("p99>200ms for 3s", timeline_of(every_second(range(3), SLOW))).outcome == "failed"


# Missing data


def lost_half(source, samples, last=9, language="taurus", **load):
    """Returns the result of a run with two workers, of which one was lost at the start."""
    plan = plan_of(executions=[execution(**load)], workers=2)
    missing = MissingData(plan, (Gap("local-2", 0, last),))
    return judged(source, timeline_of(samples), plan, missing=missing, language=language)


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("avg-rt>149ms", "failed"),  # 300 ms, halved
        ("avg-rt>151ms", "inconclusive"),
        ("avg-rt>149ms for 3s", "failed"),
        ("avg-rt>151ms over 3s", "inconclusive"),
        ("p95>299ms", "failed"),
        ("p49>299ms", "inconclusive"),
        ("fail>49%", "failed"),
        ("fail>51%", "inconclusive"),
        ("fail>51% within 2s", "inconclusive"),
        ("succ<51%", "failed"),
        ("succ<49%", "inconclusive"),
        ("hits>99", "failed"),
        ("hits<201", "failed"),
        ("hits<199", "inconclusive"),
        ("hits=100", "inconclusive"),
        ("bytes<1MB", "inconclusive"),
        ("avg-rt<400ms", "inconclusive"),
        ("p50<400ms", "failed"),
        ("p51<400ms", "inconclusive"),
        ("rc503>49%", "failed"),
    ],
)
def test_a_breach_stands_only_if_missing_samples_could_not_have_prevented_it(source, outcome):
    samples = every_second(range(10), replace(SLOW, ok=False, rc="503"), 10)
    result = lost_half(source, samples)
    assert (result.fired, result.outcome) == (True, outcome)


def test_missing_samples_are_estimated_from_the_planned_throughput_at_least():
    samples = every_second(range(10), SLOW, 10)
    assert lost_half("avg-rt>149ms", samples, throughput_rps=20.0).outcome == "failed"
    assert lost_half("avg-rt>149ms", samples, throughput_rps=80.0).outcome == "inconclusive"


@pytest.mark.parametrize(
    ("journey", "labels", "outcome"),
    [
        (None, (), "failed"),
        (Journey(requests=4, first="home"), (), "inconclusive"),
        (None, ("a", "b", "c", "d"), "inconclusive"),
    ],
)
def test_missing_samples_of_journeys_are_those_of_all_their_requests(journey, labels, outcome):
    load = {"model": "arrivals", "journey": journey, "labels": labels, "concurrency": None, "throughput_rps": 20.0}
    assert lost_half("avg-rt>149ms", every_second(range(10), SLOW, 10), **load).outcome == outcome


def test_missing_starts_of_journeys_are_at_most_the_planned_ones():
    load = {"model": "arrivals", "journey": Journey(requests=4, first="home"), "curve": ((0, 20), (10, 20))}
    starts = every_second(range(10), replace(FAST, label="journey start", kind="timing"), 4)
    assert (
        lost_half("load<95%", starts, language="toril", concurrency=None, throughput_rps=20.0, **load).outcome
        == "failed"
    )


def test_a_breach_before_the_first_missing_data_stands():
    plan = plan_of(workers=2)
    timeline = timeline_of(every_second(range(10), SLOW, 2))
    assert (
        judged("avg-rt>299ms for 5s", timeline, plan, missing=MissingData(plan, (Gap("local-2", 5, 9),))).outcome
        == "failed"
    )
    assert (
        judged("avg-rt>299ms for 5s", timeline, plan, missing=MissingData(plan, (Gap("local-2", 4, 9),))).outcome
        != "failed"
    )


def test_a_series_does_not_stand_over_a_second_whose_samples_are_missing():
    plan = plan_of(workers=2)
    missing = MissingData(plan, (Gap("local-2", 2, 2),))
    assert (
        judged("avg-rt>100ms for 4s", timeline_of(every_second([0, 1, 3, 4], SLOW)), plan, missing=missing).outcome
        == "inconclusive"
    )


def test_a_series_does_not_stand_over_a_silent_second_while_records_are_lost():
    plan = plan_of()
    timeline = timeline_of(every_second([0, 1, 3, 4], SLOW, 100))
    assert (
        judged("avg-rt>100ms for 4s", timeline, plan, missing=MissingData(plan, lost_records=1)).outcome
        == "inconclusive"
    )


def test_lost_records_count_as_missing():
    timeline, plan = timeline_of(every_second(range(10), BROKEN)), plan_of()
    assert judged("fail>49%", timeline, plan, missing=MissingData(plan, lost_records=10)).outcome == "failed"
    assert judged("fail>51%", timeline, plan, missing=MissingData(plan, lost_records=10)).outcome == "inconclusive"


def test_if_the_missing_amount_is_unknown_only_excessive_counts_stand():
    samples = every_second(range(10), BROKEN)
    assert lost_half("fail>50%", samples, last=float("inf"), hold_for_s=0, iterations=5).outcome == "inconclusive"
    assert lost_half("fail>5", samples, last=float("inf"), hold_for_s=0, iterations=5).outcome == "failed"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("fail>51%", "kept"),  # at most half of all can have failed
        ("fail>49%", "pass-may-not-stand"),
        ("fail>51% for 3s", "kept"),
        ("fail>49% for 3s", "pass-may-not-stand"),
        ("fail>49% over 3s", "pass-may-not-stand"),
        ("succ<49%", "kept"),
        ("hits>201", "kept"),
        ("hits>199", "pass-may-not-stand"),
        ("hits<100", "kept"),  # more samples could not breach it
        ("avg-rt>1s", "pass-may-not-stand"),
        ("p49>1s", "kept"),  # even if all missing samples were slower, it would be a measured value
        ("p51>1s", "pass-may-not-stand"),
        ("hits=7", "pass-may-not-stand"),
    ],
)
def test_a_pass_stands_only_if_missing_samples_could_not_breach_it(source, code):
    result = lost_half(source, every_second(range(10), FAST, 10))
    assert (result.fired, result.code) == (False, code)
    assert result.outcome == ("passed" if code == "kept" else "inconclusive")


def test_a_window_of_unknown_seconds_could_breach_any_criterion():
    plan = plan_of(workers=1)
    missing = MissingData(plan, (Gap("local-1", 5, 9),))
    timeline = timeline_of(every_second(range(5), FAST, 10))
    for source in ("fail>99% for 2s", "hits>1000 within 2s", "fail>49%", "hits>99", "p51>1s"):
        assert judged(source, timeline, plan, missing=missing).code == "pass-may-not-stand"


@pytest.mark.parametrize(
    ("source", "ours"),
    [
        ("avg-rt>1s for 20s", False),
        ("fail>0 over 20s", False),
        ("throughput>100/s over 20s", True),
        ("generator-cpu>80% for 20s", True),
    ],
)
def test_a_timeframe_that_missing_data_left_incomplete_proves_nothing(source, ours):
    criteria = {"ours": [source]} if ours else {"criteria": [source]}
    plan = plan_of(
        *criteria.get("criteria", ()), ours=criteria.get("ours", ()), executions=[execution(hold_for_s=60.0)]
    )
    for circumstances in ({"lost": (("local-1", "killed"),)}, {"stop": stopped("user", 10.0)}):
        (result,) = verdict_of(good(health=0.3), plan, **circumstances).criteria
        assert (result.outcome, result.code) == ("inconclusive", "pass-may-not-stand")
        assert "20 s" in result.message


def test_a_timeframe_of_load_that_was_cut_proves_nothing():
    plan = plan_of(ours=["load<50% for 20s"], executions=[execution(hold_for_s=60.0)])
    (result,) = verdict_of(good(), plan, stop=stopped("user", 10.0)).criteria
    assert (result.outcome, result.code) == ("inconclusive", "pass-may-not-stand")


def test_missing_data_cannot_fill_a_timeframe_longer_than_the_planned_run():
    plan = plan_of("avg-rt>1s for 20s", "avg-rt>1s for 9s", workers=2)
    verdict = verdict_of(good(), plan, lost=(("local-2", "killed"),))
    assert [one.code for one in verdict.criteria] == ["never-a-full-window", "pass-may-not-stand"]


def test_a_pass_that_may_not_stand_adds_no_reason_to_the_missing_data():
    plan = plan_of("avg-rt>1s", "hits<1", workers=2)
    verdict = verdict_of(good(), plan, lost=(("local-2", "killed"),))
    assert [one.code for one in verdict.criteria] == ["pass-may-not-stand", "kept"]
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["lost-worker"])
