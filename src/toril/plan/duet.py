"""The plan of a duet: the same workers load two addresses in turns with one suite."""

import re
import zlib
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toril.criteria import criteria_of
from toril.errors import Note, SuiteError
from toril.plan.options import RunOptions, plan_run
from toril.plan.turns import LEAST_BLOCKS, arranged, restarted_engines, together
from toril.records import ARMS, BASE, HEAD, ExecutionShare, Plan, PlannedExecution
from toril.secrets.masking import mask
from toril.suite import Suite
from toril.suite.reader import mapping_at
from toril.suite.retarget import checked_address
from toril.suite.scenarios import walked
from toril.suite.settings import Regression
from toril.text import plural

FLUSH_S = 1.0  # on Fargate: a decision needs measurements of the last seconds
LOOPBACK = re.compile(r"127\.[0-9.]+|::1|localhost")
OWN_SHAPE = "LoadTestShape"  # of a locustfile that sets its own load


def plan_duet(
    paths: Sequence[str | Path],
    options: RunOptions,
    now: float,
    *,
    base: str,
    head: str,
    blocks: int | None = None,
    margin: float | None = None,
    seed: int | None = None,
    **facts: Any,
) -> tuple[Suite, Plan]:
    """Returns the suite as read for head, and the plan for both addresses, without starting anything.

    `blocks` and `margin` override the suite's `toril.regression`. `seed` decides the order of turns; by default the
    run-id does. `facts` are `aa` (both addresses are base), `halved` (one of two halves between which the deployments
    are exchanged), and `first_half` (the run-id of the first).
    """
    addresses = checked_address("--base", base), checked_address("--head", head)
    suite, of_base = plan_run(paths, options.model_copy(update={"against": addresses[0]}), now)
    suite, of_head = plan_run(
        paths, options.model_copy(update={"against": addresses[1], "run_id": of_base.run_id}), now
    )
    given = {name: value for name, value in (("blocks", blocks), ("margin", margin)) if value is not None}
    wanted = (suite.toril.regression or Regression()).model_copy(update=given)
    _check(suite, of_base, wanted)
    seed = zlib.crc32(of_base.run_id.encode()) if seed is None else seed
    return suite, make_duet(of_base, of_head, addresses, wanted, suite.variable, seed, **facts)


def _check(suite: Suite, plan: Plan, wanted: Regression) -> None:
    """Raises SuiteError for a load that changes during the duet, or has no duration."""
    if suite.once:
        what = f"{suite.source}: toril.consume-once: Base and head of a duet would use the same rows"
        raise SuiteError(f"{what}. Remove it, or use `split-data`.", code="unsupported-in-duet")
    if suite.toril.faults:
        text = f"{suite.source}: toril.faults: A fault would hit one slice of a duet only. Remove the faults."
        raise SuiteError(text, code="unsupported-in-duet")
    for execution in suite.executions:
        if execution.search is not None:
            what = f"{suite.source}: toril.capacity.{execution.name}: A duet needs a fixed rate and does not search"
            fix = "Remove the search, or run the suite against each address."
            raise SuiteError(f"{what}. {fix}", code="unsupported-in-duet")
        where = f"{suite.source}: execution[{execution.index}]"
        if execution.curve is not None:
            what = f"{where}: A duet needs a constant load, not a load curve"
            raise SuiteError(f"{what}. Use a suite with `throughput` and `hold-for`.", code="unsupported-in-duet")
        script = mapping_at(suite.common, "scenarios", execution.scenario).get("script")
        if execution.executor == "locust" and script:
            path = suite.folder / str(script)
            if path.is_file() and OWN_SHAPE in path.read_text(errors="replace"):
                text = f"{where}: A duet needs a constant load, not the `{OWN_SHAPE}` of `{script}`. Remove it."
                raise SuiteError(text, code="unsupported-in-duet")
    for planned in plan.executions:
        where = f"{plan.suite}: execution[{planned.index}]"
        if not planned.hold_for_s:
            text = f"{where}.hold-for: The slices of a duet need a duration. Add `hold-for: 1m`."
            raise SuiteError(text, code="missing-key")
        if planned.iterations is not None:
            text = f"{where}.iterations: The slices of a duet end by time. Remove `iterations`."
            raise SuiteError(text, code="unsupported-in-duet")
        if "throughput" in wanted.metrics and planned.throughput_rps:
            what = f"{plan.suite}: toril.regression.metrics: `{planned.name}` has a fixed rate, which hides a change"
            raise SuiteError(f"{what} of `throughput`. Compare times, or remove `throughput`.", code="fixed-rate")
    if plan.in_turns:
        what = f"{plan.suite}: modules.local: Executions that wait for each other cannot share a slice"
        raise SuiteError(f"{what}. Remove `sequential` and `capacity`.", code="unsupported-in-duet")


def make_duet(
    base: Plan,
    head: Plan,
    addresses: tuple[str, str],
    wanted: Regression,
    variable: str | None = None,
    seed: int = 0,
    **facts: Any,
) -> Plan:
    """Returns one plan from the plans of the same suite for the two addresses.

    `variable` is the variable that holds the address. `facts` are other arguments of `arranged`.
    """
    values = {arm: _values(base.common, variable, address) for arm, address in zip(ARMS, addresses, strict=True)}
    restarting = restarted_engines(base)
    facts |= {
        "base": mask(addresses[0]),
        "head": mask(addresses[1]),
        "margin": wanted.margin,
        "failures_margin": wanted.failures,
        "labels": wanted.labels,
        "metrics": wanted.metrics,
        "together": () if restarting else together(base, variable),
        "two_hosts": on_two_hosts(*addresses) and not facts.get("halved"),
    }
    duet, copies = arranged(base, wanted, seed, **facts)
    notes = _notes(base, restarting, duet.gap_s)
    if base.max_duration_s is not None and not {"time_s", "blocks"} & wanted.model_fields_set:
        shorter = duet.pairs_complete(base.max_duration_s)
        if LEAST_BLOCKS <= shorter < duet.blocks:
            pairs = shorter * (2 if facts.get("halved") else 1)
            given = wanted.model_copy(update={"blocks": pairs, "block_s": duet.block_s})
            duet, copies = arranged(base, given, seed, **facts)
            what = f"{base.suite}: toril.max-duration: only {plural(shorter, 'pair')} of slices fit"
            notes.append(Note("short-max-duration", f"{what} into {base.max_duration_s:g} s"))
    ends_s = max(turn.ends_s for turn in duet.turns())
    if base.max_duration_s is not None and base.max_duration_s < ends_s:
        raise SuiteError(
            f"{base.suite}: toril.max-duration: {base.max_duration_s:g} s end the duet before its planned end at "
            f"{ends_s:,.10g} s. Raise it, or use fewer or shorter blocks.",
            code="short-max-duration",
        )
    plans = {BASE: base, HEAD: head}
    shares = []
    for place, share in enumerate(base.shares):
        own = {arm: {part.execution: part for part in plans[arm].shares[place].executions} for arm in ARMS}
        parts = (
            _part(own[copy.arm][copy.copy_of], copy, values[copy.arm])
            for copy in copies
            if copy.copy_of in own[copy.arm]
        )
        shares.append(share.model_copy(update={"executions": tuple(parts)}))
    if duet.two_hosts:
        what = "base and head have different hosts, so head fails only if it is worse by more than hosts usually differ"
        notes.append(Note("two-hosts", f"{what}: exchange both deployments with `--swap COMMAND` to prove more"))
    return base.model_copy(
        update={
            "executions": copies,
            "shares": tuple(shares),
            "common": _common(plans, values),
            "graceful_stop_s": base.graceful_stop_s if duet.switched else min(base.graceful_stop_s, duet.gap_s),
            "pace": base.pace.model_copy(update={"flush_s": min(FLUSH_S, base.pace.flush_s)}),
            "duet": duet,
            "warnings": (*base.warnings, *(note.message for note in notes)),
            "warning_codes": (*base.warning_codes, *(note.code for note in notes)),
        }
    )


def _notes(plan: Plan, restarting: tuple[str, ...], gap_s: float) -> list[Note]:
    notes = []
    if restarting:
        why = f"{' and '.join(restarting)} cannot pause, so all engines start for each slice"
        notes.append(Note("restarted-engines", f"{why}: {gap_s:g} s without load between two slices"))
    for planned, criterion in zip(plan.criteria, criteria_of(plan.criteria), strict=True):
        if criterion.server is not None:
            what = f"{planned.where}: `{criterion.text}` is judged on base and head together"
            notes.append(Note("both-arms-in-periods", f"{what}: CloudWatch's periods contain both"))
    return notes


def on_two_hosts(base: str, head: str) -> bool:
    """Returns whether two addresses have different hosts. All names of this machine are one host."""
    names = (urlsplit(address).hostname or "" for address in (base, head))
    first, second = ("localhost" if LOOPBACK.fullmatch(name) else name for name in names)
    return first != second


def _part(part: ExecutionShare, copy: PlannedExecution, values: Mapping[str, str]) -> ExecutionShare:
    """Returns a worker's share of one copy of an execution."""
    config = _substituted(part.config, values)
    for key in ("delay", "ramp-up", "hold-for"):
        config.pop(key, None)
    if copy.ramp_up_s:
        config["ramp-up"] = f"{copy.ramp_up_s:g}s"
    config["hold-for"] = f"{copy.hold_for_s:.10g}s"
    if "scenario" in config:
        config["scenario"] = name_in_arm(config["scenario"], copy.arm)
    own = config.get("env") or {}
    if values and isinstance(own, dict):
        config["env"] = {**own, **values}
    return part.model_copy(update={"execution": copy.name, "config": config})


def _common(plans: Mapping[int, Plan], values: Mapping[int, Mapping[str, str]]) -> dict[str, Any]:
    """Returns the configuration of all turns: head's, with each scenario once for each arm."""
    of_head = mapping_at(plans[HEAD].common, "scenarios")
    requests = chain.from_iterable(walked(mapping_at(of_head, name).get("requests"), "") for name in of_head)
    named = {str(mapping_at(request).get("include-scenario")) for request, _ in requests}
    included = sorted(name for name in of_head if name in named)  # as they are, since labels may contain them
    for name in included:
        base, head = (_substituted(plans[arm].common["scenarios"].get(name), values[arm]) for arm in ARMS)
        if base != head:
            what = f"{plans[HEAD].suite}: scenarios.{name}: In a duet, an included scenario cannot have an address"
            fix = "Remove it: the scenario gets the address of the one that includes it."
            raise SuiteError(f"{what}. {fix}", code="address-of-include")
    scenarios = {name: of_head[name] for name in included}
    for arm, plan in plans.items():
        written = mapping_at(plan.common, "modules", "jmeter", "properties")  # these would apply to all turns
        resolved = {name: _substituted(value, values[arm]) for name, value in written.items()}
        properties = {name: value for name, value in resolved.items() if value != written[name]}
        for name, scenario in mapping_at(plan.common, "scenarios").items():
            own = _substituted(scenario, values[arm])
            if properties and isinstance(own, dict):
                own["properties"] = {**properties, **mapping_at(own, "properties")}
            scenarios[name_in_arm(name, arm)] = own
    return {**plans[HEAD].common, "scenarios": scenarios}


def name_in_arm(scenario: str, arm: int) -> str:
    """Returns the name of an arm's copy of a scenario."""
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


def _substituted(value: Any, values: Mapping[str, str]) -> Any:
    """Returns a copy of the value with references to these variables replaced by their values."""
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace(f"${{{name}}}", text)
        return value
    if isinstance(value, list):
        return [_substituted(item, values) for item in value]
    if isinstance(value, dict):
        return {key: _substituted(item, values) for key, item in value.items()}
    return value
