"""The capacity search, `toril.capacity`. Its checks ensure that each stage can be judged."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from toril.criteria import METRICS, Criterion, conditions_of, criteria_of, lint, parse_criterion, samples_needed
from toril.load.curve import Curve
from toril.load.model import Model
from toril.load.search import longest_s
from toril.records import PlannedCriterion, Search
from toril.suite.engines import check_search
from toril.suite.reader import SuiteReader
from toril.suite.settings import CapacitySearch
from toril.text import suggestion

PAUSE_S = {"local": 4.0, "fargate": 20.0}  # from a stage's end until it is judged and all workers have the next rate
SUBJECT = attrgetter("subject", "percentile", "rc_pattern", "label", "op", "percent")  # of a criterion
LOAD = ("ramp-up", "hold-for", "steps", "iterations", "throughput")  # set by the search


def read_search(
    written: CapacitySearch,
    name: str,
    executor: str,
    model: Model,
    item: Mapping[str, Any],
    labels: Collection[str],
    reader: SuiteReader,
) -> Search:
    """Returns the search for this execution's capacity; raises SuiteError for one that could not succeed."""
    path = f"toril.capacity.{name[:60]}"
    check_search(executor, model, path, reader)
    for key in LOAD:
        if item.get(key):
            raise reader.error("conflicting-keys", path, f"The search sets `{key}`. Remove it from the execution.")
    search = Search(**written.model_dump(exclude={"arrivals"}))
    for index, source in enumerate(search.until):
        where = f"{path}.until[{index}]"
        criterion = parse_criterion(source, f"{reader.name}: {where}")
        each = len(labels) if model == "arrivals" and not criterion.label else 1
        _check(criterion, where, search, max(1, each), labels, reader)
        for finding in lint(criterion):
            reader.warn(finding.code, where, finding.message)
    return search


def length_s(search: Search, on: str) -> float:
    """Returns the longest duration of the search, in whole seconds."""
    return float(math.ceil(longest_s(search.range, search.step_s, PAUSE_S[on])))


def lowest(search: Search, on: str) -> Curve:
    """Returns the planned load: the lowest rate for the longest duration of the search."""
    return Curve(((0.0, search.from_rps), (length_s(search, on), search.from_rps)))


def check_criteria(criteria: Iterable[PlannedCriterion], searches: Mapping[str, Search], reader: SuiteReader) -> None:
    """Raises SuiteError for a criterion on a capacity without a search; warns of one that the search will breach."""
    for criterion in criteria_of(criteria):
        path = criterion.where.removeprefix(f"{reader.name}: ")
        if criterion.subject == "capacity":
            if criterion.label not in searches and (criterion.label or len(searches) != 1):
                fix = "Add `toril: {capacity: {<execution>: {from: …, to: …, until: […]}}}`."
                fix = suggestion(criterion.label, searches) if searches else fix
                raise reader.error("unsearched-capacity", path, f"No search finds `{criterion.text}`. {fix}")
            continue
        for name, search in searches.items():
            for breached in _breached(criterion, name, search):
                text = (
                    f"The search for the capacity of {name} continues until `{breached.text}`, so `{criterion.text}` "
                    f"is likely to fail the run. Judge `capacity of {name}<…/s` under toril.criteria instead."
                )
                reader.warn("breached-by-search", path, text)


def _check(
    criterion: Criterion, where: str, search: Search, each: int, labels: Collection[str], reader: SuiteReader
) -> None:
    """`each`: the requests of what begins at the rate."""
    judged_s = search.step_s - search.settle_s
    if not criterion.metric.ends_search:
        known = ", ".join(name for name, metric in METRICS.items() if metric.ends_search)
        text = f"`{criterion.text}` depends on the rate itself. Use one of {known}."
        raise reader.error("unsearchable-criterion", where, text)
    if not criterion.fail:
        text = f"`{criterion.text}` cannot end a search. Remove `as non-failed`."
        raise reader.error("unsearchable-criterion", where, text)
    if criterion.label and labels and criterion.label not in labels:
        text = f"`{criterion.text}`: No request has this label. {suggestion(criterion.label, labels)}"
        raise reader.error("unknown-label", where, text)
    if criterion.timeframe_s > judged_s:
        what = f"`{criterion.text}`: The timeframe is longer than the {judged_s:g} s that are judged of each stage"
        raise reader.error("out-of-range", where, f"{what}. Make `step` longer, or the timeframe shorter.")
    needed, available = samples_needed(criterion), search.from_rps * each * judged_s
    if available < needed:
        step_s = math.ceil(needed / each / search.from_rps + search.settle_s)
        few = f"a stage at the lowest rate has {available:,.0f}"
        what = f"`{criterion.text}` needs {needed:,} samples, but {few}"
        fix = f"Use `step: {step_s}s`, or `from: {math.ceil(needed / each / judged_s)}`."
        raise reader.error("too-few-samples", where, f"{what}. {fix}")


def _breached(criterion: Criterion, name: str, search: Search) -> Iterator[Criterion]:
    """Yields the search's end conditions that also breach the criterion."""
    if not criterion.fail or (criterion.executions and name not in criterion.executions):
        return
    for until in conditions_of(search, name):
        apart = until.threshold - criterion.threshold
        if SUBJECT(criterion) == SUBJECT(until) and (apart <= 0 if until.op in ("<", "<=") else apart >= 0):
            yield until
