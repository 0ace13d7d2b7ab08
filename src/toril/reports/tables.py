"""The tables of the report page: which rows it has room for, and how each cell reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toril.records import Share
from toril.reports import view, wording
from toril.reports.bundle import Bundle
from toril.reports.charts import distinct, marks
from toril.reports.charts.names import LONGEST_WHOLE, span

TIMES = ("mean", "p50", "p90", "p95", "p99", "p99_9", "max")
MOST_ROWS = 100  # labels with most requests; those that criteria name and the worst ones come on top
WORST_ROWS = 10
MOST_CROSSED = 400  # rows of labels by location
LARGEST_NAMES = 150_000  # characters of long names that the page holds in full, over all tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: its name, what else names it, and its figures."""

    name: str
    whole: str | None  # the name in full, where `name` is shortened
    figures: view.Row
    beside: str = ""  # the location, in a table of labels by location
    judged: bool = False

    def certainty(self, key: str) -> str:
        """The 95 % interval in few characters; empty where there is none."""
        return span(self.figures.intervals_us.get(key), self.figures.resolution_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under one heading, and in words what is left out."""

    title: str
    noun: str
    lines: Sequence[Line]
    left_out: str = ""
    beside: str = ""  # the heading of the second column
    folded: bool = False


def tables(bundle: Bundle) -> list[Table]:
    """Labels, locations, executions, and labels by location behind a fold."""
    room = _Room()
    found = [_labels(bundle, room)]
    for key, title, noun in (("locations", "Locations", "location"), ("executions", "Executions", "execution")):
        parts = {name: part.get("labels", part).get("", {}) for name, part in bundle.summary.get(key, {}).items()}
        if len(parts) > 1:
            found.append(Table(title=title, noun=noun, lines=_lines(parts, room)))
    crossed = _crossed(bundle, room)
    return [*found, *([crossed] if crossed else [])]


def worth_showing(labels: Mapping[str, Any], judged: Iterable[str], most: int = MOST_ROWS) -> set[str]:
    """The labels with most requests, those that criteria name, and those that failed most or were slowest."""
    by_samples = sorted(labels, key=lambda name: (-int(labels[name].get("samples", 0)), name))
    failing = [name for name in labels if labels[name].get("failures")]
    failing.sort(key=lambda name: (-labels[name]["failures"] / max(1, labels[name].get("samples", 0)), name))
    slow = sorted(labels, key=lambda name: (-_p95(labels[name]), name))
    named = [name for name in judged if name in labels]
    return {*by_samples[:most], *named, *failing[:WORST_ROWS], *slow[:WORST_ROWS]}


def _labels(bundle: Bundle, room: "_Room") -> Table:
    labels = {name: figures for name, figures in bundle.summary.get("labels", {}).items() if name}
    judged = set(marks.judged_labels(bundle))
    shown = worth_showing(labels, judged)
    total = {"": bundle.summary.get("labels", {}).get("", {})}
    kept = {name: figures for name, figures in labels.items() if name in shown}
    left_out = ""
    if len(kept) < len(labels):
        more = wording.plural(len(labels) - len(kept), "more label")
        left_out = (
            f"{more} are in the formats csv and json. Shown are the {MOST_ROWS} with most requests, those that "
            "criteria name, those that failed most, and the slowest."
        )
    return Table(title="Labels", noun="label", lines=_lines(total | kept, room, judged), left_out=left_out)


def _crossed(bundle: Bundle, room: "_Room") -> Table | None:
    locations = bundle.summary.get("locations", {})
    if len(locations) < 2:
        return None
    labels = {name: figures for name, figures in bundle.summary.get("labels", {}).items() if name}
    shown = worth_showing(labels, marks.judged_labels(bundle), MOST_ROWS)
    most = max(1, MOST_CROSSED // len(locations))
    if len(shown) > most:
        shown = set(sorted(shown, key=lambda name: (-int(labels[name].get("samples", 0)), name))[:most])
    names = distinct(name for name in labels if name in shown)
    found = []
    for label, name in names.items():
        for location, part in locations.items():
            figures = part.get("labels", {}).get(label)
            if figures:
                row = view.row(label, figures)
                beside = wording.plain(location, 60)
                found.append(Line(name=name, whole=room.whole(label, name), figures=row, beside=beside))
    if not found:
        return None
    left_out = ""
    if len(names) < len(labels):
        left_out = f"{wording.plural(len(labels) - len(names), 'more label')} are in the formats csv and json."
    return Table(
        title="Labels by location", noun="label", beside="location", lines=found, left_out=left_out, folded=True
    )


def _lines(parts: Mapping[str, Any], room: "_Room", judged: Iterable[str] = ()) -> list[Line]:
    named = set(judged)
    return [
        Line(
            name=name,
            whole=room.whole(key, name),
            figures=view.row(key or "all", parts[key]),
            judged=key in named,
        )
        for key, name in distinct(parts).items()
    ]


class _Room:
    """What is left of the characters for long names."""

    def __init__(self) -> None:
        self._left = LARGEST_NAMES
        self._told: set[str] = set()

    def whole(self, key: str, name: str) -> str | None:
        """The name in full where `name` is not; once in the page, and as long as there is room."""
        full = wording.plain(key, LONGEST_WHOLE)
        if not key or full == name or key in self._told or len(full) > self._left:
            return None
        self._told.add(key)
        self._left -= len(full)
        return full


def _p95(figures: Mapping[str, Any]) -> float:
    return float((figures.get("response_us") or {}).get("p95") or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """How one worker's machine fared, in words, and what was too much."""

    worker: str
    location: str
    cells: tuple[tuple[str, float, bool], ...]  # text, value to sort by, whether it was too much
    fate: str  # empty for a worker that reported to its end with room to spare


# heading, key in the summary, what of `saturation` it belongs to, how it reads
GENERATOR_COLUMNS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("CPU, most", "cpu_max", "cpu", lambda part: wording.percent(round(100 * part))),
    ("CPU, mean", "cpu_mean", "", lambda part: wording.percent(round(100 * part))),
    ("busiest core", "busiest_core_max", "core", lambda part: wording.percent(round(100 * part))),
    ("waiting", "waiting_max", "waiting", lambda part: wording.percent(round(100 * part, 1))),
    ("throttled", "throttled_max", "throttled", lambda part: wording.percent(round(100 * part, 1))),
    ("sends late, p99", "late_p99_us", "lateness", wording.time),
    ("dropped", "dropped", "", wording.number),
    ("sockets", "sockets_max", "sockets", wording.number),
    ("memory", "memory_max_bytes", "memory", wording.size),
)


def generators(bundle: Bundle, most: int) -> tuple[list[str], list[Generator]]:
    """The headings of what was measured, and the workers: lost and saturated ones first, then the busiest."""
    found = bundle.summary.get("generators") or {}
    told = found.get("workers") or {}
    lost = {entry["worker"]: entry["reason"] for entry in bundle.summary.get("workers", {}).get("lost", ())}
    saturated = set(found.get("saturated") or ())
    columns = [column for column in GENERATOR_COLUMNS if any(one.get(column[1]) is not None for one in told.values())]
    columns = columns or list(GENERATOR_COLUMNS[:3])

    def rank(share: Share) -> tuple[bool, bool, float]:
        busy = told.get(share.worker, {}).get("busiest_core_max") or 0.0
        return (
            share.worker not in lost,
            share.worker not in saturated,
            -float(busy) if len(bundle.plan.shares) > most else 0,
        )

    workers = bundle.summary.get("workers") or {}
    complete = workers.get("reported") == workers.get("planned")
    rows = []
    for share in sorted(bundle.plan.shares, key=rank)[:most]:
        one = told.get(share.worker, {})
        too_much = {entry.get("what") for entry in one.get("saturation", ())}
        signs = [wording.plain(entry.get("message", "")) for entry in one.get("saturation", ())]
        why = "; ".join(sign.removeprefix(f"worker {wording.plain(share.worker)} ") for sign in signs)
        rows.append(
            Generator(
                worker=wording.plain(share.worker),
                location=wording.plain(share.location),
                cells=tuple(_cell(one.get(key), reads, what in too_much) for _, key, what, reads in columns),
                fate=wording.plain(lost.get(share.worker, ""))
                or why
                or ("saturated" if share.worker in saturated else "")
                or ("" if one or complete else "nothing is known of it"),
            )
        )
    return [heading for heading, *_ in columns], rows


def _cell(value: float | None, reads: Callable[[float], str], too_much: bool) -> tuple[str, float, bool]:
    return ("–", -1.0, False) if value is None else (reads(value), float(value), too_much)
