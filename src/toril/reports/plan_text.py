"""Prints a plan. docs/ shows several of these lines, and tests compare them."""

import json
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from toril import text
from toril.criteria import Criterion, conditions_of, criteria_of
from toril.explain import coded
from toril.load.search import most_stages
from toril.records import Plan, PlannedExecution
from toril.records.document import document
from toril.reports import curves, terminal
from toril.reports.blocks import MISSING, Cell, Column, Row, Table
from toril.secrets.masking import masked_settings
from toril.text import plain

MOST_PARTS = 8  # workers whose threads a line lists


def as_json(plan: Plan) -> bytes:
    """Returns the plan as in `plan.json`, without the credentials of the suite."""
    settings = masked_settings({**json.loads(plan.to_json()), "secrets": None})
    return document({**settings, "secrets": plan.secrets})


def in_brief(plan: Plan) -> str:
    """Returns e.g. `stage dev, 2 workers in 2 locations, 30 s of load`; for a duet, the total time and its turns."""
    workers = text.plural(len(plan.shares), "worker")
    places = f" in {text.plural(len(plan.locations), 'location')}" if len(plan.locations) > 1 else ""
    once = "every test case once" if plan.functional else "until its iterations end"
    length = f"{text.span(plan.duration_s)} of load" if plan.duration_s else once
    if plan.duet is not None:
        turns = f"{text.plural(2 * plan.duet.blocks, 'slice')} of {text.span(plan.duet.turn_s)}"
        length = f"{text.span(plan.duration_s)} in total: {turns}, with pauses of {text.span(plan.duet.gap_s)}"
    return ", ".join([*(plain(words, 200) for words in plan.scope), f"{workers}{places}", length])


def show(console: Console, plan: Plan) -> None:
    """Prints the executions, the share of each worker, and the criteria."""
    console.print(Text.assemble((plain(plan.suite), "bold"), f": {in_brief(plan)}"))
    terminal.show_table(console, _executions(plan))
    terminal.show_table(console, _shares(plan))
    for line in (*_browsers(plan), *_scripts(plan)):
        console.print(Text(line))
    lines = curves.describe(plan, console.width)
    if lines:
        console.print(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))
        console.print()
    for execution in plan.searched:
        console.print(Text(_search(execution)))
    for number, fault in enumerate(plan.faults, 1):
        length = "until it ends by itself" if fault.for_s is None else f"for {text.span(fault.for_s)}"
        what = plain(fault.hook or f"experiment {fault.experiment}")
        console.print(Text(f"fault-{number}: {what} at {text.span(fault.at_s)}, {length}"))
    if plan.criteria:
        steady = "steady load only" if plan.ramp_up_exclude else "whole run, including ramp-up"
        console.print(Text(f"fails when ({steady})", style="dim"))
        for criterion in criteria_of(plan.criteria):
            console.print(Padding(_rule(criterion), (0, 0, 0, 2)))
    elif plan.functional:
        console.print(Text("fails when a test case does", style="dim"))
    else:
        console.print(Text("no criteria: a complete run passes without being judged", style="yellow"))
    for note in plan.notes:
        console.print(Text(f"note: {coded(plain(note.message, 1000), note.code)}", style="yellow"))


def _rule(criterion: Criterion) -> Text:
    """Returns a criterion in one line, with its scope, effect and place in the suite."""
    scope = f" in execution {', '.join(criterion.executions)}" if criterion.executions else ""
    # A criterion on the whole run is only decided at its end; a non-failing criterion states that in its text.
    at_once = criterion.stop and criterion.fail and criterion.logic != "total"
    effect = ", ends the run immediately" if at_once else ""
    line = Text(plain(criterion.text) + plain(scope) + effect)
    return line.append(f"  ({plain(criterion.where)})", style="dim")


def _browsers(plan: Plan) -> Iterator[str]:
    """Yields device and network of browsers, if the suite names them."""
    for execution in plan.executions:
        browser = execution.browser
        if browser is not None and (browser.network or browser.device.user_agent):
            network = f" on {browser.network.name}" if browser.network else ""
            size = f"{browser.device.width} × {browser.device.height}"
            yield f"{plain(execution.name)}: browsers as {browser.device.name}, {size}{network}"


def _scripts(plan: Plan) -> Iterator[str]:
    """Yields how several workers divide or repeat the load of a script, with the threads of each group."""
    for execution in plan.executions:
        parts = [part for share in plan.shares for part in share.executions if part.execution == execution.name]
        load, workers = execution.script_load, text.plural(len(parts), "worker")
        if load is None or len(parts) < 2:
            continue
        if load.mode == "repeat":
            yield f"{plain(execution.name)}: each of {workers} runs the whole script: {len(parts)} times its load"
        elif not load.groups:
            yield f"{plain(execution.name)}: {workers} divide the load of the script"
        for place, group in enumerate(load.groups):
            counts = [part.script_users[place] for part in parts]
            written = text.plural(group.users, "thread") if group.users else f"{text.number(group.arrivals_per_s)}/s"
            each = " + ".join(map(str, counts)) if len(counts) <= MOST_PARTS else f"{min(counts)} to {max(counts)} each"
            if load.mode == "repeat":
                whole = text.plural(sum(counts), "thread") if group.users else f"{len(parts)} × {written}"
                yield f"  {plain(group.name)}: {written} on {workers}: {whole}"
            else:
                yield f"  {plain(group.name)}: {written} on {workers}" + f": {each}" * bool(group.users)


def _search(execution: PlannedExecution) -> str:
    """Returns the range, precision and longest time of a capacity search."""
    search = execution.search
    assert search is not None  # noqa: S101 - only called for executions with a search
    most = most_stages(search.range)
    until = " or ".join(plain(criterion.text) for criterion in conditions_of(search, execution.name))
    return (
        f"looks for the capacity of {plain(execution.name)}: from {curves.rate_of(execution, search.from_rps)} to "
        f"{curves.rate_of(execution, search.to_rps)} until {until}, within {text.percent(100 * search.precision)}; "
        f"{most} stages of {text.span(search.step_s)} at most, and {text.span(execution.hold_for_s)} in all"
    )


def _executions(plan: Plan) -> Table:
    rows = (
        (
            plain(execution.name),
            plain(execution.executor),
            text.quantity(execution.concurrency, ""),
            curves.rate_of(execution, execution.throughput_rps),
            _ramp(execution),
            text.span(execution.hold_for_s) if execution.hold_for_s else MISSING,
            text.quantity(execution.iterations, ""),
        )
        for execution in plan.executions
    )
    columns = (
        Column("execution", "name"),
        Column("executor", "text"),
        *(Column(title) for title in ("users", "throughput", "ramp-up", "hold", "iterations")),
    )
    return _table("execution", columns, rows)


def _shares(plan: Plan) -> Table:
    """Returns a row per worker with a column per execution."""
    rows = []
    for share in plan.shares:
        parts = {part.execution: part for part in share.executions}
        cells = []
        for execution in plan.executions:
            part = parts.get(execution.name)
            if part is None:
                cells.append(MISSING)
                continue
            users = text.plural(part.concurrency, "user") if part.concurrency is not None else ""
            rate = f"≤ {curves.rate_of(execution, part.throughput_rps)}" if part.throughput_rps is not None else ""
            if rate and part.concurrency is None:  # an open model sends exactly at its rate
                rate = rate.removeprefix("≤ ")
            own = execution.script_load
            threads = "" if own is None or own.mode == "repeat" else text.plural(sum(part.script_users), "thread")
            if own is not None and not (own.groups and part.interleave):
                threads = "as written" if part.interleave is None else f"{part.interleave.part} of the script"
            cells.append(" ".join(filter(None, (users, rate))) or threads or "as written")
        rows.append((plain(share.worker), *cells))
    executions = (Column(plain(execution.name), "text") for execution in plan.executions)
    return _table("worker", (Column("worker", "name"), *executions), rows)


def _table(noun: str, columns: tuple[Column, ...], rows: Iterable[Sequence[str]]) -> Table:
    cells = tuple(Row(tuple(Cell(cell) for cell in row)) for row in rows)
    return Table(id=noun, title=noun, noun=noun, columns=columns, rows=cells)


def _ramp(execution: PlannedExecution) -> str:
    delay = f"{text.span(execution.delay_s)} + " if execution.delay_s else ""
    steps = f" in {execution.steps} steps" if execution.steps else ""
    return f"{delay}{text.span(execution.ramp_up_s)}{steps}" if execution.ramp_up_s or delay else MISSING
