"""What a collector gets of a run: exact counts, response times within the stated error, and events."""

import logging
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import START, Sample, every_second, plan_of, timeline_of
from tests.notify.collector import attributes, collecting
from toril.notify.otel.exporter import LOGGER, Exporter
from toril.notify.otel.metrics import RELATIVE_ERROR, SCALE, exponential
from toril.records import Verdict
from toril.records.progress import Progress
from toril.records.verdict import JudgedCriterion
from toril.stats.histogram import Histogram, highests_of


def exported(collector, samples, *, ends=(4, 9), verdict=None, plan=None, last=None, within_s=10.0):
    """Exports the samples up to each of the seconds, and then the verdict. Returns the notes."""
    exporter, timeline = Exporter(plan or plan_of("avg-rt>1s"), collector.url, {}), timeline_of(samples)
    exporter.begun(plan_of(), START, {})
    for second in ends[:-1]:
        exporter.advanced(timeline, second, Progress(run_id="r", at=START + second, phase="running"))
    exporter.advanced(last or timeline, ends[-1], Progress(run_id="r", at=START + ends[-1], phase="ended"))
    if verdict is not None:
        exporter.judged(SimpleNamespace(verdict=verdict))
    return exporter.close(within_s)


MIXED = [
    *every_second(range(10), times=3),
    *every_second(range(10), Sample(0, 5_000, label="cart")),
    *every_second(range(5, 10), Sample(0, 800_000, label="cart", ok=False, rc="503", location="eu-west-1")),
    *every_second(range(10), Sample(0, 900_000, label="buy", kind="transaction")),
]


def test_the_last_export_counts_every_request_once():
    with collecting() as collector:
        assert exported(collector, MIXED) == ()
        found = collector.newest()
    requests = {tuple(sorted(attributes(one).items())): one.as_int for one in found["toril.requests"]}
    by_outcome = {"ok": 0, "failed": 0}
    for about, count in requests.items():
        by_outcome[dict(about)["toril.outcome"]] += count
    assert by_outcome == {"ok": 40, "failed": 5}
    (failed,) = [dict(about) for about in requests if ("toril.rc", "503") in about]
    assert (failed["toril.label"], failed["toril.location"]) == ("cart", "eu-west-1")
    times = {attributes(one)["toril.label"]: one for one in found["toril.response_time"] if one.count > 5}
    assert (times["home"].count, times["home"].sum) == (30, pytest.approx(3.0))
    assert times["home"].time_unix_nano == int(START * 1e9) + 10 * 10**9
    (transactions,) = found["toril.transaction_time"]
    assert (transactions.count, attributes(transactions)["toril.kind"]) == (10, "transaction")


def test_what_scripts_measure_has_metrics_of_its_own():
    def measured(kind, ok=True):
        samples = [Sample(0, us, f"{kind} 1", kind=kind) for us in (1500, 4000)]
        return [*samples, *([] if ok else [Sample(9, 0, f"{kind} 1", kind=kind, ok=False)])]

    samples = [*measured("trend"), *measured("counter"), *measured("check", ok=False), *measured("rate", ok=False)]
    with collecting() as collector:
        exported(collector, [*MIXED, *samples, Sample(0, 9000, "home{plan=free}", kind="tagged")])
        found = collector.newest()
    (trend,), (counter,) = found["toril.value"], found["toril.counter"]
    assert (trend.count, trend.sum, trend.min, trend.max) == (2, 5.5, 1.5, 4.0)
    ends = [
        2 ** ((trend.positive.offset + 1 + at) / 2**SCALE) for at, n in enumerate(trend.positive.bucket_counts) if n
    ]
    assert ends == [pytest.approx(value, rel=RELATIVE_ERROR) for value in (1.5, 4.0)]
    assert (counter.as_double, attributes(counter)["toril.label"]) == (5.5, "counter 1")
    checks = {
        (attributes(one)["toril.kind"], attributes(one)["toril.outcome"]): one.as_int for one in found["toril.checks"]
    }
    assert checks == {("check", "ok"): 2, ("check", "failed"): 1, ("rate", "ok"): 2, ("rate", "failed"): 1}
    kinds = {attributes(one)["toril.kind"] for one in found["toril.transaction_time"]}
    assert kinds == {"transaction", "tagged"}
    assert sum(one.as_int for one in found["toril.requests"]) == 45


def test_an_export_carries_the_run_and_the_error_of_its_histograms():
    plan = plan_of("avg-rt>1s").model_copy(update={"tags": {"commit": "abc123"}})
    with collecting() as collector:
        exported(collector, MIXED, plan=plan)
        (resource,) = collector.metrics[-1].resource_metrics
    about = attributes(resource.resource)
    assert about["service.name"] == "toril"
    assert (about["toril.run.id"], about["toril.suite"]) == (plan.run_id, plan.suite)
    assert about["vcs.ref.head.revision"] == "abc123"
    scope = attributes(resource.scope_metrics[0].scope)
    assert scope["toril.histogram.relative_error"] == pytest.approx(RELATIVE_ERROR, abs=1e-6)


def test_criteria_become_metrics_and_events():
    criteria = (
        JudgedCriterion(criterion="p99>1s", outcome="failed", observed=2e6, threshold=1e6, unit="us"),
        JudgedCriterion(criterion="fail>1%", outcome="passed", observed=0, threshold=1, unit="%"),
    )
    with collecting() as collector:
        exported(collector, MIXED, verdict=Verdict(outcome="failed", criteria=criteria))
        found, events = collector.newest(), collector.events()
    breached = {attributes(one)["toril.criterion"]: one.as_int for one in found["toril.criterion.breached"]}
    assert breached == {"p99>1s": 1, "fail>1%": 0}
    assert sum(one.as_int for one in found["toril.requests"]) == 45  # the figures of the run go along
    assert [(name, about["toril.outcome"]) for name, about in events] == [
        ("toril.criterion.judged", "failed"),
        ("toril.criterion.judged", "passed"),
    ]


def test_labels_and_codes_are_limited_and_masked():
    labels = [Sample(0, label=f"item {n}") for n in range(150)]
    secret = Sample(0, label="GET /?token=s3cr3t-value")
    with collecting() as collector:
        exported(collector, [secret, *labels])
        found, raw = collector.newest(), b"".join(collector.raw)
    names = {attributes(one)["toril.label"] for one in found["toril.requests"]}
    assert len(names) == 101
    assert {"other", "GET /?token=***"} <= names
    assert sum(one.as_int for one in found["toril.requests"]) == 151
    assert b"s3cr3t" not in raw


def test_a_busy_collector_gets_the_figures_later():
    with collecting(answers=[429, 429]) as collector:
        assert exported(collector, MIXED) == ()
        assert sum(one.as_int for one in collector.newest()["toril.requests"]) == 45


def test_a_refusing_collector_becomes_one_note():
    with collecting(answers=[400, 400, 400]) as collector:
        (note,) = exported(collector, MIXED)
    assert note.code == "otlp-failed"
    assert "400" in note.message


def test_a_hanging_collector_delays_neither_the_run_nor_its_end(capsys):
    with collecting(hang_s=60.0) as collector:
        began = time.monotonic()
        (note,) = exported(collector, MIXED, within_s=0.2)
        assert time.monotonic() - began < 20
    assert note.code == "otlp-unfinished"
    logging.getLogger(f"{LOGGER}.proto").warning("Exporter already shutdown, ignoring batch")
    assert capsys.readouterr().err == ""


def test_late_files_count_in_the_last_export():
    with collecting() as collector:
        exported(collector, MIXED, ends=(9, 9), last=timeline_of([*MIXED, *every_second(range(3))]))
        assert sum(one.as_int for one in collector.newest()["toril.requests"]) == 48


@given(st.lists(st.integers(0, 10**8), min_size=1), st.lists(st.integers(0, 10**8)))
def test_merging_and_converting_commute_and_lose_nothing(some, others):
    def converted(histogram):
        positive = histogram.buckets > 0
        pairs = zip(exponential(histogram.buckets[positive]).tolist(), histogram.counts[positive].tolist(), strict=True)
        found: dict[int, int] = {}
        for index, count in pairs:
            found[index] = found.get(index, 0) + count
        return found

    one, other = converted(Histogram.of(some)), converted(Histogram.of(others))
    merged = converted(Histogram.of(some) + Histogram.of(others))
    assert merged == {index: one.get(index, 0) + other.get(index, 0) for index in one.keys() | other.keys()}


@given(st.integers(1, 10**10))
def test_a_time_read_from_an_exponential_bucket_is_never_low_and_high_by_the_stated_error_at_most(us):
    histogram = Histogram.of([us])
    (index,) = exponential(histogram.buckets).tolist()
    end_us = 1e6 * 2 ** ((index + 1) / 2**SCALE)
    assert us <= end_us * (1 + 1e-12)
    assert end_us <= us * (1 + RELATIVE_ERROR) * (1 + 1e-12)
    assert highests_of(histogram.buckets)[0] <= math.ceil(end_us) + 1e-6 * np.abs(end_us)
