"""A run beside earlier ones: what fails it, what it cannot see, and its outcome together with the criteria's."""

import random
from dataclasses import replace

import pytest

from tests.regression.series import nights
from tests.reports import examples
from toril.records import EarlierAsked, Reason
from toril.records.history import Fingerprint, KeptFigures, KeptPercentile
from toril.regression.earlier import figures_of, is_comparable, judge_earlier, with_earlier

STEADY = [40_000, 40_400, 39_700, 40_100, 39_900, 40_300, 39_600, 40_200, 40_000, 39_800, 40_150, 39_950]


def judged(values, now, record=lambda one: one, **asked):
    """Returns the comparison of a run whose p95 is `now` µs with runs whose p95 are `values`."""
    *earlier, last = nights([*values, now])
    plan = examples.plan(earlier=EarlierAsked(**asked))
    return judge_earlier(plan, record(last), earlier[::-1])


def outcomes(found):
    return {(one.label, one.metric): one.outcome for one in found.metrics}


@pytest.mark.parametrize(
    ("now", "outcome"), [(40_000, "passed"), (41_500, "passed"), (43_500, "failed"), (30_000, "passed")]
)
def test_a_run_fails_above_range_and_margin_only(now, outcome):
    found = judged(STEADY, now)
    assert (found.outcome, len(found.runs), found.margin) == (outcome, 12, 0.03)
    assert outcomes(found) == {("", "p95"): outcome, ("", "failures"): "passed"}
    p95 = found.metrics[0]
    assert (p95.value, p95.unit) == (now, "us")
    assert p95.low < p95.expected < p95.high < 1.03 * p95.high < 43_500
    assert p95.change == pytest.approx(now / p95.expected - 1, abs=1e-4)
    assert p95.detectable > 0.03


def test_the_smallest_detectable_change_grows_with_the_spread():
    wide = [40_000 + 5 * (one - 40_000) for one in STEADY]
    assert judged(wide, 40_000).metrics[0].detectable > 2 * judged(STEADY, 40_000).metrics[0].detectable
    assert judged(wide, 43_500).outcome == "passed"


def test_the_newest_of_the_wanted_runs_predict():
    found = judged([*[20_000, 90_000] * 10, *STEADY], 43_500, runs=12)
    assert (found.outcome, len(found.runs)) == ("failed", 12)
    assert found.runs[0] > found.runs[-1]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_fewer_than_eight_runs_are_inconclusive_with_the_number_missing(count):
    found = judged(STEADY[:count], 80_000)
    assert found.outcome == "inconclusive"
    assert f"{8 - count} more" in found.message
    assert judged(STEADY[:8], 80_000).outcome == "failed"


def test_a_label_has_a_prediction_of_its_own():
    found = judged(STEADY, 43_500, labels=("checkout", "new"), margin=0.05)
    assert outcomes(found) == {
        ("checkout", "p95"): "failed",
        ("new", "p95"): "inconclusive",
        ("", "failures"): "passed",
    }
    assert found.outcome == "failed"


def test_one_of_several_figures_needs_more_than_one_alone():
    alone = [now for now in range(41_000, 44_000, 10) if judged(STEADY, now, margin=0.0).metrics[0].outcome == "failed"]
    labels = [f"label {number}" for number in range(20)]

    def with_labels(records):
        return [replace(one, labels=dict.fromkeys([*labels, "checkout"], one.total)) for one in records]

    *earlier, last = with_labels(nights([*STEADY, alone[0]]))
    calm = {label: earlier[0].total for label in labels}
    plan = examples.plan(earlier=EarlierAsked(labels=("checkout", *labels), margin=0.0))
    found = judge_earlier(plan, replace(last, labels={**calm, "checkout": last.total}), earlier[::-1])
    assert set(outcomes(found).values()) == {"passed"}


def test_a_figure_that_passes_is_within_its_range_and_the_margin():
    """By Holm, the second figure is tested at the level of the first one that did not fail."""
    *earlier, last = nights([*STEADY, 40_800])
    other = replace(last.total, percentiles={"p95": KeptPercentile(value_us=40_790)})
    plan = examples.plan(earlier=EarlierAsked(labels=("checkout", "home"), margin=0.0))
    earlier = [replace(one, labels=dict.fromkeys(("checkout", "home"), one.total)) for one in earlier]
    found = judge_earlier(plan, replace(last, labels={**last.labels, "home": other}), earlier[::-1])
    assert set(outcomes(found).values()) == {"passed"}
    assert all((one.value or 0) <= (one.high or 0) for one in found.metrics)


def with_failures(failures, samples):
    return lambda one: replace(one, total=replace(one.total, failures=failures, samples=samples))


def test_failures_fail_a_run_by_points():
    assert judged(STEADY, 40_000, with_failures(6_000, 60_000)).outcome == "failed"
    assert judged(STEADY, 40_000, with_failures(1_500, 60_000)).outcome == "passed"


def test_one_failure_of_few_requests_is_chance():
    *earlier, last = [with_failures(0, 20)(one) for one in nights([*STEADY, 40_000])]
    plan = examples.plan(earlier=EarlierAsked())
    assert judge_earlier(plan, with_failures(1, 20)(last), earlier[::-1]).outcome == "passed"
    assert judge_earlier(plan, with_failures(10, 20)(last), earlier[::-1]).outcome == "failed"


def test_a_step_of_the_record_proves_nothing():
    def coarse(one):
        return replace(one, total=replace(one.total, resolution_us=1000))

    assert judged([25_000] * 12, 26_000, coarse).outcome == "passed"
    assert judged([25_000] * 12, 28_000, coarse).outcome == "failed"
    assert judged([25_000] * 12, 26_000).outcome == "failed"


@pytest.mark.parametrize("change", [{"adjusted": True}, {"total": KeptFigures()}])
def test_a_run_without_comparable_figures_is_inconclusive(change):
    assert judged(STEADY, 80_000, lambda one: replace(one, **change)).outcome == "inconclusive"


def test_runs_without_a_change_rarely_fail():
    chance, trials = random.Random(3), 1_500
    failed = 0
    for _ in range(trials):
        values = [40_000 * chance.lognormvariate(0, 0.05) for _ in range(13)]
        failed += judged(values[:-1], values[-1], margin=0.0001).outcome == "failed"
    assert failed <= 0.01 * trials + 3 * (0.01 * trials) ** 0.5


# Which runs are comparable


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"outcome": "failed", "reasons": ("breach",)}, True),
        ({"outcome": "failed", "reasons": ("slower-than-earlier",)}, False),  # it would hide the change tomorrow
        ({"outcome": "failed", "reasons": ("breach", "saturated")}, False),
        ({"outcome": "inconclusive", "reasons": ("saturated",)}, False),
        ({"outcome": "inconclusive", "reasons": ("too-few-earlier",)}, True),  # otherwise there are never enough
        ({"outcome": "inconclusive", "reasons": ("too-few-earlier", "stopped")}, False),
        ({"fingerprint": Fingerprint(suite="6")}, False),
        ({"branch": "pull/12"}, False),
        ({"adjusted": True}, False),
        ({"kind": "duet"}, False),
        ({"kind": "smoke"}, False),
        ({"started_at": 9e9}, False),
    ],
)
def test_comparable_runs_are_earlier_ones_that_were_judged_by_criteria(change, expected):
    earlier, now = nights([40_000, 40_000])
    assert is_comparable(replace(earlier, **change), now) is expected
    assert not is_comparable(now, now)


def test_figures_are_found_by_label_and_location():
    one = KeptFigures(samples=1, percentiles={"p95": KeptPercentile(value_us=7)})
    (record,) = nights([40_000], parts={"eu-west-1": {"checkout": one}})
    assert figures_of(record) is record.total
    assert figures_of(record, "checkout") is record.labels["checkout"]
    assert figures_of(record, "", "local") is record.locations["local"]
    assert figures_of(record, "checkout", "eu-west-1") is one
    assert figures_of(record, "checkout", "local") is None


# Together with the criteria

FAILED, PASSED, FEW = judged(STEADY, 43_500), judged(STEADY, 40_000), judged([], 40_000)


def combined(outcome, codes, found):
    reasons = tuple(Reason(code, code) for code in codes)
    result = with_earlier(replace(examples.passed().verdict, outcome=outcome, reasons=reasons), found)
    assert result.earlier is found
    return result.outcome, [one.code for one in result.reasons]


def test_the_worse_outcome_counts_with_its_reasons_first():
    assert combined("passed", ["kept"], PASSED) == ("passed", ["kept", "within-earlier"])
    assert combined("passed", ["kept"], FAILED) == ("failed", ["slower-than-earlier"])
    assert combined("passed", ["kept"], FEW) == ("inconclusive", ["too-few-earlier"])
    assert combined("failed", ["breach"], PASSED) == ("failed", ["breach"])
    assert combined("failed", ["breach", "script-errors"], FAILED) == (
        "failed", ["breach", "slower-than-earlier", "script-errors"],
    )  # fmt: skip
    assert combined("failed", ["breach"], FEW) == ("failed", ["breach", "too-few-earlier"])
    assert combined("inconclusive", ["no-samples"], PASSED) == ("inconclusive", ["no-samples"])
    assert combined("inconclusive", ["no-samples"], FAILED) == ("failed", ["slower-than-earlier", "no-samples"])


def test_a_note_says_what_the_comparison_could_have_found():
    for outcome in ("passed", "failed", "inconclusive"):
        found = with_earlier(replace(examples.passed().verdict, outcome=outcome), PASSED)
        assert (found.notes[-1], found.note_codes[-1]) == (PASSED.message, "within-earlier")
    assert "within-earlier" not in with_earlier(examples.passed().verdict, FAILED).note_codes


@pytest.mark.parametrize("code", ["saturated", "late-start", "lost-worker", "stopped"])
def test_invalid_times_excuse_a_worse_figure(code):
    assert combined("inconclusive", [code], FAILED) == ("inconclusive", [code, "excused-breach"])
    assert combined("failed", ["breach", code], FAILED) == ("failed", ["breach", code, "excused-breach"])
