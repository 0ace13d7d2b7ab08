"""Checks, own metrics and tags: how criteria judge them, and that nothing wrong in them passes."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import (
    FAST,
    TIMES,
    Sample,
    codes,
    every_second,
    execution,
    judged_ours,
    plan_of,
    timeline_of,
    verdict_of,
)
from toril.verdict.live import LiveCriteria

TEN = range(10)
USERS = dict.fromkeys(TEN, 10)
REQUESTS = every_second(TEN, FAST, 10)
SEEN = Sample(0, 0, "seen", kind="check")
ITEMS = Sample(0, 3000, "items", kind="trend")


def value(number, kind="trend", second=0, label="items", **fields):
    return Sample(second, round(number * 1000), label, kind=kind, **fields)


def found(samples, *criteria, **plan):
    """Returns the outcome and the codes of a run with good requests and these samples beside them."""
    timeline = timeline_of([*REQUESTS, *samples], users=USERS)
    verdict = verdict_of(timeline, plan_of(ours=["avg-rt>1s", *criteria], **plan))
    return verdict.outcome, codes(verdict)


# What one script measured in ten seconds, and a criterion on it that decides each way

MEASURED = [
    *every_second(TEN, SEEN, 9),
    *every_second(TEN, replace(SEEN, ok=False)),
    *[value(number, second=second) for second in TEN for number in (1, 2, 3, 4)],
    *[value(7, "gauge", second, "queue") for second in TEN],
    *[value(2, "counter", second, "orders") for second in TEN],
    *[value(0, "rate", second, "cached", ok=second > 1) for second in TEN],
]


@pytest.mark.parametrize(
    ("breached", "kept", "observed"),
    [
        ("check-rate<91%", "check-rate<90%", 90),
        ("check-rate of seen<91%", "check-rate of seen<90% for 3s", 90),
        ("metric-p50 of items>1.9", "metric-p50 of items>2", 2),
        ("metric-p70 of items>2.9", "metric-p70 of items>3", 3),
        ("metric-avg of items>2.4", "metric-avg of items>2.5", 2.5),
        ("metric-min of items<1.1", "metric-min of items<1", 1),
        ("metric-max of items>=4", "metric-max of items>4", 4),
        ("metric-avg of queue>6 within 3s", "metric-avg of queue>7 within 3s", 7),
        ("metric-max of queue>6 for 3s", "metric-max of queue<7 for 3s", 7),
        ("metric-sum of orders>19", "metric-sum of orders<20", 20),
        ("metric-sum of orders<7 over 3s", "metric-sum of orders<6 over 3s", 6),
        ("metric-per-s of orders<2.1/s", "metric-per-s of orders<2/s", 2),
        ("metric-per-s of orders<2.1/s over 3s", "metric-per-s of orders<2/s over 3s", 2),
        ("metric-rate of cached<81%", "metric-rate of cached<80%", 80),
        ("metric-rate of cached<50% for 2s", "metric-rate of cached<50% for 3s", 0),
    ],
)
def test_a_criterion_judges_what_scripts_measure_in_their_unit(breached, kept, observed):
    timeline = timeline_of([*REQUESTS, *MEASURED], users=USERS)

    result = judged_ours(breached, timeline)
    assert result.outcome == "failed"
    assert result.observed == pytest.approx(observed)
    assert judged_ours(kept, timeline).outcome == "passed"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("metric-p95 of itmes>1", "unknown-metric"),
        ("metric-p95 of orders>1", "unknown-metric"),  # a counter
        ("metric-sum of items>1", "unknown-metric"),  # a trend
        ("metric-sum of errors>0", "unknown-metric"),  # never counted, so perhaps misspelt
        ("metric-p95 of home>1", "unknown-metric"),  # a label of requests
        ("metric-avg of both>1", "unknown-metric"),  # a trend and a gauge
        ("check-rate of items<99%", "unknown-metric"),
        ("p95 of items>1s", "unknown-label"),  # no request
        ("fail of {tenant=big}>1%", "unknown-label"),
        ("metric-p95 of items>1 in paris", "no-samples"),
    ],
)
def test_a_criterion_on_a_name_that_it_cannot_judge_prevents_a_pass(source, code):
    both = [value(1, kind, label="both") for kind in ("trend", "gauge")]

    assert found([*MEASURED, *both], "check-rate<50%", source) == ("inconclusive", [code])


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("metric-sum of orders>0 in us", "passed"),
        ("metric-sum of orders<1 in us", "failed"),
        ("metric-per-s of orders<1/s in us", "failed"),
        ("metric-max of items>4 in us", "inconclusive"),
    ],
)
def test_a_known_counter_without_a_sample_counts_0(source, outcome):
    assert judged_ours(source, timeline_of([*REQUESTS, *MEASURED], users=USERS)).outcome == outcome


def test_a_criterion_on_checks_prevents_a_pass_without_any_check():
    assert found([], "check-rate<99%") == ("inconclusive", ["no-samples"])


@pytest.mark.parametrize(
    ("criteria", "outcome", "expected"),
    [
        ((), "inconclusive", ["failed-checks"]),
        (("fail>1%",), "inconclusive", ["failed-checks"]),  # requests only
        (("check-rate of other<1%",), "inconclusive", ["failed-checks"]),
        (("check-rate<1%, continue as non-failed",), "inconclusive", ["failed-checks"]),
        (("check-rate<1% for 20s",), "inconclusive", ["failed-checks"]),  # its window is never full
        (("check-rate<1%",), "passed", ["kept"]),
        (("check-rate of seen<1%",), "passed", ["kept"]),
        (("check-rate of seen<99%",), "failed", ["breach"]),
    ],
)
def test_a_failed_check_needs_a_criterion(criteria, outcome, expected):
    checks = [*every_second(TEN, SEEN, 3), replace(SEEN, ok=False), replace(SEEN, label="other")]

    assert found(checks, *criteria) == (outcome, expected)


def test_many_failed_checks_have_few_reasons():
    checks = [replace(SEEN, label=str(number), ok=False) for number in range(50)]

    assert found(checks) == ("inconclusive", ["failed-checks"] * 21)


def test_failed_checks_in_an_excluded_ramp_up_are_not_judged():
    checks = [replace(SEEN, ok=False, steady=False), *every_second(TEN, SEEN)]

    assert found(checks, ramp_up_exclude=True) == ("passed", ["kept"])
    verdict = verdict_of(timeline_of([*REQUESTS, *checks], users=USERS), plan_of(TIMES, ramp_up_exclude=True))
    assert verdict.note_codes == ("excluded-failures",)
    assert found([replace(SEEN, ok=False, steady=False)], ramp_up_exclude=True)[1] == ["failed-checks"]


def test_a_criterion_on_checks_excuses_no_failed_request():
    requests = [*REQUESTS, *every_second(TEN, replace(FAST, ok=False, rc="500"), 10)]
    verdict = verdict_of(timeline_of([*requests, SEEN], users=USERS), plan_of(ours=["avg-rt>1s", "check-rate<1%"]))

    assert codes(verdict) == ["unjudged-failures"]


def test_a_check_of_one_place_needs_a_criterion_there():
    checks = [replace(SEEN, ok=False, location=place) for place in ("eu", "us")]
    requests = [replace(one, location=place) for one in REQUESTS for place in ("eu", "us")]

    def judged(*criteria):
        plan = plan_of(ours=["avg-rt>1s", *criteria], locations=("eu", "us"))
        return codes(verdict_of(timeline_of([*requests, *checks]), plan))

    assert judged("check-rate=50% in eu") == ["failed-checks"]
    assert judged("check-rate=50% in eu", "check-rate=50% in us") == ["kept"]


# Tags

BIG = Sample(0, 500_000, "home{tenant=big}", kind="tagged")
SMALL = Sample(0, 10_000, "home{tenant=small}", kind="tagged")
TAGGED = [*every_second(TEN, BIG, 5), *every_second(TEN, SMALL, 5)]


@pytest.mark.parametrize(
    ("source", "outcome", "samples"),
    [
        ("avg-rt of home{tenant=big}>400ms", "failed", 50),
        ("avg-rt of home{tenant=small}>400ms for 3s", "passed", 15),
        ("avg-rt of {tenant=big}>400ms", "failed", 50),
        ("fail of {tenant=small}>1%", "passed", 50),
        ("throughput of {tenant=big}<6/s", "failed", 50),
        ("avg-rt of home>400ms", "passed", 100),
        ("avg-rt>400ms", "passed", 100),
    ],
)
def test_a_criterion_judges_the_requests_with_a_tag(source, outcome, samples):
    result = judged_ours(source, timeline_of([*REQUESTS, *TAGGED], users=USERS))

    assert (result.outcome, result.samples) == (outcome, samples)


@pytest.mark.parametrize(("source", "code"), [("p100", "unanswered"), ("p50", "kept")])
def test_an_unanswered_request_may_have_any_tag(source, code):
    timeline = timeline_of([*TAGGED, *REQUESTS], users=dict.fromkeys(TEN, 20), waits_s=[20.0])
    plan = plan_of(ours=[f"{source} of home{{tenant=big}}>1s"], executions=[execution(concurrency=20)])

    assert codes(verdict_of(timeline, plan)) == [code]


def test_a_tag_with_too_many_values_prevents_a_pass():
    values = [replace(BIG, label=f"home{{tenant={number}}}") for number in range(51)]

    assert found(values[:50]) == ("passed", ["kept"])
    assert found(values) == ("inconclusive", ["too-many-tag-values"])


@pytest.mark.parametrize(("kind", "most"), [("check", 1000), ("counter", 200)])
def test_too_many_names_prevent_a_pass(kind, most):
    values = [Sample(0, 0, str(number), kind=kind) for number in range(most + 1)]

    assert found(values[:-1]) == ("passed", ["kept"])
    assert found(values) == ("inconclusive", ["too-many-metrics"])


# While the load runs, and with missing data


def test_a_criterion_on_a_metric_stops_the_load():
    late = [value(9, second=second) for second in (4, 5, 6)]
    live = LiveCriteria(plan_of(ours=["metric-min of items>5 for 3s", "check-rate of seen<50% for 2s"]))
    timeline = timeline_of([*REQUESTS, *late, replace(SEEN, second=8, ok=False), replace(SEEN, second=9, ok=False)])

    assert [result.criterion.label for result in live.advance(timeline, 5)] == []
    assert [result.criterion.label for result in live.advance(timeline, 7)] == ["items"]


@pytest.mark.parametrize("source", ["metric-max of items>4", "metric-min of items<0.5", "check-rate of seen<80%"])
def test_missing_values_could_have_breached(source):
    timeline = timeline_of([*REQUESTS, *MEASURED], users=USERS)
    timeline.unreadable = 100

    verdict = verdict_of(timeline, plan_of(ours=[source, "check-rate<1%"]))
    assert verdict.criteria[0].code == "pass-may-not-stand"


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=60), st.integers(1, 3), st.sampled_from(["min", "max", "avg"])
)
def test_the_judged_value_is_that_of_all_workers_values(numbers, workers, name):
    samples = [Sample(number % 10, number, "items", kind="trend") for number in numbers]
    exact = {"min": min(numbers), "max": max(numbers), "avg": Fraction(sum(numbers), len(numbers))}[name]

    result = judged_ours(f"metric-{name} of items<0", timeline_of(samples, workers=workers))
    assert result.observed == pytest.approx(float(exact) / 1000)
