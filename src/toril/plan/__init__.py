"""The division of a suite's load between workers: a pure function, in which nothing is lost and nothing invented.

Concurrency and throughput are totals and are divided by largest remainder, first between locations, then between
their workers. Iterations (per virtual user) and steps are copied. A worker whose share of an execution rounds to zero
does not run it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

from toril import __version__
from toril.criteria import criteria_of, lint
from toril.errors import OptionError, SuiteError
from toril.load.shapes import OPEN_MODEL, curve_of
from toril.plan.division import Part, divided_between
from toril.plan.pace import pace_of
from toril.plan.samples import iteration_of, too_few
from toril.plan.seats import MOST_WORKERS, Seat, seats_of, split
from toril.records import Browser, ExecutionShare, Plan, PlannedCriterion, PlannedExecution, Share, TaskSize
from toril.suite import Execution, Suite
from toril.suite.browsers import BROWSER_ENGINES, TIMINGS, browser_of

__all__ = ["make_plan", "share_config", "split"]

SMOKE_HOLD_S = 5

Place = Literal["local", "fargate"]


def make_plan(
    suite: Suite,
    *,
    run_id: str,
    workers: int | None,
    on: Place = "local",
    tags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    smoke: bool = False,
) -> Plan:
    """The plan of a run. `workers` (in total) goes before `toril.workers`, and that before what the load needs.

    The division is the same wherever the run is: `on` has chosen the suite's load already. `environment` is for
    engines on other machines; those on this one inherit it.
    """
    executions = _smoke(suite.executions) if smoke and not suite.functional else suite.executions
    wanted = 1 if smoke else _wanted(suite, workers)
    seats = seats_of(suite, executions, wanted)
    parts = divided_between(suite, executions, seats, chosen=wanted is not None)
    criteria = () if smoke else suite.criteria
    return Plan(
        run_id=run_id,
        suite=suite.name,
        toril_version=__version__,
        tags=dict(tags or {}),
        executions=tuple(_planned(execution, _browser(suite, execution)) for execution in executions),
        shares=tuple(_share(seat, executions, parts, seats, suite) for seat in seats),
        common=_common(suite, executions),
        criteria=criteria,
        places={one.where: suite.places[one.where] for one in criteria if one.where in suite.places},
        ramp_up_exclude=suite.ramp_up_exclude,
        functional=suite.functional,
        quorum=suite.toril.quorum,
        graceful_stop_s=suite.toril.graceful_stop_s,
        metrics_wait_s=suite.toril.metrics_wait_s,
        max_duration_s=suite.toril.max_duration_s,
        on=on,
        pace=pace_of(on),
        task=_task(suite) if on == "fargate" else None,
        environment=dict(environment or {}) if on == "fargate" else {},
        secrets=dict(suite.toril.secrets),
        warnings=(*suite.warnings, *_warnings(suite, executions, criteria, seats, smoke=smoke)),
    )


def share_config(plan: Plan, share: Share) -> dict[str, Any]:
    """The complete Taurus configuration of one worker; it judges and reports nothing."""
    return {**deepcopy(plan.common), "execution": [deepcopy(execution.config) for execution in share.executions]}


def _smoke(executions: Sequence[Execution]) -> tuple[Execution, ...]:
    """One user and a few seconds of each, all in the first location; an open model sends each of its requests."""
    rates = {
        execution.index: max(1, math.ceil(len(execution.labels) / SMOKE_HOLD_S))
        for execution in executions
        if execution.executor in OPEN_MODEL
    }
    return tuple(
        replace(
            execution,
            concurrency=None if execution.index in rates else execution.groups,
            throughput_rps=Fraction(rates[execution.index]) if execution.index in rates else None,
            curve=None,
            search=None,
            steps=None,
            delay_s=0.0,
            ramp_up_s=0.0,
            hold_for_s=float(SMOKE_HOLD_S),
            locations=dict(list(executions[0].locations.items())[:1]),
            exact_workers=False,
            config={
                **{
                    key: value
                    for key, value in execution.config.items()
                    if key not in ("ramp-up", "delay", "steps", "throughput")
                },
                **(
                    {"throughput": rates[execution.index]}
                    if execution.index in rates
                    else {"concurrency": execution.groups}
                ),
                "hold-for": f"{SMOKE_HOLD_S}s",
            },
        )
        for execution in executions
    )


def _common(suite: Suite, executions: Sequence[Execution]) -> dict[str, Any]:
    """The suite's configuration, with what `toril:` says of an engine as the settings of its module."""
    common = deepcopy(suite.common)
    if any(execution.executor == "vegeta" for execution in executions):
        modules = common.get("modules")
        told = {**suite.toril.vegeta.model_dump(by_alias=True), "split-data": list(suite.data_rows)}
        common["modules"] = {**(modules if isinstance(modules, dict) else {}), "vegeta": told}
    return common


def _task(suite: Suite) -> TaskSize:
    wanted = suite.toril.worker
    return TaskSize(
        cpu=wanted.cpu,
        memory_mib=wanted.memory,
        architecture="arm64" if wanted.arch == "arm64" else "x86-64",
        spot=wanted.spot,
        storage_gib=wanted.storage,
    )


def _wanted(suite: Suite, workers: int | None) -> int | None:
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise OptionError(f"--workers {workers}: expected 1 to {MOST_WORKERS:,}")
    return suite.toril.workers if workers is None else workers


def _browser(suite: Suite, execution: Execution) -> Browser | None:
    if execution.executor not in BROWSER_ENGINES:
        return None
    wanted = suite.toril.browsers.get(execution.name)
    return browser_of(wanted.device, wanted.network) if wanted else browser_of(None, None)


def _planned(execution: Execution, browser: Browser | None) -> PlannedExecution:
    curve = execution.curve.points if execution.curve else ()
    if not curve and execution.executor in OPEN_MODEL and execution.throughput_rps is not None:
        times = execution.ramp_up_s, execution.hold_for_s
        curve = curve_of(execution.throughput_rps, *times, execution.steps).points
    return PlannedExecution(
        browser=browser,
        name=execution.name,
        index=execution.index,
        executor=execution.executor,
        scenario=execution.scenario,
        concurrency=execution.concurrency,
        throughput_rps=None if execution.throughput_rps is None else float(execution.throughput_rps),
        iterations=execution.iterations,
        steps=execution.steps,
        delay_s=execution.delay_s,
        ramp_up_s=execution.ramp_up_s,
        hold_for_s=execution.hold_for_s,
        curve=curve,
        labels=execution.labels,
        adjustable=execution.executor in OPEN_MODEL,
        search=execution.search,
    )


def _share(
    seat: Seat,
    executions: Sequence[Execution],
    divided: Sequence[dict[int, Part]],
    seats: Sequence[Seat],
    suite: Suite,
) -> Share:
    return Share(
        worker=f"{seat.location}-{seat.number}",
        location=seat.location,
        index=seat.index,
        executions=tuple(
            _execution_share(execution, parts[seat.index], _phase(execution, seat, parts, seats))
            for execution, parts in zip(executions, divided, strict=True)
            if seat.index in parts
        ),
        data_files=dict(_data_files(seat, executions, divided, suite)),
    )


def _execution_share(execution: Execution, part: Part, phase: float) -> ExecutionShare:
    config = deepcopy(execution.config)
    if execution.concurrency is not None:
        config["concurrency"] = part.users
    if part.throughput is not None:
        config["throughput"] = int(part.throughput) if part.throughput.denominator == 1 else float(part.throughput)
    return ExecutionShare(
        execution=execution.name,
        concurrency=None if execution.concurrency is None else part.users,
        throughput_rps=None if part.throughput is None else float(part.throughput),
        phase=phase,
        interleave=part.interleave,
        segment=part.segment,
        config=config,
    )


def _phase(execution: Execution, seat: Seat, parts: Mapping[int, Part], seats: Sequence[Seat]) -> float:
    """Worker i of n starts i/n of a period later, counted around the locations so that each of them is even as well.

    An open model interleaves instead: all workers start at once, and each knows its own arrivals.
    """
    if execution.executor in OPEN_MODEL:
        return 0.0
    running = sorted((other.number, other.index) for other in seats if other.index in parts)
    return running.index((seat.number, seat.index)) / len(running)


def _data_files(
    seat: Seat, executions: Sequence[Execution], divided: Sequence[dict[int, Part]], suite: Suite
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each `split-data` file: which of how many parts is this worker's. Those that read it share it; else all do."""
    for path, rows in suite.data_rows.items():
        readers = sorted(
            {
                index
                for execution, parts in zip(executions, divided, strict=True)
                if path in execution.files
                for index in parts
            }
        )
        everybody = readers or sorted({index for parts in divided for index in parts})
        if rows < len(everybody):
            raise SuiteError(
                f"{suite.source}: toril.split-data names {path}, with {rows} rows for {len(everybody)} workers; "
                "add rows, lower `workers`, or let them share the file"
            )
        if seat.index in everybody:
            yield path, (everybody.index(seat.index), len(everybody))


def _warnings(
    suite: Suite,
    executions: Sequence[Execution],
    criteria: Sequence[PlannedCriterion],
    seats: Sequence[Seat],
    *,
    smoke: bool,
) -> Iterator[str]:
    """What will surprise; a criterion on a location that the run does not have is an error."""
    if smoke and not suite.functional:
        yield "a smoke run: one user, a few seconds, and nothing is judged"
    duration_s = max(
        (execution.delay_s + execution.ramp_up_s + execution.hold_for_s for execution in executions), default=0.0
    )
    limit_s = suite.toril.max_duration_s
    if limit_s is not None and duration_s > limit_s:
        what = f"toril.max-duration ({limit_s:g} s)"
        if any(execution.search for execution in executions):
            yield f"{suite.source}: {what} ends a search that takes longer; {duration_s:g} s is the most it may take"
        else:
            yield f"{suite.source}: {what} ends the run before its {duration_s:g} s are over"
    locations = tuple(dict.fromkeys(seat.location for seat in seats))
    iterations = {name: iteration_of(scenario) for name, scenario in suite.common["scenarios"].items()}
    labels_of: dict[tuple[str, ...], tuple[set[str], str]] = {}  # by executions: both may be many, labels and criteria
    for criterion in criteria_of(criteria):
        judged = [one for one in executions if not criterion.executions or one.name in criterion.executions]
        if criterion.location is not None and criterion.location not in locations:
            raise SuiteError(
                f"{criterion.where} is `{criterion.text}`, where no worker is; this run has {', '.join(locations)}"
            )
        if criterion.executions not in labels_of:
            found = {label for one in judged for label in one.labels}
            labels_of[criterion.executions] = found | _timings(judged), ", ".join(sorted(found)[:10])
        labels, known = labels_of[criterion.executions]
        of_requests = bool(criterion.label) and criterion.subject != "capacity"
        if of_requests and criterion.label not in labels and all(execution.labels for execution in judged):
            yield f"{criterion.where}: no request is labelled `{criterion.label}`; there are {known}"
        yield from (f"{criterion.where}: {finding.message}" for finding in lint(criterion))
        if few := too_few(criterion, judged, iterations, steady_only=suite.ramp_up_exclude):
            yield f"{criterion.where}: {few}"
        lasts_s = _judged_s(judged, steady_only=suite.ramp_up_exclude)
        period_s = 0 if criterion.server is None else criterion.server.period_s  # two of which may lie half outside
        if criterion.logic in ("for", "over") and criterion.timeframe_s > lasts_s + 2 * period_s:
            yield f"{criterion.where}: `{criterion.text}` needs more seconds than the load has: it cannot come true"


def _timings(executions: Sequence[Execution]) -> set[str]:
    """The labels that browsers give by themselves: of each step, and of their start."""
    steps = {label for one in executions if one.executor in BROWSER_ENGINES for label in one.labels}
    return {f"{step}{timing}" for step in (*steps, "") for timing in TIMINGS} if steps else set()


def _judged_s(executions: Sequence[Execution], *, steady_only: bool) -> float:
    """From the first judged moment of these executions to the last; infinite when only iterations bound one."""
    if not all(execution.ramp_up_s + execution.hold_for_s for execution in executions):
        return math.inf
    starts_s = (execution.delay_s + steady_only * execution.ramp_up_s for execution in executions)
    return max(one.delay_s + one.ramp_up_s + one.hold_for_s for one in executions) - min(starts_s)
