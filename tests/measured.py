"""Runs made up for tests: a plan, and the timeline of the workers' samples."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from toril.criteria import Language, parse_criterion
from toril.records import (
    ExecutionShare,
    Exit,
    Plan,
    PlannedCriterion,
    PlannedExecution,
    ServerMetrics,
    Share,
    Stop,
    Verdict,
)
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict import judge, judge_try
from toril.verdict.evaluation import evaluate
from toril.verdict.evidence import Evidence, MissingData
from toril.verdict.result import CriterionResult

MS = 1000
START = 1_700_000_000.0


@dataclass(frozen=True)
class Sample:
    """One request, completed in the middle of its second."""

    second: int
    us: int = 100 * MS
    label: str = "home"
    ok: bool = True
    rc: str = "200"
    execution: str = "shop"
    location: str = "local"
    steady: bool = True
    kind: str = "request"
    bytes: int = 0
    ttfb_us: int = -1
    connect_us: int = -1
    message: str = "it broke"  # of a failure

    def __mul__(self, times: int) -> list["Sample"]:
        return [self] * times


TIMES = "avg-rt>100ms"  # a criterion on response times, which SLOW breaks
FAST, SLOW, BROKEN = Sample(0, 50 * MS), Sample(0, 300 * MS), Sample(0, ok=False, rc="503")


def every_second(seconds: Iterable[int], sample: Sample | None = None, times: int = 1) -> list[Sample]:
    """Returns the same samples in each of the seconds."""
    return [replace(sample or Sample(0), second=second) for second in seconds for _ in range(times)]


def timeline_of(
    samples: Sequence[Sample],
    *,
    workers: int = 1,
    users: Mapping[int, int] | None = None,
    health: float | None = None,
    unfinished: int = 0,
    waits_s: Sequence[float] = (),
    users_of: Mapping[str, Mapping[int, int]] = MappingProxyType({}),
) -> Timeline:
    """Returns the merged timeline of samples, spread over `workers` workers in each location.

    `users` are virtual users by second, `users_of` those of several executions. `unfinished` are requests at the end,
    as a count or as waiting times, all of the first worker and like the last sample. `health` is the CPU of every
    worker in every second.
    """
    recorders: dict[str, Recorder] = {}
    locations = {sample.location for sample in samples} or {"local"}
    for location in sorted(locations):
        for number in range(1, workers + 1):
            recorders[f"{location}-{number}"] = Recorder(f"{location}-{number}", location)
    for position, sample in enumerate(samples):
        recorders[f"{sample.location}-{position % workers + 1}"].add_one(
            sample.execution,
            completed_s=sample.second + 0.5,
            label=sample.label,
            response_us=sample.us,
            ok=sample.ok,
            steady=sample.steady,
            kind=sample.kind,
            rc=sample.rc,
            message="" if sample.ok else sample.message,
            ttfb_us=sample.ttfb_us,
            connect_us=sample.connect_us,
            bytes=sample.bytes,
        )
    for name, by_second in {**users_of, **({samples[0].execution: users} if users else {})}.items():
        for second, count in by_second.items():
            next(iter(recorders.values())).virtual_users(second, name, count)
    if unfinished or waits_s:
        last, recorder = samples[-1], next(iter(recorders.values()))
        recorder.unfinished(last.second, last.execution, last.label, unfinished)
        for waited_s in waits_s:
            recorder.unfinished(last.second, last.execution, last.label, 1, round(waited_s * 1e6))
    if health is not None:
        for recorder in recorders.values():
            for second in sorted({sample.second for sample in samples}):
                recorder.health(second, health, health, 1 << 20, 0.0)
    timeline = Timeline()
    for name, recorder in recorders.items():
        data = recorder.flush()
        if data is not None:
            timeline.add(decode(data, name))
    return timeline


def plan_of(
    *criteria: str | dict,
    ours: Sequence[str | dict] = (),
    executions: Sequence[PlannedExecution] = (),
    workers: int = 1,
    locations: Sequence[str] = ("local",),
    ramp_up_exclude: bool = False,
) -> Plan:
    """Returns a plan with these criteria on the whole run, its load divided evenly over the workers of all locations.

    `ours` are under `toril.criteria`, the others in `passfail`.
    """
    chosen = tuple(executions) or (execution(),)
    names = [(location, number) for location in locations for number in range(1, workers + 1)]
    shares = tuple(
        Share(
            worker=f"{location}-{number}",
            location=location,
            index=index,
            executions=tuple(
                ExecutionShare(
                    execution=planned.name,
                    concurrency=planned.concurrency and planned.concurrency // len(names),
                    throughput_rps=planned.throughput_rps and planned.throughput_rps / len(names),
                    config={},
                )
                for planned in chosen
            ),
        )
        for index, (location, number) in enumerate(names)
    )
    return Plan(
        run_id="20261124T150405Z-shop-0a1b",
        suite="shop",
        toril_version="0",
        executions=chosen,
        shares=shares,
        common={},
        criteria=tuple(
            PlannedCriterion(source=source, where=f"suite.yml: reporting[0].criteria[{index}]")
            for index, source in enumerate(criteria)
        )
        + tuple(
            PlannedCriterion(source=source, where=f"suite.yml: toril.criteria[{index}]", language="toril")
            for index, source in enumerate(ours)
        ),
        ramp_up_exclude=ramp_up_exclude,
    )


def execution(name: str = "shop", **load: object) -> PlannedExecution:
    """Returns an execution, by default with 10 users for 10 s."""
    return PlannedExecution.model_validate(
        {"name": name, "index": 0, "executor": "locust", "scenario": name, "concurrency": 10, "hold_for_s": 10.0} | load
    )


def judged(
    source: str | dict,
    timeline: Timeline,
    plan: Plan | None = None,
    *,
    executions: Sequence[str] = (),
    missing: MissingData | None = None,
    language: Language = "taurus",
    **known: Any,
) -> CriterionResult:
    """Judges one criterion on a timeline. `known` are other facts of the run, such as completeness and metrics."""
    where = "suite.yml: reporting[0].criteria[0]"
    criterion = parse_criterion(source, where, language, tuple(executions))
    return evaluate(criterion, Evidence(plan or plan_of(), timeline, missing, **known))


def judged_ours(source: str | dict, timeline: Timeline, plan: Plan | None = None, **known: Any) -> CriterionResult:
    """Judges one criterion of `toril.criteria` on a timeline."""
    return judged(source, timeline, plan, language="toril", **known)


def verdict_of(timeline: Timeline, plan: Plan, **circumstances: Any) -> Verdict:
    """Returns the verdict on a run that is complete except for these circumstances, with CloudWatch's `metrics`."""
    metrics: ServerMetrics | None = circumstances.pop("metrics", None)
    workers = tuple(share.worker for share in plan.shares)
    lost = {worker for worker, _ in circumstances.get("lost", ())}
    complete: dict[str, Any] = {
        "planned": workers,
        "reported": tuple(worker for worker in workers if worker not in lost),
        "exits": {worker: left(worker) for worker in workers if worker not in lost},
        "started_at": START,
    }
    completeness = Completeness(
        **complete | circumstances | {"exits": counted((complete | circumstances)["exits"], timeline)}
    )
    summary = summarise(plan, timeline, completeness, START)
    if plan.tried:
        return judge_try(plan, timeline, completeness, summary)
    return judge(plan, timeline, completeness, summary, metrics)


def counted(exits: Mapping[str, Exit], timeline: Timeline) -> dict[str, Exit]:
    """Returns the exit records; the first one without a sample count gets the count of the whole timeline."""
    silent = [worker for worker, one in exits.items() if "samples" not in one.model_fields_set]
    known = sum(one.samples for one in exits.values())
    rest = dict.fromkeys(silent[:1], timeline.select().total.samples - known)
    return {worker: one.model_copy(update={"samples": rest.get(worker, one.samples)}) for worker, one in exits.items()}


def left(worker: str = "local-1", at_s: float = 1e6, **values: object) -> Exit:
    """Returns a worker's exit record."""
    return Exit.model_validate({"worker": worker, "attempt": "a", "at": START + at_s, "outcome": "finished"} | values)


def stopped(cause: str, at_s: float = 5.0) -> Stop:
    return Stop.model_validate({"at": START + at_s, "cause": cause, "message": f"because of {cause}"})


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def good(seconds: int = 10, sample: Sample = FAST, health: float | None = None) -> Timeline:
    return timeline_of(every_second(range(seconds), sample, 10), users=dict.fromkeys(range(seconds), 10), health=health)
