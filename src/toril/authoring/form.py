"""A suite as a form: the values that people edit in fields, and the suite.yml with these values.

The form owns some keys of a suite.yml. `text_of` replaces these and keeps all others; `form_of` refuses a suite
whose own keys would not survive that. Fields are texts as typed, because `toril plan` explains wrong values best.
"""

import math
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from textwrap import shorten
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from toril.authoring.writer import COMMENTS, ENOUGH, HEAD, SCHEMA_LINE, SCHEMA_MARK, SCRIPT_LOAD, Flow, yaml_of
from toril.criteria import Language, parse_criterion
from toril.criteria.criterion import fields_of
from toril.criteria.subjects import CriterionSyntaxError
from toril.errors import CriterionError, SuiteError
from toril.load.shapes import OPEN_MODEL
from toril.suite.documents import parse
from toril.suite.reader import mapping_at

FILE = "suite.yml"
LONGEST = 100_000  # characters of a suite.yml that the form shows
CURVE_EXECUTORS = ("vegeta", "jmeter")
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?")
COMMENT = re.compile(r"(?<![^\s])#[^\n]*")

Line = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\r\n]*$")]
Block = Annotated[str, StringConstraints(max_length=LONGEST, pattern=r"^[^\r]*$")]
Load = Literal["users", "rate", "stages", "script"]


class _FormPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FormRequest(_FormPart):
    """One request; an empty method is GET."""

    url: Line = ""
    method: Line = ""
    label: Line = ""
    headers: dict[Line, Line] = {}
    body: Block = ""


class FormStage(_FormPart):
    """A part of a load curve: from the rate before (or `start`) to the rate `to`."""

    to: Line = ""
    lasts: Line = ""
    start: Line = ""  # for a jump


class FormCriterion(_FormPart):
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


class SuiteForm(_FormPart):
    """The fields of a suite with one scenario and one execution."""

    scenario: Line
    address: Line = ""  # with a script: its host
    requests: tuple[FormRequest, ...] = ()
    script: Line = ""  # a file of the suite; with one, there are no requests
    executor: Line = "locust"
    think_time: Line = ""
    load: Load = "users"  # the fields below that count
    users: Line = ""
    most: Line = ""  # of `users`: requests per second at most
    rate: Line = ""
    ramp_up: Line = ""
    steps: Line = ""
    hold_for: Line = ""
    iterations: Line = ""
    stages: tuple[FormStage, ...] = ()
    locations: dict[Line, Line] = {}  # with their weights
    criteria: tuple[FormCriterion, ...] = ()
    steady_only: bool = False  # criteria leave the ramp-up out
    workers: Line = ""
    quorum: Line = ""  # the share of workers that must be ready and stay
    description: Line = ""
    tags: dict[Line, Line] = {}

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        """Chooses an engine for the kind of load, and the order of criteria in a suite."""
        executor = self.executor
        if self.load == "rate" or (self.load == "stages" and executor not in CURVE_EXECUTORS):
            executor = "vegeta"
        elif self.load == "users" and executor in OPEN_MODEL:
            executor = "locust"
        object.__setattr__(self, "executor", executor)
        ordered = sorted(self.criteria, key=lambda criterion: criterion.language == "toril")
        object.__setattr__(self, "criteria", tuple(ordered))
        return self


# ── to a suite


def text_of(form: SuiteForm, base: str = "") -> str:
    """Returns a suite.yml with the form's values, and with all that the form does not own from `base`."""
    first, end, _ = base.partition("\n")
    line = first + end if first.startswith(SCHEMA_MARK) else SCHEMA_LINE
    return yaml_of(_applied(form, _document(base) if base else {}), _comments(form), line)


def _comments(form: SuiteForm) -> dict[tuple[str, str], str]:
    """Returns the comments that explain the load of a form's suite to newcomers."""
    if form.load == "script":
        return {("execution", "  executor:"): SCRIPT_LOAD}
    if NUMBER.fullmatch(form.users) and NUMBER.fullmatch(form.most) and form.load == "users":
        most_ms = math.floor(1000 * float(form.users) / (float(form.most) or math.inf))
        return {("execution", "  concurrency:"): ENOUGH.format(most_ms)} if most_ms else {}
    return {}


def _applied(form: SuiteForm, base: Mapping[str, Any]) -> dict[str, Any]:
    written = base.get("execution")
    before = next((own for own in (written if isinstance(written, list) else [written]) if isinstance(own, dict)), {})
    old = str(before.get("scenario", ""))
    execution = _replaced(before, _execution(form))
    scenario = _replaced(mapping_at(base, "scenarios", old), _scenario(form))
    scenarios = {name: scenario for name, scenario in mapping_at(base, "scenarios").items() if name != old}
    ours = {
        "description": form.description,
        "workers": _scalar(form.workers),
        "quorum": form.quorum,
        "tags": dict(form.tags),
        "criteria": _criteria(form, "toril"),
    }
    curves = {name: curve for name, curve in mapping_at(base, "toril", "curves").items() if name != old}
    if form.load == "stages":
        curves[form.scenario] = _shapes(form.stages)
    result = _replaced(
        base,
        {
            "execution": [execution],
            "scenarios": {form.scenario: scenario, **scenarios},
            "settings": _replaced(mapping_at(base, "settings"), {"ramp-up-exclude": form.steady_only or None}),
            "reporting": _reporting(base.get("reporting"), _criteria(form, "taurus")),
            "toril": _replaced(mapping_at(base, "toril"), {**ours, "curves": curves}),
        },
    )
    return result


def _replaced(base: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Returns our keys that have a value, then the keys that only the base has."""
    kept = {key: value for key, value in ours.items() if value not in (None, "", {}, [])}
    return kept | {key: value for key, value in base.items() if key not in ours}


def _execution(form: SuiteForm) -> dict[str, Any]:
    timed, users = form.load in ("users", "rate"), form.load == "users"
    with_users = users or (form.load == "stages" and form.executor not in OPEN_MODEL)
    values = {
        "concurrency": form.users if with_users else "",
        "throughput": form.most if users else form.rate if timed else "",
        "ramp-up": form.ramp_up if timed else "",
        "steps": form.steps if timed else "",
        "hold-for": form.hold_for if timed else "",
        "iterations": form.iterations if users else "",
    }
    locations = Flow((name, _scalar(weight)) for name, weight in form.locations.items())
    load = {key: _scalar(value) for key, value in values.items()}
    return {"scenario": form.scenario, "executor": form.executor, **load, "locations": locations}


def _scenario(form: SuiteForm) -> dict[str, Any]:
    requests = [] if form.script else [_request(request) for request in form.requests]
    return {
        "default-address": form.address,
        "script": form.script,
        "think-time": "" if form.script or form.executor in OPEN_MODEL else _scalar(form.think_time),
        "requests": requests,
    }


def _request(request: FormRequest) -> str | dict[str, Any]:
    mapping = {key: value for key, value in request.model_dump().items() if value and key != "url"}
    return {"url": request.url, **mapping} if mapping else request.url


def _shapes(stages: tuple[FormStage, ...]) -> list[Flow]:
    shapes, before = [], "0"
    for stage in stages:
        start = stage.start or before
        if start == stage.to:
            shape: dict[str, Any] = {"constant": _scalar(stage.to)}
        else:
            rates = {"from": start, "to": stage.to} if start != "0" else {"to": stage.to}
            shape = {"ramp": {key: _scalar(rate) for key, rate in rates.items()}}
        shapes.append(Flow({**shape, "for": _scalar(stage.lasts)}))
        before = stage.to
    return shapes


def _criteria(form: SuiteForm, language: Language) -> list[Any]:
    return [criterion.source for criterion in form.criteria if criterion.language == language]


def _reporting(base: object, criteria: list[Any]) -> list[Any]:
    """Returns the reporters, with the criteria in the first passfail."""
    reporters = list(_items(base))
    place = next((index for index, reporter in enumerate(reporters) if _is_passfail(reporter)), None)
    own = {"module": "passfail"} if place is None else reporters.pop(place)
    own = {key: value for key, value in {**own, "criteria": criteria}.items() if value != []}
    if own != {"module": "passfail"}:
        reporters.insert(place or 0, own)
    return reporters


def _is_passfail(reporter: object) -> bool:
    return isinstance(reporter, dict) and reporter.get("module") == "passfail"


def _scalar(text: str) -> int | float | str:
    """Returns a number for a text that a number in YAML is read back as.

    >>> _scalar("10"), _scalar("2.5"), _scalar("1m"), _scalar("010")
    (10, 2.5, '1m', '010')
    """
    if NUMBER.fullmatch(text):
        number = float(text) if "." in text else int(text)
        if str(number) == text:
            return number
    return text


# ── from a suite


def form_of(text: str) -> tuple[SuiteForm | None, str]:
    """Returns the form of a suite.yml; None with the reason if the form would change the rest of the suite."""
    if len(text) > LONGEST:
        return None, "The file is too long for the form."
    try:
        documents, warnings = parse(text, FILE)
        if len(documents) != 1 or warnings:
            return None, str(warnings[0].message) if warnings else "The form shows one YAML document."
        if lost := next(_lost(text), ""):
            return None, f"The form would remove {lost}."
        form = _read(documents[0])
        changed = _difference(_canonical(_applied(form, documents[0])), _canonical(documents[0]), "")
    except SuiteError as error:
        return None, str(error)
    except CriterionSyntaxError as error:
        return None, f"The form cannot show a criterion: {error}"
    except ValueError:  # a text that is too long, or has several lines
        return None, "The suite has a text that does not fit into a field."
    return (None, f"The form has no field for `{changed}`.") if changed else (form, "")


def _document(text: str) -> dict[str, Any]:
    documents, _ = parse(text, FILE)
    return documents[0] if documents else {}


def _read(document: Mapping[str, Any]) -> SuiteForm:
    """Returns the values that have fields; what the form cannot show is missing in it."""
    item: dict[str, Any] = next((entry for entry in _items(document.get("execution")) if isinstance(entry, dict)), {})
    name = _line(item.get("scenario"))
    scenario, ours = mapping_at(document, "scenarios", name), mapping_at(document, "toril")
    timed = {
        field: _line(item.get(field.replace("_", "-"))) for field in ("ramp_up", "steps", "hold_for", "iterations")
    }
    users, rate, executor = (_line(item.get(key)) for key in ("concurrency", "throughput", "executor"))
    load: Load = "users" if users or rate or any(timed.values()) else "script"
    curve = mapping_at(ours, "curves").get(name)
    load = "stages" if isinstance(curve, list) else "rate" if executor in OPEN_MODEL else load
    return SuiteForm(
        scenario=name,
        address=_line(scenario.get("default-address")),
        requests=tuple(map(_read_request, _items(scenario.get("requests")))),
        script=_line(scenario.get("script")),
        executor=executor,
        think_time=_line(scenario.get("think-time")),
        load=load,
        users=users,
        **{"rate" if load == "rate" else "most": rate},
        **timed,
        stages=tuple(_read_stages(curve)),
        locations=_lines(item.get("locations")),
        criteria=tuple(_read_criteria(document)),
        steady_only=bool(mapping_at(document, "settings").get("ramp-up-exclude")),
        tags=_lines(ours.get("tags")),
        **{field: _line(ours.get(field)) for field in ("workers", "quorum", "description")},
    )


def _read_request(request: object) -> FormRequest:
    if not isinstance(request, dict):
        return FormRequest(url=_line(request))
    headers = {name: value for name, value in _lines(request.get("headers")).items() if _is_header(name, value)}
    parts = {key: _line(request.get(key)) for key in ("url", "method", "label", "body")}
    return FormRequest(**parts, headers=headers)


def _is_header(name: str, value: str) -> bool:
    """Returns whether a line of the field for headers can hold them."""
    return ":" not in name and name == name.strip() and value == value.strip()


def _read_stages(curve: object) -> Iterator[FormStage]:
    before = "0"
    for shape in (entry for entry in _items(curve) if isinstance(entry, dict)):
        ramp = mapping_at(shape, "ramp") or {"from": shape.get("constant"), "to": shape.get("constant")}
        start, to = _line(ramp.get("from", "0")), _line(ramp.get("to"))
        yield FormStage(to=to, lasts=_line(shape.get("for")), start="" if start == before else start)
        before = to


def _read_criteria(document: Mapping[str, Any]) -> Iterator[FormCriterion]:
    reporters = [reporter for reporter in _items(document.get("reporting")) if _is_passfail(reporter)]
    for section in (*reporters[:1], mapping_at(document, "toril")):
        yield from map(criterion_of, _items(section.get("criteria")))


def criterion_of(source: object) -> FormCriterion:
    """Returns the parts of a criterion; ValueError if it has none."""
    fields: dict[str, Any] = dict(source) if isinstance(source, dict) else fields_of(str(source))
    if len(fields) == 1 and not FormCriterion.model_fields.keys() & fields:
        ((message, text),) = fields.items()
        fields = {**fields_of(str(text)), "message": message}
    stop, fail = fields.pop("stop", True), fields.pop("fail", True)
    action = f"{'stop' if stop is True else 'continue'} as {'failed' if fail is True else 'non-failed'}"
    parts: dict[str, Any] = dict.fromkeys(FormCriterion.model_fields, "")
    parts |= {key: _line(value) for key, value in fields.items()}
    return FormCriterion(**{**parts, "action": "" if action == "stop as failed" else action})


def _items(written: object) -> list[Any]:
    return written if isinstance(written, list) else [] if written is None else [written]


def _line(value: object) -> str:
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def _lines(value: object) -> dict[str, str]:
    return {name: _line(item) for name, item in value.items()} if isinstance(value, dict) else {}


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
    reporters = _items(document.get("reporting"))
    return {
        **document,
        "execution": _items(document.get("execution")),
        "reporting": [{**reporter, "criteria": None} if _is_passfail(reporter) else reporter for reporter in reporters],
        "toril": {**mapping_at(document, "toril"), "criteria": None},
    }


def _difference(mine: Any, theirs: Any, path: str) -> str:
    """Returns the first path at which two documents differ, or an empty text; numbers are equal to their texts."""
    if isinstance(mine, str) and theirs == {"url": mine}:
        return ""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        parts = [(f"{path}.{key[:60]}".strip("."), mine.get(key), theirs.get(key)) for key in {**theirs, **mine}]
    elif isinstance(mine, list) and isinstance(theirs, list):
        parts = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip_longest(mine, theirs))]
    else:
        same = mine == theirs or not (mine or theirs) or (None not in (mine, theirs) and str(mine) == str(theirs))
        return "" if same else path
    return next(filter(None, (_difference(own, other, inner) for inner, own, other in parts)), "")
