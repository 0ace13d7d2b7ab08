"""A part of a suite: the executions that options name, and the criteria that they can decide."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from toril.criteria import Criterion, criteria_of
from toril.errors import Note, SuiteError
from toril.plan.warnings import labels_sent
from toril.suite import Execution, Suite
from toril.text import suggestion


def part_of(suite: Suite, executions: Iterable[str], scenarios: Iterable[str]) -> Suite:
    """Returns the suite with the executions of these names, and with all executions of these scenarios.

    Without names, or with those of all executions, it is the whole suite. SuiteError for an unknown name.
    """
    wanted = set[str]()
    for option, names, key in (("--execution", executions, "name"), ("--scenario", scenarios, "scenario")):
        known = [getattr(load, key) for load in suite.executions]
        for name in names:
            if name not in known:
                text = f"{option} {name[:60]}: {suite.source} has no execution of it. {suggestion(name, known)}"
                raise SuiteError(text, code="unknown-execution")
            wanted.update(load.name for load, own in zip(suite.executions, known, strict=True) if own == name)
    kept = tuple(load for load in suite.executions if load.name in wanted)
    if not wanted or kept == suite.executions:
        return suite
    others = [load for load in suite.executions if load.name not in wanted]
    judged, warnings = [], list(suite.warnings)
    for planned, criterion in zip(suite.criteria, criteria_of(suite.criteria), strict=True):
        if name := _only_of(criterion, others, kept):
            what = f"{criterion.where}: `{criterion.text}`"
            text = f"{what}: The run leaves out this criterion, and its execution {name}."
            warnings.append(Note("left-out-criterion", text))
        else:
            judged.append(planned)
    part = tuple(load.name for load in kept)
    return replace(suite, executions=kept, criteria=tuple(judged), warnings=tuple(warnings), part=part)


def _only_of(criterion: Criterion, others: Sequence[Execution], kept: Sequence[Execution]) -> str:
    """Returns the left-out execution that alone can decide a criterion; empty if the part may decide it."""
    names = (criterion.label,) if criterion.subject == "capacity" else criterion.executions
    if not names and criterion.label not in ("", *labels_sent(kept)) and all(load.labels for load in kept):
        names = tuple(load.name for load in others if criterion.label in labels_sent([load]))
    return next((load.name for load in others if load.name in names), "")
