"""All criteria of a suite, wherever they stand: reporting, executions, scenarios, `toril.criteria`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toril.criteria import Language, parse_criterion
from toril.records import PlannedCriterion
from toril.suite.door import Door, nearest, shown
from toril.suite.environment import REFERENCE
from toril.suite.executions import PROVISIONING, Execution
from toril.suite.misplaced import refuse_misplaced

BASE_REPORTERS = ("final-stats", "console", "final_stats")  # bzt's own, on in every run
PASSFAIL_CLASS = "bzt.modules.passfail.PassFailStatus"
EXAMPLE = "criteria: [p95>300ms for 10s]"


def read_criteria(
    config: Mapping[str, Any],
    ours: Sequence[str | dict[str, Any]],
    executions: Sequence[Execution],
    door: Door,
    on: str,
) -> tuple[PlannedCriterion, ...]:
    """Every criterion, each parsed once, so that a bad one is refused before anything starts."""
    collector = _Collector(door)
    judging = _passfail_names(config)
    refuse_misplaced(config, judging, door)
    elsewhere = []
    for index, reporter in _reporters(config.get("reporting"), door):
        path = f"reporting[{index}]"
        module = reporter.get("module")
        if module in judging:
            if _runs_here(reporter.get("run-at"), f"{path}.run-at", door, on):
                collector.add(reporter.get("criteria"), f"{path}.criteria")
                if "criteria" in reporter and not reporter["criteria"]:
                    door.warn(f"{path}.criteria", "is empty: it judges nothing")
            elif reporter.get("criteria"):
                elsewhere.append(f"{path}.run-at")
        elif module not in BASE_REPORTERS:
            door.warn(path, f"({shown(module)}) is ignored: toril reports on the whole, see --report")
    scenarios = config.get("scenarios") or {}
    written = config.get("execution")
    items = written if isinstance(written, list) else [written]
    for execution, item in zip(executions, items, strict=True):
        collector.add(item.get("criteria"), f"execution[{execution.index}].criteria", (execution.name,))
        scenario = scenarios.get(execution.scenario)
        if isinstance(scenario, dict):
            collector.add(scenario.get("criteria"), f"scenarios.{execution.scenario}.criteria", (execution.name,))
    collector.add(list(ours) or None, "toril.criteria", language="toril")
    if not collector.found:
        for path in elsewhere:
            door.warn(path, f"leaves the criteria there out of this run (--on {on}), and there are no others")
    return tuple(collector.found)


def _passfail_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """`passfail`, and what the suite calls bzt's module besides."""
    modules = config.get("modules")
    named = {
        name
        for name, module in (modules.items() if isinstance(modules, dict) else ())
        if PASSFAIL_CLASS in (module, module.get("class") if isinstance(module, dict) else None)
    }
    return tuple(sorted({"passfail", *named}))  # no set: what a suite names may be a list


def _runs_here(run_at: object, path: str, door: Door, on: str) -> bool:
    if run_at is not None and run_at not in PROVISIONING.values():
        raise door.error(path, shown(run_at), nearest(str(run_at), PROVISIONING.values()))
    return run_at in (None, PROVISIONING[on])


def _reporters(written: object, door: Door) -> Iterator[tuple[int, dict[str, Any]]]:
    if written is None:
        return
    for index, item in enumerate(door.items(written, "reporting", "reporting: [{module: passfail, criteria: […]}]")):
        if isinstance(item, str):
            yield index, {"module": item}
        elif item is not None:
            yield index, door.mapping(item, f"reporting[{index}]", "{module: passfail, criteria: […]}")


class _Collector:
    def __init__(self, door: Door) -> None:
        self.door = door
        self.found: list[PlannedCriterion] = []

    def add(self, written: object, path: str, executions: tuple[str, ...] = (), language: Language = "taurus") -> None:
        """A list of criteria, or `{message: criterion}`."""
        if written is None:
            return
        if isinstance(written, dict):
            for message, criterion in written.items():
                self._one({message: criterion}, f"{path}.{message[:60]}", executions, language)
        else:
            for index, criterion in enumerate(self.door.items(written, path, EXAMPLE)):
                self._one(criterion, f"{path}[{index}]", executions, language)

    def _one(self, written: Any, path: str, executions: tuple[str, ...], language: Language) -> None:
        where = f"{self.door.name}: {path}"
        source = self.door.environment.resolve_all(written)
        for text in _texts(source):
            if unknown := REFERENCE.search(text):
                fix = self.door.environment.fix_of(unknown[1])
                raise self.door.error(path, f"{shown(text)}, which refers to something that is not set", fix)
        parse_criterion(source, where, language)
        self.found.append(PlannedCriterion(source=source, where=where, executions=executions, language=language))


def _texts(source: object) -> Iterator[str]:
    """Every text of a criterion but its message, where `${…}` may be meant as it stands."""
    if isinstance(source, str):
        yield source
    elif isinstance(source, dict):
        for key, value in source.items():
            if key != "message":
                yield from _texts(value)
