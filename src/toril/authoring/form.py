"""A suite as a form: the values that people edit in fields, and the suite.yml with these values.

The form owns some keys of a suite.yml. `text_of` replaces these and keeps all others; `form_of` refuses a suite
whose own keys would not survive that. Fields are texts as typed, because `toril plan` explains wrong values best.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import shorten
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, model_validator

from toril.authoring.steps import (
    LONGEST,
    FormPart,
    FormStep,
    Headers,
    Kept,
    Line,
    Values,
    difference,
    is_pair,
    items,
    line,
    merged,
    plain,
    read_steps,
    same,
    scalar,
    write_steps,
)
from toril.authoring.writer import COMMENTS, ENOUGH, HEAD, SCHEMA_LINE, SCHEMA_MARK, SCRIPT_LOAD, Flow, yaml_of
from toril.criteria import Language, parse_criterion
from toril.criteria.criterion import fields_of
from toril.criteria.subjects import CriterionSyntaxError
from toril.errors import CriterionError, SuiteError
from toril.suite.documents import parse
from toril.suite.reader import mapping_at
from toril.suite.requests import OWN

FILE = "suite.yml"
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?")
COMMENT = re.compile(r"(?<![^\s])#[^\n]*")

MOST_STEPS = 200  # in the form
CURVES, ARRIVALS = "toril.curves", "toril.arrivals"  # in the kept keys of an execution: its curve without stages
Load = Literal["users", "arrivals", "rate", "stages", "script"]


def _weights(value: object) -> object:
    """Returns weights by location from rows of fields."""
    if not isinstance(value, list):
        return value
    return {str(row.get("name", "")).strip(): str(row.get("weight", "")).strip() for row in value}


class FormStage(FormPart):
    """A part of a load curve: from the rate before (or `start`) to the rate `to`."""

    to: Line = ""
    lasts: Line = ""
    start: Line = ""  # for a jump


class FormCriterion(FormPart):
    """One criterion by its parts."""

    subject: Line = "p95"
    condition: Line = ">"
    threshold: Line = ""
    label: Line = ""
    logic: Line = ""  # for, within or over
    timeframe: Line = ""
    location: Line = ""
    action: Literal["", "continue as failed", "stop as non-failed", "continue as non-failed"] = ""
    message: Line = ""

    @property
    def source(self) -> str | dict[str, Any]:
        """The criterion as a suite has it: a text, or a mapping if no text has these parts."""
        parts: dict[str, Any] = {key: value for key, value in self.model_dump(exclude={"action"}).items() if value}
        text = f"{self.message}: " if self.message else ""
        text += f"{self.subject} of {self.label}" if self.label else self.subject
        text += f"{self.condition}{self.threshold}"
        text += f" {self.logic} {self.timeframe}" if self.timeframe else ""
        text += f" in {self.location}" if self.location else ""
        if self.action:
            text += f", {self.action}"
            parts |= {"stop": self.action.startswith("stop"), "fail": not self.action.endswith("non-failed")}
        try:
            return text if fields_of(text) == parts else parts
        except CriterionSyntaxError:
            return parts

    @property
    def language(self) -> Language:
        """The language that has this criterion; Taurus' if it is wrong in both."""
        return "toril" if self.problem("taurus") and not self.problem("toril") else "taurus"

    def problem(self, language: Language | None = None) -> str:
        """Returns the reason why the criterion is wrong; empty if it is right."""
        try:
            parse_criterion(self.source, "", language or self.language)
        except CriterionError as error:
            return str(error).removeprefix(": ").partition("`: ")[2]
        return ""


class FormData(FormPart):
    """A file of rows, and the variables of its columns; without names, its first row has them."""

    path: Line = ""
    names: Line = ""
    kept: Kept = Field({})


class FormExecution(FormPart):
    """One execution with its scenario. A scenario that an earlier execution has is shown there only.

    `kept`, `kept_scenario`: their keys without fields; `whole`: the execution has no fields at all.
    """

    scenario: Line = ""
    address: Line = ""  # with a script: its host
    steps: tuple[FormStep, ...] = ()
    script: Line = ""  # a file of the suite; with one, there are no steps
    headers: Headers = Field({})
    variables: Values = Field({})
    data: tuple[FormData, ...] = ()
    think_time: Line = ""
    executor: Line = "toril"
    taurus: Line = "apiritif"  # with toril's engine: the executor for bzt; `toril` if the suite has none
    load: Load = "users"  # the fields below that count
    users: Line = ""
    most: Line = ""  # of `users`: requests per second at most
    rate: Line = ""
    arrivals: Line = ""  # journeys per second
    ramp_up: Line = ""
    steps_of_ramp: Line = ""
    hold_for: Line = ""
    delay: Line = ""
    iterations: Line = ""
    stages: tuple[FormStage, ...] = ()
    counted: Literal["requests", "journeys"] = "requests"  # of the rates of the stages
    locations: Annotated[dict[Line, Line], BeforeValidator(_weights)] = Field({})
    kept: Kept = Field({})
    kept_scenario: Kept = Field({})
    whole: bool = False

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        """Chooses an engine for the kind of load."""
        of_curves = ("toril",) if self.counted == "journeys" else (*OWN, "jmeter")
        fitting = {"arrivals": ("toril",), "rate": OWN, "stages": of_curves}.get(self.load)
        if (fitting and self.executor not in fitting) or (self.load, self.executor) == ("users", "vegeta"):
            object.__setattr__(self, "executor", "toril")
        return self

    @property
    def thinks(self) -> bool:
        """Whether users send the requests, one after another; else they are independent."""
        return self.load != "rate" and (self.load, self.counted, self.executor in OWN) != (
            "stages",
            "requests",
            True,
        )

    @property
    def also(self) -> list[str]:
        """The keys without fields, of the execution and of its scenario."""
        return [*self.kept, *self.kept_scenario]


class SuiteForm(FormPart):
    """The fields of a suite."""

    executions: tuple[FormExecution, ...] = ()
    criteria: tuple[FormCriterion, ...] = ()
    steady_only: bool = False  # criteria leave the ramp-up out
    workers: Line = ""
    quorum: Line = ""  # the share of workers that must be ready and stay
    description: Line = ""
    tags: Values = Field({})

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """Has the criteria in the order of a suite."""
        ordered = sorted(self.criteria, key=lambda criterion: criterion.language == "toril")
        object.__setattr__(self, "criteria", tuple(ordered))
        return self

    @property
    def first(self) -> FormExecution:
        """The first execution; an empty one without any."""
        return next(iter(self.executions), FormExecution())

    def shared(self, index: int) -> bool:
        """Whether an earlier execution shows the scenario of this one."""
        name = self.executions[index].scenario
        return any(name == other.scenario and not other.whole for other in self.executions[:index])


# ── to a suite


def text_of(form: SuiteForm, base: str = "") -> str:
    """Returns a suite.yml with the form's values, and with all that the form does not own from `base`."""
    first, end, _ = base.partition("\n")
    line = first + end if first.startswith(SCHEMA_MARK) else SCHEMA_LINE
    return yaml_of(_applied(form, _document(base) if base else {}), _comments(form), line)


def _comments(form: SuiteForm) -> dict[tuple[str, str], str]:
    """Returns the comments that explain the load of a form's suite to newcomers."""
    load = form.first
    if len(form.executions) != 1:
        return {}
    if load.load == "script":
        return {("execution", "  executor:"): SCRIPT_LOAD}
    if NUMBER.fullmatch(load.users) and NUMBER.fullmatch(load.most) and load.load == "users":
        most_ms = math.floor(1000 * float(load.users) / (float(load.most) or math.inf))
        return {("execution", "  concurrency:"): ENOUGH.format(most_ms)} if most_ms else {}
    return {}


def _applied(form: SuiteForm, base: Mapping[str, Any]) -> dict[str, Any]:
    before = [line(item.get("scenario")) for item in items(base.get("execution")) if isinstance(item, dict)]
    known = mapping_at(base, "scenarios")
    scenarios: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    arrivals: dict[str, Any] = {}
    names = _names(own.scenario for own in form.executions)
    for index, (name, execution) in enumerate(zip(names, form.executions, strict=True)):
        if execution.load == "arrivals":
            arrivals[name] = scalar(execution.arrivals) or execution.kept.get(ARRIVALS)
        if execution.whole or form.shared(index):
            continue
        scenario = merged(_scenario(execution), execution.kept_scenario)
        if scenario or execution.scenario in known:
            scenarios[execution.scenario] = scenario
        if execution.load == "stages":
            (arrivals if execution.counted == "journeys" else curves)[name] = _shapes(execution.stages)
        elif CURVES in execution.kept:
            curves[execution.scenario] = execution.kept[CURVES]
    written = mapping_at(base, "toril")
    alone = len(form.executions) == 1 and written.get("arrivals") == _part(written.get("arrivals"), names[0], names)
    ours = {
        "executor": _on_toril(form, names, written.get("executor")),
        "arrivals": next(iter(arrivals.values()), None) if alone else arrivals,
        "description": form.description,
        "workers": scalar(form.workers),
        "quorum": form.quorum,
        "tags": dict(form.tags),
        "criteria": _criteria(form, "toril"),
        "curves": curves
        | {name: own for name, own in mapping_at(base, *CURVES.split(".")).items() if name not in before},
    }
    scenarios |= {name: own for name, own in known.items() if name not in (*before, *scenarios)}
    executions = [execution.kept if execution.whole else _execution(execution) for execution in form.executions]
    return _replaced(
        base,
        {
            "execution": executions,
            "scenarios": scenarios,
            "settings": _replaced(mapping_at(base, "settings"), {"ramp-up-exclude": form.steady_only or None}),
            "reporting": _reporting(base.get("reporting"), _criteria(form, "taurus")),
            "toril": _replaced(mapping_at(base, "toril"), ours),
        },
    )


def _names(scenarios: Iterable[object]) -> list[str]:
    """Returns the names of executions, as a suite has them: with #2, #3 … if an earlier one has the scenario."""
    counts: Counter[str] = Counter()
    names = []
    for scenario in map(str, scenarios):
        counts[scenario] += 1
        names.append(scenario if counts[scenario] == 1 else f"{scenario}#{counts[scenario]}")
    return names


def _part(written: Any, name: str, names: Sequence[str]) -> Any:
    """Returns the part of an execution in a setting of all executions, or of some by their names."""
    return written if not isinstance(written, dict) or written.keys().isdisjoint(names) else written.get(name)


def _on_toril(form: SuiteForm, names: Sequence[str], before: object) -> object:
    """Returns `toril.executor`: the engine of all executions with requests, or of some by their names."""
    rows = [row for row in zip(names, form.executions, strict=True) if not row[1].script]
    shown = [(name, own) for name, own in rows if not own.whole]
    ours = {name: "toril" for name, own in shown if own.executor == "toril" != own.taurus}
    if isinstance(before, dict):
        return ours | {name: own for name, own in before.items() if name not in names}
    if len(ours) < len(shown) or (before is None and len(shown) < len(rows)):
        return ours
    return "toril" if ours else before


def _replaced(base: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Returns our keys that have a value, then the keys that only the base has."""
    return merged(ours, {key: value for key, value in base.items() if key not in ours})


def _execution(form: FormExecution) -> dict[str, Any]:
    timed, users = form.load in ("users", "arrivals", "rate"), form.load == "users"
    with_users = users or (form.load == "stages" and form.executor not in OWN)
    executor = form.taurus if form.executor == "toril" and not form.script else form.executor
    values = {
        "concurrency": form.users if with_users else "",
        "throughput": form.most if users else form.rate if form.load == "rate" else "",
        "ramp-up": form.ramp_up if timed else "",
        "steps": form.steps_of_ramp if timed else "",
        "hold-for": form.hold_for if timed else "",
        "delay": form.delay,
        "iterations": form.iterations if users else "",
    }
    locations = Flow((name, scalar(weight)) for name, weight in form.locations.items())
    load = {key: scalar(value) for key, value in values.items()}
    ours = {"scenario": form.scenario, "executor": executor, **load, "locations": locations}
    return merged(ours, {key: value for key, value in form.kept.items() if key not in (CURVES, ARRIVALS)})


def _scenario(form: FormExecution) -> dict[str, Any]:
    return {
        "default-address": form.address,
        "script": form.script,
        "think-time": "" if form.script or not form.thinks else scalar(form.think_time),
        "headers": dict(form.headers),
        "variables": {name: scalar(value) for name, value in form.variables.items()},
        "data-sources": [merged({"path": own.path, "variable-names": own.names}, own.kept) for own in form.data],
        "requests": [] if form.script else write_steps(form.steps),
    }


def _shapes(stages: tuple[FormStage, ...]) -> list[Flow]:
    shapes, before = [], "0"
    for stage in stages:
        start = stage.start or before
        if start == stage.to:
            shape: dict[str, Any] = {"constant": scalar(stage.to)}
        else:
            rates = {"from": start, "to": stage.to} if start != "0" else {"to": stage.to}
            shape = {"ramp": {key: scalar(rate) for key, rate in rates.items()}}
        shapes.append(Flow({**shape, "for": scalar(stage.lasts)}))
        before = stage.to
    return shapes


def _criteria(form: SuiteForm, language: Language) -> list[Any]:
    return [criterion.source for criterion in form.criteria if criterion.language == language]


def _reporting(base: object, criteria: list[Any]) -> list[Any]:
    """Returns the reporters, with the criteria in the first passfail."""
    reporters = list(items(base))
    place = next((index for index, reporter in enumerate(reporters) if _is_passfail(reporter)), None)
    own = {"module": "passfail"} if place is None else reporters.pop(place)
    own = {key: value for key, value in {**own, "criteria": criteria}.items() if value != []}
    if own != {"module": "passfail"}:
        reporters.insert(place or 0, own)
    return reporters


def _is_passfail(reporter: object) -> bool:
    return isinstance(reporter, dict) and reporter.get("module") == "passfail"


# ── from a suite


def form_of(text: str) -> tuple[SuiteForm | None, str]:
    """Returns the form of a suite.yml with what it would remove; None with the reason if it would change the suite."""
    if len(text) > LONGEST:
        return None, "The file is too long for the form."
    try:
        documents, warnings = parse(text, FILE)
        if len(documents) != 1 or warnings:
            return None, str(warnings[0].message) if warnings else "The form shows one YAML document."
        form = _read(documents[0])
        changed = difference(_canonical(_applied(form, documents[0])), _canonical(documents[0]), "")
    except SuiteError as error:
        return None, str(error)
    except CriterionSyntaxError as error:
        return None, f"The form cannot show a criterion: {error}"
    except ValueError:  # a text that is too long, or has several lines
        return None, "The suite has a text that does not fit into a field."
    if sum(len(execution.steps) for execution in form.executions) > MOST_STEPS:
        return None, f"The form shows at most {MOST_STEPS} steps."
    lost = list(dict.fromkeys(_lost(text)))
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return (None, f"The form has no field for `{changed}`.") if changed else (form, lost[0] + more if lost else "")


def kept_by(text: str) -> list[str]:
    """Returns the parts of a suite.yml that have no field, and stay as they are written."""
    document = _document(text)
    fields = ("description", "workers", "quorum", "tags", "criteria", "curves", "executor", "arrivals")
    shown = {line(own.get("scenario")) for own in items(document.get("execution")) if isinstance(own, dict)}
    found = [key for key in document if key not in ("execution", "scenarios", "settings", "reporting", "toril")]
    found += [f"scenarios.{name}" for name in mapping_at(document, "scenarios") if name not in shown]
    found += [f"settings.{name}" for name in mapping_at(document, "settings") if name != "ramp-up-exclude"]
    found += [f"toril.{name}" for name in mapping_at(document, "toril") if name not in fields]
    others = [own for own in items(document.get("reporting")) if not _is_passfail(own)]
    return [str(name)[:80] for name in found + (["reporting"] if others else [])]


def _document(text: str) -> dict[str, Any]:
    documents, _ = parse(text, FILE)
    return documents[0] if documents else {}


def _read(document: Mapping[str, Any]) -> SuiteForm:
    """Returns the values that have fields, and beside them what has none."""
    ours = mapping_at(document, "toril")
    executions: list[FormExecution] = []
    written = items(document.get("execution"))
    names = _names(item.get("scenario") if isinstance(item, dict) else "" for item in written)
    for item, own_name in zip(written, names, strict=True):
        name = item.get("scenario") if isinstance(item, dict) else None
        if not isinstance(name, str) or not isinstance(mapping_at(document, "scenarios").get(name, {}), dict):
            executions.append(FormExecution(kept=item, whole=True))
            continue
        shown = any(name == other.scenario for other in executions)
        engine, arrivals = (_part(ours.get(key), own_name, names) for key in ("executor", "arrivals"))
        executions.append(_read_execution(item, {} if shown else document, engine, arrivals))
    return SuiteForm(
        executions=tuple(executions),
        criteria=tuple(_read_criteria(document)),
        steady_only=bool(mapping_at(document, "settings").get("ramp-up-exclude")),
        tags=_lines(ours.get("tags")),
        **{field: line(ours.get(field)) for field in ("workers", "quorum", "description")},
    )


def _read_execution(
    item: Mapping[str, Any], document: Mapping[str, Any], engine: object, arrivals: Any
) -> FormExecution:
    name = item["scenario"]
    scenario, curve = mapping_at(document, "scenarios", name), mapping_at(document, *CURVES.split(".")).get(name)
    keys = {"steps_of_ramp": "steps"} | {key.replace("-", "_"): key for key in ("ramp-up", "hold-for", "iterations")}
    timed = {field: line(item.get(key)) for field, key in keys.items()}
    users, rate, taurus = (line(item.get(key)) for key in ("concurrency", "throughput", "executor"))
    executor = "toril" if engine == "toril" and not scenario.get("script") else taurus
    load: Load = "users" if users or rate or any(timed.values()) or "concurrency" in item else "script"
    drawing = curve if arrivals is None else arrivals
    stages = tuple(_read_stages(drawing))
    drawn = isinstance(drawing, list) and not difference(_shapes(stages), drawing, "")
    by_rate = executor in OWN and "concurrency" not in item and (executor == "vegeta" or rate or curve)
    load = "stages" if drawn else "arrivals" if arrivals is not None else "rate" if by_rate else load
    form = FormExecution(
        scenario=name,
        address=line(scenario.get("default-address")),
        steps=() if scenario.get("script") else tuple(read_steps(items(scenario.get("requests")))),
        script=line(scenario.get("script")),
        think_time=line(scenario.get("think-time")),
        headers=_fitting_pairs(scenario.get("headers"), ":"),
        variables=_fitting_pairs(scenario.get("variables"), "="),
        data=tuple(map(_read_data, items(scenario.get("data-sources")))),
        executor=executor,
        **({"taurus": taurus} if executor == "toril" else {}),
        load=load,
        users=users,
        arrivals="" if drawn else line(arrivals),
        **{"rate" if load == "rate" else "most": rate},
        **timed,
        delay=line(item.get("delay")),
        stages=stages if drawn else (),
        counted="journeys" if drawn and arrivals is not None else "requests",
        locations=_lines(item.get("locations")),
    )
    undrawn = {CURVES: curve if not drawn or arrivals is not None else None}
    undrawn |= {ARRIVALS: arrivals if isinstance(arrivals, (dict, list)) and not drawn else None}
    kept = _unlike(item, _execution(form)) | {key: own for key, own in undrawn.items() if own is not None}
    return form.model_copy(update={"kept": kept, "kept_scenario": _unlike(scenario, _scenario(form))})


def _unlike(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what fields do not have: the keys, and the pairs of mappings, that they would not write."""
    found: dict[str, Any] = {}
    for key, value in theirs.items():
        own = mine.get(key)
        if isinstance(value, dict) and isinstance(own, dict) and own:
            value = {name: inner for name, inner in value.items() if name not in own}
            found |= {key: value} if value else {}
        elif not same({key: own}, {key: value}):
            found[key] = value
    return dict(FormData(kept=found).kept)  # ValueError if no field can keep it


def _fitting_pairs(written: object, separator: str) -> dict[str, str]:
    pairs = written.items() if isinstance(written, dict) else ()
    return {name: line(value) for name, value in pairs if is_pair(name, value, separator)}


def _read_data(written: object) -> FormData:
    source = {"path": written} if isinstance(written, str) else written
    if not isinstance(source, dict):
        raise ValueError("no data source")
    names = source.get("variable-names")
    return FormData(
        path=line(source.get("path")),
        names=names if isinstance(names, str) else "",
        kept={key: value for key, value in source.items() if key not in ("path", "variable-names")},
    )


def _read_stages(curve: object) -> Iterator[FormStage]:
    before = "0"
    for shape in (entry for entry in items(curve) if isinstance(entry, dict)):
        ramp = mapping_at(shape, "ramp") or {"from": shape.get("constant"), "to": shape.get("constant")}
        start, to = line(ramp.get("from", "0")), line(ramp.get("to"))
        yield FormStage(to=to, lasts=line(shape.get("for")), start="" if start == before else start)
        before = to


def _read_criteria(document: Mapping[str, Any]) -> Iterator[FormCriterion]:
    reporters = [reporter for reporter in items(document.get("reporting")) if _is_passfail(reporter)]
    for section in (*reporters[:1], mapping_at(document, "toril")):
        yield from map(criterion_of, items(section.get("criteria")))


def criterion_of(source: object) -> FormCriterion:
    """Returns the parts of a criterion; ValueError if it has none."""
    fields: dict[str, Any] = dict(source) if isinstance(source, dict) else fields_of(str(source))
    if len(fields) == 1 and not FormCriterion.model_fields.keys() & fields:
        ((message, text),) = fields.items()
        fields = {**fields_of(str(text)), "message": message}
    stop, fail = fields.pop("stop", True), fields.pop("fail", True)
    action = f"{'stop' if stop is True else 'continue'} as {'failed' if fail is True else 'non-failed'}"
    parts: dict[str, Any] = dict.fromkeys(FormCriterion.model_fields, "")
    parts |= {key: line(value) for key, value in fields.items()}
    return FormCriterion(**{**parts, "action": "" if action == "stop as failed" else action})


def _lines(value: object) -> dict[str, str]:
    return {name: line(item) for name, item in value.items()} if isinstance(value, dict) else {}


def _lost(text: str) -> Iterator[str]:
    """Yields the parts of a YAML text that its values do not have: anchors, and comments of people."""
    own = [*COMMENTS.values(), ENOUGH.partition("{")[0], SCRIPT_LOAD, HEAD[2:].strip(), SCHEMA_MARK[2:]]
    covered = bytearray(len(text) + 1)
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AnchorToken):
            yield f"the anchor `&{token.value[:60]}`"
        if isinstance(token, yaml.ScalarToken):
            start, end = token.start_mark.index, token.end_mark.index
            covered[start:end] = b"\1" * (end - start)
    for match in COMMENT.finditer(text):
        words = match[0].lstrip("# ").strip()
        if not covered[match.start()] and not any(words.startswith(mark) for mark in own):
            yield f"the comment `{shorten(match[0], 60, placeholder='…')}`"


def _canonical(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the document with lists for single items, and without the criteria, which have fields of their own."""
    reporters = items(document.get("reporting"))
    scenarios = document.get("scenarios")
    return {
        **document,
        "execution": items(document.get("execution")),
        "scenarios": {name: plain(own) for name, own in scenarios.items()}
        if isinstance(scenarios, dict)
        else scenarios,
        "reporting": [{**reporter, "criteria": None} if _is_passfail(reporter) else reporter for reporter in reporters],
        "toril": {**mapping_at(document, "toril"), "criteria": None},
    }
