"""Builds the tables of a run: labels, locations, executions, own metrics, errors, generators, test cases, capacity."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Literal

from toril import text
from toril.criteria.service import short_name
from toril.records import Case, Share
from toril.records.summary import (
    TRANSACTION,
    Bounded,
    Capacity,
    CapacityStage,
    Generator,
    LabelFigures,
    MetricFigures,
    Scaling,
    ServiceCost,
)
from toril.reports.blocks import MISSING, Cell, Check, Column, Part, Row, Table, Tone, severity_of
from toril.reports.bundle import Bundle
from toril.reports.labels import distinct, judged_labels, notable
from toril.text import plain

NOTABLE_FAILURES = 0.01  # a larger share of failed requests marks every percentile
MOST_LABELS = 120
MOST_CROSSED = 400  # rows of labels by location
MOST_ERRORS = 100
MOST_GENERATORS = 50
LONGEST_MESSAGE = 300  # of an error; the page unfolds longer ones
LONGEST_WHOLE = 20_000  # characters of a name that the page holds in full
LONGEST_TRACE = 8000

CHOSEN = "The table shows labels with criteria, then the busiest, the slowest, and those with the most failures."
# field of the figures, rank of the column
PERCENTILES: dict[str, Literal[1, 2]] = {"p50": 1, "p90": 2, "p95": 1, "p99": 1, "p99_9": 2}


# ── Figures ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def is_notable(figures: LabelFigures) -> bool:
    """Returns whether failed requests may have changed the percentiles."""
    return bool(figures.samples) and figures.failures / figures.samples > NOTABLE_FAILURES


def failed_share(figures: LabelFigures) -> str:
    return text.share(figures.failures, figures.samples) if figures.failures else "0"


def time_of(figures: LabelFigures, key: str) -> str:
    """Returns a response time as text, with † for a percentile that failed requests may have changed."""
    value = getattr(figures.response_us, key) if figures.response_us else None
    return text.time(value, figures.resolution_us or 1) + (" †" if is_notable(figures) and key[:1] == "p" else "")


def interval_of(figures: LabelFigures, key: str) -> str:
    """Returns the 95 % interval of a percentile, without its unit; empty if unknown."""
    times, resolution_us = figures.response_us, figures.resolution_us or 1
    ends = times.interval.get(key) if times else None
    if times is None or ends is None or getattr(times, key) is None:
        return ""
    shown = text.time(getattr(times, key), resolution_us)
    return text.interval(ends, shown, lambda end: text.time(end, resolution_us))


def figure_tables(bundle: Bundle) -> Iterator[Table]:
    """Yields the tables of labels, locations and executions, and for the page labels by location."""
    summary = bundle.summary
    about = f"figures of the {window_of(bundle)}"
    judged = judged_labels(bundle.verdict)
    chosen = notable(summary.labels, judged, MOST_LABELS)
    weights = {"": -1} | {name: place for place, name in enumerate(chosen)}
    shown = {"": summary.total} | {name: figures for name, figures in summary.labels.items() if name in weights}
    left_out = sum(map(bool, summary.labels)) - len(chosen)
    rows = _figure_rows(shown, weights, judged, "label")
    yield _figure_table("label", "Labels", about, rows, left_out=left_out)
    for noun, parts in (("location", summary.locations), ("execution", summary.executions)):
        if len(parts) > 1:
            busiest = sorted(parts, key=lambda name: -parts[name].total.samples)
            totals = {name: part.total for name, part in parts.items()}
            weights = {name: place for place, name in enumerate(busiest)}
            rows = _figure_rows(totals, weights, (), noun)
            yield _figure_table(noun, f"{noun.capitalize()}s", about, rows, page_only=noun == "execution")
    if len(summary.locations) > 1:
        rows = tuple(_crossed_rows(bundle, judged))
        left_out = max(0, sum(map(bool, summary.labels)) - len({row.cells[0].text for row in rows}))
        if rows:
            yield _figure_table("crossed", "Labels by location", about, rows, left_out=left_out, page_only=True)


def window_of(bundle: Bundle) -> str:
    """Returns the part of the run that the figures cover."""
    window = bundle.summary.window
    if bundle.span is not None:
        part = "steady part of the window" if bundle.plan.ramp_up_exclude else "window"
        return f"{part}, from {text.number(bundle.span[0])} s to {text.number(bundle.span[1])} s"
    if not bundle.plan.ramp_up_exclude or window is None:
        return "whole run"
    first, last = (text.number(round(at, 1)) for at in (window.from_s, window.to_s))
    return f"steady state, from {first} s to {last} s"


def _figure_table(
    id: str, title: str, about: str, rows: tuple[Row, ...], *, left_out: int = 0, page_only: bool = False
) -> Table:
    names = [Column("label" if id == "crossed" else id, "name", code=True)]
    names += [Column("location", "text", code=True)] if id == "crossed" else []
    columns = (
        *names,
        *(Column(title) for title in ("requests", "failed", "req/s")),
        Column("mean", rank=3),
        *(Column(key.replace("_", "."), rank=rank, strong=key == "p95") for key, rank in PERCENTILES.items()),
        Column("max"),
        Column("received", rank=3),
    )
    noun = "label" if id == "crossed" else id
    footnotes = (CHOSEN,) if left_out and id == "label" else ()
    return Table(
        id=id, title=title, noun=noun, columns=columns, rows=rows, about=about, left_out=left_out, rest="csv",
        page_only=page_only, folded=id == "crossed", footnotes=footnotes,
    )  # fmt: skip


def _figure_rows(
    parts: Mapping[str, LabelFigures], weights: Mapping[str, int], judged: Sequence[str], noun: str
) -> tuple[Row, ...]:
    rows = []
    for key, name in distinct(parts).items():
        row, full = _figure_row(parts[key], name), plain(key, LONGEST_WHOLE)
        weight = weights.get(key, 0)
        in_full = full if key and full != name else ""
        row = replace(row, in_full=in_full, weight=weight, part=Part(**{noun: key}))
        rows.append(replace(row, is_total=weight < 0, is_judged=key in judged))
    return tuple(rows)


def _figure_row(figures: LabelFigures, name: str, location: str = "") -> Row:
    """Returns the row of one label, location or execution."""
    failed: Tone = "dim" if not figures.failures else "bad" if is_notable(figures) else "some"
    unfinished = (f"{text.number(figures.unfinished)} unfinished",) if figures.unfinished else ()
    return Row(
        (
            Cell(name.removesuffix(TRANSACTION) if figures.kind == "transaction" else name),
            *((Cell(location),) if location else ()),
            Cell(text.number(figures.samples), small=unfinished, value=figures.samples),
            Cell(
                failed_share(figures),
                small=(text.number(figures.failures),) if figures.failures else (),
                value=figures.failures / figures.samples if figures.samples else 0,
                tone=failed,
            ),
            Cell(text.number(figures.rps or 0), value=figures.rps or 0),
            *(_time(figures, key) for key in ("mean", *PERCENTILES, "max")),
            Cell(text.size(figures.bytes), value=figures.bytes),
        ),
        tags=(figures.kind,) if figures.kind in ("transaction", "timing") else (),
    )


def _time(figures: LabelFigures, key: str) -> Cell:
    value = getattr(figures.response_us, key) if figures.response_us else None
    small = tuple(filter(None, [interval_of(figures, key)]))
    return Cell(time_of(figures, key), small=small, value=-1 if value is None else value)


def _crossed_rows(bundle: Bundle, judged: Sequence[str]) -> Iterator[Row]:
    summary = bundle.summary
    chosen = set(notable(summary.labels, judged, max(1, MOST_CROSSED // len(summary.locations))))
    for label, name in distinct(name for name in summary.labels if name in chosen).items():
        for location, part in summary.locations.items():
            if label in part.labels:
                row = _figure_row(part.labels[label], name, plain(location, 60) or MISSING)
                yield replace(row, part=Part(label, location))


# ── What scripts measure ──────────────────────────────────────────────────────────────────────────────────────────────

# by field of the figures: title and rank of the column
MetricColumns = Mapping[str, tuple[str, Literal[1, 2, 3]]]
CHECK_COLUMNS: MetricColumns = {"held": ("held", 1), "failures": ("failed", 1), "samples": ("checked", 1)}
METRIC_COLUMNS: MetricColumns = {
    "samples": ("values", 1), "per_s": ("per second", 2), "held": ("true", 1), "sum": ("sum", 1), "min": ("min", 3),
    "mean": ("mean", 1), "p50": ("p50", 2), "p90": ("p90", 3), "p95": ("p95", 1), "p99": ("p99", 1), "max": ("max", 1),
}  # fmt: skip


def metric_tables(bundle: Bundle) -> Iterator[Table]:
    """Yields the tables of checks, the worst first, of own metrics, and of requests by tag; none of them if empty."""
    about, tagged = f"figures of the {window_of(bundle)}", bundle.summary.tagged
    for noun, title, columns in (("check", "Checks", CHECK_COLUMNS), ("metric", "Own metrics", METRIC_COLUMNS)):
        of_checks = noun == "check"
        own = {name: one for name, one in bundle.summary.metrics.items() if (one.kind == "check") is of_checks}
        if not own:
            continue
        chosen = sorted(own, key=lambda name: ((of_checks and own[name].held) or 0, name))[:MOST_LABELS]
        shown = {key: one for key, one in columns.items() if {getattr(own[name], key) for name in chosen} - {None}}
        tags = {name: () if of_checks else (own[name].kind,) for name in chosen}
        yield Table(
            id=f"{noun}s",
            title=title,
            noun=noun,
            columns=(Column(noun, "name", code=True), *(Column(name, rank=rank) for name, rank in shown.values())),
            rows=tuple(
                Row((Cell(name), *(_metric_cell(own[key], field) for field in shown)), tags=tags[key], weight=place)
                for place, (key, name) in enumerate(distinct(chosen).items())
            ),
            about=about,
            left_out=len(own) - len(chosen),
        )
    if tagged:
        judged = judged_labels(bundle.verdict)
        weights = {name: place for place, name in enumerate(notable(tagged, judged, MOST_LABELS))}
        totals_first = sorted(weights, key=lambda name: (not name.startswith("{"), name))
        rows = _figure_rows({name: tagged[name] for name in totals_first}, weights, judged, "label")
        yield _figure_table("tag", "Requests by tag", about, rows, left_out=len(tagged) - len(rows))


def _metric_cell(figures: MetricFigures, key: str) -> Cell:
    value: float | None = getattr(figures, key)
    if value is None:
        return Cell(MISSING, value=-1)
    shown = text.percent(100 * value) if key == "held" else text.number(value)
    return Cell(shown, value=value, tone="bad" if key == "failures" and value else "")


def service_table(bundle: Bundle) -> Table | None:
    """Returns the figures of the service's resources; None without values of them."""
    series = [one for one in bundle.metrics.queries if one.resource and one.points] if bundle.metrics else []
    if not series:
        return None
    rows = []
    for place, one in enumerate(series):
        values = [value for _, value in one.points]
        kind = f"{one.metric} {one.statistic}"
        cells = [Cell(text.number(value), value=value) for value in (fmean(values), min(values), max(values))]
        rows.append(Row((Cell(short_name(one.resource or "")), Cell(kind), *cells), weight=place))
    figures = map(Column, ("mean", "lowest", "highest"))
    columns = (Column("resource", "name", code=True), Column("metric", "name"), *figures)
    about = "values of each period, in the source's units"
    return Table(id="service", title="Service", noun="metric", columns=columns, rows=tuple(rows), about=about)


# ── Errors, generators ────────────────────────────────────────────────────────────────────────────────────────────────


def error_table(bundle: Bundle) -> Table | None:
    """Returns error messages and codes, most frequent first; None without errors."""
    errors = sorted(bundle.summary.total.errors, key=lambda error: -error.count)
    if not errors:
        return None
    rows = []
    for place, error in enumerate(errors[:MOST_ERRORS]):
        full, short = plain(error.message, LONGEST_WHOLE), plain(error.message, LONGEST_MESSAGE)
        code = text.shortened(plain(error.rc), 40)
        cells = (Cell(short or MISSING), Cell(code or MISSING), _count(error.count))
        rows.append(Row(cells, in_full=full if full != short else "", weight=place))
    return Table(
        id="errors",
        title="Errors",
        noun="kind",
        columns=(Column("error", "name", code=True), Column("code", "text", code=True), Column("count")),
        rows=tuple(rows),
        about=f"figures of the {window_of(bundle)}",
        left_out=len(errors) - len(rows),
    )


def _count(count: int) -> Cell:
    return Cell(text.number(count), value=count)


def share_of(part: float) -> str:
    """Returns a share of a generator's resource, with one digit after the point."""
    return text.percent(round(100 * part, 1))


# heading, field of the generator, the `what` of its saturation, how it reads
GENERATOR_COLUMNS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("CPU, max", "cpu_max", "cpu", share_of),
    ("CPU, mean", "cpu_mean", "", share_of),
    ("busiest core", "busiest_core_max", "core", share_of),
    ("waiting", "waiting_max", "waiting", share_of),
    ("throttled", "throttled_max", "throttled", share_of),
    ("late sends, p99", "late_p99_us", "lateness", text.time),
    ("dropped", "dropped", "", text.number),
    ("sockets", "sockets_max", "sockets", text.number),
    ("memory", "memory_max_bytes", "memory", text.size),
)


def generator_table(bundle: Bundle) -> Table:
    """Returns the measurements of each worker: lost and saturated ones first, then the busiest."""
    generators, workers = bundle.summary.generators, bundle.summary.workers
    measured = generators.workers if generators else {}
    saturated = set(generators.saturated) if generators else set()
    lost = {worker.worker for worker in workers.lost}
    columns = [
        col for col in GENERATOR_COLUMNS if any(getattr(worker, col[1]) is not None for worker in measured.values())
    ]
    columns = columns or list(GENERATOR_COLUMNS[:3])
    several = len(bundle.plan.shares) > MOST_GENERATORS

    def rank(share: Share) -> tuple[bool, bool, float]:
        busiest = measured[share.worker].busiest_core_max if share.worker in measured else 0.0
        return share.worker not in lost, share.worker not in saturated, -(busiest or 0.0) if several else 0

    rows = []
    for share in sorted(bundle.plan.shares, key=rank)[:MOST_GENERATORS]:
        own, name = measured.get(share.worker), plain(share.worker)
        end = "lost" if share.worker in lost else "saturated" if share.worker in saturated else ""
        if not end and own is None and workers.reported != workers.planned:
            end = "no data"
        above = {sign.what for sign in own.saturation} if own else set()
        cells = (
            Cell(name),
            Cell(plain(share.location)),
            *(_generator_cell(own, key, reads, what in above) for _, key, what, reads in columns),
            Cell(end or "ok", tone="bad" if end else ""),
        )
        rows.append(Row(cells))
    return Table(
        id="generators",
        title="Load generators",
        noun="worker",
        columns=(
            Column("worker", "name"),
            Column("location", "text"),
            *(Column(title) for title, *_ in columns),
            Column("status", "text"),
        ),
        rows=tuple(rows),
        about="a saturated generator measures its own delays",
        left_out=len(bundle.plan.shares) - len(rows),
        page_only=True,
    )


def _generator_cell(worker: Generator | None, key: str, reads: Callable[[float], str], above: bool) -> Cell:
    value: float | None = getattr(worker, key) if worker else None
    if value is None:
        return Cell(MISSING, value=-1)
    return Cell(reads(value), value=value, tone="bad" if above else "")


# ── Test cases ────────────────────────────────────────────────────────────────────────────────────────────────────────


def case_table(bundle: Bundle) -> Table:
    """Returns the test cases of a functional run: failed, broken, skipped, passed, each in order of start."""
    tests = bundle.summary.tests
    cases = sorted(tests.cases if tests else (), key=lambda case: severity_of(case.outcome))
    return Table(
        id="cases",
        title="Test cases",
        noun="test case",
        columns=(Column("test case", "name", code=True), Column("execution", "text", rank=3), Column("duration")),
        rows=tuple(_case_row(case, place) for place, case in enumerate(cases)),
        about="each ran once",
        opened="bad",
    )


def _case_row(case: Case, place: int) -> Row:
    name, suite, execution = plain(case.name), plain(case.suite), plain(case.execution)
    outcome, message = plain(case.outcome), plain(case.message, 500)
    trace = "\n".join(plain(line, 300) for line in case.trace[-LONGEST_TRACE:].splitlines())
    shown = f"{suite} · {name}" if suite else name
    check = Check(
        name=name,
        outcome=outcome,
        message=message,
        group=".".join(dict.fromkeys(filter(None, (re.sub(r"[.\s]+", "_", execution), suite)))),
        details=trace,
        took_s=case.duration_us / 1e6,
        title=f"test case {outcome}",
    )
    cells = (
        Cell(shown, small=(f"{outcome}: {message}",) if message else ()),
        Cell(execution),
        Cell(text.time(case.duration_us), value=case.duration_us),
    )
    return Row(cells, outcome=outcome, in_full=trace, weight=place, check=check)


# ── Capacity ──────────────────────────────────────────────────────────────────────────────────────────────────────────

STAGE_OUTCOMES = {"held": "passed", "breached": "failed", "void": "inconclusive"}
RECOVERED = {"held": "recovered", "void": "not recovered"}


def capacity_tables(bundle: Bundle) -> Iterator[Table]:
    """Yields a table for each capacity search: its result and its stages in order."""
    for name, search in (bundle.summary.capacity or {}).items():
        shown, stages = plain(name), len(search.stages)
        yield Table(
            id="capacity",
            title=f"Capacity of {shown}",
            noun="stage",
            columns=(
                Column(f"capacity of {shown}", "name"),
                *(Column(title) for title in ("rate", "achieved", "seconds")),
                Column("observed", "text"),
            ),
            rows=tuple(
                _stage_row(stage, stages - place, search.unit or "/s") for place, stage in enumerate(search.stages)
            ),
            about=_search_range(search),
            message=plain(search.message, 500),
            footnotes=scaling_footnotes(search.scaling),
            sortable=False,
        )
        if search.scaling is not None and search.scaling.limit_rps is not None:
            yield scaling_table(search.scaling, f"scalability of {shown}", search.unit or "/s")


def scaling_footnotes(scaling: Scaling | None) -> tuple[str, ...]:
    """Returns why there is no law of the measured rates."""
    if scaling is None or not scaling.refused:
        return ()
    return (f"No forecast from these rates: {plain(scaling.message)} ({plain(scaling.refused)})",)


def scaling_table(scaling: Scaling, name: str, unit: str) -> Table:
    """Returns the forecasts of a service's scalability law. Its coefficients describe it near the limit only."""
    twice = f"rate at {text.number(2 * scaling.most_in_progress)} requests in progress, twice the most measured"
    low, high = scaling.bend_rps or (None, None)
    bend = f"{text.quantity(low, unit)} … {text.quantity(high, unit)}"
    figures = (("highest rate at any response time", scaling.limit_rps, unit), (twice, scaling.doubled_rps, unit))
    law = zip("γαβ", (scaling.gamma, scaling.alpha, scaling.beta), (unit, "", ""), strict=True)
    coefficients = ", ".join(f"{name} {text.quantity(figure.value, of)}" for name, figure, of in law if figure)
    rows = [(title, text.quantity(figure.value, of), _ends(figure, of)) for title, figure, of in figures if figure]
    rows.insert(1, ("bend: the mean response time has doubled", bend, "measured"))
    return Table(
        id="scaling",
        title=text.sentence(name),
        noun="figure",
        columns=(Column(name, "name"), Column("value"), Column("95 % interval")),
        rows=tuple(Row(tuple(map(Cell, row)), weight=place) for place, row in enumerate(rows)),
        about=f"Universal Scalability Law near the limit ({coefficients}); {text.plural(scaling.rates, 'rate')}",
        sortable=False,
    )


def _ends(figure: Bounded, unit: str) -> str:
    return f"{text.quantity(figure.low, unit)} … {text.quantity(figure.high, unit)}"


def cost_tables(bundle: Bundle) -> Iterator[Table]:
    """Yields the cost of the service, and of a search, the tasks and the price of each rate."""
    cost = bundle.summary.service_cost
    if cost is None:
        return
    per_million = cost.per_million_usd
    message = f"{text.dollars(per_million)} for a million requests"
    if per_million is None:
        message = f"not priced: {len(cost.unpriced)} of {text.plural(len(cost.items), 'part')}"
    yield Table(
        id="service-cost",
        title="Cost of the service",
        noun="part",
        columns=(Column("cost of the service", "name"), Column("size or use", "text"), Column("dollars an hour")),
        rows=tuple(
            Row(
                (
                    Cell(plain(item.resource.rpartition(":")[2])),
                    Cell(plain(item.message or item.what)),
                    Cell("not priced" if item.usd_hour is None else text.dollars(item.usd_hour)),
                ),
                weight=place,
            )
            for place, item in enumerate(cost.items)
        ),
        about=f"list prices of {plain(cost.as_of)}",
        message=message,
        footnotes=("Without storage, standbys, backups, traffic and free quotas.",),
        sortable=False,
    )
    searches = list((bundle.summary.capacity or {}).values())
    if per_million is not None and len(searches) == len(bundle.plan.executions) == 1 and searches[0].held_rps:
        yield from _load_table(cost, searches[0], searches[0].held_rps)


def _load_table(cost: ServiceCost, search: Capacity, held_rps: float) -> Iterator[Table]:
    """Yields the tasks and the price of each sustained rate, if the number of tasks did not change."""
    tasks = sum(item.tasks for item in cost.items)
    if not tasks or any(abs(item.tasks - round(item.tasks)) > 0.05 for item in cost.items):
        return
    held = {stage.rps: stage for stage in search.stages if stage.outcome == "held" and stage.kind != "recover"}
    rows: list[Row] = []
    for rps, stage in sorted(held.items()):
        requests_hour = stage.samples / (stage.to_s - stage.from_s) * 3600
        of_requests = requests_hour / (cost.requests / cost.hours)
        needed = {item.resource: math.ceil(round(item.tasks * rps / held_rps, 6)) for item in cost.items if item.tasks}
        usd_hour = 0.0
        for item in cost.items:
            factor = {"": 1.0, "tasks": needed.get(item.resource, 0) / (item.tasks or 1), "requests": of_requests}
            usd_hour += (item.usd_hour or 0.0) * factor[item.grows_with]
        per_million = text.dollars(usd_hour / requests_hour * 1e6)
        figures = (text.quantity(rps, search.unit or "/s"), text.number(sum(needed.values())), text.dollars(usd_hour))
        rows.append(Row((*map(Cell, figures), Cell(per_million)), weight=len(rows)))
    titles = ("tasks or instances", "dollars an hour", "dollars a million requests")
    yield Table(
        id="load-cost",
        title="Load, tasks and price",
        noun="rate",
        columns=(Column("load", "name"), *map(Column, titles)),
        rows=tuple(rows),
        about=f"tasks in proportion to {text.quantity(held_rps, search.unit or '/s')} with {text.number(round(tasks))}",
        sortable=False,
    )


def fault_table(bundle: Bundle) -> Table | None:
    """Returns the faults with the figures of all requests before, during and after each; None without faults."""
    rows = []
    for number, fault in enumerate(bundle.summary.faults or (), 1):
        when = f"{text.span(fault.from_s or 0)} … {text.span(fault.to_s)}" if fault.to_s is not None else MISSING
        rows.append(Row((Cell(f"fault-{number}: {plain(fault.what, 60)}, {when}"),), note=plain(fault.failure, 500)))
        for phase, figures in fault.figures.items():
            failed = text.share(figures.failures, figures.samples) if figures.failures else "0"
            p95 = MISSING if figures.p95_us is None else text.time(figures.p95_us)
            rows.append(Row(tuple(map(Cell, (phase, text.number(figures.samples), failed, f"{figures.rps}/s", p95)))))
    columns = (Column("phase", "name"), *(Column(title) for title in ("requests", "failed", "req/s", "p95")))
    if not rows:
        return None
    return Table(id="faults", title="Faults", noun="phase", columns=columns, rows=tuple(rows), sortable=False)


def _search_range(search: Capacity) -> str:
    until = " or ".join(map(plain, search.until))
    bounds = " to ".join(text.quantity(rps, search.unit or "/s") for rps in (search.from_rps, search.to_rps))
    return f"{bounds}, until {until}, within {text.percent(100 * (search.precision or 0))}"


def _stage_row(stage: CapacityStage, weight: int, unit: str) -> Row:
    """Returns the row of a stage; the last stages weigh least, because they decided."""
    outcome = plain(stage.outcome)
    name = RECOVERED.get(outcome, outcome) if stage.kind == "recover" else outcome
    values = [f"{plain(value.criterion)}: {text.quantity(value.value, value.unit)}" for value in stage.observed]
    why = plain(stage.message, 300) if outcome == "void" or stage.why == "answers" else ""
    cells = (
        Cell(f"{name} (repeated)" if stage.kind == "confirm" else name),
        Cell(text.quantity(stage.rps, unit)),
        Cell(text.quantity(stage.achieved_rps, unit)),
        Cell(f"{stage.from_s}…{stage.to_s} s"),
        Cell("; ".join(filter(None, [why, *values])) or MISSING),
    )
    return Row(cells, outcome=STAGE_OUTCOMES.get(outcome, "inconclusive"), weight=weight)
