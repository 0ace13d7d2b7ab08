"""The live figures of a run, from the last few complete seconds of its timeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from toril.clock import Clock
from toril.coordinator.fold import Fold
from toril.coordinator.protocol import RunState
from toril.criteria import GENERATOR, criteria_of
from toril.errors import Note
from toril.load.shapes import OPEN_MODEL
from toril.records import ARMS, Plan, Rate, Start
from toril.summary import describe_rates, saturated_now
from toril.timeline import Timeline
from toril.verdict.evaluation import evaluate
from toril.verdict.evidence import Evidence

Phase = Literal["preparing", "running", "draining", "waiting"]

MOST_CRITERIA = 5  # shown during the load
REST = 4  # the pause after an evaluation of the whole run, as a multiple of its duration
ORDER = ("failed", "inconclusive", "triggered", "passed")
AT_THE_END = frozenset({"throughput", "load", "capacity", *GENERATOR})  # subjects that need the whole run
WINDOW_S = 5  # of rates and percentiles: long enough for steady values, short enough for current ones
PHASES: dict[str, Phase] = {"launching": "preparing", "running": "running"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Rates and percentiles of the last few seconds (None without samples), and counts since the start signal."""

    virtual_users: int = 0
    rps: float = 0.0
    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None
    samples: int = 0
    failures: int = 0
    workers_ready: int = 0
    workers_planned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationFigures(Figures):
    """One location's part of a run."""

    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFigures(Figures):
    """The run so far."""

    run_id: str = ""
    phase: Phase = "preparing"
    elapsed_s: float = 0.0  # since the start signal
    planned_s: float = 0.0  # 0 if only iterations limit the load
    planned_users: int = 0
    lag_s: float = 0.0  # from the newest sample to now
    locations: tuple[LocationFigures, ...] = ()
    turn: str = ""  # of a duet: the arm under load
    criteria: tuple[tuple[str, str], ...] = ()  # outcome so far and message; breached ones first
    waiting: str = ""  # in phase "waiting", after the load: the reason
    notes: tuple[Note, ...] = ()  # such as a lost worker or a changed rate


class View(Protocol):
    """Shows the progress of a run."""

    def show(self, figures: LiveFigures) -> None: ...


class CriteriaProgress:
    """The outcomes so far of criteria on samples."""

    def __init__(self, plan: Plan) -> None:
        criteria = criteria_of(plan.criteria)
        self._plan = plan
        self._judged = [one for one in criteria if one.server is None and one.subject not in AT_THE_END][:MOST_CRITERIA]
        self._found: tuple[tuple[str, str], ...] = ()
        self._again_at = 0.0

    def evaluate(self, timeline: Timeline, clock: Clock) -> tuple[tuple[str, str], ...]:
        """Returns outcome and message of each criterion, breached ones first; cached, because evaluation takes long."""
        began = clock.now()
        if self._judged and began >= self._again_at:
            evidence = Evidence(self._plan, timeline)
            results = [evaluate(criterion, evidence) for criterion in self._judged]
            results.sort(key=lambda result: ORDER.index(result.outcome))
            self._found = tuple((result.outcome, result.message) for result in results)
            ended = clock.now()
            self._again_at = ended + max(1.0, REST * (ended - began))
        return self._found


def live_figures(
    fold: Fold,
    state: RunState,
    now: float,
    notes: tuple[Note, ...] = (),
    criteria: tuple[tuple[str, str], ...] = (),
) -> LiveFigures:
    """Returns the figures of a run at this moment."""
    started_at = state.start.at if state.start else now
    plan, timeline = fold.plan, fold.whole
    newest = max(
        (second for worker in fold.attempts if (second := timeline.last_second_of(worker)) is not None), default=None
    )
    complete = fold.complete_to(state.ended)  # later seconds lack the users of lagging workers
    last = complete if complete is not None and complete >= 0 else None if newest is None else max(0, newest - 1)
    lost = (f"worker {worker} lost: {why.splitlines()[0]}" for worker, why in state.lost.items())
    notes += tuple(Note("lost-worker", text) for text in lost)
    if state.phase == "running" and last is not None:
        notes += tuple(Note("saturated", text) for text in saturated_now(plan, timeline, last))
    return LiveFigures(
        run_id=plan.run_id,
        phase=PHASES.get(state.phase, "draining"),
        elapsed_s=max(0.0, now - started_at),
        planned_s=plan.duration_s,
        planned_users=sum(
            execution.concurrency or int(execution.executor not in OPEN_MODEL)
            for execution in fold.judged_plan.executions
        ),
        lag_s=0.0 if last is None else max(0.0, now - started_at - (last + 1)),
        workers_ready=len(state.ready),
        workers_planned=len(plan.shares),
        locations=tuple(_location(fold, state, location, last) for location in plan.locations),
        notes=notes,
        turn=_turn(plan, now - started_at) if state.start else "",
        criteria=criteria if last is not None else (),
        **_measured(timeline, None, last),
    )


def rate_notes(rates: Iterable[Rate], start: Start) -> tuple[Note, ...]:
    return tuple(Note("changed-rate", text) for text in describe_rates(rates, start.at))


def _turn(plan: Plan, elapsed_s: float) -> str:
    """Returns block and arm of a duet, such as `block 3 of 10: head`; empty without a duet and before its load."""
    if plan.duet is None:
        return ""
    begun = [turn for turn in plan.duet.turns() if turn.starts_s <= elapsed_s]
    return f"block {begun[-1].block} of {plan.duet.blocks}: {ARMS[begun[-1].arm]}" if begun else ""


def _measured(timeline: Timeline, location: str | None, last: int | None) -> dict[str, Any]:
    if last is None:
        return {}
    slice_ = timeline.select(location=location)
    total, recent = slice_.total, slice_.window(max(0, last - WINDOW_S + 1), last)
    found = {f"p{q}_us": recent.percentile(q) for q in (50, 95, 99)} if recent.samples else {}
    return {
        "virtual_users": slice_.virtual_users(last),
        "rps": recent.samples / min(WINDOW_S, last + 1),
        "samples": total.samples,
        "failures": total.failures,
        **found,
    }


def _location(fold: Fold, state: RunState, location: str, last: int | None) -> LocationFigures:
    workers = {share.worker for share in fold.plan.shares if share.location == location}
    return LocationFigures(
        location=location,
        workers_planned=len(workers),
        workers_ready=len(workers & state.ready),
        **_measured(fold.whole, location, last),
    )
