"""All criteria of a suite, wherever they stand: reporting, executions, scenarios, `toril.criteria`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toril.grammar import parse_criterion
from toril.records import PlannedCriterion
from toril.suite.door import Door, shown
from toril.suite.executions import PROVISIONING, Execution

BASE_REPORTERS = ("final-stats", "console", "final_stats")  # bzt's own, on in every run
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
    for index, reporter in _reporters(config.get("reporting"), door):
        path = f"reporting[{index}]"
        module = reporter.get("module")
        run_at = reporter.get("run-at")
        if module == "passfail" and run_at in (None, PROVISIONING[on]):
            collector.add(reporter.get("criteria"), f"{path}.criteria")
        elif module != "passfail" and module not in BASE_REPORTERS:
            door.warn(path, f"({shown(module)}) is ignored: toril reports on the whole, see --report")
    scenarios = config.get("scenarios") or {}
    written = config.get("execution")
    items = written if isinstance(written, list) else [written]
    for execution, item in zip(executions, items, strict=True):
        collector.add(item.get("criteria"), f"execution[{execution.index}].criteria", (execution.name,))
        scenario = scenarios.get(execution.scenario)
        if isinstance(scenario, dict):
            collector.add(scenario.get("criteria"), f"scenarios.{execution.scenario}.criteria", (execution.name,))
    collector.add(list(ours) or None, "toril.criteria")
    return tuple(collector.found)


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

    def add(self, written: object, path: str, executions: tuple[str, ...] = ()) -> None:
        """A list of criteria, or `{message: criterion}`."""
        if written is None:
            return
        if isinstance(written, dict):
            for message, criterion in written.items():
                self._one({message: criterion}, f"{path}.{message[:60]}", executions)
        else:
            for index, criterion in enumerate(self.door.items(written, path, EXAMPLE)):
                self._one(criterion, f"{path}[{index}]", executions)

    def _one(self, written: Any, path: str, executions: tuple[str, ...]) -> None:
        where = f"{self.door.name}: {path}"
        source = self.door.environment.resolve_all(written)
        parse_criterion(source, where)
        self.found.append(PlannedCriterion(source=source, where=where, executions=executions))
