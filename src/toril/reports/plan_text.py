"""A plan as a person reads it."""

import json
from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from toril.criteria import Criterion, criteria_of
from toril.masking import masked_settings
from toril.records import Plan, PlannedExecution
from toril.records.document import document
from toril.reports import capacity, drawing, screen, wording


def render(plan: Plan) -> str:
    """The plan as plain text."""
    return screen.as_text(lambda console: show(console, plan))


def as_json(plan: Plan) -> bytes:
    """The plan as `plan.json` has it, but for credentials that the suite holds."""
    found = masked_settings({**json.loads(plan.to_json()), "secrets": None})
    return document({**found, "secrets": plan.secrets})


def in_brief(plan: Plan) -> str:
    """`2 workers in 2 locations, 30 s of load`; of a duet its whole length, and what that consists of."""
    workers = wording.plural(len(plan.shares), "worker")
    places = f" in {wording.plural(len(plan.locations), 'location')}" if len(plan.locations) > 1 else ""
    once = "every test case once" if plan.functional else "as long as its iterations take"
    length = f"{wording.span(plan.duration_s)} of load" if plan.duration_s else once
    if plan.duet is not None:
        turns = f"{wording.plural(2 * plan.duet.blocks, 'turn')} of {wording.span(plan.duet.turn_s)}"
        length = f"{wording.span(plan.duration_s)} in total: {turns}, and {wording.span(plan.duet.gap_s)} between them"
    return f"{workers}{places}, {length}"


def show(console: Console, plan: Plan) -> None:
    """Print what would run, where, and what would be judged."""
    console.print(Text.assemble((wording.plain(plan.suite), "bold"), f": {in_brief(plan)}"))
    console.print(_executions(plan))
    console.print(_shares(plan))
    for line in _browsers(plan):
        console.print(Text(line))
    lines = drawing.told(plan, console.width)
    if lines:
        console.print(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))
        console.print()
    for execution in plan.searched:
        console.print(Text(capacity.planned(execution)))
    if plan.criteria:
        steady = "steady load only" if plan.ramp_up_exclude else "the whole run, ramp-up included"
        console.print(Text(f"fails when ({steady})", style="dim"))
        for criterion in criteria_of(plan.criteria):
            console.print(Padding(_rule(criterion), (0, 0, 0, 2)))
    elif plan.functional:
        console.print(Text("fails when a test case does", style="dim"))
    else:
        console.print(Text("no criteria: a complete run passes, and nothing is judged", style="yellow"))
    for warning in plan.warnings:
        console.print(Text(f"note: {wording.plain(warning, 1000)}", style="yellow"))


def _rule(criterion: Criterion) -> Text:
    """A criterion in one line, whichever way it was written, with its scope, what it does, and where it stands."""
    scope = f" in execution {', '.join(criterion.executions)}" if criterion.executions else ""
    # What is about the whole run is known at its end; of what fails nothing, its text says what it does.
    at_once = criterion.stop and criterion.fail and criterion.logic != "total"
    effect = ", ends the run at once" if at_once else ""
    text = Text(wording.plain(criterion.text) + wording.plain(scope) + effect)
    return text.append(f"  ({wording.plain(criterion.where)})", style="dim")


def _browsers(plan: Plan) -> Iterator[str]:
    """What browsers stand for, where the suite says so."""
    for execution in plan.executions:
        browser = execution.browser
        if browser is not None and (browser.network or browser.device.user_agent):
            network = f" on {browser.network.name}" if browser.network else ""
            size = f"{browser.device.width} × {browser.device.height}"
            yield f"{wording.plain(execution.name)}: browsers as {browser.device.name}, {size}{network}"


def _executions(plan: Plan) -> Table:
    table = screen.table(
        "execution", "executor", "users", "throughput", "ramp-up", "hold", "iterations", text_columns=2
    )
    for execution in plan.executions:
        table.add_row(
            Text(wording.plain(execution.name), style="bold"),
            Text(wording.plain(execution.executor)),
            _count(execution.concurrency),
            _rate(execution.throughput_rps),
            _ramp(execution),
            wording.span(execution.hold_for_s) if execution.hold_for_s else "–",
            _count(execution.iterations),
        )
    return _whole(table)


def _shares(plan: Plan) -> Table:
    """A line a worker; the columns are the executions."""
    table = screen.table("worker", *(wording.plain(execution.name) for execution in plan.executions), text_columns=1)
    for share in plan.shares:
        parts = {part.execution: part for part in share.executions}
        cells = []
        for execution in plan.executions:
            part = parts.get(execution.name)
            if part is None:
                cells.append("–")
                continue
            users = wording.plural(part.concurrency, "user") if part.concurrency is not None else ""
            rate = f"≤ {_rate(part.throughput_rps)}" if part.throughput_rps is not None else ""
            if rate and part.concurrency is None:  # an open model keeps to its rate
                rate = rate.removeprefix("≤ ")
            cells.append(" ".join(text for text in (users, rate) if text) or "as written")
        table.add_row(Text(wording.plain(share.worker)), *cells)
    return _whole(table)


def _whole(table: Table) -> Table:
    """Cells that fold rather than hide a column on a narrow terminal."""
    for column in table.columns:
        column.no_wrap = False
    return table


def _ramp(execution: PlannedExecution) -> str:
    delay = f"{wording.span(execution.delay_s)} + " if execution.delay_s else ""
    steps = f" in {execution.steps} steps" if execution.steps else ""
    return f"{delay}{wording.span(execution.ramp_up_s)}{steps}" if execution.ramp_up_s or delay else "–"


def _count(value: int | None) -> str:
    return "–" if value is None else wording.number(value)


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{wording.number(value)}/s"
