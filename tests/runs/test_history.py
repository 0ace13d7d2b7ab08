"""The history record and the index row of a judged run: their sizes, revisions and content."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.launchers.scene import Scene
from tests.reports import examples, gallery
from tests.tiers import examples as many
from toril.records import ComparedMetric, Comparison, EarlierAsked, Launch, PlannedCriterion, Reason
from toril.records.history import (
    MOST_BYTES_OF_HISTORY,
    MOST_BYTES_OF_ROW,
    HistoryRecord,
    IndexRow,
    KeptChange,
    KeptDuet,
)
from toril.records.summary import LabelFigures, PartFigures, RateChange, ResponseTimes
from toril.runs.conclude import judge_again
from toril.runs.history import history, record_of, remember, row_of
from toril.runs.index import all_rows
from toril.runs.stored import listing
from toril.store import FolderStore

NAMES = st.text(max_size=300) | st.text("abc", min_size=900, max_size=1000)
COUNTS = st.integers(0, 10**12)
TIMES = st.builds(
    lambda low, value, high: ResponseTimes(
        mean=value, p50=value, p95=value, p99_9=value, interval={"p50": (low, high), "p95": (low, high)}
    ),
    COUNTS, COUNTS, COUNTS | st.none(),
)  # fmt: skip
FIGURES = st.builds(LabelFigures, samples=COUNTS, failures=COUNTS, response_us=TIMES, rps=st.floats(0, 1e9))
TAGS = st.dictionaries(NAMES, NAMES, max_size=20)
RUN_IDS = st.text("aZ09._-", min_size=1, max_size=127).map(lambda text: f"r{text}")


def bundle_of(labels, locations=None, reasons=(), **plan):
    shown = examples.passed()
    parts = {name: PartFigures(labels={"": figures}) for name, figures in (locations or {}).items()}
    return replace(
        shown,
        plan=examples.plan(**plan),
        summary=replace(shown.summary, labels=labels, locations=parts),
        verdict=replace(shown.verdict, reasons=tuple(Reason(code=code) for code in reasons)),
        cost_usd=12345.678901,
    )


@many(25)
@given(
    st.dictionaries(NAMES, FIGURES, max_size=70),
    st.dictionaries(NAMES, FIGURES, max_size=20),
    st.lists(st.text("abc-", max_size=100), max_size=120),
    TAGS,
    RUN_IDS,
)
def test_records_and_rows_of_any_run_fit_into_their_bytes(labels, locations, reasons, tags, run_id):
    found = record_of(bundle_of(labels, locations, reasons, tags=tags, run_id=run_id, suite="s" * 60))
    row = row_of(found)

    assert len(found.to_json()) <= MOST_BYTES_OF_HISTORY
    assert len(row.to_json()) <= MOST_BYTES_OF_ROW
    assert HistoryRecord.from_json(found.to_json(), "") == found
    assert IndexRow.from_json(row.to_json(), "") == row
    kept = [labels[name].samples for name in labels if name in found.labels]
    left_out = [figures.samples for name, figures in labels.items() if name and name not in found.labels]
    if len(kept) == len(found.labels):  # otherwise credentials are masked
        assert min(kept, default=10**13) >= max(left_out, default=0) or not kept


@many(25)
@given(st.dictionaries(st.text("ab", max_size=20), NAMES, max_size=20), st.text("a-", min_size=40, max_size=40))
def test_a_row_keeps_commit_and_pull_request_longest(tags, reason):
    known = {"commit": "4e5f6a7b8c9d", "pull-request": "12"}
    reasons = [f"{reason}{number}" for number in range(20)]
    row = row_of(record_of(bundle_of({}, reasons=reasons, tags={**tags, **known})))

    assert row.tags.items() >= known.items()
    assert row.branch == "pull/12"


def test_the_largest_labels_and_all_figures_are_kept():
    times = ResponseTimes(mean=7, p50=5, p95=9, interval={"p95": (8, None)})
    labels = {f"label {n}": LabelFigures(samples=n, response_us=times) for n in range(80)}
    found = record_of(bundle_of({"": LabelFigures(samples=3160, failures=4, rps=2.5, response_us=times), **labels}))

    assert list(found.labels) == [f"label {n}" for n in range(79, 29, -1)]
    assert (found.total.samples, found.total.failures, found.total.rps, found.total.mean_us) == (3160, 4, 2.5, 7)
    p95 = found.total.percentiles["p95"]
    assert (p95.value_us, p95.low_us, p95.high_us) == (9, 8, None)
    assert row_of(found).p95_low_us == 8


def test_labels_of_each_location_are_kept_as_far_as_they_fit():
    times = ResponseTimes(mean=7, p50=5, p90=6, p95=9, p99=11, interval={"p95": (8, None)})
    figures = LabelFigures(samples=10, failures=1, rps=2.5, response_us=times)

    def kept(labels, locations):
        names = ["", *(f"label {number:02}" for number in range(labels))]
        bundle = bundle_of(dict.fromkeys(names, figures))
        parts = {f"place {number}": PartFigures(labels=dict.fromkeys(names, figures)) for number in range(locations)}
        return record_of(replace(bundle, summary=replace(bundle.summary, locations=parts)))

    assert kept(2, 1).parts == {}  # the same as the labels
    small = kept(2, 2).parts
    assert [(place, *labels) for place, labels in small.items()] == [
        ("place 0", "label 00", "label 01"),
        ("place 1", "label 00", "label 01"),
    ]
    assert {name: one.value_us for name, one in small["place 0"]["label 00"].percentiles.items()} == {
        "p50": 5, "p95": 9, "p99": 11,
    }  # fmt: skip
    large = kept(20, 10)
    assert len(large.labels) == 20
    assert {len(labels) for labels in large.parts.values()} == {len(large.parts["place 0"])}
    assert 0 < len(large.parts["place 0"]) < 20


def test_compared_labels_are_kept_before_larger_ones():
    labels = {f"label {n}": LabelFigures(samples=n) for n in range(80)}
    found = record_of(bundle_of(labels, earlier=EarlierAsked(labels=("label 3",))))
    assert list(found.labels)[:2] == ["label 3", "label 79"]


def test_a_duet_keeps_the_change_and_spread_of_each_figure():
    shown = examples.passed()
    metric = ComparedMetric(label="checkout", metric="p95", change=0.04, spread=0.05, detectable=0.02, blocks=9)
    compared = Comparison(outcome="failed", margin=0.03, blocks=9, most=40, look=9, block_s=2.0, voided=1, aa=True)
    verdict = replace(shown.verdict, comparison=replace(compared, metrics=(replace(metric, outcome="failed"),)))
    found = record_of(replace(shown, verdict=verdict))
    assert found.duet == KeptDuet(
        aa=True, margin=0.03, most=40, pairs=9, block_s=2.0, voided=1,
        changes=(KeptChange(label="checkout", metric="p95", change=0.04, spread=0.05, detectable=0.02, pairs=9,
                            outcome="failed"),),
    )  # fmt: skip
    assert HistoryRecord.from_json(found.to_json(), "") == found


def test_runs_are_comparable_if_only_their_criteria_differ():
    plan, launch = examples.plan(files={"suite.yml": "1", "shop.py": "1"}), Launch(at=0, deadline=1, attempts={})
    execution = plan.executions[0]

    def print_of(**changes):
        bundle = replace(examples.passed(), plan=plan.model_copy(update=changes))
        return record_of(bundle, changes.pop("launch", launch)).fingerprint

    named = ("suite.yml", "shop.py")
    written = {"suite.yml": "1", "shop.py": "1", "junit.xml": "1"}  # a report of an earlier run
    assert print_of(files=written, named_files=named) == print_of(named_files=named) == print_of()
    same = print_of(criteria=(PlannedCriterion(source="p99>1s", where="suite.yml"),), run_id="other")
    assert same == print_of(files={"suite.yml": "2", "shop.py": "1"}) == print_of()
    others: dict[str, list[dict]] = {
        "suite": [
            {"files": {"suite.yml": "1", "shop.py": "2"}},
            {"executions": (execution.model_copy(update={"concurrency": 11}),)},
        ],
        "size": [{"shares": plan.shares[:1]}],
        "locations": [{"shares": plan.shares[:1]}],
        "image": [{"toril_version": "9"}],
    }
    for name, changes in others.items():
        for change in changes:
            assert getattr(print_of(**change), name) != getattr(print_of(), name)


@pytest.mark.parametrize(
    ("plan", "rates", "expected"),
    [
        ({}, None, ("run", "", False)),
        ({"functional": True}, None, ("functional", "", False)),
        ({"warning_codes": ("smoke-run",)}, None, ("smoke", "", False)),
        ({"tried": True, "functional": True}, None, ("try", "", False)),
        ({"tags": {"branch": "feature"}}, (RateChange(cause="search"),), ("run", "feature", False)),
        ({"tags": {"branch": "main", "fork": "true"}}, (RateChange(cause="user"),), ("run", "fork", True)),
    ],
)
def test_a_record_says_of_which_kind_its_run_is(plan, rates, expected):
    bundle = replace(bundle_of({}, **plan), summary=replace(examples.summary(), rates=rates))
    found = record_of(bundle)
    assert (found.kind, found.branch, found.adjusted) == expected


def test_a_run_judged_again_has_a_new_revision_only_with_another_result(tmp_path):
    store = FolderStore(tmp_path)
    first = record_of(examples.passed())
    remember(store, first)
    before = list(store.entries(""))
    remember(store, record_of(examples.passed()))
    assert list(store.entries("")) == before

    remember(store, replace(first, outcome="inconclusive"))
    (record,), (row,) = history(store, first.suite, 9), all_rows(store)
    assert (record.revision, record.outcome) == (row.revision, row.outcome) == (2, "inconclusive")


def test_the_history_of_a_suite_starts_with_its_newest_runs(tmp_path):
    store, record = FolderStore(tmp_path), record_of(examples.passed())
    for number in (3, 1, 5, 2, 4):
        remember(store, replace(record, run_id=f"r{number}", started_at=1e9 + number))
    remember(store, replace(record, run_id="r9", started_at=1e9 + 9, suite="other"))
    assert [one.run_id for one in history(store, record.suite, 3)] == ["r5", "r4", "r3"]
    assert history(store, "none", 3) == []


def test_a_finished_run_is_in_the_history(tmp_path):
    one = Scene(tmp_path)
    one.run()
    judge_again(one.store, one.plan.run_id)

    (found,) = history(one.store, one.plan.suite, 9)
    assert (found.run_id, found.outcome, found.revision) == (one.plan.run_id, "passed", 1)
    assert [row.run_id for row in all_rows(one.store)] == [one.plan.run_id]


def test_a_run_keeps_its_verdict_if_its_history_cannot_be_written(tmp_path):
    one = Scene(tmp_path)
    one.store.fails = lambda operation, key: operation == "put" and key.startswith("index/")
    done = one.run()
    assert len(done.unwritten) == 1
    assert one.verdict()["outcome"] == done.bundle.outcome == "passed"
    assert all_rows(one.store) == []

    one.store.up()
    assert [found.state for found in listing(one.store, one.clock.now())] == ["passed"]
    assert [row.run_id for row in all_rows(one.store)] == [one.plan.run_id]


def test_checks_and_own_metrics_are_kept_for_trends():
    kept = record_of(gallery.run("measuring"))
    assert kept.metrics == {
        "cart_items": {"metric-avg": 3.1, "metric-p95": 7.5},
        "has total": {"failed-checks": 0.0},
        "logged in": {"failed-checks": 0.1},
        "ok_pages": {"metric-rate": 0.75},
        "orders": {"metric-per-s": 4.0},
        "queue": {"metric-avg": 5.5},
    }
    assert HistoryRecord.from_json(kept.to_json(), "x").metrics == kept.metrics
