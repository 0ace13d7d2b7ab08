"""The blocks of a run, as data. Other files test how each format shows blocks."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.github.stories import NEUTRAL, REGRESSION, compared
from tests.measured import MS, START, Sample, execution, plan_of, timeline_of
from tests.reports import examples, gallery
from tests.reports.runs import judged, run_of, small
from toril.records import Stop
from toril.records.summary import LabelFigures
from toril.reports import Bundle
from toril.reports.blocks import Criteria, Facts, Report, ShownCriterion, Table
from toril.reports.labels import notable
from toril.reports.run_blocks import generator_load, headline, not_judged, report_of, saturated_lines

EXAMPLE = json.loads((Path(__file__).parents[1] / "regression" / "comparison.json").read_text())
RUN = run_of(small(), "p95>250ms")


def table(report: Report, id: str) -> Table:
    return next(block for block in report.blocks if isinstance(block, Table) and block.id == id)


def rules(run: Bundle) -> tuple[ShownCriterion, ...]:
    return next((block.rules for block in report_of(run).blocks if isinstance(block, Criteria)), ())


def facts(run: Bundle) -> dict[str, str]:
    found = [block for block in report_of(run).blocks if isinstance(block, Facts)]
    return {fact.name: fact.value for block in found for fact in block.facts}


def notes(run: Bundle, code: str) -> list[str]:
    return [note.text for note in report_of(run).having(code)]


# ── What is there ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["failed", "inconclusive", "lost", "errors", "empty"])
def test_every_reason_and_every_criterion_of_the_verdict_is_in_the_report(name):
    run = gallery.run(name)
    report = report_of(run)

    assert [(one.code, one.message) for one in report.headline.reasons] == [
        (one.code, one.message) for one in run.verdict.reasons
    ]
    assert [rule.text for rule in rules(run)] == [one.criterion for one in run.verdict.criteria]
    assert report.headline.outcome == run.outcome


def test_a_reason_repeated_by_a_criterion_is_marked():
    rule = examples.criterion(outcome="failed", message="412 ms, 162 ms above the limit")
    run = examples.with_verdict(examples.failed(), criteria=[rule])

    assert [reason.repeated for reason in report_of(run).headline.reasons] == [True]
    assert [reason.repeated for reason in report_of(examples.inconclusive()).headline.reasons] == [False]


def test_the_notes_of_the_verdict_and_the_warnings_of_the_plan_are_notes():
    plan = examples.plan(warnings=("odd",))
    run = Bundle(plan, examples.summary(), examples.verdict(notes=["these requests had no answer yet"]))
    assert (notes(run, "note"), notes(run, "warning")) == (["these requests had no answer yet"], ["odd"])


# ── Headline ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SLOW_LATER = [Sample(second, 900 * MS if second >= 4 else 9 * MS) for second in range(9)]


@pytest.mark.parametrize(
    ("cause", "criteria", "first"),
    [
        ("criterion", ["avg-rt>1ms", "avg-rt>500ms for 3s"], "avg-rt>500ms for 3s"),
        ("criterion", ["avg-rt>500ms for 3s", "avg-rt>100ms for 2s"], "avg-rt>100ms for 2s"),
        ("user", ["avg-rt>1ms", "avg-rt>500ms for 3s"], ""),
        (None, ["avg-rt>1ms", "avg-rt>500ms for 3s"], ""),
    ],
)
def test_the_headline_names_the_criterion_that_ended_the_load(cause, criteria, first):
    stop = cause and Stop(at=START + 9.2, cause=cause, message="enough", criterion_fails=True)
    run = run_of(SLOW_LATER, *criteria, plan={"executions": [execution(hold_for_s=30.0)]}, stop=stop)

    found = headline(run)
    assert (f"; {first} " in found and "9.2 s of 30 s" in found) if first else ";" not in found


@pytest.mark.parametrize(
    "outcomes", [["passed"], ["passed"] * 3, ["triggered"], ["passed", "triggered", "inconclusive"]]
)
def test_the_headline_of_a_passed_run_counts_the_criteria(outcomes):
    run = examples.with_verdict(examples.passed(), criteria=[examples.criterion(outcome=one) for one in outcomes])
    held = outcomes.count("passed")
    assert (str(held) if held > 2 or (held < len(outcomes) and held) else "") in headline(run)


def test_a_heading_is_cut_at_the_end_of_a_clause():
    long = (
        "the engine of worker a-1 had no room left to measure with, 7 s in a row; " + "give it a core of its own " * 20
    )
    run = examples.with_verdict(examples.inconclusive(), reasons=[{"code": "c", "message": long}])
    assert report_of(run).headline.brief == "the engine of worker a-1 had no room left to measure with, 7 s in a row …"


def test_the_heading_names_one_breached_criterion_and_counts_several():
    one, two = examples.criterion(outcome="failed", message="slow"), examples.criterion(outcome="failed", message="bad")
    assert report_of(examples.with_verdict(examples.failed(), criteria=[one])).headline.brief == "slow"
    assert report_of(examples.with_verdict(examples.failed(), criteria=[one, two])).headline.brief.startswith("2 of 2 ")


# ── A run beside a comparison ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_regression_fails_a_run_whose_criteria_hold():
    report = report_of(examples.passed(), duet=compared(examples.passed(), REGRESSION, "regression"))
    assert report.headline.outcome == "failed"


def test_an_unproven_comparison_is_neutral():
    neutral = compared(examples.passed(), NEUTRAL, "unproven")
    assert report_of(neutral).headline.neutral
    beside = report_of(examples.passed(), duet=neutral).headline
    assert (beside.outcome, beside.neutral) == ("passed", False)
    assert table(report_of(neutral), "duet").outcome == "unproven"


def test_a_report_has_the_reasons_of_run_and_duet():
    duet = compared(examples.inconclusive(), NEUTRAL, "unproven")
    report = report_of(examples.passed(), duet=duet)
    assert report.headline.outcome == "inconclusive"
    assert [reason.code for reason in report.headline.reasons if not reason.repeated] == ["lost-worker"]


def test_an_unreliable_regression_is_inconclusive():
    unsure = compared(examples.passed(), {**REGRESSION, "message": "slower; but a worker was lost"}, "unsure-arms")
    found = table(report_of(unsure), "duet")
    assert (found.outcome, found.message) == ("inconclusive", "slower; but a worker was lost")
    assert "failed" not in {row.check.outcome for row in found.rows if row.check}


def duet_of(outcome: str, **changes: Any) -> Table:
    run = examples.with_verdict(RUN, outcome=outcome, comparison=EXAMPLE | {"outcome": outcome} | changes)
    return table(report_of(run), "duet")


def test_the_worse_figures_of_a_duet_come_first_then_the_open_ones():
    found = duet_of("failed")
    assert [(row.cells[0].text, row.outcome) for row in found.rows] == [
        ("p95 of checkout", "failed"),
        ("p99 of search", "unproven"),
        ("p95 of product", "passed"),
        ("failures", "passed"),
    ]
    assert [cell.text for cell in found.rows[0].cells[1:]] == ["+28.8 %", "60.2 ms", "79.3 ms", "2.5 %", "10"]
    assert found.rows[0].cells[1].small == ("+26.6 … +31 %",)
    assert found.rows[-1].cells[1].small == ("−0.07 … +0.11 points",)
    assert found.about == "10 pairs of slices of 5 s, margin 3 %"
    assert ["https://base.shop.example" in line for line in found.footnotes[:2]] == [True, False]


def test_a_figure_with_too_few_pairs_shows_the_reason():
    nothing = dict.fromkeys(("base", "head", "change", "low", "high", "detectable"))
    metric = EXAMPLE["metrics"][0] | nothing | {"outcome": "inconclusive", "blocks": 0, "message": "too few, I say"}
    (row,) = duet_of("inconclusive", metrics=[metric]).rows
    assert (row.outcome, row.note) == ("unproven", "too few, I say")
    assert {cell.text for cell in row.cells[1:5]} == {"–"}


# ── Criteria and figures ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("observed", "threshold", "unit", "shown"),
    [
        (250_300, 250_000, "us", ("250.3 ms", "250 ms")),
        (99.999, 100, "%", ("> 99.99 %", "100 %")),
        (1.0004, 1, "%", ("1.0004 %", "1 %")),
        (0.0061, 0.005, "%", ("0.0061 %", "0.005 %")),
        (450.2, 450, "/s", ("450.2/s", "450/s")),
        (250_000, 250_000, "us", ("250 ms", "250 ms")),
    ],
)
def test_observed_and_limit_look_equal_only_if_they_are(observed, threshold, unit, shown):
    item = examples.criterion(observed=observed, threshold=threshold, unit=unit, interval=None)
    (rule,) = rules(examples.with_verdict(examples.passed(), criteria=[item]))
    assert (rule.observed, rule.limit) == shown


@pytest.mark.parametrize(
    ("subject", "resolution_us", "observed_us", "shown"),
    [
        ("p95", 1000, 22_010, "22 ms"),
        ("p95", 1000, 0, "< 1 ms"),
        ("p95", 1, 22_010, "22.0 ms"),
        ("avg-rt", 1000, 22_010, "22.0 ms"),
        ("generator-lateness", 1000, 22_010, "22.0 ms"),
    ],
)
def test_a_percentile_is_shown_at_the_resolution_of_the_record(subject, resolution_us, observed_us, shown):
    run = examples.passed()
    labels = {"": examples.figures(), "checkout": examples.figures(resolution_us=resolution_us)}
    rule = examples.criterion(subject=subject, observed=observed_us, interval=[observed_us, None])
    (read,) = rules(Bundle(run.plan, examples.summary(labels), examples.verdict(criteria=[rule])))
    assert read.observed == shown
    assert read.detail.endswith(f"95 % interval {shown} to ∞")


def test_requested_throughput_is_shown_only_if_all_executions_request_one():
    def throughput(**other: object) -> str:
        plan = plan_of(executions=(execution(throughput_rps=20.0), execution("open", **other)))
        return facts(judged(timeline_of(small()), plan))["throughput"]

    assert throughput() == "25/s"
    assert throughput(throughput_rps=5.0) == "25 of 25/s"


@pytest.mark.parametrize(("failed", "interval"), [(99, "(9.00 … 9.01)"), (9, "(9.00 … ∞)")])
def test_the_percentile_of_failed_requests_has_its_interval_too(failed, interval):
    broken = [Sample(1, 9 * MS, ok=False)] * failed
    (note,) = notes(run_of([*broken, *[Sample(2, 50 * MS)] * 90]), "failed-requests")
    assert note.endswith(interval)


# ── Labels ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9)),
        max_size=40,
    ),
    st.lists(st.text(min_size=1, max_size=2), max_size=5),
    st.integers(1, 20),
)
def test_labels_are_chosen_up_to_the_limit_without_duplicates(labels, judged, most):
    figures = {
        name: LabelFigures.from_dict({"samples": samples, "failures": failures, "response_us": {"p95": p95}})
        for name, (samples, failures, p95) in labels.items()
    }

    chosen = notable(figures, judged, most)

    some = {name for name, values in labels.items() if any(values)} | {name for name in judged if name in labels}
    assert len(chosen) == len(set(chosen)) == min(most, len(some))
    assert set(chosen) <= some
    first = [name for name in dict.fromkeys(judged) if name in labels]
    assert chosen[: min(most, len(first))] == first[:most]


def huge(labels: int, **special: dict) -> Bundle:
    """Returns a summary with many labels of ten requests each."""
    figures = {f"label {number}": examples.figures(10) for number in range(labels)}
    figures |= {name: examples.figures(**change) for name, change in special.items()}
    rules = [examples.criterion("p95 of rare>1s", label="rare")]
    return Bundle(
        examples.plan(), examples.summary({"": examples.figures(10**6), **figures}), examples.verdict(criteria=rules)
    )


SPECIAL: dict[str, dict[str, Any]] = {
    "rare": {"samples": 1},
    "busy": {"samples": 5000},
    "failing": {"samples": 10, "failures": 9},
    "slow": {"samples": 10, "scale": 50.0},
}


@pytest.mark.parametrize("most", [8, 40, 120])
def test_judged_busy_and_bad_labels_stay_among_many(most):
    found = table(report_of(huge(2000, **SPECIAL)), "label")

    rows, left_out = found.top(most)

    assert rows[0].is_total
    assert {row.cells[0].text for row in rows} >= {"all", *SPECIAL}
    assert len(rows) + left_out == 2005
    assert len(rows) == most or len(rows) == 121


def test_transactions_and_requests_of_one_name_stay_separate():
    whole = [Sample(0, label="buy", kind="transaction"), Sample(0, label="buy"), Sample(0, label="cart")]
    rows = table(report_of(run_of(whole)), "label").rows
    assert {(row.cells[0].text, row.tags) for row in rows[1:]} == {
        ("buy", ()),
        ("buy", ("transaction",)),
        ("cart", ()),
    }


# ── Caveats ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_line_has_the_worst_figures_of_the_generators():
    workers = {
        "a-1": {"cpu_max": 0.5, "busiest_core_max": 0.2, "waiting_max": 0.01, "late_max_us": 1200, "dropped": 3},
        "a-2": {"cpu_max": 0.3, "busiest_core_max": 0.8, "waiting_max": 0.07, "late_max_us": 90, "dropped": 0},
    }
    run = examples.with_summary(examples.passed(), generators={"workers": workers})

    for figure in ("2 generators", "CPU 50 %", "busiest core 80 %", "waiting 7 %", "1.20 ms", "3 sends"):
        assert figure in generator_load(run)
    assert generator_load(examples.empty()) == ""


def test_a_saturated_generator_has_signs_and_advice_unless_a_reason_has_them():
    run = gallery.run("saturated")
    assert list(saturated_lines(run)) == ["worker madrid-1 was saturated: 99 % CPU from 3 s on", "use 3 workers"]
    reasons = [{"code": "saturated", "message": "worker madrid-1: 99 % CPU from 3 s on; use 3 workers"}]
    assert list(saturated_lines(examples.with_verdict(run, outcome="inconclusive", reasons=reasons))) == []


def test_a_report_names_unjudged_parts():
    ramp = [Sample(second, label="cart", steady=second >= 2) for second in range(5)]
    steady = run_of(ramp, "p95 of home>1s", "fail>1%", plan={"ramp_up_exclude": True})

    criteria, requests, labels = not_judged(steady)
    assert (criteria[:1], requests[:1], labels.endswith(": cart")) == ("1", "2", True)
    assert len(list(not_judged(run_of(small())))) == 1
    assert list(not_judged(gallery.run("passed"))) == []


# ── Capacity, runs without criteria ──────────────────────────────────────────────────────────────────────────────


def test_the_last_stages_of_a_search_stay():
    found = table(report_of(gallery.run("capacity")), "capacity")
    assert found.top(3)[0] == list(found.rows[-3:])


def test_a_smoke_run_and_a_run_without_criteria_are_unjudged():
    with_criteria, plain = gallery.run("passed"), gallery.run("without criteria")
    smoke = replace(plain, plan=plain.plan.model_copy(update={"warning_codes": ("smoke-run",)}))
    heads = [report_of(run).headline for run in (with_criteria, plain, smoke)]
    assert [(head.outcome, head.is_unjudged) for head in heads] == [
        ("passed", unjudged) for unjudged in (False, True, True)
    ]
    assert heads[1].text != heads[2].text


def test_checks_own_metrics_and_tags_have_tables_that_other_runs_lack():
    tables = {block.id: block for block in report_of(gallery.run("measuring")).blocks if isinstance(block, Table)}
    names = {id: [row.cells[0].text for row in tables[id].rows] for id in ("checks", "metrics", "tag")}

    assert names == {
        "checks": ["logged in", "has total"],  # the worst first
        "metrics": ["cart_items", "ok_pages", "orders", "queue"],
        "tag": ["{tenant=big}", "{tenant=small}", "checkout{tenant=big}", "checkout{tenant=small}"],
    }
    assert [cell.value for cell in tables["checks"].rows[0].cells[1:]] == [0.9, 10, 100]
    others = {block.id for block in report_of(gallery.run("passed")).blocks if isinstance(block, Table)}
    assert others.isdisjoint(names)
