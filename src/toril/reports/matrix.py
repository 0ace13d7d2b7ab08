"""Two to five runs as one matrix: a row for each figure of each label and location, a column for each run.

A cell stands out only if it differs from the reference by more than ordinary runs of the suite differ by.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toril import text
from toril.records.history import HistoryRecord
from toril.regression.earlier import LEAST, figures_of, value_of
from toril.regression.ordinary import reach, why_not_comparable
from toril.regression.trend import UNITS
from toril.reports.bundle import Bundle
from toril.reports.differences import cautions, load_of

METRICS = {"throughput": "req/s", "failures": "failed", "p50": "p50", "p95": "p95", "p99": "p99"}
DETAILED = METRICS | {"p90": "p90", "p99_9": "p99.9"}
MOST_SHOWN, FEW = 10, 3  # labels that are not folded: without any range, and beside those that stand out


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One run. `name`: its letter; `why`: the reason why its cells are not judged."""

    name: str
    bundle: Bundle
    record: HistoryRecord
    is_reference: bool
    why: str


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One figure of one run, and its change against the reference."""

    shown: str
    interval: str = ""  # 95 %
    change: str = ""
    finding: str = ""  # better or worse, if beyond the ordinary range
    excess: float = 0.0  # the change, relative to that range


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One figure of all runs. `ordinary`: the range, such as ±6 %; empty if too few runs have the figure."""

    label: str
    location: str
    metric: str
    cells: tuple[MatrixCell, ...]
    ordinary: str

    @property
    def title(self) -> str:
        return DETAILED[self.metric]

    @property
    def stands_out(self) -> bool:
        return any(cell.finding for cell in self.cells)


Rows = tuple[MatrixRow, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The content of the page that compares runs."""

    columns: tuple[RunColumn, ...]
    conditions: Mapping[str, Sequence[str]]  # what else differs between the runs, by column
    parts: tuple[Rows, ...]  # all requests, then each label and location
    ordinary: int  # runs that the ranges come from
    headline: str
    is_judged: bool

    @property
    def shown(self) -> list[Rows]:
        """All requests, and what stands out; others only if they are few, or if no range is known."""
        quiet = [part for part in self.parts[1:] if not any(row.stands_out for row in part)]
        kept = quiet if len(quiet) <= FEW else [] if self.is_judged else quiet[:MOST_SHOWN]
        return [part for part in self.parts if part not in quiet or part in kept]

    @property
    def folded(self) -> list[Rows]:
        return [part for part in self.parts if part not in self.shown]


def matrix_of(
    runs: Mapping[str, tuple[Bundle, HistoryRecord]],
    reference: str,
    ordinary: Sequence[HistoryRecord],
    detailed: bool = False,
) -> Matrix:
    """Returns the matrix of runs by their short names. `ordinary`: other runs of the reference's suite, by time."""
    base = runs[reference][1]
    invalid = why_not_comparable(base, base)
    columns = tuple(
        RunColumn(name, bundle, record, name == reference, invalid or why_not_comparable(record, base))
        for name, (bundle, record) in runs.items()
    )
    locations = dict.fromkeys(location for column in columns for location in column.record.locations)
    keys = [("", ""), *((label, "") for label in base.labels)]
    keys += [(label, "") for column in columns for label in column.record.labels]
    keys += [("", location) for location in locations if len(locations) > 1]
    metrics = DETAILED if detailed else METRICS
    figures = len({*keys}) * len(metrics)
    parts = tuple(
        tuple(_row(label, location, metric, columns, base, ordinary, figures) for metric in metrics)
        for label, location in dict.fromkeys(keys)
    )
    is_judged = not invalid and len(ordinary) >= LEAST
    told = f"Too few comparable runs ({len(ordinary)} of {LEAST}): no cell is coloured."
    if invalid:
        told = f"{reference} is no reference: {invalid}. No cell is coloured."
    if is_judged:
        told = _headline(columns, [row for part in parts for row in part])
    return Matrix(columns, _conditions(columns), parts, len(ordinary), told, is_judged)


def _row(
    label: str,
    location: str,
    metric: str,
    columns: Sequence[RunColumn],
    base: HistoryRecord,
    ordinary: Sequence[HistoryRecord],
    figures: int,
) -> MatrixRow:
    unit, cells, of_base = UNITS.get(metric, "us"), [], figures_of(base, label, location)
    reference = value_of(of_base, metric)
    limit = reach(label, location, metric, ordinary, of_base, figures) if of_base else None
    for column in columns:
        own = figures_of(column.record, label, location)
        value, kept = value_of(own, metric), own.percentiles.get(metric) if own else None
        shown = text.quantity(value, unit, (own and own.resolution_us) or 1)
        interval = text.interval((kept.low_us, kept.high_us), shown, text.time) if kept and kept.high_us else ""
        if own is None or value is None or reference is None or column.is_reference:
            cells.append(MatrixCell(shown, interval))
            continue
        change = value - reference if unit == "share" else value / reference - 1
        distance = abs(change if unit == "share" else math.log1p(change))
        excess = distance / limit if limit and not column.why else 0.0
        finding = "" if excess <= 1 else "worse" if (change > 0) != (metric == "throughput") else "better"
        cells.append(MatrixCell(shown, interval, text.change(_brief(change), unit), finding, excess))
    range_text = f"±{text.extent(_brief(limit if unit == 'share' else math.expm1(limit)), unit)}" if limit else ""
    return MatrixRow(label, location, metric, tuple(cells), range_text)


def _brief(change: float) -> float:
    """Returns a change at the precision of a narrow cell: 1 % from 10 % on."""
    return round(change, 2 if abs(change) >= 0.1 else 3 if abs(change) >= 0.001 else 5)


def _headline(columns: Sequence[RunColumn], rows: Sequence[MatrixRow]) -> str:
    """Returns the result of each run; p95 of a label says most."""
    told: dict[str, list[str]] = {}
    for place, column in enumerate(columns):
        beyond = [row for row in rows if row.cells[place].finding]
        words = f"not comparable, {column.why}" if column.why else "ordinary"
        if beyond:
            top = max(beyond, key=lambda row: (not row.location, row.metric == "p95", row.cells[place].excess))
            figure = text.figure(top.metric, top.label, top.location)
            words = f"{figure} {top.cells[place].change}, beyond the ordinary {top.ordinary}"
            words += f", and {text.plural(len(beyond) - 1, 'more figure')}" if len(beyond) > 1 else ""
        if not column.is_reference:
            told.setdefault(words, []).append(column.name)
    return " ".join(f"{_joined(names)}: {words}." for words, names in told.items())


def _joined(names: Sequence[str]) -> str:
    """Returns the letters of runs: `C–E`."""
    in_row = len(names) > 2 and ord(names[-1]) - ord(names[0]) == len(names) - 1
    return f"{names[0]}–{names[-1]}" if in_row else ", ".join(names)


def _conditions(columns: Sequence[RunColumn]) -> dict[str, list[str]]:
    records, plans = [column.record for column in columns], [column.bundle.plan for column in columns]
    loads, prints = [load_of(plan) for plan in plans], [record.fingerprint for record in records]
    known = {
        "suite": [record.suite for record in records],
        "suite version": [record.tags.get("suite-version", "") for record in records],
        "commit": [record.tags.get("commit", "")[:10] for record in records],
        "load": loads,
        "requests and scripts": [own.suite[:7] for own in prints if len({*loads}) == 1],
        "locations": [own.locations for own in prints],
        "workers": [own.size for own in prints],
        "image": [own.image for own in prints],
        "rate": ["changed during the run" if record.adjusted else "as planned" for record in records],
        "unreliable": ["; ".join(cautions(column.bundle)) for column in columns],
    }
    return {
        title: [text.plain(value) or "–" for value in values]
        for title, values in known.items()
        if len({*values}) > 1 or (title == "unreliable" and any(values))
    }
