"""The notes and advice of a verdict."""

import pytest

from tests.measured import FAST, SLOW, Sample, codes, every_second, execution, plan_of, timeline_of, verdict_of

TIMES, FAILURES = "avg-rt>100ms", "fail>10%"


@pytest.mark.parametrize(
    ("samples", "unfinished", "noted"),
    [(10_000, 0, False), (10_000, 1, True), (2000, 20, True), (10_000, 10, True), (50, 1, True)],
)
def test_unfinished_requests_at_the_end_are_a_note(samples, unfinished, noted):
    timeline = timeline_of([Sample(step * 10 // samples) for step in range(samples)], unfinished=unfinished)
    verdict = verdict_of(timeline, plan_of(TIMES, FAILURES))
    assert verdict.outcome == "passed"
    assert verdict.note_codes == ("unfinished",) * noted
    assert [text.startswith(f"{unfinished} ") for text in verdict.notes] == [True] * noted
    assert all("throughput<" in text for text in verdict.notes)


def test_few_unfinished_requests_of_many_users_are_not_noted():
    plan = plan_of(TIMES, executions=[execution(concurrency=100)])
    assert verdict_of(timeline_of(every_second(range(10), FAST, 100), unfinished=9), plan).notes == ()


def test_a_criterion_on_throughput_makes_the_advice_unnecessary():
    timeline = timeline_of(every_second(range(5), FAST, 100), users=dict.fromkeys(range(10), 10), waits_s=[4.0] * 10)
    verdict = verdict_of(timeline, plan_of(FAILURES, ours=["throughput<1/s for 2s"]))
    assert verdict.outcome == "failed"
    assert ["throughput<" in text for text in verdict.notes] == [False]


def test_the_advice_appears_once_for_all_workers_and_criteria():
    plan = plan_of(TIMES, "p50>100ms", workers=3)
    verdict = verdict_of(timeline_of(every_second(range(10), SLOW, 6), workers=3, health=0.99), plan)
    assert codes(verdict) == ["saturated"] * 3 + ["excused-breach"] * 2
    messages = [reason.message for reason in verdict.reasons]
    assert len(messages[0]) > len(messages[1]) == len(messages[2])  # the first message has the advice
    assert all(f"local-{number} " in text for number, text in enumerate(messages[:3], start=1))
