"""The plan of a run: divides a suite's load between workers, losing none of it.

Concurrency and throughput are totals. They are divided by largest remainder, first between locations, then between
their workers. Iterations (per virtual user) and steps are copied. A worker does not run an execution if its share of
it rounds to zero.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toril import __version__
from toril.criteria import criteria_of
from toril.errors import OptionError, SuiteError
from toril.load.shapes import curve_of
from toril.plan.division import WorkerLoad, WorkerSlot, divided_between, split, worker_slots
from toril.plan.iteration import iteration_of, journey_of
from toril.plan.warnings import load_warnings
from toril.records import (
    Browser,
    EarlierAsked,
    ExecutionShare,
    Fault,
    Keeping,
    LauncherName,
    Notice,
    OnceScript,
    Pace,
    Plan,
    PlannedCriterion,
    PlannedExecution,
    ServiceResource,
    Share,
    TaskSize,
)
from toril.records.recording import RECORDING
from toril.suite import Execution, Suite
from toril.suite.engines import engine_of
from toril.suite.reader import mapping_at
from toril.suite.requests import OWN
from toril.suite.settings import MAX_WORKERS, OnceBlock, browser_of

SMOKE_HOLD_S = 5
TRIED_RPS = 10  # of a try in an open model: people read its output
LONGEST_TRY_S = 600.0
MOST_OF_TRY = 64 << 10  # bytes of a body, for the comparison with a recording
OF_BOTH = (  # fields of an execution and of its plan
    "name", "index", "executor", "model", "scenario", "concurrency", "iterations", "steps", "delay_s", "ramp_up_s",
    "hold_for_s", "labels", "search", "script_load",
)  # fmt: skip
MOST_SLOWEST = 50  # labels whose slowest request workers keep

# Intervals and deadlines of runs on Fargate; `Pace()` has those of local runs. A request to S3 takes tens of
# milliseconds and costs money. A task takes a minute or two to start.
FARGATE_TIMINGS = Pace(
    flush_s=5.0,
    poll_s=1.0,
    start_lead_s=3.0,  # a worker's poll, and a second one after a late response
    ready_timeout_s=600.0,
    lease_renew_s=5.0,
    lease_expires_s=30.0,
    orphaned_after_s=180.0,  # time to take over a run before its workers stop
    kill_after_s=20.0,
    give_up_s=150.0,  # Fargate kills a task 120 s after the request to stop it
)


def make_plan(
    suite: Suite,
    *,
    run_id: str,
    workers: int | None,
    on: LauncherName = "local",
    tags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    smoke: bool = False,
    tried: bool = False,
    earlier_runs: bool | None = None,
    notices: Sequence[Notice] = (),
) -> Plan:
    """Returns the plan of a run. `workers` (in total) overrides `toril.workers`; without both, the load decides.

    The division does not depend on `on`, which has already selected the suite's load. `environment` is for engines on
    other machines; local engines inherit theirs. `earlier_runs`: whether to compare with them; None: if the suite has
    `toril.earlier-runs`.
    """
    alone = smoke or tried
    executions = _by_one_user(suite, tried=tried) if alone and not suite.functional else suite.executions
    wanted = 1 if alone else _wanted(suite, workers)
    slots = worker_slots(suite, executions, wanted)
    parts = divided_between(suite, executions, slots, chosen=wanted is not None)
    criteria = () if alone else suite.criteria
    warnings = (*suite.warnings, *load_warnings(suite, executions, criteria, slots, smoke=smoke))
    return Plan(
        run_id=run_id,
        suite=suite.name,
        toril_version=__version__,
        tags={**suite.toril.tags, **(tags or {}), **own_tags(suite)},
        stage=suite.stage,
        part=suite.part,
        named_files=tuple(file.as_posix() for file in suite.named),
        executions=tuple(_planned(suite, *planned) for planned in zip(executions, parts, strict=True)),
        shares=tuple(_share(slot, executions, parts, slots, suite) for slot in slots),
        common=_common(suite, executions, tried=tried),
        criteria=criteria,
        places={rule.where: suite.places[rule.where] for rule in criteria if rule.where in suite.places},
        ramp_up_exclude=suite.ramp_up_exclude and not tried,
        functional=suite.functional,
        quorum=suite.toril.quorum,
        graceful_stop_s=suite.toril.graceful_stop_s,
        metrics_wait_s=suite.toril.metrics_wait_s,
        max_duration_s=min(suite.toril.max_duration_s or LONGEST_TRY_S, LONGEST_TRY_S)
        if tried
        else suite.toril.max_duration_s,
        on=on,
        pace=_pace(suite, on, tried=tried),
        consume_once={path: 0 if suite.toril.setup else suite.data_rows[path] for path in suite.once},
        setup=_once(suite.toril.setup),
        teardown=_once(suite.toril.teardown),
        faults=() if alone else tuple(Fault(**fault.model_dump(exclude_none=True)) for fault in suite.toril.faults),
        task=_task(suite) if on == "fargate" else None,
        environment=dict(environment or {}) if on == "fargate" else {},
        secrets=dict(suite.toril.secrets),
        tried=tried,
        keeping=_keeping(suite, criteria, tried=tried),
        traceparent=suite.toril.traceparent,
        trace_link=suite.toril.traces,
        xray=suite.toril.xray,
        log_groups=suite.toril.logs,
        service=() if tried or suite.functional else _service(suite),
        require_values=suite.toril.require_values,
        request_tags=suite.toril.request_tags,
        metrics=dict(suite.toril.metrics),
        earlier=None if alone or suite.functional or suite.part else _earlier(suite, earlier_runs),
        notices=() if tried else (*_notices(suite, smoke=smoke), *notices),
        audits_off=tuple(code for code, on in suite.toril.findings.items() if not on),
        page_bytes=suite.toril.page_size,
        warnings=tuple(warning.message for warning in warnings),
        warning_codes=tuple(warning.code for warning in warnings),
    )


def _service(suite: Suite) -> tuple[ServiceResource, ...]:
    return tuple(ServiceResource(**one.model_dump(exclude_none=True)) for one in suite.toril.service)


def own_tags(of: Suite | Plan) -> dict[str, str]:
    """Returns the tags of a run that toril adds: its stage, and the executions of a part."""
    return {name: value for name, value in (("stage", of.stage), ("part", ",".join(of.part))) if value}


def share_config(plan: Plan, share: Share) -> dict[str, Any]:
    """Returns the complete Taurus configuration of one worker, without criteria and reporters."""
    return {**deepcopy(plan.common), "execution": [deepcopy(execution.config) for execution in share.executions]}


def _pace(suite: Suite, on: LauncherName, *, tried: bool) -> Pace:
    """Returns the run's pace; workers are ready only after setup."""
    pace = FARGATE_TIMINGS if on == "fargate" else Pace()
    changed: dict[str, float] = {"flush_s": 1.0 if on == "fargate" else 0.2} if tried else {}
    if suite.toril.setup is not None:
        changed["ready_timeout_s"] = pace.ready_timeout_s + suite.toril.setup.time_limit_s
    return pace.model_copy(update=changed)


def _once(block: OnceBlock | None) -> OnceScript | None:
    return None if block is None else OnceScript(script=block.script, limit_s=block.time_limit_s)


def _keeping(suite: Suite, criteria: Sequence[PlannedCriterion], *, tried: bool) -> Keeping | None:
    """Returns what workers keep of requests: the slowest of all, and of each label that a criterion judges."""
    wanted = suite.toril.evidence
    if wanted.off and not tried:
        return None
    labels = dict.fromkeys(criterion.request for criterion in criteria_of(criteria) if criterion.request)
    return Keeping(
        failures=wanted.failures,
        body_bytes=MOST_OF_TRY if tried and Path(RECORDING) in suite.files else wanted.body,
        slowest=() if tried else ("", *list(labels)[: MOST_SLOWEST - 1]),
        everything=tried,
    )


def _notices(suite: Suite, *, smoke: bool) -> Iterator[Notice]:
    for block in suite.toril.notify:
        if smoke and block.form == "pagerduty":  # a smoke run judges nothing, so it resolves no alert
            continue
        parts = urlsplit(block.webhook)
        place = {"webhook": block.webhook} if parts.scheme else {"variable": block.webhook}
        yield Notice(**place, format=block.form, on=block.on, secret=block.secret or "")


def _earlier(suite: Suite, asked: bool | None) -> EarlierAsked | None:
    block = suite.toril.earlier_runs
    if asked is False or (block is None and asked is None):
        return None
    return EarlierAsked(**block.model_dump()) if block else EarlierAsked()


def _by_one_user(suite: Suite, *, tried: bool) -> tuple[Execution, ...]:
    """Returns each execution with one virtual user in the first location: for a few seconds, or once if `tried`.

    Independent requests get a rate that is high enough to send each of them once.
    """
    location = dict(list(suite.executions[0].locations.items())[:1])
    notes = []
    for execution in suite.executions:
        is_open = execution.model == "requests"
        rate, hold_s, iterations = None, 0.0 if tried else float(SMOKE_HOLD_S), execution.iterations
        if is_open and tried:
            iteration = iteration_of(suite.common["scenarios"].get(execution.scenario))
            rate, hold_s = TRIED_RPS, (iteration.labels.total() if iteration else len(execution.labels)) / TRIED_RPS
        elif is_open:
            rate = max(1, math.ceil(len(execution.labels) / SMOKE_HOLD_S))
        elif tried:
            iterations = 1
        users = execution.groups if rate is None else None
        dropped = ("ramp-up", "delay", "steps", "throughput", "hold-for")
        config = {key: value for key, value in execution.config.items() if key not in dropped}
        config |= {"concurrency": users} if rate is None else {"throughput": rate}
        config |= {"hold-for": f"{hold_s * 1000:.0f}ms" if tried else f"{hold_s:g}s"} if hold_s else {"iterations": 1}
        notes.append(
            replace(
                execution,
                model="requests" if is_open else "users",
                concurrency=users,
                throughput_rps=None if rate is None else Fraction(rate),
                iterations=iterations,
                curve=None,
                search=None,
                script_load=None,
                steps=None,
                delay_s=0.0,
                ramp_up_s=0.0,
                hold_for_s=hold_s,
                locations=location,
                exact_workers=False,
                config=config,
            )
        )
    return tuple(notes)


def _common(suite: Suite, executions: Sequence[Execution], *, tried: bool) -> dict[str, Any]:
    """Returns the suite's configuration, with `toril.engine` as the settings of the engine's modules.

    The executions of a try run in turn.
    """
    common = deepcopy(suite.common)
    if tried:
        local = {**mapping_at(common, "modules", "local"), "sequential": True}
        common["modules"] = {**mapping_at(common, "modules"), "local": local}
    for alias in {execution.executor for execution in executions}.intersection(OWN):
        settings = {**suite.toril.engine.model_dump(by_alias=True), "split-data": list(suite.data_rows)}
        common["modules"] = {**mapping_at(common, "modules"), alias: settings}
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
    if workers is not None and not 1 <= workers <= MAX_WORKERS:
        raise OptionError(f"--workers {workers}: Use a number from 1 to {MAX_WORKERS:,}.", code="out-of-range")
    return suite.toril.workers if workers is None else workers


def _browser(suite: Suite, execution: Execution) -> Browser | None:
    if not engine_of(execution.executor).browser:
        return None
    wanted = suite.toril.browsers.get(execution.name)
    return browser_of(wanted.device, wanted.network) if wanted else browser_of(None, None)


def _planned(suite: Suite, execution: Execution, parts: Mapping[int, WorkerLoad]) -> PlannedExecution:
    curve = execution.curve.points if execution.curve else ()
    if not curve and execution.by_schedule and execution.throughput_rps is not None:
        times = execution.ramp_up_s, execution.hold_for_s
        curve = curve_of(execution.throughput_rps, *times, execution.steps).points
    shared = {name: getattr(execution, name) for name in OF_BOTH}
    rate = None if execution.throughput_rps is None else float(execution.throughput_rps)
    if execution.script_load is not None and execution.script_load.mode == "repeat":
        users = tuple((at_s, len(parts) * users) for at_s, users in execution.script_load.users)
        shared["script_load"] = execution.script_load.model_copy(update={"users": users})
    journey = None
    if execution.model == "arrivals":
        journey = journey_of(suite.scenarios, execution.scenario)
        if execution.search and journey is None:
            what = "A search counts the answers to the first step of each journey"
            fix = "Begin the scenario with a request whose label no other step has"
            where = f"{suite.source}: toril.capacity.{execution.name[:60]}"
            raise SuiteError(f"{where}: {what}. {fix}.", code="unsupported-search")
    return PlannedExecution(
        **shared,
        browser=_browser(suite, execution),
        throughput_rps=rate,
        curve=curve,
        # One schedule limits the requests of all users of toril's engine.
        adjustable=execution.by_schedule or (rate is not None and "arrivals" in engine_of(execution.executor).models),
        journey=journey,
    )


def _share(
    slot: WorkerSlot,
    executions: Sequence[Execution],
    divided: Sequence[dict[int, WorkerLoad]],
    slots: Sequence[WorkerSlot],
    suite: Suite,
) -> Share:
    return Share(
        worker=f"{slot.location}-{slot.number}",
        location=slot.location,
        index=slot.index,
        executions=tuple(
            _execution_share(execution, slot.index, parts, _phase(execution, slot, parts, slots))
            for execution, parts in zip(executions, divided, strict=True)
            if slot.index in parts
        ),
        data_files=dict(_data_files(slot, executions, divided, suite)),
    )


def _execution_share(execution: Execution, index: int, parts: Mapping[int, WorkerLoad], phase: float) -> ExecutionShare:
    part, before = parts[index], sum(other.users for worker, other in parts.items() if worker < index)
    config = deepcopy(execution.config)
    if execution.concurrency is not None:
        config["concurrency"] = part.users
    if part.throughput is not None and execution.model != "arrivals":
        config["throughput"] = int(part.throughput) if part.throughput.denominator == 1 else float(part.throughput)
    return ExecutionShare(
        execution=execution.name,
        concurrency=None if execution.concurrency is None else part.users,
        first_user=0 if execution.concurrency is None else before,
        throughput_rps=None if part.throughput is None else float(part.throughput),
        phase=phase,
        interleave=part.interleave,
        segment=part.segment,
        script_users=part.script_users,
        config=config,
    )


def _phase(
    execution: Execution, slot: WorkerSlot, parts: Mapping[int, WorkerLoad], slots: Sequence[WorkerSlot]
) -> float:
    """Returns the fraction of a period by which a worker starts later: i/n for worker i of n.

    Numbers alternate between locations, so that the starts are even in each location. In an open model, all workers
    start at once and interleave their arrivals instead.
    """
    if execution.by_schedule:
        return 0.0
    running = sorted((other.number, other.index) for other in slots if other.index in parts)
    return running.index((slot.number, slot.index)) / len(running)


def _data_files(
    slot: WorkerSlot, executions: Sequence[Execution], divided: Sequence[dict[int, WorkerLoad]], suite: Suite
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yields each `split-data` file with this worker's part and the number of parts.

    The workers that read the file share it; if no execution names it, all workers do.
    """
    for path, rows in suite.data_rows.items():
        reading = [parts for load, parts in zip(executions, divided, strict=True) if path in load.files]
        sharing = sorted({index for parts in reading or divided for index in parts})
        if rows < len(sharing) and suite.toril.setup is None:
            key = "consume-once" if path in suite.once else "split-data"
            what = f"{suite.source}: toril.{key}: `{path}` has {rows} rows for {len(sharing)} workers"
            fix = "Add rows, lower `workers`, or remove the file there."
            raise SuiteError(f"{what}. {fix}", code="too-few-rows")
        if slot.index in sharing:
            yield path, (sharing.index(slot.index), len(sharing))
