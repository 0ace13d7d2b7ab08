"""Checks the faults of a suite (`toril.faults`), and the criteria on their phases, before the run."""

import math
import os
from collections.abc import Iterable, Sequence

from toril.criteria import criteria_of
from toril.records import PlannedCriterion
from toril.suite.executions import Execution
from toril.suite.files import SuiteFiles
from toril.suite.reader import SuiteReader
from toril.suite.settings import TorilSettings
from toril.text import suggestion


def with_faults(
    toril: TorilSettings, executions: Sequence[Execution], files: SuiteFiles, reader: SuiteReader, on: str
) -> TorilSettings:
    """Returns the settings with the paths of hooks, which become files of the suite.

    SuiteError for a fault outside the load, before the end of the last one, or that this run cannot start.
    """
    faults, free_from_s = [], 0.0
    ends = [one.delay_s + one.ramp_up_s + one.hold_for_s for one in executions if one.ramp_up_s + one.hold_for_s]
    load_s = max(ends, default=math.inf)  # without an end: only iterations limit the load
    for index, fault in enumerate(toril.faults):
        path, ends_s, hook = f"toril.faults[{index}]", fault.at_s + (fault.for_s or 0.0), fault.hook
        if (hook and on != "local") or any(execution.search for execution in executions):
            text = "A hook needs local workers, and no fault fits a search. Use `experiment`, or remove the search."
            raise reader.error("unsupported-fault", path, text)
        if fault.at_s < free_from_s or ends_s >= load_s:
            text = f"The load has no time for it: {free_from_s:g} s to {load_s:g} s. Change `at` or `for`."
            raise reader.error("fault-outside-load", path, text)
        free_from_s = max(ends_s, fault.at_s + 1)
        if hook:
            first, *others = hook.split()
            there = files.find(first, f"{path}.hook", kind="script")
            if not os.access(files.folder / there, os.X_OK):
                text = f"{there} is not executable. Run `chmod +x {there}`."
                raise reader.error("not-executable", f"{path}.hook", text)
            hook = " ".join([there, *others])
        faults.append(fault.model_copy(update={"hook": hook}))
    return toril.model_copy(update={"faults": tuple(faults)})


def check_names(criteria: Iterable[PlannedCriterion], toril: TorilSettings, reader: SuiteReader) -> None:
    """Raises SuiteError for a criterion on a fault, a query of Prometheus or a price that the suite does not have."""
    queries, of_base = set[str](), set[str]()
    for index, resource in enumerate(toril.service):
        names = of_base if resource.version == "base" else queries
        if twice := names & resource.queries.keys():
            text = f"Two entries of one version have the query `{min(twice)}`. Rename one."
            raise reader.error("repeated-query", f"toril.service[{index}].queries", text)
        names.update(resource.queries)
        if resource.token and resource.token not in toril.secrets:
            text = f"`toril.secrets` does not have `{resource.token}`. Add it with the name of the secret."
            raise reader.error("unknown-secret", f"toril.service[{index}].token", text)
    for criterion in criteria_of(criteria):
        if criterion.subject == "prometheus" and criterion.server and criterion.server.metric not in queries:
            path = criterion.where.removeprefix(f"{reader.name}: ")
            text = f"No `queries` of `toril.service` has this name. {suggestion(criterion.server.metric, queries)}"
            raise reader.error("unknown-query", path, text)
        if criterion.metric.source == "cost" and all(one.kind == "prometheus" for one in toril.service):
            path = criterion.where.removeprefix(f"{reader.name}: ")
            text = f"`{criterion.text}` needs the resources of the service. Add them with `toril service SUITE`."
            raise reader.error("no-service", path, text)
        wanted = criterion.fault or int(criterion.metric.source == "faults")
        if wanted > len(toril.faults):
            path = criterion.where.removeprefix(f"{reader.name}: ")
            text = f"`{criterion.text}` judges fault-{wanted}, which `toril.faults` does not have. Add the fault."
            raise reader.error("unknown-fault", path, text)
