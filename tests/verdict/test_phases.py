"""Criteria on the phases of faults, and the time until the service has recovered."""

from dataclasses import replace

import pytest

from tests.measured import MS, Sample, codes, every_second, execution, judged_ours, plan_of, timeline_of, verdict_of
from toril.records.summary import FaultTimes
from toril.summary import Completeness, phase_span
from toril.verdict.evidence import Gap, MissingData

LONG = [execution(hold_for_s=120.0)]
FAULT = FaultTimes(what="EXT1", from_s=40.0, to_s=59.5)
COMPLETE = Completeness(planned=("local-1",), faults=(FAULT,))
USUAL = Sample(0, 50 * MS)


def hit(slow_to: int = 60, until: int = 120):
    """Returns a run of 20 requests per second, which are slow from 40 s on, and fail in part from 50 s to 60 s."""
    return timeline_of(
        [
            *every_second([*range(40), *range(slow_to, until)], USUAL, 20),
            *every_second(range(40, slow_to), replace(USUAL, us=400 * MS), 18),
            *every_second(range(40, slow_to), replace(USUAL, us=400 * MS, ok=not slow_to >= 50, rc="503"), 2),
        ]
    )


def result(source, timeline=None, completeness=COMPLETE, **known):
    plan = plan_of(executions=LONG)
    return judged_ours(source, timeline or hit(), plan, completeness=completeness, **known)


@pytest.mark.parametrize(
    ("source", "outcome", "observed"),
    [
        ("p95>300ms before fault-1", "passed", 50 * MS),
        ("p95>300ms during fault-1", "failed", 400 * MS),
        ("p95>300ms after fault-1", "passed", 50 * MS),
        ("fail>5% during fault-1", "failed", 10),
        ("fail>0% after fault-1", "passed", 0),
        ("throughput<19/s during fault-1", "passed", 20),
        ("avg-rt>300ms for 30s during fault-1", "passed", None),  # the phase is shorter
    ],
)
def test_a_criterion_judges_its_phase_only(source, outcome, observed):
    found = result(source)
    assert found.outcome == outcome
    assert found.observed == (observed if observed is None else pytest.approx(observed, rel=0.002))


def test_silence_at_the_begin_of_a_phase_counts():
    silent = timeline_of(every_second([*range(40), *range(50, 120)], USUAL, 20))
    assert result("throughput<10/s for 5s during fault-1", silent).outcome == "failed"


def test_phases_meet_and_seconds_in_part_belong_to_the_fault():
    faults = (replace(FAULT, from_s=40.3), FaultTimes(from_s=90.0, to_s=100.0), FaultTimes(failure="refused"))
    spans = [phase_span(faults, number, phase) for number in (1, 2) for phase in ("before", "during", "after")]
    assert spans == [(0, 40), (40, 60), (60, 90), (60, 90), (90, 100), (100, float("inf"))]
    assert phase_span(faults, 3, "during") is None
    assert phase_span(faults, 4, "during") is None


@pytest.mark.parametrize(("slow_to", "recovered_s"), [(60, 0.5), (75, 15.5)])
def test_the_recovery_time_counts_from_the_end_of_the_fault(slow_to, recovered_s):
    found = result("recovery-time>30s", hit(slow_to))
    assert (found.outcome, found.observed) == ("passed", recovered_s * 1e6)


@pytest.mark.parametrize(("slow_to", "until"), [(95, 120), (110, 120), (60, 70)])
def test_a_slow_recovery_and_none_at_the_end_of_the_load_are_breaches(slow_to, until):
    assert result("recovery-time>30s", hit(slow_to, until)).outcome == "failed"


def test_a_service_that_relapses_within_20_s_has_not_recovered():
    relapsed = timeline_of(
        every_second([*range(40), *range(60, 72), *range(74, 120)], USUAL, 20)
        + every_second([*range(40, 60), 72, 73], replace(USUAL, us=400 * MS), 20)
    )
    assert result("recovery-time>30s", relapsed).observed == 14.5e6


@pytest.mark.parametrize(("first", "outcome"), [(30, "inconclusive"), (100, "passed")])
def test_missing_data_until_the_recovery_leaves_it_open(first, outcome):
    missing = MissingData(plan_of(executions=LONG), (Gap("local-1", first, 110),))
    assert result("recovery-time>30s", missing=missing).outcome == outcome


@pytest.mark.parametrize("source", ["p95>1s during fault-1", "recovery-time>30s", "recovery-time>30s after fault-2"])
def test_a_fault_without_times_leaves_its_criteria_open(source):
    unstarted = replace(COMPLETE, faults=(FaultTimes(failure="refused"),))
    assert result(source, completeness=unstarted).code == "not-measured"


def test_a_failed_fault_makes_the_run_inconclusive():
    plan = plan_of("avg-rt>5s", executions=[execution(hold_for_s=120.0, throughput_rps=20.0)])
    verdict = verdict_of(hit(), plan, faults=(replace(FAULT, failure="access denied"),))
    assert verdict.outcome == "inconclusive"
    assert "fault-failed" in codes(verdict)
