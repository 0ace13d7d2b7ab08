"""The plan of a duet: the same workers load two addresses in turns with one suite."""

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from toril.criteria import criteria_of
from toril.errors import Note, OptionError, SuiteError
from toril.masking import mask
from toril.plan.options import RunOptions, new_run_id, plan_run
from toril.records import ARMS, BASE, HEAD, Duet, ExecutionShare, Plan, PlannedCriterion, PlannedExecution, Turn
from toril.suite import Suite
from toril.suite.engines import engine_of
from toril.suite.reader import mapping_at
from toril.suite.retarget import checked_address
from toril.suite.settings import Regression
from toril.text import plural

BLOCKS = 10  # unless the suite sets `blocks`
MIN_BLOCK_S = 5  # unless the suite sets `block`
START_UP_FACTOR = 2  # for engines that start together on a busy machine with two cores
MIN_START_UP_S = 2
MAX_COPIES = 400  # of executions in one worker: each opens two files, and the usual limit is 1,024
DRAIN_S = 1  # after a turn's load, for requests in flight; then the next engines start


def plan_duet(
    paths: Sequence[str | Path],
    options: RunOptions,
    now: float,
    *,
    base: str,
    head: str,
    blocks: int | None = None,
    margin: float | None = None,
) -> tuple[Suite, Plan]:
    """Returns the suite as read for head, and the plan for both addresses, without starting anything.

    `blocks` and `margin` override the suite's `toril.regression`.
    """
    if options.on != "local":
        text = f"--on {options.on}: Duets do not run on Fargate yet. Use `--on local`."
        raise OptionError(text, code="unsupported-in-duet")
    addresses = checked_address("--base", base), checked_address("--head", head)
    suite, planned = plan_run(paths, replace(options, against=addresses[0]), now)
    for execution in suite.executions:
        if execution.search is not None:
            what = f"{suite.source}: toril.capacity.{execution.name}: A duet needs a fixed rate and does not search"
            fix = "Remove the search, or run the suite against each address."
            raise SuiteError(f"{what}. {fix}", code="unsupported-in-duet")
        if execution.curve is not None:
            raise SuiteError(
                f"{suite.source}: execution[{execution.index}]: A duet needs a constant load, not a load curve. "
                "Use a suite with `throughput` and `hold-for`.",
                code="unsupported-in-duet",
            )
    of_head = replace(options, against=addresses[1], run_id=options.run_id or new_run_id(suite.name, now))
    suite, against_head = plan_run(paths, of_head, now)
    wanted = suite.toril.regression or Regression()
    margin = wanted.margin if margin is None else margin
    wanted = wanted.model_copy(update={"blocks": blocks or wanted.blocks, "margin": margin})
    of_base = planned.model_copy(update={"run_id": against_head.run_id})
    return suite, make_duet(of_base, against_head, addresses, wanted, suite.variable)


def make_duet(
    base: Plan, head: Plan, addresses: tuple[str, str], wanted: Regression, variable: str | None = None
) -> Plan:
    """Returns one plan from the plans of the same suite for the two addresses.

    It has a copy of each execution for each turn. A turn shortens delays, ramp-ups and holds by the same factor. With
    the default block length, each arm has the suite's load for the suite's hold time. The order within a pair
    alternates: AB BA AB …, or BA AB …, depending on the run-id. `variable` is the variable that holds the address.
    """
    blocks, block_s = wanted.blocks or BLOCKS, wanted.block_s
    _check(base, blocks)
    values = {arm: _values(base.common, variable, address) for arm, address in zip(ARMS, addresses, strict=True)}
    hold_s = max(execution.hold_for_s for execution in base.executions)
    block = max(MIN_BLOCK_S, math.ceil(hold_s / blocks)) if block_s is None else max(1, math.ceil(block_s))
    scale = block / hold_s
    turn_s = max(math.ceil(sum(_course(execution, scale))) for execution in base.executions)
    gap_s = DRAIN_S + _start_up_s(base)
    duet = Duet(
        base=mask(addresses[0]),
        head=mask(addresses[1]),
        margin=wanted.margin,
        blocks=blocks,
        block_s=float(block),
        turn_s=turn_s,
        gap_s=gap_s,
        order=_order(base.run_id, blocks),
        labels=wanted.labels,
    )
    turns = tuple(duet.turns())
    if base.max_duration_s is not None and base.max_duration_s < turns[-1].ends_s:
        raise SuiteError(
            f"{base.suite}: toril.max-duration: {base.max_duration_s:g} s end the duet before its planned end at "
            f"{turns[-1].ends_s:,.10g} s. Raise it, or use fewer or shorter blocks.",
            code="short-max-duration",
        )
    executions = tuple(_planned(execution, turn, scale, gap_s) for turn in turns for execution in base.executions)
    plans = {BASE: base, HEAD: head}
    common = _common(plans, values)
    copies = {(one.copy_of, one.arm, one.block): one for one in executions}
    shares = [
        share.model_copy(
            update={
                "executions": tuple(
                    _part(plans[turn.arm].shares[place].executions[position], turn, copies, values[turn.arm])
                    for turn in turns
                    for position in range(len(share.executions))
                )
            }
        )
        for place, share in enumerate(base.shares)
    ]
    judged, warnings = _criteria(base)
    return base.model_copy(
        update={
            "executions": executions,
            "shares": tuple(shares),
            "common": common,
            "criteria": judged,
            "graceful_stop_s": min(base.graceful_stop_s, float(gap_s)),
            "duet": duet,
            "warnings": (*base.warnings, *(warning.message for warning in warnings)),
            "warning_codes": (*base.warning_codes, *(warning.code for warning in warnings)),
        }
    )


def _start_up_s(plan: Plan) -> int:
    """Returns the seconds that all engines of a turn need to start; the gap keeps starts out of measured load."""
    executor_of = {execution.name: execution.executor for execution in plan.executions}
    by_worker = [
        sum(engine_of(executor_of[part.execution]).start_up_cpu_s for part in share.executions) for share in plan.shares
    ]
    cpu_s = sum(by_worker) if plan.on == "local" else max(by_worker)
    return max(MIN_START_UP_S, math.ceil(START_UP_FACTOR * cpu_s))


def _check(plan: Plan, blocks: int) -> None:
    if 2 * blocks * len(plan.executions) > MAX_COPIES:
        what = f"{plan.suite}: {blocks} blocks of {plural(len(plan.executions), 'execution')} are too many"
        fix = f"Use at most {plural(MAX_COPIES // 2 // len(plan.executions), 'block')}."
        raise SuiteError(f"{what}. {fix}", code="too-many-blocks")
    for execution in plan.executions:
        where = f"{plan.suite}: execution[{execution.index}]"
        if not execution.hold_for_s:
            text = f"{where}.hold-for: The turns of a duet need a duration. Add `hold-for: 1m`."
            raise SuiteError(text, code="missing-key")
        if execution.iterations is not None:
            text = f"{where}.iterations: The turns of a duet end by time. Remove `iterations`."
            raise SuiteError(text, code="unsupported-in-duet")
    if plan.in_turns:
        what = f"{plan.suite}: modules.local: Executions that wait for each other cannot share a turn"
        raise SuiteError(f"{what}. Remove `sequential` and `capacity`.", code="unsupported-in-duet")


def _order(run_id: str, blocks: int) -> str:
    """Returns the order of the arms. It alternates, so that a drift favours neither; the run-id sets the first arm."""
    pairs = ("AB", "BA") if zlib.crc32(run_id.encode()) % 2 else ("BA", "AB")
    return "".join(pairs[block % 2] for block in range(blocks))


def _course(execution: PlannedExecution, scale: float) -> tuple[float, float, float]:
    """Returns delay, ramp-up and hold of a turn. Holds are whole seconds; a ramp-up takes at least one second."""
    ramp_up_s = max(1.0, round(execution.ramp_up_s * scale, 3)) if execution.ramp_up_s else 0.0
    return round(execution.delay_s * scale, 3), ramp_up_s, float(max(1, round(execution.hold_for_s * scale)))


def _planned(execution: PlannedExecution, turn: Turn, scale: float, gap_s: int) -> PlannedExecution:
    delay_s, ramp_up_s, hold_for_s = _course(execution, scale)
    return execution.model_copy(
        update={
            "name": f"{execution.name}, {ARMS[turn.arm]} {turn.block}",
            "copy_of": execution.name,
            "arm": turn.arm,
            "block": turn.block,
            "delay_s": turn.starts_s + delay_s,
            "ramp_up_s": ramp_up_s,
            "hold_for_s": hold_for_s,
            "curve": tuple(_shortened_curve(execution, ramp_up_s, hold_for_s)),
            "adjustable": False,
            "lead_s": float(gap_s - DRAIN_S) + delay_s if turn.starts_s else None,
        }
    )


def _shortened_curve(execution: PlannedExecution, ramp_up_s: float, hold_for_s: float) -> Iterator[tuple[float, float]]:
    """Yields an open model's curve with the same rates and the turn's ramp-up and hold."""
    for at_s, rps in execution.curve:
        if at_s <= execution.ramp_up_s:
            yield ramp_up_s * at_s / execution.ramp_up_s if execution.ramp_up_s else 0.0, rps
        else:
            yield ramp_up_s + hold_for_s * (at_s - execution.ramp_up_s) / execution.hold_for_s, rps


def _part(
    part: ExecutionShare, turn: Turn, copies: Mapping[tuple[str, int, int], PlannedExecution], values: Mapping[str, str]
) -> ExecutionShare:
    """Returns a worker's share of one execution in one turn."""
    copy = copies[part.execution, turn.arm, turn.block]
    config = _substituted(deepcopy(part.config), values)
    for key in ("delay", "ramp-up", "hold-for"):
        config.pop(key, None)
    if copy.ramp_up_s:
        config["ramp-up"] = f"{copy.ramp_up_s:g}s"
    config["hold-for"] = f"{copy.hold_for_s:g}s"
    if "scenario" in config:
        config["scenario"] = _name_in_arm(config["scenario"], turn.arm)
    own = config.get("env") or {}
    if values and isinstance(own, dict):
        config["env"] = {**own, **values}
    return part.model_copy(update={"execution": copy.name, "config": config})


def _common(plans: Mapping[int, Plan], values: Mapping[int, Mapping[str, str]]) -> dict[str, Any]:
    """Returns the configuration of all turns: head's, with each scenario once for each arm."""
    common = deepcopy(plans[HEAD].common)
    of_head = mapping_at(common, "scenarios")
    included = sorted(set(_included(list(of_head.values()))) & set(of_head))
    for name in included:
        base, head = (_substituted(plans[arm].common["scenarios"].get(name), values[arm]) for arm in ARMS)
        if base != head:
            what = f"{plans[HEAD].suite}: scenarios.{name}: In a duet, an included scenario cannot have an address"
            fix = "Remove it: the scenario gets the address of the one that includes it."
            raise SuiteError(f"{what}. {fix}", code="address-of-include")
    common["scenarios"] = {name: of_head[name] for name in included}
    for arm, plan in plans.items():
        properties = _own_properties(plan.common, values[arm])
        for name, scenario in mapping_at(plan.common, "scenarios").items():
            own = _substituted(deepcopy(scenario), values[arm])
            if properties and isinstance(own, dict):
                own["properties"] = {**properties, **mapping_at(own, "properties")}
            common["scenarios"][_name_in_arm(name, arm)] = own
    return common


def _name_in_arm(scenario: str, arm: int) -> str:
    return f"{scenario} of {ARMS[arm]}"


def _values(common: Mapping[str, Any], variable: str | None, address: str) -> dict[str, str]:
    """Returns the values of the address' variable, and of the variables in `settings.env` that refer to it."""
    if variable is None:
        return {}
    values = {variable: address}
    written = mapping_at(common, "settings", "env")
    for _ in written:
        for name, value in written.items():
            if name != variable and (made := _substituted(value, values)) != value:
                values[name] = made
    return values


def _own_properties(common: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Returns JMeter's properties that contain the address, since properties of its module apply to all turns."""
    written = mapping_at(common, "modules", "jmeter", "properties")
    return {name: made for name, value in written.items() if (made := _substituted(value, values)) != value}


def _substituted(value: Any, values: Mapping[str, str]) -> Any:
    """Returns the value with references to these variables replaced by their values."""
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace(f"${{{name}}}", text)
        return value
    if isinstance(value, list):
        return [_substituted(one, values) for one in value]
    if isinstance(value, dict):
        return {key: _substituted(one, values) for key, one in value.items()}
    return value


def _included(value: Any) -> Iterator[str]:
    """Yields the names of included scenarios. They stay as they are, since labels may contain them."""
    if isinstance(value, dict):
        if isinstance(value.get("include-scenario"), str):
            yield value["include-scenario"]
        value = list(value.values())
    for one in value if isinstance(value, list) else ():
        yield from _included(one)


def _criteria(plan: Plan) -> tuple[tuple[PlannedCriterion, ...], list[Note]]:
    """Returns the criteria that can be judged on head alone. CloudWatch's periods contain both arms."""
    judged, warnings = [], []
    for planned, criterion in zip(plan.criteria, criteria_of(plan.criteria), strict=True):
        if criterion.server is None:
            judged.append(planned)
        else:
            what = f"{planned.where}: `{criterion.text}` is not judged in a duet"
            warnings.append(Note("not-judged-in-duet", f"{what}: CloudWatch's periods contain both arms."))
    return tuple(judged), warnings
