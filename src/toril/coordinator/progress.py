"""The progress of a running load test: the versions of `progress.json`, which the coordinator's terminal shows too."""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Protocol

from toril.clock import Clock
from toril.coordinator.fold import Fold
from toril.coordinator.protocol import RunState
from toril.criteria import criteria_of
from toril.errors import Note
from toril.records import ARMS, Plan, Rate, Start, rates_of
from toril.records.document import document
from toril.records.progress import (
    LONGEST_TEXT,
    MOST_BYTES_OF_PROGRESS,
    MOST_LABELS_SHOWN,
    MOST_METRICS_SHOWN,
    RECENT_S,
    WINDOW_S,
    CriterionNow,
    FiguresNow,
    GeneratorsNow,
    LabelNow,
    LocationNow,
    MetricNow,
    Phase,
    Progress,
    ProgressNote,
    RateNow,
    Recent,
    WorkersNow,
)
from toril.summary import (
    adjusted_plan,
    describe_rates,
    due_by_second,
    judged_plan,
    planned_users,
    saturated_now,
    sends_of,
    starts_of,
)
from toril.text import plain, quantity
from toril.timeline import Slice, Timeline
from toril.timeline.values import mean_value, sum_of_values
from toril.verdict.evaluation import evaluate
from toril.verdict.evidence import Evidence
from toril.verdict.result import CriterionResult

MOST_CRITERIA = 5  # shown during the load
REST = 4  # the pause after an evaluation of the whole run, as a multiple of its duration
ORDER = ("failed", "inconclusive", "triggered", "passed")
PERCENTS = (50, 95, 99)
PHASES: dict[str, Phase] = {"launching": "preparing", "running": "running"}


class View(Protocol):
    """Shows the progress of a run."""

    def show(self, progress: Progress) -> None: ...


class CriteriaProgress:
    """The outcomes so far of criteria on samples."""

    def __init__(self, plan: Plan) -> None:
        criteria = criteria_of(plan.criteria)
        self._plan = plan
        early = [rule for rule in criteria if rule.metric.source == "samples" and rule.subject != "throughput"]
        self._judged = [rule for rule in early if not rule.phase][:MOST_CRITERIA]  # the others need the whole run
        self._found: tuple[CriterionNow, ...] = ()
        self._again_at = 0.0

    def evaluate(self, timeline: Timeline, clock: Clock) -> tuple[CriterionNow, ...]:
        """Returns each criterion as it stands, breached ones first; cached, because evaluation takes long."""
        began = clock.now()
        if self._judged and began >= self._again_at:
            evidence = Evidence(self._plan, timeline)
            results = [evaluate(criterion, evidence) for criterion in self._judged]
            results.sort(key=lambda result: ORDER.index(result.outcome))
            self._found = tuple(
                CriterionNow(outcome=result.outcome, message=self._message(result, timeline.last_second))
                for result in results
            )
            ended = clock.now()
            self._again_at = ended + max(1.0, REST * (ended - began))
        return self._found

    def _message(self, result: CriterionResult, last: int | None) -> str:
        """Returns what is known now; without samples, the criterion and what it waits for."""
        if result.code != "no-samples":
            return result.message
        steady_from_s = min((execution.steady_from_s for execution in self._plan.executions), default=0.0)
        why = result.message
        if last is None:
            why = "waiting for the first samples"
        elif self._plan.ramp_up_exclude and last <= steady_from_s:
            why = "waiting for the end of the ramp-up"
        return f"{result.criterion.text}: {why}"


class ProgressBuilder:
    """Builds the versions of one run's progress.

    Only seconds since the last version are computed, so the cost of a version does not grow with the run's length.
    """

    def __init__(self, fold: Fold) -> None:
        self._fold, self._plan = fold, fold.plan
        criteria = criteria_of(fold.plan.criteria)
        self._named = tuple(dict.fromkeys(criterion.label for criterion in criteria if criterion.label))
        self._workers: dict[str, set[str]] = {location: set() for location in fold.plan.locations}
        for share in fold.plan.shares:
            self._workers[share.location].add(share.worker)
        self._planned_users = sum(load.concurrency or int(not load.by_schedule) for load in fold.judged_plan.executions)
        self._adjusted: tuple[int, Plan] = (0, fold.plan)  # the plan after this number of rate changes
        self._phase: tuple[Phase, float] = ("preparing", 0.0)
        self._seconds: deque[tuple[Any, ...]] = deque(maxlen=RECENT_S)  # the columns of `Recent`
        self._next = 0  # the second after the last one in `_seconds`
        self._details: dict[str, Any] = {"generators": GeneratorsNow()}

    def build(
        self,
        state: RunState,
        now: float,
        *,
        rates: Sequence[Rate] = (),
        notes: Iterable[Note] = (),
        criteria: tuple[CriterionNow, ...] = (),
        phase: Phase | None = None,
        waiting: str = "",
        detailed: bool = True,
    ) -> Progress:
        """Returns the run at this moment. `phase`: if it is not that of the load.

        `detailed`: False repeats the last figures by label, second and generator, which take longest.
        """
        plan, timeline, start = self._plan, self._fold.whole, state.start
        phase = phase or PHASES.get(state.phase, "draining")
        if phase != self._phase[0] or not self._phase[1]:
            self._phase = phase, now
        elapsed_s = max(0.0, now - start.at) if start else 0.0
        complete, newest = self.complete_to(state), timeline.last_second
        last = complete if complete >= 0 else None if newest is None else max(0, newest - 1)
        if detailed:
            self._details = self._detail(state, last, complete, rates)
        saturated = self._details["generators"].saturated
        lost = {worker: why.splitlines()[0] for worker, why in state.lost.items()}
        noted = [
            *notes,
            *(Note("changed-rate", text) for text in (describe_rates(rates, start.at) if start else ())),
            *(Note("lost-worker", f"worker {worker} lost: {why}") for worker, why in lost.items()),
            *(Note("saturated", text) for text in saturated if phase == "running"),
        ]
        return Progress(
            run_id=plan.run_id,
            at=now,
            phase=phase,
            phase_since=self._phase[1],
            started_at=start.at if start else None,
            elapsed_s=elapsed_s,
            planned_s=plan.duration_s,
            lag_s=0.0 if last is None else max(0.0, elapsed_s - (last + 1)),
            planned_users=self._planned_users,
            waiting=waiting,
            turn=_turn(plan, elapsed_s) if start else "",
            stop=state.stop.message if state.stop else "",
            figures=_figures(timeline.select(), last),
            locations=tuple(self._location(state, location, last) for location in plan.locations),
            workers=WorkersNow(planned=len(plan.shares), ready=len(state.ready), ended=len(state.ended), lost=lost),
            criteria=criteria,
            notes=tuple(ProgressNote(code=note.code, message=note.message) for note in noted),
            rates=tuple(self._rates(rates, start, elapsed_s, last)),
            changes=len(rates),
            **self._details,
        )

    def _detail(self, state: RunState, last: int | None, complete: int, rates: Sequence[Rate]) -> dict[str, Any]:
        """Returns the figures by label, second and generator."""
        timeline = self._fold.whole
        if last is None:
            return {"generators": GeneratorsNow()}
        self._add_seconds(complete, rates, state.start)
        sizes = timeline.sizes_of_labels()
        sizes.pop("", None)
        named = [label for label in self._named if label in sizes][:MOST_LABELS_SHOWN]
        largest = heapq.nlargest(MOST_LABELS_SHOWN, sizes, key=lambda label: (sizes[label], label))
        labels = list(dict.fromkeys((*named, *largest)))[:MOST_LABELS_SHOWN]
        cpu, core = timeline.busiest_generator(last - WINDOW_S + 1, last)
        saturated = saturated_now(self._plan, timeline, last) if state.phase == "running" else ()
        return {
            "recent": self._recent(),
            "labels": tuple(LabelNow(label=label, figures=_figures(timeline.select(label), last)) for label in labels),
            "labels_left_out": len(sizes) - len(labels),
            "metrics": tuple(_metrics(timeline, last)),
            "generators": GeneratorsNow(cpu=cpu, busiest_core=core, saturated=saturated),
        }

    def complete_to(self, state: RunState) -> int:
        """Returns the last second that all workers have reported completely; below 0 before the first.

        Later seconds lack the samples and users of lagging workers.
        """
        reported, newest = self._fold.reported_to(state.ended).values(), self._fold.whole.last_second
        if reported:
            return min(reported) - 1
        return -1 if newest is None else newest  # all workers have ended

    def _add_seconds(self, last: int, rates: Sequence[Rate], start: Start | None) -> None:
        """Adds the seconds up to `last`, at most RECENT_S."""
        seconds = range(max(self._next, last + 1 - RECENT_S), last + 1)
        if not seconds:
            return
        self._next = last + 1
        plan, whole = self._planned(rates, start), self._fold.whole.select()
        (users, rps, due), started = _planned_load(plan, seconds), starts_of(self._fold.whole, *plan.executions)
        for place, second in enumerate(seconds):
            stats = whole.second(second)
            percentiles = (stats.percentile(q) if stats.samples else None for q in PERCENTS)
            at = whole.virtual_users(second)
            self._seconds.append(
                (
                    stats.samples,
                    stats.failures,
                    *percentiles,
                    at,
                    users[place],
                    rps[place],
                    started.second(second).samples if started else None,
                    due[place],
                )
            )

    def _recent(self) -> Recent:
        if not self._seconds:
            return Recent()
        names = (
            "rps",
            "failures",
            "p50_us",
            "p95_us",
            "p99_us",
            "virtual_users",
            "planned_users",
            "planned_rps",
            "journeys",
            "planned_journeys",
        )
        columns = dict(zip(names, zip(*self._seconds, strict=True), strict=True))
        return Recent(from_s=self._next - len(self._seconds), **columns)

    def _planned(self, rates: Sequence[Rate], start: Start | None) -> Plan:
        """Returns the plan after all rate changes."""
        if start is not None and len(rates) != self._adjusted[0]:
            self._adjusted = len(rates), adjusted_plan(self._plan, rates, start.at)
        return self._adjusted[1]

    def _location(self, state: RunState, location: str, last: int | None) -> LocationNow:
        workers = self._workers[location]
        lost = workers & state.lost.keys()
        over = (workers & state.ended.keys()) - lost
        ready = (workers - lost - over) & state.ready
        running = ready if state.start is not None else frozenset[str]()
        return LocationNow(
            location=location,
            figures=_figures(self._fold.whole.select(location=location), last),
            workers_planned=len(workers),
            workers_ready=len(workers & state.ready),
            workers_ended=len(workers & state.ended.keys()),
            workers_starting=len(workers - lost - over - ready),
            workers_waiting=len(ready - running),
            workers_running=len(running),
            workers_lost=len(lost),
            workers_over=len(over),
        )

    def _rates(
        self, rates: Sequence[Rate], start: Start | None, elapsed_s: float, last: int | None
    ) -> Iterable[RateNow]:
        for execution in self._planned(rates, start).adjustable:
            curve, set_last = execution.planned_rate(), rates_of(rates, execution.name)
            if curve is not None:
                rps = set_last[-1].rps if set_last else round(curve.rate_at(elapsed_s - execution.delay_s), 6)
                achieved = _figures(sends_of(self._fold.whole, execution), last).rps
                yield RateNow(execution=execution.name, rps=rps, achieved_rps=achieved, unit=execution.rate_unit)


def _turn(plan: Plan, elapsed_s: float) -> str:
    """Returns pair and version of a duet, such as `pair 3 of 10: head` or `warm-up: base`; empty without a duet."""
    if plan.duet is None:
        return ""
    begun = [turn for turn in plan.duet.turns() if turn.starts_s <= elapsed_s]
    if not begun:
        return ""
    block = f"pair {begun[-1].block} of {plan.duet.blocks}" if begun[-1].block else "warm-up"
    return f"{block}: {ARMS[begun[-1].arm]}"


def _figures(slice_: Slice, last: int | None) -> FiguresNow:
    if last is None:
        return FiguresNow()
    (samples, failures), recent = slice_.counts, slice_.window(max(0, last - WINDOW_S + 1), last)
    return FiguresNow(
        virtual_users=slice_.virtual_users(last),
        rps=round(recent.samples / min(WINDOW_S, last + 1), 3),
        samples=samples,
        failures=failures,
        **({f"p{q}_us": recent.percentile(q) for q in PERCENTS} if recent.samples else {}),
    )


def _metrics(timeline: Timeline, last: int) -> list[MetricNow]:
    """Returns all checks together, then own metrics, then the checks that failed most."""
    slices = {shown: timeline.select(name, kind=kind) for shown, (name, kind) in timeline.metrics().items()}
    checks = sorted((one for one in slices if slices[one].kind == "check"), key=lambda one: -slices[one].counts[1])
    shown = {"all checks": timeline.select(kind="check")} if checks else {}
    shown |= {name: slices[name] for name in (*(one for one in slices if one not in checks), *checks)}
    return [_metric(*one, last) for one in islice(shown.items(), MOST_METRICS_SHOWN)]


def _metric(shown: str, slice_: Slice, last: int) -> MetricNow:
    (samples, failures), recent = slice_.counts, slice_.window(max(0, last - WINDOW_S + 1), last)
    value, unit = None, ""
    if slice_.kind == "counter":
        value, unit = sum_of_values(recent) / min(WINDOW_S, last + 1), "/s"
    elif recent.samples and slice_.kind in ("check", "rate"):
        value, unit = 1 - recent.failures / recent.samples, "share"
    elif recent.samples:
        value = mean_value(recent)
    now = quantity(value, unit)
    return MetricNow(name=shown, kind=slice_.kind or "", value=value, now=now, samples=samples, failures=failures)


def _planned_load(plan: Plan, seconds: range) -> tuple[list[float | None], list[float | None], list[float | None]]:
    """Returns the planned users, requests and journeys in each second; None if the plan sets none, or no times.

    Executions that wait for each other have no planned times.
    """
    if plan.duet is not None and plan.duet.switched:  # one arm at a time, with its full load after the warm-up
        warm_s = plan.duet.warm_s
        users, rps, journeys = _planned_load(judged_plan(plan), range(warm_s + 1))
        at = [min(second, warm_s) for second in seconds]
        return [users[second] for second in at], [rps[second] for second in at], [journeys[second] for second in at]
    nothing: list[float | None] = [None] * len(seconds)
    if plan.in_turns:
        return nothing, nothing, nothing
    closed = [execution for execution in plan.executions if execution.concurrency]
    return (
        [round(sum(planned_users(load, second + 0.5) for load in closed)) for second in seconds] if closed else nothing,
        due_by_second(plan, seconds),
        due_by_second(plan, seconds, journeys=True),
    )


def packed(progress: Progress) -> bytes:
    """Returns the bytes of the file: texts are cut, and the longest lists are halved until everything fits."""
    data = _cut(progress.to_dict())
    workers, labels = data["workers"], data["labels"]
    lists = [labels, workers["lost"], data["generators"]["saturated"]]
    lists += [data[name] for name in ("locations", "metrics", "criteria", "notes", "rates")]
    known = len(labels), len(workers["lost"])
    while len(packed_data := document(data)) > MOST_BYTES_OF_PROGRESS:
        longest = max(lists, key=lambda part: len(document(part)))
        places = list(longest if isinstance(longest, dict) else range(len(longest)))
        for place in reversed(places[len(places) // 2 :]):
            del longest[place]
        data["labels_left_out"] = progress.labels_left_out + known[0] - len(labels)
        workers["lost_left_out"] = progress.workers.lost_left_out + known[1] - len(workers["lost"])
    return packed_data


def _cut(value: Any) -> Any:
    """Returns the value with short and harmless texts."""
    if isinstance(value, str):
        return plain(value, LONGEST_TEXT)
    if isinstance(value, dict):
        return {plain(name, LONGEST_TEXT): _cut(item) for name, item in value.items()}
    return [_cut(item) for item in value] if isinstance(value, list) else value
