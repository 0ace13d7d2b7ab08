"""A suite as a form: the values that people edit in fields, and the suite.yml with these values.

The form owns some keys of a suite.yml. `text_of` replaces these and keeps all others; `form_of` refuses a suite
whose own keys would not survive that. Fields are texts as typed, because `toril plan` explains wrong values best.
"""

import math
import re
from collections.abc import Iterator, Mapping
from textwrap import shorten
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from toril.authoring.writer import COMMENTS, ENOUGH, HEAD, SCRIPT_LOAD, Comment, Flow, yaml_of
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


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FormRequest(_Part):
    """One request; an empty method is GET."""

    url: Line = ""
    method: Line = ""
    label: Line = ""
    headers: dict[Line, Line] = {}
    body: Block = ""


class FormStage(_Part):
    """A part of a load curve: from the rate before (or `start`) to the rate `to`."""

    to: Line = ""
    lasts: Line = ""
    start: Line = ""  # for a jump


class FormCriterion(_Part):
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


class SuiteForm(_Part):
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
        ordered = sorted(self.criteria, key=lambda one: one.language == "toril")
        object.__setattr__(self, "criteria", tuple(ordered))
        return self


# ── to a suite


def text_of(form: SuiteForm, base: str = "") -> str:
    """Returns a suite.yml with the form's values, and with all that the form does not own from `base`."""
    return yaml_of(_applied(form, _document(base) if base else {}), _comments(form))


def _comments(form: SuiteForm) -> Iterator[Comment]:
    """Yields the comments that explain a form's suite to newcomers."""
    if form.load == "script":
        yield Comment("execution", "executor", SCRIPT_LOAD, below=True)
    elif NUMBER.fullmatch(form.users) and NUMBER.fullmatch(form.most) and form.load == "users":
        most_ms = math.floor(1000 * float(form.users) / (float(form.most) or math.inf))
        if most_ms:
            yield Comment("execution", "concurrency", ENOUGH.format(most_ms))
    if form.think_time:
        yield Comment("scenarios", "think-time")
    if form.address:
        yield Comment("scenarios", "default-address")
    if form.steady_only:
        yield Comment("settings", "ramp-up-exclude")
    if _criteria(form, "taurus"):
        yield Comment("reporting", "reporting")
    if _criteria(form, "toril"):
        yield Comment("toril", "criteria")


def _applied(form: SuiteForm, base: Mapping[str, Any]) -> dict[str, Any]:
    written = base.get("execution")
    before = next((one for one in (written if isinstance(written, list) else [written]) if isinstance(one, dict)), {})
    old = str(before.get("scenario", ""))
    execution = _replaced(before, _execution(form))
    scenario = _replaced(mapping_at(base, "scenarios", old), _scenario(form))
    scenarios = {name: one for name, one in mapping_at(base, "scenarios").items() if name != old}
    ours = {
        "description": form.description,
        "workers": _scalar(form.workers),
        "quorum": form.quorum,
        "tags": dict(form.tags),
        "criteria": _criteria(form, "toril"),
    }
    curves = {name: one for name, one in mapping_at(base, "toril", "curves").items() if name != old}
    if form.load == "stages":
        curves[form.scenario] = _shapes(form.stages)
    found = _replaced(
        base,
        {
            "execution": [execution],
            "scenarios": {form.scenario: scenario, **scenarios},
            "settings": _replaced(mapping_at(base, "settings"), {"ramp-up-exclude": form.steady_only or None}),
            "reporting": _reporting(base.get("reporting"), _criteria(form, "taurus")),
            "toril": _replaced(mapping_at(base, "toril"), {**ours, "curves": curves}),
        },
    )
    return found


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
    requests = [] if form.script else [_request(one) for one in form.requests]
    return {
        "default-address": form.address,
        "script": form.script,
        "think-time": "" if form.script or form.executor in OPEN_MODEL else _scalar(form.think_time),
        "requests": requests,
    }


def _request(one: FormRequest) -> str | dict[str, Any]:
    mapping = {key: value for key, value in one.model_dump().items() if value and key != "url"}
    return {"url": one.url, **mapping} if mapping else one.url


def _shapes(stages: tuple[FormStage, ...]) -> list[Flow]:
    found, before = [], "0"
    for stage in stages:
        start = stage.start or before
        if start == stage.to:
            shape: dict[str, Any] = {"constant": _scalar(stage.to)}
        else:
            rates = {"from": start, "to": stage.to} if start != "0" else {"to": stage.to}
            shape = {"ramp": {key: _scalar(rate) for key, rate in rates.items()}}
        found.append(Flow({**shape, "for": _scalar(stage.lasts)}))
        before = stage.to
    return found


def _criteria(form: SuiteForm, language: Language) -> list[Any]:
    return [one.source for one in form.criteria if one.language == language]


def _reporting(base: object, criteria: list[Any]) -> list[Any]:
    """Returns the reporters, with the criteria in the first passfail."""
    others = list(_items(base))
    place = next((index for index, one in enumerate(others) if _is_passfail(one)), None)
    if place is None:
        return [*([{"module": "passfail", "criteria": criteria}] if criteria else []), *others]
    kept = {key: value for key, value in others[place].items() if key != "criteria"}
    if criteria:
        others[place] = {**kept, "criteria": criteria}
    elif set(kept) == {"module"}:
        del others[place]
    else:
        others[place] = kept
    return others


def _is_passfail(one: object) -> bool:
    return isinstance(one, dict) and one.get("module") == "passfail"


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


class _UnshownError(Exception):
    """A part of a suite that the form has no field for; its text is the part's path."""


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
        _compare(_canonical(_applied(form, documents[0])), _canonical(documents[0]), "")
    except _UnshownError as unshown:
        return None, f"The form has no field for `{unshown}`."
    except SuiteError as error:
        return None, str(error)
    except ValueError:  # a text that is too long, or has several lines
        return None, "The suite has a text that does not fit into a field."
    return form, ""


def _document(text: str) -> dict[str, Any]:
    documents, _ = parse(text, FILE)
    return documents[0] if documents else {}


def _read(document: Mapping[str, Any]) -> SuiteForm:
    written = document.get("execution")
    items = written if isinstance(written, list) else [written]
    if len(items) != 1 or not isinstance(items[0], dict):
        raise _UnshownError("execution[1]" if len(items) > 1 else "execution")
    item = items[0]
    name = _line(item.get("scenario"), "execution[0].scenario")
    if not isinstance(mapping_at(document, "scenarios").get(name), dict):
        raise _UnshownError(f"execution[0].scenario: {name[:60]}")
    scenario, where = mapping_at(document, "scenarios", name), f"scenarios.{name[:60]}"
    values = {
        key: _line(item.get(key), f"execution[0].{key}")
        for key in ("executor", "concurrency", "throughput", "ramp-up", "steps", "hold-for", "iterations")
    }
    curve = mapping_at(document, "toril", "curves").get(name)
    ours = mapping_at(document, "toril")
    load: Load = "users" if any(list(values.values())[1:]) else "script"
    if curve is not None:
        load = "stages"
    elif values["executor"] in OPEN_MODEL:
        load = "rate"
    return SuiteForm(
        scenario=name,
        address=_line(scenario.get("default-address"), f"{where}.default-address"),
        requests=tuple(_read_request(one, f"{where}.requests") for one in _items(scenario.get("requests"))),
        script=_line(scenario.get("script"), f"{where}.script"),
        executor=values["executor"],
        think_time=_line(scenario.get("think-time"), f"{where}.think-time"),
        load=load,
        users=values["concurrency"],
        **{"rate" if load == "rate" else "most": values["throughput"]},
        ramp_up=values["ramp-up"],
        steps=values["steps"],
        hold_for=values["hold-for"],
        iterations=values["iterations"],
        stages=tuple(_read_stages(curve, f"toril.curves.{name[:60]}")),
        locations=_lines(item.get("locations"), "execution[0].locations"),
        criteria=tuple(_read_criteria(document)),
        steady_only=bool(mapping_at(document, "settings").get("ramp-up-exclude")),
        workers=_line(ours.get("workers"), "toril.workers"),
        quorum=_line(ours.get("quorum"), "toril.quorum"),
        description=_line(ours.get("description"), "toril.description"),
        tags=_lines(ours.get("tags"), "toril.tags"),
    )


def _read_request(one: object, where: str) -> FormRequest:
    if isinstance(one, str):
        return FormRequest(url=one)
    if not isinstance(one, dict) or not isinstance(one.get("body", ""), str):
        raise _UnshownError(where)
    headers = _lines(one.get("headers"), f"{where}.headers")
    if any(":" in name or name != name.strip() or value != value.strip() for name, value in headers.items()):
        raise _UnshownError(f"{where}.headers")
    parts = {key: _line(one.get(key), f"{where}.{key}") for key in ("url", "method", "label")}
    return FormRequest(**parts, headers=headers, body=one.get("body", ""))


def _read_stages(curve: object, where: str) -> Iterator[FormStage]:
    before = "0"
    for shape in _items(curve):
        if not isinstance(shape, dict) or not shape.keys() & {"ramp", "constant"}:
            raise _UnshownError(where)
        ramp = shape.get("ramp")
        if isinstance(ramp, dict):
            start, to = _line(ramp.get("from", "0"), where), _line(ramp.get("to"), where)
        else:
            start = to = _line(shape.get("constant"), where)
        yield FormStage(to=to, lasts=_line(shape.get("for"), where), start="" if start == before else start)
        before = to


def _read_criteria(document: Mapping[str, Any]) -> Iterator[FormCriterion]:
    reporters = [one for one in _items(document.get("reporting")) if _is_passfail(one)]
    for index, source in enumerate(_items(reporters[0].get("criteria")) if reporters else ()):
        yield criterion_of(source, f"reporting[0].criteria[{index}]")
    for index, source in enumerate(_items(mapping_at(document, "toril").get("criteria"))):
        yield criterion_of(source, f"toril.criteria[{index}]")


def criterion_of(source: object, where: str = "criteria") -> FormCriterion:
    """Returns the parts of a criterion."""
    fields: dict[str, Any] = dict(source) if isinstance(source, dict) else {}
    try:
        if isinstance(source, str):
            fields = fields_of(source)
        elif len(fields) == 1 and not FormCriterion.model_fields.keys() & fields:
            ((message, text),) = fields.items()
            fields = {**fields_of(text), "message": message} if isinstance(text, str) else fields
    except CriterionSyntaxError:
        raise _UnshownError(where) from None
    stop, fail = fields.pop("stop", True), fields.pop("fail", True)
    action = f"{'stop' if stop is True else 'continue'} as {'failed' if fail is True else 'non-failed'}"
    known = {key: _line(fields.get(key), where) for key in FormCriterion.model_fields if key != "action"}
    return FormCriterion(**known, action="" if action == "stop as failed" else action)


def _items(written: object) -> list[Any]:
    return written if isinstance(written, list) else [] if written is None else [written]


def _line(value: object, where: str) -> str:
    if isinstance(value, (dict, list)):
        raise _UnshownError(where)
    return "" if value is None else str(value)


def _lines(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, (dict, type(None))):
        raise _UnshownError(where)
    return {name: _line(one, f"{where}.{name[:60]}") for name, one in (value or {}).items()}


def _lost(text: str) -> Iterator[str]:
    """Yields the parts of a YAML text that its values do not have: anchors, and comments of people."""
    own = [*COMMENTS.values(), ENOUGH.partition("{")[0], SCRIPT_LOAD, HEAD[2:].strip()]
    covered = bytearray(len(text) + 1)
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AnchorToken):
            yield f"the anchor `&{token.value[:60]}`"
        if isinstance(token, yaml.ScalarToken):
            start, end = token.start_mark.index, token.end_mark.index
            covered[start:end] = b"\1" * (end - start)
    for found in COMMENT.finditer(text):
        words = found[0].lstrip("# ").strip()
        if not covered[found.start()] and not any(words.startswith(one) for one in own):
            yield f"the comment `{shorten(found[0], 60, placeholder='…')}`"


def _canonical(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the document with lists for single items, and with parsed criteria."""
    found = {key: value for key, value in document.items() if key not in ("execution", "reporting", "toril")}
    found |= {"execution": _items(document.get("execution")), "reporting": []}
    for one in _items(document.get("reporting")):
        parsed = {"criteria": _parsed(one.get("criteria"), "taurus")} if _is_passfail(one) else {}
        found["reporting"].append({**one, **parsed} if isinstance(one, dict) else one)
    ours = document.get("toril")
    found["toril"] = {**ours, "criteria": _parsed(ours.get("criteria"), "toril")} if isinstance(ours, dict) else ours
    return found


def _parsed(criteria: object, language: Language) -> list[Any]:
    found: list[Any] = []
    for one in _items(criteria):
        try:
            found.append(parse_criterion(one, "", language))
        except CriterionError:
            found.append(criterion_of(one).source)
    return found


def _compare(mine: Any, theirs: Any, path: str) -> None:
    """Raises _UnshownError with the first path at which two documents differ; numbers are equal to their texts."""
    if isinstance(mine, str) and theirs == {"url": mine}:
        return
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in {**theirs, **mine}:
            _compare(mine.get(key), theirs.get(key), f"{path}.{key[:60]}" if path else key[:60])
    elif isinstance(mine, list) and isinstance(theirs, list):
        for index in range(max(len(mine), len(theirs))):
            pair = [one[index] if index < len(one) else None for one in (mine, theirs)]
            _compare(pair[0], pair[1], f"{path}[{index}]")
    elif mine != theirs and (mine or theirs) and (None in (mine, theirs) or str(mine) != str(theirs)):
        raise _UnshownError(path)
