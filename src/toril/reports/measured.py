"""The measurements of a run as compact text, from which the page computes the figures of any window.

The text is base64 of zlib of: the length of the header (4 bytes), the header (JSON), the columns. A column is a list of
whole numbers in planes: the lowest byte of each number, then the second byte of each, and so on. `page/measured.js`
reads it.

A row has the sums and the histogram of one step of one series (location, execution, label, kind, steady, ok). Rows are
in order of time, so that a window is a range of rows. If the text is too long with steps of a second, steps are longer.
Labels without charts share one series per place, so totals stay exact.
"""

import base64
import json
import math
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from toril.records.summary import TRANSACTION
from toril.reports.bundle import Bundle
from toril.reports.charts.by_label import chosen
from toril.reports.exports.rows import RowBatch, row_batches
from toril.reports.labels import slice_of
from toril.reports.run_tables import MOST_ERRORS, figure_tables
from toril.reports.windows import WindowSource, measured
from toril.stats.histogram import Int64s, highests_of, lowests_of
from toril.summary import planned_spans
from toril.text import plain
from toril.timeline.intervals import Series

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 900)
LEAST_PER_PAIR = 0.75  # bytes of text for a bucket and its count; such steps are not even tried
MOST_KINDS = 20  # of a label's errors
LARGEST = 1 << 53  # exact in the numbers of the page

ErrorKind = tuple[str, str]  # message and response code
Key = tuple[str, str, bool, str, str, bool, bool]  # location, execution, own label, label, kind, steady, ok


@dataclass(frozen=True, slots=True)
class Encoded:
    """The measurements as text, in steps of some seconds."""

    text: str
    step_s: int


def encoded(bundle: Bundle) -> Encoded | None:
    """Returns the measurements in the shortest steps that the plan's `page_bytes` allow; None if nothing fits."""
    source = measured(bundle)
    if source is None or not bundle.measured == bundle.summary.total.samples > 0:
        return None
    data, most, least = _Data(bundle, source), bundle.plan.page_bytes, 0.0
    for step_s in STEPS:
        if least > most * step_s:  # a step of n seconds needs at least 1/n of the size
            continue
        body, pairs = data.body(step_s, math.floor(most / LEAST_PER_PAIR))
        text = base64.b64encode(zlib.compress(body)).decode()
        if body and len(text) <= most:
            return Encoded(text, step_s)
        least = step_s * max(len(text), pairs * LEAST_PER_PAIR)
    return None


@dataclass
class _Data:
    bundle: Bundle
    source: WindowSource
    views: list[dict[str, Any] | None] = field(default_factory=list)

    # ── series

    def _key(self, location: str, series: Series) -> Key:
        """Returns the page's series of a series of the timeline.

        Without `ramp-up-exclude`, steady and other samples are one series; so are labels without charts.
        """
        own = series.label in self.labels
        steady = series.steady and self.bundle.plan.ramp_up_exclude
        return location, series.execution, own, series.label if own else "", series.kind, steady, series.ok

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset(name.removesuffix(TRANSACTION) for name in chosen(self.bundle))

    @cached_property
    def groups(self) -> tuple[Int64s, list[bool]]:
        """The number of the page's series of each series, in the order of rows; and whether each is of successes."""
        timeline = self.source.timeline
        keys = {number: self._key(*placed) for placed, number in timeline.series().items()}
        number_of = {key: number for number, key in enumerate(sorted(set(keys.values())))}
        of_series = np.full(len(timeline.table.placed), -1, np.int64)  # the page has no figures of what scripts measure
        of_series[list(keys)] = [number_of[key] for key in keys.values()]
        return of_series, [key[-1] for key in number_of]

    def _figures(self, label: str, location: str | None, execution: str | None) -> int:
        """Adds the view of a row of a table of figures, and returns its place: its series and planned time.

        There is none if other labels share its series.
        """
        summary, steady = self.bundle.summary, True if self.bundle.plan.ramp_up_exclude else None
        part = summary.locations[location] if location else summary.executions[execution] if execution else summary
        executions = (execution,) if execution else ()
        figures, source = part.labels.get(label), self.source
        view = slice_of(source.timeline, label, executions, location, steady)
        group_of, _ = self.groups
        own_series = np.concatenate(view.series)
        used = np.unique(group_of[own_series])
        shared = np.isin(group_of, used).sum() != own_series.size
        self.views.append(
            None
            if shared
            else {
                "series": used.tolist(),
                "spans": planned_spans(source.queued, source.timeline, source.completeness, executions, view.label),
                "resolution": (figures and figures.resolution_us) or 1,
                "unfinished": sorted(view.unfinished_by_second.items()),
            }
        )
        return len(self.views) - 1

    # ── header

    @cached_property
    def kinds(self) -> dict[ErrorKind, int]:
        """The kinds of errors: those of the table in its order, then those of labels."""
        labels = self.bundle.summary.labels
        errors = sorted(self.bundle.summary.total.errors, key=lambda error: -error.count)[:MOST_ERRORS]
        own = [error for name in chosen(self.bundle) for error in labels[name].errors[:MOST_KINDS]]
        kinds = dict.fromkeys((error.message, error.rc) for error in (*errors, *own))
        return {kind: place for place, kind in enumerate(kinds)}

    @cached_property
    def header(self) -> dict[str, Any]:
        return {
            "length": len(self.bundle.summary.series),
            "tables": {
                table.id: [self._figures(*row.part) for row in table.rows if row.part is not None]
                for table in figure_tables(self.bundle)
            },
            "labels": [self._figures(name, None, None) for name in chosen(self.bundle)],
            "kinds": [plain(f"{rc} {message}".strip(), 120) for message, rc in self.kinds],
            "steady": self.bundle.plan.ramp_up_exclude,
            "views": self.views,
            "ok": self.groups[1],
        }

    # ── columns

    def body(self, step_s: int, most_pairs: int) -> tuple[bytes, float]:
        """Returns header and columns, not compressed, and the number of pairs of bucket and count.

        Nothing if there are more pairs than that (their number is then extrapolated), or sums that the page cannot
        hold exactly.
        """
        parts, pairs, length = [], 0, self.header["length"]
        for batch in row_batches(self.source.timeline, self._key, step_s):
            parts.append(self._columns(batch, step_s))
            pairs += batch.bucket.size
            if pairs > most_pairs:
                return b"", pairs * length / min(length, int(batch.second[-1]) + step_s)
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        columns["step_gap"] = np.diff(columns["step_gap"], prepend=0)
        described, planes = [], []
        for name, values in columns.items():
            if values.size and not 0 <= values.min() <= values.max() < LARGEST:
                return b"", 0
            count, data = _planes(values)
            described.append([name, values.size, count])
            planes.append(data)
        header = self.header | {"step": step_s, "columns": described}
        shown = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        return b"".join([len(shown).to_bytes(4, "little"), shown, *planes]), pairs

    def _columns(self, batch: RowBatch[Key], step_s: int) -> dict[str, Int64s]:
        first, past = (np.searchsorted(batch.row, np.arange(len(batch)), side) for side in ("left", "right"))
        gap = np.diff(batch.bucket, prepend=0)
        gap[first] = batch.bucket[first]
        return {
            "step_gap": batch.second // step_s,
            "series": batch.key,
            "samples": batch.samples,
            "bytes": batch.sum_of("bytes"),
            "above": batch.sum_of("above_us"),
            "above_high": batch.sum_of("above_sq_high"),
            "above_low": batch.sum_of("above_sq_low"),
            "ttfb": batch.sum_of("ttfb_sum_us"),
            "without_ttfb": batch.samples - batch.sum_of("ttfb_count"),
            "connect": batch.sum_of("connect_sum_us"),
            "connects": batch.sum_of("connect_count"),
            "min_above": batch.min_us - lowests_of(batch.bucket[first]),
            "max_below": highests_of(batch.bucket[past - 1]) - batch.max_us,
            "pairs": past - first,
            "gap": gap,
            "count": batch.count,
            **self._errors(batch),
        }

    def _errors(self, batch: RowBatch[Key]) -> dict[str, Int64s]:
        """Returns the columns of errors: the number of kinds in each row, and for each its kind and count."""
        outcomes = self.source.timeline.table.outcomes
        positions, codes, counts = outcomes.pairs(batch.entries)
        row = batch.row_of[positions]
        kind_of = np.array([self.kinds.get((message, rc), -1) for rc, message in outcomes.names], np.int64)
        kind = np.where(np.array(self.groups[1])[batch.key[row]], -1, kind_of[codes])
        kept = kind >= 0
        pairs, at = np.unique((row[kept] << 32) + kind[kept], return_inverse=True)
        count = np.zeros(pairs.size, np.int64)
        np.add.at(count, at, counts[kept])
        return {
            "errors": np.bincount(pairs >> 32, minlength=len(batch)).astype(np.int64),
            "kind": pairs & ((1 << 32) - 1),
            "times": count,
        }


def _planes(values: Int64s) -> tuple[int, bytes]:
    """Returns the number of byte planes that the numbers need, and the planes."""
    planes = (int(values.max(initial=0)).bit_length() + 7) // 8
    columns = values.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :planes]
    return planes, columns.T.tobytes()
