"""The turns of a duet: their number, order and times, and the copies of executions that send in them.

In the switched form, engines run through. Each execution has one copy for each arm, which sends in the turns of its arm
only, and whose own time stands still between them. Delays and ramp-ups are in the warm-up turns.

In the restarted form, each execution has a copy for each turn, because its engine starts for the turn.
"""

import math
import random
from typing import Any

from toril.errors import SuiteError
from toril.load.shapes import curve_of
from toril.records import ARMS, Duet, Plan, PlannedExecution, Turn
from toril.suite.engines import engine_of
from toril.suite.reader import mapping_at
from toril.suite.settings import Regression
from toril.text import plural

SWITCHED_BLOCK_S = 2  # unless the suite sets `block`; pairs of 2 s are independent (bench/README.md, gate)
GAP_SHARE, LEAST_GAP_S, MOST_GAP_S = 0.1, 0.1, 0.5  # of a turn; requests in flight may finish
LEAST_WARM_S, MOST_WARM_S = 2, 10
MIN_BLOCK_S = 5  # of the restarted form, unless the suite sets `block`
START_UP_FACTOR = 2  # for engines that start together on a busy machine with two cores
MIN_START_UP_S = 2
MAX_COPIES = 400  # of executions in one worker: each opens two files, and the usual limit is 1,024
DRAIN_S = 1  # after a turn's load, for requests in flight; then the next engines start
LEAST_BLOCKS, MOST_BLOCKS = 4, 400

Course = tuple[float, float, float]  # delay, ramp-up and hold in seconds
Arranged = tuple[Duet, tuple[PlannedExecution, ...]]  # the copies are in the order of the shares


def arranged(plan: Plan, wanted: Regression, seed: int, *, halved: bool = False, **facts: Any) -> Arranged:
    """Returns the duet of a plan, and the copies of its executions.

    `halved`: half of the pairs, and a decision at their end only. `facts` are the other fields of the duet.
    """
    from toril.stats.sequential import looks_of  # imports numpy, which the console's pages do not need

    switched = not restarted_engines(plan)
    blocks, block_s = (wanted.blocks, wanted.block_s) if wanted.blocks else _in_time(plan, wanted, switched=switched)
    if halved:
        blocks = max(LEAST_BLOCKS, math.ceil(blocks / 2))
    facts |= {
        "blocks": blocks,
        "order": order_of(seed, blocks),
        "seed": seed,
        "looks": (blocks,) if halved else looks_of(blocks),
        "switched": switched,
        "common_mix": True,
    }
    return _switched(plan, block_s, facts) if switched else _restarted(plan, block_s, facts)


def _in_time(plan: Plan, wanted: Regression, *, switched: bool) -> tuple[int, float]:
    """Returns the pairs whose load fits into the wanted time, and the steady load of a block in seconds.

    Short blocks prove more in the same time. Many executions that start for each turn have longer ones.
    """
    copies = MAX_COPIES // 2 // len(plan.executions)
    shortest = SWITCHED_BLOCK_S if switched else max(MIN_BLOCK_S, math.ceil(wanted.time_s / 2 / max(1, copies)))
    block = shortest if wanted.block_s is None else max(1, math.ceil(wanted.block_s))
    blocks = int(wanted.time_s // (2 * block))
    if not LEAST_BLOCKS <= blocks <= MOST_BLOCKS:
        what = f"{plan.suite}: toril.regression.time: {wanted.time_s:,.10g} s are {plural(blocks, 'pair')} of {block} s"
        fix = "a longer time or shorter blocks" if blocks < LEAST_BLOCKS else "a shorter time or longer blocks"
        raise SuiteError(f"{what}, not {LEAST_BLOCKS} to {MOST_BLOCKS}. Use {fix}.", code="out-of-range")
    return blocks, float(block)


def restarted_engines(plan: Plan) -> tuple[str, ...]:
    """Returns the names of engines that cannot pause. One of them makes all engines start for each turn."""
    return tuple(
        dict.fromkeys(
            engine_of(load.executor).title + (" with `throughput`" if load.throughput_rps else "")
            for load in plan.executions
            if not engine_of(load.executor).switches or (load.throughput_rps and load.executor == "jmeter")
        )
    )


def order_of(seed: int, blocks: int) -> str:
    """Returns a random order of the arms. Of four neighbouring pairs, two begin with base, so a drift favours no arm.

    >>> order_of(1, 4), order_of(2, 4)
    ('BABAABAB', 'ABBABAAB')
    """
    chance, order = random.Random(seed), ""  # noqa: S311 - no secret
    while len(order) < 2 * blocks:
        four = 2 * chance.sample(["AB", "BA"], 2)
        four = four[: blocks - len(order) // 2]
        chance.shuffle(four)
        order += "".join(four)
    return order


def _switched(plan: Plan, block_s: float | None, facts: dict[str, Any]) -> Arranged:
    block = SWITCHED_BLOCK_S if block_s is None else max(1, math.ceil(block_s))
    lead_s = max(execution.delay_s + execution.ramp_up_s for execution in plan.executions)
    duet = Duet(
        block_s=float(block),
        turn_s=block,
        gap_s=min(MOST_GAP_S, max(LEAST_GAP_S, GAP_SHARE * block)),
        warm_s=min(MOST_WARM_S, max(LEAST_WARM_S, math.ceil(lead_s))),
        **facts,
    )
    end_s = max(turn.ends_s for turn in duet.turns())
    return duet, tuple(_through(execution, arm, duet, end_s) for execution in plan.executions for arm in ARMS)


def _through(execution: PlannedExecution, arm: int, duet: Duet, end_s: float) -> PlannedExecution:
    """Returns an arm's copy of an execution. Its curve is in the arm's own time, and all else in the run's time."""
    lead_s = execution.delay_s + execution.ramp_up_s
    scale = min(1.0, (duet.warm_s - 1) / lead_s) if lead_s else 1.0
    delay_s = round(execution.delay_s * scale, 3)
    ramp_up_s = _ramp_up_s(execution, scale)
    own_s = duet.warm_s + duet.blocks * duet.turn_s - delay_s - ramp_up_s
    course = delay_s, ramp_up_s, round(end_s - delay_s - ramp_up_s, 3)
    return _copy(execution, ARMS[arm], course, own_s, arm=arm)


def _restarted(plan: Plan, block_s: float | None, facts: dict[str, Any]) -> Arranged:
    """Returns turns that shorten delays, ramp-ups and holds by the same factor.

    With a number of blocks and no length, each arm has the suite's load for the suite's hold time.
    """
    blocks = facts["blocks"]
    if 2 * blocks * len(plan.executions) > MAX_COPIES:
        what = f"{plan.suite}: {blocks} pairs of {plural(len(plan.executions), 'execution')} are too many"
        fix = f"Use at most {plural(MAX_COPIES // 2 // len(plan.executions), 'block')}."
        raise SuiteError(f"{what}. {fix}", code="too-many-blocks")
    hold_s = max(execution.hold_for_s for execution in plan.executions)
    block = max(MIN_BLOCK_S, math.ceil(hold_s / blocks)) if block_s is None else max(1, math.ceil(block_s))
    scale = block / hold_s
    turn_s = max(math.ceil(sum(_course(execution, scale))) for execution in plan.executions)
    duet = Duet(block_s=float(block), turn_s=turn_s, gap_s=DRAIN_S + _start_up_s(plan), **facts)
    return duet, tuple(
        _once(execution, turn, scale, duet.gap_s) for turn in duet.turns() for execution in plan.executions
    )


def _start_up_s(plan: Plan) -> int:
    """Returns the seconds that all engines of a turn need to start; the gap keeps starts out of measured load."""
    executor_of = {execution.name: execution.executor for execution in plan.executions}
    by_worker = [
        sum(engine_of(executor_of[part.execution]).start_up_cpu_s for part in share.executions) for share in plan.shares
    ]
    cpu_s = sum(by_worker) if plan.on == "local" else max(by_worker)
    return max(MIN_START_UP_S, math.ceil(START_UP_FACTOR * cpu_s))


def _course(execution: PlannedExecution, scale: float) -> Course:
    """Returns delay, ramp-up and hold of a turn. Holds are whole seconds."""
    hold_for_s = float(max(1, round(execution.hold_for_s * scale)))
    return round(execution.delay_s * scale, 3), _ramp_up_s(execution, scale), hold_for_s


def _ramp_up_s(execution: PlannedExecution, scale: float) -> float:
    """Returns the shortened ramp-up, which takes at least one second."""
    return max(1.0, round(execution.ramp_up_s * scale, 3)) if execution.ramp_up_s else 0.0


def _once(execution: PlannedExecution, turn: Turn, scale: float, gap_s: float) -> PlannedExecution:
    """Returns the copy of an execution for one turn."""
    delay_s, ramp_up_s, hold_for_s = _course(execution, scale)
    lead_s = gap_s - DRAIN_S + delay_s if turn.starts_s else None
    name, course = f"{ARMS[turn.arm]} {turn.block}", (turn.starts_s + delay_s, ramp_up_s, hold_for_s)
    return _copy(execution, name, course, hold_for_s, arm=turn.arm, block=turn.block, lead_s=lead_s)


def _copy(execution: PlannedExecution, name: str, course: Course, own_s: float, **more: Any) -> PlannedExecution:
    """Returns a copy of an execution; `own_s` is the hold of an open model's curve, which keeps its rates."""
    (delay_s, ramp_up_s, hold_for_s), rps = course, execution.throughput_rps or 0.0
    own = {
        "name": f"{execution.name}, {name}",
        "copy_of": execution.name,
        "delay_s": delay_s,
        "ramp_up_s": ramp_up_s,
        "hold_for_s": hold_for_s,
        "curve": curve_of(rps, ramp_up_s, own_s, execution.steps).points if execution.curve else (),
        "adjustable": False,
    }
    return execution.model_copy(update=own | more)


def together(plan: Plan, variable: str | None) -> tuple[str, ...]:
    """Returns the executions whose two copies one process can run.

    A script that reads the address from a variable cannot have two addresses in one process.
    """
    return tuple(
        execution.name
        for execution in plan.executions
        if engine_of(execution.executor).together
        and not (variable and mapping_at(plan.common, "scenarios", execution.scenario).get("script"))
    )
