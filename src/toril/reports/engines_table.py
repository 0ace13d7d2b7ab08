"""The engines that run a suite's executions: what each accepts and needs, as a table or as JSON."""

from dataclasses import asdict, dataclass

from rich.console import Console

from toril import text
from toril.records.document import document
from toril.reports import terminal
from toril.reports.blocks import MISSING, Cell, Column, Row, Table
from toril.suite.engines import ENGINES, RESULTS_LOADER, EngineRules, by_schedule

KEYS = ("concurrency", "throughput", "ramp-up", "iterations")
USER_KEYS = ("concurrency", "iterations")  # an open model has no virtual users
COLUMNS = (
    Column("executor", "name", whole=True),
    Column("load model", "text"),
    Column("accepts", "text"),
    Column("scripts", "text"),
    Column("resolution", rank=2),
    Column("needs", "text", rank=2),
)
FOOTNOTES = (
    "closed: virtual users wait for each response · open: requests follow a schedule",
    "recorded: another tool sends the requests, and toril reads its results",
    "script: without load keys in the suite, the script sets the load",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What one engine accepts and needs. The field order is that of the JSON."""

    executor: str
    title: str
    load_model: str  # closed, open, recorded
    concurrency: bool
    throughput: bool
    ramp_up: bool
    iterations: bool
    requests: bool  # generates a script from the suite's requests
    load_in_script: bool  # runs the script's own load if the suite has no load keys
    scripts: tuple[str, ...]  # suffixes
    resolution_us: int | None
    needs: str


def engine_facts() -> list[EngineFacts]:
    """Returns the facts about each engine, in the order of `ENGINES`."""
    return [_facts(executor, engine) for executor, engine in ENGINES.items()]


def _facts(executor: str, engine: EngineRules) -> EngineFacts:
    is_open, is_recorded = by_schedule(executor), executor == RESULTS_LOADER

    refused = (*engine.ignored_load, *(USER_KEYS if is_open else ()))
    return EngineFacts(
        executor=executor,
        title=engine.title,
        load_model="open" if is_open else "recorded" if is_recorded else "closed",
        **{key.replace("-", "_"): key not in refused for key in KEYS},
        requests=engine.generates and not is_recorded,
        load_in_script=engine.script_load and not is_recorded,
        scripts=engine.scripts,
        resolution_us=engine.resolution_us,
        needs=engine.needs,
    )


def as_json() -> bytes:
    """Returns the engines as a JSON list."""
    return document([asdict(facts) for facts in engine_facts()])


def show(console: Console) -> None:
    """Print the engines as a table."""
    rows = tuple(map(_row, engine_facts()))
    table = Table(
        id="engines", title="Engines", noun="engine", columns=COLUMNS, rows=rows, footnotes=FOOTNOTES, sortable=False
    )
    terminal.show_table(console, table)


def _row(facts: EngineFacts) -> Row:
    accepted = " ".join(key for key in KEYS if getattr(facts, key.replace("-", "_")))
    model = f"{facts.load_model} or script" if facts.load_in_script else facts.load_model
    return Row(
        (
            Cell(facts.executor),
            Cell(model),
            Cell(accepted or MISSING),
            Cell(" ".join(facts.scripts) or MISSING),
            Cell(f"{text.number(facts.resolution_us / 1000)} ms" if facts.resolution_us else MISSING),
            Cell(facts.needs),
        )
    )
