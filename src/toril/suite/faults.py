"""Checks the faults of a suite (`toril.faults`) before the run."""

import math
import os
from collections.abc import Sequence

from toril.suite.executions import Execution
from toril.suite.files import SuiteFiles
from toril.suite.reader import SuiteReader
from toril.suite.settings import TorilSettings


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
