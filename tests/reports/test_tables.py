"""CSV and Parquet have every sample once, in the right row, for all texts."""

import io
import os
import re
import sys
from collections import defaultdict
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.measured import START, Sample
from tests.refusals import refused
from tests.reports.exports import (
    SAMPLES,
    counted,
    csv_rows,
    exported,
    judged,
    parquet_rows,
    place,
    plain,
    run_of,
    where,
)
from toril.errors import StoreError
from toril.records import MetricSeries, ServerMetrics
from toril.reports import TABLES, Bundle, pieces
from toril.reports.exports import csv, parquet, rows
from toril.reports.exports.csv import safe
from toril.reports.exports.tables import TABLES as COLUMNS
from toril.reports.screen import emit
from toril.stats.histogram import bucket_of, highest_us, lowest_us

SUMS = ("samples", "failures", "bytes", "sum_us", "ttfb_sum_us", "ttfb_samples", "connect_sum_us", "connect_samples")
HOSTILE = "=+-@'＝＠;|\t\r\n \"a1"


@given(SAMPLES)
def test_cells_have_every_sample_once_with_exact_sums_and_extremes(samples):
    of_place = defaultdict(list)
    for sample in samples:
        of_place[where(sample)].append(sample)

    rows = parquet_rows(run_of(samples))

    assert len(rows) >= len(of_place)  # labels may differ only in lone surrogates
    for key, some in of_place.items():
        mine = [row for row in rows if place(row) == key]
        assert [sum(row[name] for row in mine) for name in SUMS] == [
            len(some),
            sum(not sample.ok for sample in some),
            sum(sample.bytes for sample in some),
            sum(sample.us for sample in some),
            sum(max(0, sample.ttfb_us) for sample in some),
            sum(sample.ttfb_us >= 0 for sample in some),
            sum(max(0, sample.connect_us) for sample in some),
            sum(sample.connect_us >= 0 for sample in some),
        ]
        assert min(row["min_us"] for row in mine) == min(sample.us for sample in some)
        assert max(row["max_us"] for row in mine) == max(sample.us for sample in some)


@given(SAMPLES)
def test_the_percentiles_of_a_cell_equal_the_timeline(samples):
    run = run_of(samples)
    assert run.timeline is not None

    for row in parquet_rows(run):
        if row["label"] in run.timeline.labels():  # except labels that UTF-8 cannot encode
            view = run.timeline.select(
                row["label"], (row["execution"],), row["location"], row["steady"], row["kind"]
            ).second(row["second"])
            assert row["samples"] == view.samples
            assert (row["p50_us"], row["p95_us"], row["p99_9_us"]) == tuple(map(view.percentile, (50, 95, 99.9)))
            assert row["mean_us"] == round(view.mean_us)


@given(SAMPLES)
def test_buckets_have_every_sample_once(samples):
    expected = counted(
        ((*where(one), one.ok, lowest_us(bucket_of(one.us)), highest_us(bucket_of(one.us))), 1) for one in samples
    )

    rows = parquet_rows(run_of(samples), "buckets")

    assert (
        counted(((*place(row), row["ok"], row["low_us"], row["high_us"]), row["samples"]) for row in rows) == expected
    )
    assert all(row["low_us"] <= row["min_us"] <= row["max_us"] <= row["high_us"] for row in rows)
    assert min((row["min_us"] for row in rows), default=0) == min((one.us for one in samples), default=0)
    assert max((row["max_us"] for row in rows), default=0) == max((one.us for one in samples), default=0)


@given(SAMPLES)
def test_outcomes_have_every_sample_once(samples):
    expected = counted(((*where(one), one.ok, plain(one.rc), "" if one.ok else "it broke"), 1) for one in samples)

    rows = parquet_rows(run_of(samples), "outcomes")

    assert counted(((*place(row), row["ok"], row["rc"], row["message"]), row["samples"]) for row in rows) == expected


@given(SAMPLES, st.booleans(), st.sampled_from(TABLES[:3]))
def test_judged_samples_add_up_to_summary_and_timeline(samples, ramp_up_exclude, table):
    run = run_of(samples, ramp_up_exclude=ramp_up_exclude)
    assert run.timeline is not None

    rows = [row for row in parquet_rows(run, table) if row["judged"] and row["kind"] == "request"]

    total = sum(row["samples"] for row in rows)
    assert total == run.summary.total.samples
    assert total == run.timeline.select(steady=True if ramp_up_exclude else None).total.samples
    assert total == sum(sample.kind == "request" for sample in judged(samples, ramp_up_exclude))


@given(SAMPLES, st.sampled_from(TABLES[:3]))
def test_csv_and_parquet_are_equal(samples, table):
    run = run_of(samples)
    texts = [name for name, (kind, _) in COLUMNS[table].columns.items() if kind == "text"]

    for written, row in zip(csv_rows(run, table), parquet_rows(run, table), strict=True):
        time = row.pop("time").isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert written.pop("time") == time
        for name in texts:
            assert written.pop(name) == safe(row.pop(name))
        assert written == {
            name: {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
            for name, value in row.items()
        }


@given(st.text(HOSTILE, max_size=12), st.text(HOSTILE, max_size=12))
@example("=1+1", "'=1+1")
@example("'", "''")
@example("x;=1", "x;'=1")
def test_a_spreadsheet_formula_is_marked_and_stays_unique(one, other):
    for separators in ("", ";", "\t", "|", "\r\n", ";\r\n"):
        for cell in re.split(f"[{separators}]", safe(one)) if separators else [safe(one)]:
            assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert not safe(one).startswith(("\t", "\r", "\n"))
    assert (safe(one) == safe(other)) == (one == other)
    assert safe(one).replace("'", "") == one.replace("'", "")


def test_other_texts_stay_unchanged():
    for text in ("GET /cart?a=1&b=-2", "a; b", "it's", "2 + 2 = 4", "a - b; c", "x|y"):
        assert safe(text) == text


def test_a_report_has_no_terminal_commands(monkeypatch):
    run = run_of([Sample(0, label="a\x1b]0;owned\x07\u009b2J\u202e\u2028b")])
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", 0) as screen, open(theirs, "w") as terminal:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stdout", terminal)
        emit(pieces("csv", run), None)
        shown = screen.read(10_000).decode()
    assert "a\\u001b]0;owned\\u0007\\u009b2J\\u202e\\u2028b" in shown  # as JSON has it, too
    assert all(character.isprintable() or character in "\r\n" for character in shown)


def test_rows_are_sorted_by_second_and_name():
    samples = [Sample(second, label=label) for second in (3, 0) for label in ("b", "a")]

    rows = csv_rows(run_of(samples))

    assert [(row["second"], row["label"]) for row in rows] == [("0", "a"), ("0", "b"), ("3", "a"), ("3", "b")]
    assert exported("csv", run_of(samples)) == exported("csv", run_of(samples[::-1]))


def test_a_row_has_run_time_and_users():
    (row,) = csv_rows(run_of([Sample(3)]))

    assert row["time"] == datetime.fromtimestamp(START + 3, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    assert row["run_id"] == "20261124T150405Z-shop-0a1b"
    assert row["virtual_users"] == "10"


def test_csv_follows_rfc_4180():
    data = exported("csv", run_of([Sample(0, label='a "b",\nc')]))

    assert data.startswith(b"run_id,second,time,")
    assert data.count(b"\r\n") == 2
    assert b'"a ""b"",\nc"' in data


@pytest.mark.parametrize("most", [1, 2, 7])
def test_the_table_does_not_depend_on_the_batch_size(monkeypatch, most):
    samples = [Sample(second, us, label, ok) for second in range(5) for us, label, ok in
               [(5, "a", True), (7000, "a", False), (9, "b", True), (10**6, "c", False)]]  # fmt: skip
    whole = {table: parquet_rows(run_of(samples), table) for table in TABLES}
    for limit in ("PLACES_AT_ONCE", "ROWS_AT_ONCE"):
        monkeypatch.setattr(rows, limit, most)
    monkeypatch.setattr(parquet, "ROWS_OF_A_GROUP", most)
    written = {table: exported("csv", run_of(samples), table) for table in TABLES}
    monkeypatch.setattr(csv, "ROWS_AT_ONCE", most)

    assert {table: parquet_rows(run_of(samples), table) for table in TABLES} == whole
    assert {table: exported("csv", run_of(samples), table) for table in TABLES} == written


def test_parquet_describes_its_content():
    from pyarrow import parquet as reader

    schema = reader.read_schema(io.BytesIO(exported("parquet", run_of([Sample(0)]), "buckets")))

    assert schema.metadata[b"toril.schema"] == b"toril.buckets/1"
    assert schema.metadata[b"toril.run_id"] == b"20261124T150405Z-shop-0a1b"
    assert b"microseconds" in schema.metadata[b"toril.units"]
    assert {field.name: field.metadata[b"description"].decode() for field in schema} == {
        name: text for name, (_, text) in COLUMNS["buckets"].columns.items()
    }


@pytest.mark.parametrize("table", COLUMNS)
def test_a_run_without_samples_has_a_table_without_rows(table):
    assert csv_rows(run_of([]), table) == parquet_rows(run_of([]), table) == []


def test_fewer_samples_than_in_the_summary_are_refused():
    run = run_of([Sample(0), Sample(1)])
    some = Bundle(run.plan, run.summary, run.verdict, run_of([Sample(0)]).timeline)

    with refused("missing-measurements", "2 samples", error=StoreError):
        exported("csv", some)


def test_the_service_s_metrics_have_a_row_for_each_value():
    queue = "arn:aws:sqs:eu-west-1:111122223333:orders"
    sent = MetricSeries(
        namespace="AWS/SQS", metric="NumberOfMessagesSent", statistic="Sum", dimensions={"QueueName": "orders"},
        resource=queue, points=((-20.0, 7.0), (40.0, 0.1)),
    )  # fmt: skip
    waits = MetricSeries(
        namespace="Prometheus", metric="=waits", statistic="value", resource="https://prom.example.com", version="head",
        period_s=15, points=((-5.0004, 3.5),),
    )  # fmt: skip
    run = run_of([Sample(0)], metrics=ServerMetrics(queries=(sent, waits, sent.model_copy(update={"points": ()}))))

    rows = parquet_rows(run, "service")

    assert [(row["time"].timestamp() - START, row["metric"], row["value"]) for row in rows] == [
        (-20, "NumberOfMessagesSent", 7), (40, "NumberOfMessagesSent", 0.1), (-5, "=waits", 3.5)
    ]  # fmt: skip
    assert [rows[0][name] for name in ("resource", "dimensions", "period_s")] == [queue, "QueueName=orders", 60]
    assert [rows[2][name] for name in ("resource", "namespace", "version")] == [waits.resource, "Prometheus", "head"]
    assert [(row["metric"], row["value"]) for row in csv_rows(run, "service")][1:] == [
        ("NumberOfMessagesSent", "0.1"), ("'=waits", "3.5")
    ]  # fmt: skip
    assert csv_rows(run_of([Sample(0)]), "service") == []
