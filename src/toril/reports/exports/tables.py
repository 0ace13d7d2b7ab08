"""The tables of CSV and Parquet, by column and in batches. docs/reference/tables.md describes the columns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy as np

from toril.errors import StoreError
from toril.reports.bundle import Bundle
from toril.reports.exports.rows import RowBatch, row_batches
from toril.secrets.masking import mask
from toril.stats.histogram import highests_of, lowests_of
from toril.summary import PERCENTILES
from toril.timeline import Timeline
from toril.timeline.intervals import Series

SHOWN = ("p50", "p75", "p90", "p95", "p99", "p99_9")  # fewer than in the summary: a second has few samples

Type = Literal["text", "integer", "number", "boolean", "time"]


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of texts: `values[code]` for each code."""

    codes: Any  # an array of integers
    values: list[str]


Batch = dict[str, Any]  # column → Texts, or an array of numbers or booleans; `time` is in ms since the epoch


@dataclass(frozen=True, slots=True)
class ExportTable:
    """The columns of a table in order, each with its type and a description."""

    columns: dict[str, tuple[Type, str]]
    batches: Callable[[Bundle], Iterator[Batch]]


class RowPlace(NamedTuple):
    """The key of a table's rows."""

    execution: str
    location: str
    label: str
    kind: str
    steady: bool
    ok: bool


PLACE: dict[str, tuple[Type, str]] = {
    "run_id": ("text", "the run"),
    "second": ("integer", "the second in which the samples completed, counted from the start signal"),
    "time": ("time", "start of that second"),
    "execution": ("text", "the execution of the suite"),
    "location": ("text", "the location of the workers"),
    "label": ("text", "the name of the request or transaction"),
    "kind": (
        "text",
        "`request`; `transaction`: a group of requests, which are also counted separately; "
        "`timing`: a part of a browser's step, or a message of a stream; "
        "`check`, `trend`, `counter`, `gauge`, `rate`: what a script measures, times hold its values × 1,000; "
        "`tagged`: a second sample of a request with a tag",
    ),
    "steady": ("boolean", "started after the ramp-up of its execution and before the end of its hold"),
    "judged": ("boolean", "part of the figures in summary and verdict"),
}
OK: dict[str, tuple[Type, str]] = {"ok": ("boolean", "whether the samples succeeded")}


def measured(bundle: Bundle) -> Timeline:
    """Returns all measurements; StoreError if interval files of the run are missing."""
    timeline = bundle.timeline
    if timeline is None:
        raise ValueError("an export needs the timeline, but the bundle has none")
    samples = bundle.summary.total.samples
    if bundle.measured != samples:
        raise StoreError(
            f"Run {bundle.plan.run_id}: the summary has {samples} samples, but the interval files have "
            f"{bundle.measured}. Restore the files, or delete summary.json and verdict.json to judge the remaining "
            "samples.",
            code="missing-measurements",
        )
    return timeline


def started_ms(bundle: Bundle) -> int:
    """Returns the time of the start signal in ms since the epoch; 0 for a run that never started."""
    started_at = bundle.summary.started_at
    if started_at is None:
        return 0
    return round((datetime.fromisoformat(started_at) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def _cells(bundle: Bundle) -> Iterator[Batch]:
    timeline = measured(bundle)
    users: dict[tuple[str, str], list[int]] = {}
    for batch in row_batches(timeline, lambda location, series: _place(location, series, ok=True), every_kind=True):
        names = [(place.execution, place.location) for place in batch.keys]
        for name in {names[key] for key in np.unique(batch.key).tolist()} - users.keys():
            view = timeline.select(executions=name[:1], location=name[1])
            users[name] = view.virtual_users_curve((timeline.last_second or 0) + 1)
        where = batch.key.tolist(), batch.second.tolist()
        samples, total_us = batch.samples, batch.sum_us
        yield _of_place(bundle, batch, np.arange(len(batch))) | {
            "virtual_users": np.array([users[names[key]][second] for key, second in zip(*where, strict=True)]),
            "samples": samples,
            "failures": batch.failures,
            "bytes": batch.sum_of("bytes"),
            "sum_us": total_us,
            "mean_us": np.rint(total_us / samples).astype(np.int64),
            "min_us": batch.min_us,
            **{f"{name}_us": batch.percentile_us(PERCENTILES[name]) for name in SHOWN},
            "max_us": batch.max_us,
            "ttfb_sum_us": batch.sum_of("ttfb_sum_us"),
            "ttfb_samples": batch.sum_of("ttfb_count"),
            "connect_sum_us": batch.sum_of("connect_sum_us"),
            "connect_samples": batch.sum_of("connect_count"),
        }


def _buckets(bundle: Bundle) -> Iterator[Batch]:
    for batch in row_batches(measured(bundle), _place, every_kind=True):
        low, high = lowests_of(batch.bucket), highests_of(batch.bucket)
        yield _of_place(bundle, batch, batch.row) | {
            "low_us": low,
            "high_us": high,
            "min_us": np.maximum(low, batch.min_us[batch.row]),
            "max_us": np.minimum(high, batch.max_us[batch.row]),
            "samples": batch.count,
        }


def _outcomes(bundle: Bundle) -> Iterator[Batch]:
    timeline = measured(bundle)
    for batch in row_batches(timeline, _place, every_kind=True):
        outcomes = [
            (row, rc, message, count)
            for row, entries in enumerate(np.split(batch.entries, batch.starts[1:]))
            for (rc, message), count in sorted(timeline.table.outcomes.of(entries).items())
        ]
        row, rcs, messages, counts = (list(column) for column in zip(*outcomes, strict=True))
        yield _of_place(bundle, batch, np.array(row)) | {
            "rc": _texts(rcs),
            "message": _texts(messages),
            "samples": np.array(counts),
        }


def _service(bundle: Bundle) -> Iterator[Batch]:
    series = bundle.metrics.queries if bundle.metrics else ()
    points = [(place, at_s, value) for place, one in enumerate(series) for at_s, value in one.points]
    if not points:
        return
    place, at_s, value = map(np.array, zip(*points, strict=True))
    own = ("resource", "version", "namespace", "metric", "statistic")
    yield {
        **{name: TextColumn(place, [getattr(one, name) or "" for one in series]) for name in own},
        "run_id": TextColumn(place, [bundle.plan.run_id for _ in series]),
        "dimensions": TextColumn(place, [", ".join(map("=".join, one.dimensions.items())) for one in series]),
        # Periods begin at whole seconds, but the start of the load is known to the millisecond.
        "time": 1000 * np.rint(started_ms(bundle) / 1000 + at_s).astype(np.int64),
        "period_s": np.array([one.period_s for one in series])[place],
        "value": value,
    }


def _place(location: str, series: Series, ok: bool | None = None) -> RowPlace:
    ok = series.ok if ok is None else ok
    return RowPlace(series.execution, location, mask(series.label), series.kind, series.steady, ok)


def _of_place(bundle: Bundle, batch: RowBatch[RowPlace], row: Any) -> Batch:
    """Returns the columns PLACE and OK for these rows of the batch."""
    second = batch.second[row]
    used, codes = np.unique(batch.key[row], return_inverse=True)
    places = [batch.keys[key] for key in used.tolist()]
    steady = np.array([place.steady for place in places])[codes]
    return {
        "run_id": TextColumn(np.zeros(codes.size, np.int64), [bundle.plan.run_id]),
        "second": second,
        "time": started_ms(bundle) + 1000 * second,
        **{
            name: TextColumn(codes, [str(getattr(place, name)) for place in places])
            for name in ("execution", "location", "label", "kind")
        },
        "steady": steady,
        "judged": steady | (not bundle.plan.ramp_up_exclude),
        "ok": np.array([place.ok for place in places])[codes],
    }


def _texts(column: list[str]) -> TextColumn:
    code_of = {text: code for code, text in enumerate(dict.fromkeys(column))}
    return TextColumn(np.array([code_of[text] for text in column]), list(map(mask, code_of)))


TABLES = {
    "cells": ExportTable(
        {
            **PLACE,
            "virtual_users": ("integer", "active in the execution and location in that second, for all labels"),
            "samples": ("integer", "number of completed samples, including failed ones"),
            "failures": ("integer", "number of failed samples"),
            "bytes": ("integer", "bytes received"),
            "sum_us": ("integer", "the exact sum of the response times"),
            "mean_us": ("integer", "their mean, rounded"),
            "min_us": ("integer", "the exact minimum"),
            **{f"{name}_us": ("integer", "a percentile of the samples of this row alone") for name in SHOWN},
            "max_us": ("integer", "the exact maximum"),
            "ttfb_sum_us": ("integer", "the sum of the times to the first byte"),
            "ttfb_samples": ("integer", "number of samples with a known time to the first byte"),
            "connect_sum_us": ("integer", "the sum of the times to connect"),
            "connect_samples": ("integer", "number of samples with a known time to connect"),
        },
        _cells,
    ),
    "buckets": ExportTable(
        {
            **PLACE,
            **OK,
            "low_us": ("integer", "the lowest response time that the bucket counts"),
            "high_us": ("integer", "the highest one"),
            "min_us": ("integer", "lower bound of the samples in this row"),
            "max_us": ("integer", "upper bound of the samples in this row"),
            "samples": ("integer", "number of samples in the bucket"),
        },
        _buckets,
    ),
    "outcomes": ExportTable(
        {
            **PLACE,
            **OK,
            "rc": ("text", "the response code; empty if missing"),
            "message": ("text", "the error message; empty for successful samples"),
            "samples": ("integer", "number of samples with this outcome"),
        },
        _outcomes,
    ),
    "service": ExportTable(
        {
            "run_id": PLACE["run_id"],
            "time": ("time", "start of the period"),
            "resource": ("text", "the ARN, or the address of a Prometheus; empty for a metric of a criterion"),
            "version": ("text", "`base` or `head`, if the resource serves one version only"),
            "namespace": ("text", "CloudWatch's, or `Prometheus`"),
            "metric": ("text", "the name"),
            "statistic": ("text", "CloudWatch's, or `value`"),
            "dimensions": ("text", "such as `ClusterName=shop, ServiceName=web`"),
            "period_s": ("integer", "length of the period"),
            "value": ("number", "in the unit of the source"),
        },
        _service,
    ),
}
