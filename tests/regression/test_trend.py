"""The trend of a suite: confirmed and suspected changes, groups of series, and what is left out."""

from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any

import pytest

from tests.regression.series import nights
from toril.records.history import Fingerprint, KeptChange, KeptDuet, KeptFigures
from toril.regression.acknowledged import Acknowledgement
from toril.regression.trend import TrendQuery, matters, trend

NOISE = [0.2, -0.6, 0.9, -0.3, -1.1, 0.5, 1.2, -0.8, 0.1, -0.2, 0.7, -0.9, 0.4, -0.5, 1.0, -0.1, -0.7, 0.6, 0.3, -1.0]


def series(*levels, spread=0.01):
    """Returns the p95 of each night in µs: `levels` are numbers of nights and their level in ms."""
    values, noise = [], (NOISE[place % len(NOISE)] for place in count())
    for nights_of, level in levels:
        values += [1000 * level * (1 + spread * next(noise)) for _ in range(nights_of)]
    return values


def of(records, *entries, age_s=3_600.0, **wanted):
    """Returns the trend, `age_s` after the newest run."""
    now = max((one.started_at for one in records), default=0.0) + age_s
    return trend("shop", records, TrendQuery(**wanted), entries, now)


def states(found):
    return [(one.state, one.worse, one.small) for one in found.groups]


STEP = nights(series((20, 40), (6, 48)))


def test_a_step_is_confirmed_with_its_runs_commits_and_size():
    found = of(STEP)
    assert (found.outcome, found.runs, states(found)) == ("regressed", 26, [("confirmed", True, False)])
    (group,) = found.groups
    assert (group.id, group.from_run, group.to_run) == (STEP[20].run_id, STEP[19].run_id, STEP[20].run_id)
    assert (group.from_commit, group.to_commit) == (f"{19:012x}", f"{20:012x}")
    member = group.series[0]
    assert (member.label, member.metric) == ("", "p95")
    assert member.change == pytest.approx(0.2, abs=0.01)
    assert member.low < member.change < member.high
    assert (member.before, member.after) == pytest.approx((40_000, 48_000), rel=0.01)
    assert member.delay == 3


def test_series_that_move_together_are_one_group():
    (group,) = of(STEP).groups
    assert {(one.label, one.metric) for one in group.series} == {("", "p95"), ("checkout", "p95")}


def test_an_improvement_is_a_group_that_fails_nothing():
    found = of(nights(series((20, 48), (6, 40))))
    assert (found.outcome, states(found)) == ("clean", [("confirmed", False, False)])


def test_a_change_below_the_smallest_that_counts_claims_nothing():
    records = nights(series((30, 40), (20, 41.2), spread=0.005))
    assert (of(records, least=0.05).outcome, states(of(records, least=0.05))) == ("clean", [("confirmed", True, True)])
    assert of(records, least=0.01).outcome == "regressed"


def test_a_recovered_change_fails_nothing():
    found = of(nights(series((20, 40), (10, 48), (8, 40.2))))
    assert found.outcome == "clean"
    assert states(found) == [("confirmed", False, False), ("recovered", True, False)]


@pytest.mark.parametrize("runs", [1, 2])
def test_the_newest_runs_outside_the_predicted_range_are_suspected_only(runs):
    records = nights(series((20, 40), (runs, 48)))
    found = of(records)
    assert (found.outcome, states(found)) == ("clean", [("suspected", True, False)])
    assert found.groups[0].id == records[20].run_id
    assert not found.series[0].changes


def test_a_calm_series_has_neither():
    found = of(nights(series((40, 40))))
    assert (found.outcome, found.groups) == ("clean", ())


REASONS = {"failed": "regression", "passed": "no-regression", "inconclusive": "unproven"}
SUSPECTED = nights(series((20, 40), (1, 48)))


def compared(outcome, *, figures=(("checkout", "p95"),), margin=0.1, at=20, **changes):
    """Returns a duet of the commits before and after the night `at`."""
    kept = tuple(KeptChange(label=label, metric=metric, outcome=outcome) for label, metric in figures)
    duet = KeptDuet(margin=margin, most=40, pairs=40, block_s=2, changes=kept)
    fields = {"outcome": outcome, "reasons": (REASONS[outcome],), "tags": {"confirms": STEP[at].run_id}, "duet": duet}
    return replace(SUSPECTED[-1], run_id="d", kind="duet", **fields | changes)


def confirming(outcome, **changes):
    return of([*SUSPECTED, compared(outcome, **changes)])


def test_a_duet_of_both_commits_confirms_or_clears_a_suspicion():
    assert (confirming("failed").outcome, states(confirming("failed"))) == ("regressed", [("confirmed", True, False)])
    assert (confirming("passed").outcome, states(confirming("passed"))) == ("clean", [("cleared", True, False)])
    assert (confirming("inconclusive").outcome, confirming("inconclusive").groups[0].state) == ("clean", "suspected")
    assert confirming("passed").groups[0].duet == "d"
    assert confirming("passed").runs == 21


@pytest.mark.parametrize("outcome", ["failed", "passed"])
@pytest.mark.parametrize("figures", [(("home", "p95"),), (("checkout", "p99"),), ()])
def test_a_duet_answers_only_for_figures_that_it_compared(outcome, figures):
    assert confirming(outcome, figures=figures).groups[0].state == "suspected"


def test_a_duet_that_breached_a_criterion_confirms_no_change():
    assert confirming("failed", reasons=("breach",)).groups[0].state == "suspected"


def test_a_margin_as_large_as_the_change_clears_nothing():
    assert confirming("passed", margin=0.19).groups[0].state == "cleared"
    assert confirming("passed", margin=0.21).groups[0].state == "suspected"


@pytest.mark.parametrize(("at", "outcome", "state"), [
    (19, "passed", "confirmed"),
    (20, "passed", "cleared"),
    (21, "passed", "confirmed"),
    (21, "failed", "confirmed"),
])  # fmt: skip
def test_a_duet_of_other_commits_clears_nothing(at, outcome, state):
    (group,) = of([*STEP, compared(outcome, at=at)]).groups
    assert (group.state, group.duet) == (state, "d" if at == 20 or outcome == "failed" else "")


def test_the_interval_of_a_suspected_change_narrows_with_a_second_run():
    one, two = (of(nights(series((20, 40), (runs, 48)))).groups[0].series[0] for runs in (1, 2))
    assert 0.15 < one.low < two.low < 0.2 < two.high < one.high < 0.25


# What counts


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "inconclusive", "reasons": ("saturated",)},
        {"adjusted": True},
        {"kind": "try"},
        {"kind": "smoke"},
    ],
)
def test_runs_that_prove_nothing_are_drawn_hollow_and_left_out(change):
    records = nights(series((30, 40)))
    records[10:13] = [replace(one, **change, total=nights([90_000])[0].total) for one in records[10:13]]
    found = of(records)
    points = next(one for one in found.series if one.metric == "p95").points
    assert [place for place, one in enumerate(points) if one.hollow] == [10, 11, 12]
    assert (found.outcome, found.groups, found.runs, points[11].value) == ("clean", (), 27, 90_000)


def test_too_few_earlier_runs_leave_no_hole():
    records = nights(series((20, 40), (6, 48)), outcome="inconclusive", reasons=("too-few-earlier",))
    assert of(records).outcome == "regressed"


@pytest.mark.parametrize("change", [{"branch": "pull/7"}, {"kind": "duet"}, {"kind": "functional"}])
def test_runs_of_branches_and_other_kinds_are_no_part_of_the_trend(change):
    records = nights(series((12, 40)))
    records[5] = replace(records[5], **change)
    assert not matters(records[5])
    assert len(of(records).series[0].points) == 11


def test_a_new_fingerprint_cuts_all_series():
    old, new = Fingerprint(suite="1", image="a"), Fingerprint(suite="1", image="b")
    records = nights(series((20, 40), (12, 48)))
    records = [replace(one, fingerprint=new if place >= 20 else old) for place, one in enumerate(records)]
    found = of(records)
    assert (found.outcome, found.groups, found.segments) == ("clean", (), ("", "image"))
    assert [one.segment for one in found.series[0].points] == [0] * 20 + [1] * 12


@pytest.mark.parametrize("runs", [0, 9])
def test_fewer_than_ten_runs_are_too_few(runs):
    assert of(nights(series((runs, 40)))).outcome == "short"
    assert of(nights(series((10, 40)))).outcome == "clean"


def test_all_figures_are_drawn_and_p95_and_failures_claimed():
    found = of(nights(series((20, 40), (6, 48))))
    assert {one.metric for one in found.series} == {"p50", "p95", "p99", "failures", "throughput"}
    assert {one.metric for one in found.series if one.changes} == {"p95"}
    (group,) = of(STEP, metric="p99").groups
    assert {one.metric for one in group.series} == {"p99"}


def test_a_change_whose_interval_has_zero_is_not_confirmed():
    failures = [0] * 25 + [30, 0, 10, 5, 0, 0, 0, 200, 30, 10, 200, 5, 5, 0, 5]  # the spread changes
    records = nights(series((40, 40)))
    records = [replace(one, total=replace(one.total, failures=few)) for one, few in zip(records, failures, strict=True)]
    assert [member for group in of(records).groups for member in group.series if member.low <= 0 <= member.high] == []


def test_failures_change_by_points():
    records = nights(series((30, 40)))
    records = [
        replace(one, total=replace(one.total, failures=1_200 if place >= 20 else 30))
        for place, one in enumerate(records)
    ]
    (group,) = of(records).groups
    assert (group.state, group.series[0].metric, group.worse) == ("confirmed", "failures", True)
    assert group.series[0].change == pytest.approx(0.0195)


def test_less_throughput_is_worse():
    records = nights(series((30, 40)))
    records = [
        replace(one, total=replace(one.total, rps=(80.0 if place >= 20 else 100.0) + NOISE[place % 20]))
        for place, one in enumerate(records)
    ]
    (group,) = of(records, metric="throughput", label="").groups
    assert (group.state, group.worse, group.series[0].change) == ("confirmed", True, pytest.approx(-0.2, abs=0.01))


def test_labels_in_locations_are_series_of_their_own():
    slow, fast = nights([48_000])[0].total, nights([40_000])[0].total

    def located(place, one):
        there = {"eu": one.total, "us": fast}
        parts = {"eu": {"checkout": slow if place >= 20 else fast}, "us": {"checkout": fast}}
        return replace(one, locations=there, parts=parts)

    records = [located(place, one) for place, one in enumerate(nights(series((30, 40))))]
    found = of(records, label="checkout", location="eu")
    assert {(one.label, one.location) for one in found.series} == {("checkout", "eu")}
    assert [(one.label, one.location) for one in found.groups[0].series] == [("checkout", "eu")]
    assert of(records, location="us").groups == ()
    assert {one.location for one in of(records).series} == {"", "eu", "us"}


def test_the_only_location_is_that_of_all_requests():
    assert of(STEP, location="local").outcome == "regressed"
    assert (of(STEP, location="eu").outcome, of(STEP, location="eu").series) == ("short", ())


def test_a_step_of_the_record_is_no_change():
    def coarse(figures: KeptFigures) -> KeptFigures:
        return replace(figures, resolution_us=1000)

    records = nights([25_000] * 20 + [26_000] * 10)
    assert of(records).outcome == "regressed"
    records = [replace(one, total=coarse(one.total), labels={}) for one in records]
    assert of(records).outcome == "clean"


# What limits the claim

DEAD: dict[str, Any] = {"outcome": "inconclusive", "reasons": ("no-success",)}
NIGHT_S = 86_400.0


def codes(found):
    return [one.code for one in found.notes]


@pytest.mark.parametrize(("dead", "outcome"), [(2, "clean"), (3, "short"), (10, "short")])
def test_a_trend_without_a_measured_run_among_the_newest_three_judges_nothing(dead, outcome):
    records = nights(series((30, 40)))
    records[-dead:] = [replace(one, **DEAD) for one in records[-dead:]]
    found = of(records)
    assert (found.outcome, codes(found)) == (outcome, ["nothing-recent"] * (outcome == "short"))


def test_tries_are_no_nights():
    records = nights(series((30, 40)))
    records[-4:] = [replace(one, kind="try") for one in records[-4:]]
    assert codes(of(records, age_s=-3 * NIGHT_S)) == []


@pytest.mark.parametrize(("age", "outcome"), [(1.9, "clean"), (2.1, "short")])
def test_a_trend_whose_newest_run_is_older_than_two_usual_gaps_judges_nothing(age, outcome):
    assert of(nights(series((30, 40))), age_s=age * NIGHT_S).outcome == outcome


def test_weekends_are_usual_gaps():
    records = [one for night, one in enumerate(nights(series((42, 40)))) if night % 7 < 5]
    assert of(records, age_s=3 * NIGHT_S).outcome == "clean"


def test_a_confirmed_regression_fails_even_if_nothing_recent_is_measured():
    records = [*STEP, *(replace(one, **DEAD) for one in nights(series((29, 48)))[26:])]
    found = of(records)
    assert (found.outcome, codes(found)) == ("regressed", ["nothing-recent"])


def with_new_suite(records, at):
    new = Fingerprint(suite="6" * 16, size="1x2", locations="local")
    return [replace(one, fingerprint=new) if night >= at else one for night, one in enumerate(records)]


@pytest.mark.parametrize(("since", "found"), [(9, ["new-fingerprint"]), (10, [])])
def test_a_cut_with_fewer_than_ten_runs_is_named(since, found):
    assert codes(of(with_new_suite(nights(series((20 + since, 40))), 20))) == found


@pytest.mark.parametrize(("level", "found"), [(60, ["changed-together"]), (40.2, [])])
def test_a_jump_in_the_night_of_a_new_suite_is_named(level, found):
    records = with_new_suite(nights(series((20, 40), (2, level))), 20)
    assert codes(of(records)) == ["new-fingerprint", *found]


def test_a_label_without_requests_in_the_newest_run_is_named():
    records = nights(series((30, 40)))
    records[-1] = replace(records[-1], labels={})
    assert codes(of(records)) == ["missing-label"]
    records[-2:] = [replace(one, labels={}) for one in records[-2:]]
    assert codes(of(records)) == ["missing-label"]


# Acknowledgements

KNOWN = Acknowledgement(suite="shop", commit=f"{20:012x}", reason="the tax service", until=date(2026, 1, 26))


def test_an_acknowledged_change_fails_nothing_until_its_last_day():
    found = of(STEP, KNOWN)
    assert (found.outcome, found.groups[0].state) == ("clean", "acknowledged")
    assert (found.groups[0].acknowledged, found.expired, found.unused) == ("the tax service", (), ())
    late = of(STEP, replace(KNOWN, until=date(2026, 1, 25)))
    assert (late.outcome, late.groups[0].state, len(late.expired)) == ("regressed", "confirmed", 1)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"commit": "", "run": STEP[20].run_id}, "acknowledged"),
        ({"commit": f"{20:012x}" + "f" * 28}, "acknowledged"),  # a whole hash, the tag has twelve digits
        ({"commit": "", "run": STEP[21].run_id}, "acknowledged"),  # a place moves while runs are added
        ({"commit": "", "run": STEP[10].run_id}, "confirmed"),
        ({"label": "checkout"}, "confirmed"),  # all requests moved, too
        ({"metric": "p95"}, "acknowledged"),
        ({"metric": "failures"}, "confirmed"),
        ({"location": "eu-west-1"}, "confirmed"),
    ],
)
def test_an_acknowledgement_fits_by_commit_or_run_and_its_other_keys(changes, state):
    assert of(STEP, replace(KNOWN, **changes)).groups[0].state == state


def test_an_acknowledgement_that_fits_nothing_is_named():
    other, unknown = replace(KNOWN, suite="blog"), replace(KNOWN, commit="abc")
    found = of(STEP, other, unknown)
    assert (found.outcome, len(found.unused)) == ("regressed", 1)


def test_checks_have_changes_and_own_metrics_are_drawn_only():
    def measuring(night, record):
        failed, items = (0.001, 2) if night < 20 else (0.06, 9)
        return replace(record, metrics={"has total": {"failed-checks": failed}, "items": {"metric-avg": items}})

    found = of([measuring(night, record) for night, record in enumerate(nights(series((26, 40))))])

    (group,) = found.groups
    assert [(one.label, one.metric, one.change) for one in group.series] == [("has total", "failed-checks", 0.059)]
    assert (group.state, group.worse) == ("confirmed", True)
    drawn = {(one.label, one.metric): one for one in found.series}
    assert [point.value for point in drawn["items", "metric-avg"].points] == [2] * 20 + [9] * 6
    only = of([replace(record, metrics={}) for record in STEP], label="items")
    assert only.series == ()
