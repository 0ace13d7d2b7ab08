"""All criteria of a suite: of reporting, executions, scenarios and `toril.criteria`. Misplaced criteria are errors.

bzt ignores unknown keys, so every run would pass with a misspelt key (`critera:`) or with criteria in a wrong place.
Only the usual places of criteria are checked, never the contents of a request, such as its body.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from toril.criteria import Language, criteria_of, parse_criterion
from toril.records import PlannedCriterion
from toril.suite.executions import PROVISIONING, Execution
from toril.suite.merge import TOP_KEYS, similar
from toril.suite.reader import REFERENCE, SuiteReader, list_at, mapping_at, quoted
from toril.suite.settings import TorilSettings
from toril.text import suggestion

BASE_REPORTERS = ("final-stats", "console", "final_stats")  # bzt's own, on in every run
PASSFAIL_CLASS = "bzt.modules.passfail.PassFailStatus"
CRITERIA_KEYS = ("criteria", "criterion", "criterions", "criterias")
EXAMPLE = "criteria: [p95>300ms for 10s]"


def read_criteria(
    config: Mapping[str, Any],
    ours: Mapping[str, Sequence[str | dict[str, Any]]],
    executions: Sequence[Execution],
    reader: SuiteReader,
    on: str,
) -> tuple[PlannedCriterion, ...]:
    """Returns every criterion. Each is parsed once, so that a wrong one is rejected before the run.

    `ours` has those in toril's own language, by their place.
    """
    criteria: list[PlannedCriterion] = []
    judging = _passfail_names(config)
    _refuse_stray_criteria(config, judging, reader)
    elsewhere = []
    for index, reporter in _reporters(config.get("reporting"), reader):
        path = f"reporting[{index}]"
        module = reporter.get("module")
        if module in judging:
            if _runs_here(reporter.get("run-at"), f"{path}.run-at", reader, on):
                criteria += _criteria_at(reporter.get("criteria"), f"{path}.criteria", reader)
                if "criteria" in reporter and not reporter["criteria"]:
                    reader.warn("no-criteria", f"{path}.criteria", "The list is empty, so nothing is judged.")
            elif reporter.get("criteria"):
                elsewhere.append(f"{path}.run-at")
        elif module not in BASE_REPORTERS:
            text = f"toril ignores the reporter {quoted(module)}. Use `--report` to report on the whole run."
            reader.warn("ignored-reporter", path, text)
    written = config.get("execution")
    items = written if isinstance(written, list) else [written]
    for execution, item in zip(executions, items, strict=True):
        own = (execution.name,)
        criteria += _criteria_at(item.get("criteria"), f"execution[{execution.index}].criteria", reader, own)
        of_scenario = mapping_at(config, "scenarios", execution.scenario).get("criteria")
        criteria += _criteria_at(of_scenario, f"scenarios.{execution.scenario}.criteria", reader, own)
    for path, written_here in ours.items():
        criteria += _criteria_at(list(written_here), path, reader, language="toril")
    if not criteria:
        for path in elsewhere:
            text = f"The criteria here do not apply with `--on {on}`, and there are no others."
            reader.warn("no-criteria", path, text)
    return tuple(criteria)


def _passfail_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns `passfail` and the suite's other names for bzt's module."""
    modules = mapping_at(config, "modules").items()
    named = {name for name, module in modules if PASSFAIL_CLASS in (module, mapping_at(module).get("class"))}
    return tuple(sorted({"passfail", *named}))  # no set, since a suite's value may be an unhashable list


def _runs_here(run_at: object, path: str, reader: SuiteReader, on: str) -> bool:
    if run_at is not None and run_at not in PROVISIONING.values():
        text = f"{quoted(run_at)} is not a known place. {suggestion(str(run_at), PROVISIONING.values())}"
        raise reader.error("unknown-value", path, text)
    return run_at in (None, PROVISIONING[on])


def _reporters(written: object, reader: SuiteReader) -> Iterator[tuple[int, dict[str, Any]]]:
    if written is None:
        return
    for index, item in enumerate(reader.items(written, "reporting", "reporting: [{module: passfail, criteria: […]}]")):
        if isinstance(item, str):
            yield index, {"module": item}
        elif item is not None:
            yield index, reader.mapping(item, f"reporting[{index}]", "{module: passfail, criteria: […]}")


def _criteria_at(
    written: object, path: str, reader: SuiteReader, executions: tuple[str, ...] = (), language: Language = "taurus"
) -> Iterator[PlannedCriterion]:
    """Yields the criteria of a list, or of `{message: criterion}`."""
    if isinstance(written, dict):
        items = [({message: criterion}, f".{message[:60]}") for message, criterion in written.items()]
    else:
        listed = [] if written is None else reader.items(written, path, EXAMPLE)
        items = [(criterion, f"[{index}]") for index, criterion in enumerate(listed)]
    for item, place in items:
        source = reader.environment.resolve_all(item)
        for text in _texts(source):
            if unknown := REFERENCE.search(text):
                raise reader.unset(text, f"{path}{place}", reader.environment.fix_of(unknown[1]))
        where = f"{reader.name}: {path}{place}"
        parse_criterion(source, where, language)
        yield PlannedCriterion(source=source, where=where, executions=executions, language=language)


def _texts(source: object) -> Iterator[str]:
    """Yields every text of a criterion except its message, in which `${…}` is plain text."""
    if isinstance(source, str):
        yield source
    elif isinstance(source, dict):
        for key, value in source.items():
            if key != "message":
                yield from _texts(value)


def _refuse_stray_criteria(config: Mapping[str, Any], judging: Sequence[str], reader: SuiteReader) -> None:
    """Raises SuiteError for criteria in a place where bzt ignores them. `judging`: passfail's names in this suite."""
    for path, is_right, holder in _holders(config):
        for key in holder:
            if key == "criteria" and is_right:
                continue
            if isinstance(key, str) and similar(key, CRITERIA_KEYS) and holder[key]:
                fix = "Write `criteria`." if is_right else "Move the criteria to `reporting`."
                raise reader.error("stray-criteria", f"{path}{key}", f"bzt ignores this key here. {fix}")
    for key in config:
        if key not in TOP_KEYS and any(_module(item) in judging for item in list_at(config, key)):
            text = "bzt ignores passfail here. Write `reporting: [{module: passfail, …}]`."
            raise reader.error("stray-criteria", quoted(key), text)
    for index, service in enumerate(list_at(config, "services")):
        if _module(service) in judging:
            text = "passfail is a reporter, not a service. Move it to `reporting`."
            raise reader.error("stray-criteria", f"services[{index}]", text)
    for index, reporter in _listed(config.get("reporting")):
        if reporter.get("criteria") and reporter.get("module") not in judging:
            what = f"The module {quoted(reporter.get('module'))} judges no criteria"
            path = f"reporting[{index}].criteria"
            raise reader.error("stray-criteria", path, f"{what}. Write `module: passfail`.")
    for name in judging:
        if isinstance(config.get(name), dict):
            text = "bzt ignores this key at the top level. Write `reporting: [{module: passfail, …}]`."
            raise reader.error("stray-criteria", name, text)


def _holders(config: Mapping[str, Any]) -> Iterator[tuple[str, bool, Mapping[Any, Any]]]:
    """Yields path, whether bzt judges criteria there, and mapping, for every usual place of criteria."""
    yield "", False, config
    for path in ("settings", "modules", "cli"):
        yield f"{path}.", False, mapping_at(config, path)
    for index, reporter in _listed(config.get("reporting")):
        yield f"reporting[{index}].", True, reporter
    for index, execution in _listed(config.get("execution")):
        yield f"execution[{index}].", True, execution
        yield f"execution[{index}].scenario.", True, mapping_at(execution, "scenario")
    for parent, is_right in (("scenarios", True), ("modules", False)):
        for name, child in mapping_at(config, parent).items():
            yield f"{parent}.{str(name)[:60]}.", is_right, mapping_at(child)


def _module(item: object) -> object:
    return item.get("module") if isinstance(item, dict) else item


def _listed(written: object) -> list[tuple[int, dict[Any, Any]]]:
    items = written if isinstance(written, list) else [written]
    return [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]


def check_service(toril: TorilSettings, reader: SuiteReader) -> None:
    """Raises SuiteError for a query of Prometheus that a version has twice, and for an unknown secret."""
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


def check_sources(criteria: Iterable[PlannedCriterion], toril: TorilSettings, reader: SuiteReader) -> None:
    """Raises SuiteError for a criterion on a fault, a query of Prometheus or a price that the suite does not have."""
    queries = {name for one in toril.service if one.version != "base" for name in one.queries}
    for criterion in criteria_of(criteria):
        path = criterion.where.removeprefix(f"{reader.name}: ")
        if criterion.subject == "prometheus" and criterion.server and criterion.server.metric not in queries:
            text = f"No `queries` of `toril.service` has this name. {suggestion(criterion.server.metric, queries)}"
            raise reader.error("unknown-query", path, text)
        if criterion.metric.source == "cost" and all(one.kind == "prometheus" for one in toril.service):
            text = f"`{criterion.text}` needs the resources of the service. Add them with `toril service SUITE`."
            raise reader.error("no-service", path, text)
        wanted = criterion.fault or int(criterion.metric.source == "faults")
        if wanted > len(toril.faults):
            text = f"`{criterion.text}` judges fault-{wanted}, which `toril.faults` does not have. Add the fault."
            raise reader.error("unknown-fault", path, text)
