"""Laws for any samples: workers do not matter, live results are final, and a breach that stands is final."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import BROKEN, MS, SLOW, Sample, every_second, execution, judged, plan_of, timeline_of
from toril.criteria import parse_criterion
from toril.verdict.evidence import MissingData
from toril.verdict.live import LiveCriteria

# Laws

times = st.sampled_from([1, 20 * MS, 100 * MS, 150 * MS, 151 * MS, 300 * MS, 5_000 * MS])
samples = st.lists(
    st.builds(
        Sample,
        second=st.integers(0, 14),
        us=times,
        label=st.sampled_from(["home", "cart"]),
        ok=st.booleans(),
        rc=st.sampled_from(["200", "404", "503"]),
        bytes=st.integers(0, 3000),
        steady=st.booleans(),
    ),
    min_size=1,
    max_size=60,
)
subjects = st.sampled_from(
    [
        "avg-rt{}>149ms",
        "avg-rt{}<150ms",
        "p90{}>150ms",
        "p50{}<=100ms",
        "stdev-rt{}>50ms",
        "hits{}>3",
        "hits{}<4",
        "fail{}>=50%",
        "fail{}>1",
        "succ{}<60%",
        "rc5??{}>0",
        "rc404{}>=30%",
        "bytes{}>2kB",
        "hits{}=3",
    ]
)
sources = st.builds(
    lambda subject, label, logic, seconds: subject.format(label) + f" {logic} {seconds}s",
    subjects,
    st.sampled_from(["", " of home"]),
    st.sampled_from(["for", "within", "over"]),
    st.integers(1, 6),
)


@given(samples, st.one_of(sources, subjects.map(lambda subject: subject.format(""))), st.integers(2, 5), st.randoms())
def test_the_distribution_of_samples_over_workers_changes_no_result(samples, source, workers, random):
    spread = list(samples)
    random.shuffle(spread)
    assert judged(source, timeline_of(spread, workers=workers)) == judged(source, timeline_of(samples))


@given(samples, sources, st.lists(st.integers(0, 16)), st.booleans())
def test_live_and_final_judgement_are_the_same(samples, source, completed, steady):
    plan = plan_of(source, ramp_up_exclude=steady)
    timeline, live = timeline_of(samples), LiveCriteria(plan)
    seen = [result for second in [*completed, 16] for result in live.advance(timeline, second)]
    final = judged(source, timeline, plan)
    assert [result.at_s for result in seen] == ([final.at_s] if final.fired else [])
    assert [(result.observed, result.window) for result in seen] == (
        [(final.observed, final.window)] if final.fired else []
    )


@given(samples, sources)
def test_a_sliding_window_has_the_value_of_its_samples_alone(samples, source):
    samples = [*samples, Sample(14)]
    result = judged(source, timeline_of(samples), plan_of(executions=[execution(hold_for_s=15.0)]))
    if result.window is None or parse_criterion(source, "").logic == "for":
        return
    inside = [sample for sample in samples if result.window.from_s <= sample.second <= result.window.to_s]
    alone = timeline_of(inside)
    total = source.rsplit(" ", 2)[0]
    value = judged(total, alone).observed or 0
    if total.startswith("bytes"):
        value /= result.window.to_s + 1 - result.window.from_s
    assert result.observed == pytest.approx(value)


@given(samples, subjects, st.integers(0, 40))
def test_adding_samples_does_not_undo_a_breach_that_stands(samples, subject, added):
    """The guarantee behind `failed`, tested with really missing samples."""
    source, plan = subject.format(""), plan_of(workers=2)
    missing = MissingData(plan, lost_records=added)
    if judged(source, timeline_of(samples), plan, missing=missing).outcome == "failed":
        for extra in (
            Sample(3, 0, ok=True, rc="200"),
            Sample(3, 1 << 30, ok=False, rc="503"),
            Sample(3, 1 << 30, bytes=1 << 30),
        ):
            assert judged(source, timeline_of(samples + [extra] * added), plan).fired


# Live


def test_live_criteria_report_a_breach_once_and_in_complete_seconds_only():
    plan = plan_of("avg-rt>150ms for 3s", "avg-rt>150ms for 2s, continue", "avg-rt>150ms")
    timeline, live = timeline_of(every_second(range(6), SLOW)), LiveCriteria(plan)
    assert live.advance(timeline, None) == []
    assert live.advance(timeline, 1) == []
    (result,) = live.advance(timeline, 2)
    assert (result.criterion.text.startswith("avg-rt>150ms for 3s"), result.at_s) == (True, 2)
    assert live.advance(timeline, 5) == []


def test_live_criteria_report_stops_that_fail_the_run_first():
    plan = plan_of("hits>0 for 1s, stop as non-failed", "avg-rt>150ms for 1s, stop as failed")
    results = LiveCriteria(plan).advance(timeline_of(every_second(range(2), SLOW)), 1)
    assert [result.outcome for result in results] == ["failed", "triggered"]


@pytest.mark.parametrize("status", ["failed", "non-failed"])
@pytest.mark.parametrize(
    ("source", "stands"),
    [
        ("fail>45% for 3s", True),
        ("fail>55% for 3s", False),
        ("avg-rt>95ms over 3s", False),
        ("hits>5 within 3s", True),
    ],
)
def test_a_slow_worker_delays_no_stop_that_stands_without_it(source, stands, status):
    """A worker with half of the load has reported only its first seconds: all of its later requests may succeed."""
    samples = every_second(range(10), BROKEN, 4)
    reported = [one for number, one in enumerate(samples) if number % 2 == 0 or one.second < 2]
    plan = plan_of(f"{source}, stop as {status}", workers=2, executions=[execution(hold_for_s=60.0)])
    live, timeline = LiveCriteria(plan), timeline_of(samples)
    found = live.standing(timeline_of(reported, workers=2), {"local-1": 9, "local-2": 1})
    assert [one.criterion.fail for one in found] == ([status == "failed"] if stands else [])
    assert all(one.at_s is not None and one.at_s < 9 for one in found)
    assert [one.fired for one in live.advance(timeline, 9)] == [True]  # `standing` keeps no state
