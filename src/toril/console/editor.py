"""A suite that is being edited: the fields that a page posts, and the actions on its rows.

All unsaved state is in the posted fields, so that no server keeps it. Nothing here reads a store or a suite's files.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError

from toril.authoring.form import (
    FormCriterion,
    FormData,
    FormExecution,
    FormStage,
    SuiteForm,
    form_of,
    kept_by,
    text_of,
)
from toril.authoring.options import InitOptions, Url, default_name, read_url
from toril.authoring.steps import FormCarried, FormCheck, FormStep, place_of
from toril.criteria import METRICS
from toril.criteria.criterion import fields_of
from toril.criteria.quantities import duration_s, number
from toril.errors import OptionError
from toril.suite.engines import ENGINES, TESTED
from toril.text import quantity

NAME = re.compile(r"[a-z_]+(?:\.[0-9]{1,3}\.[a-z_]+)*")  # of a field; numbers are those of rows
FIRST_FIELDS = {  # of a new row, by the kind of rows; a row without values is not saved
    "executions": "scenario",
    "steps": "url",
    "checks": "value",
    "carried": "name",
    "data": "path",
    "stages": "to",
    "locations": "name",
    "criteria": "subject",
}
EMPTY_ROWS = (FormStep(), FormCheck(), FormCarried(), FormData(), FormStage(), FormCriterion())
SUBJECTS = tuple(  # what the form offers: subject, words, usual unit
    (subject, words, metric.usual_unit) for metric in METRICS.values() for subject, words in metric.offered.items()
)
UNITS = (("ms", "ms"), ("s", "s"), ("%", "%"), ("/s", "/s"), ("kB", "kB"), ("", "count"))
SIGNS = {">": ">", ">=": "≥", "<": "<", "<=": "≤", "=": "=", "==": "="}
MEASURED = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(ms|s|%|/s|kB|)")
METHODS = [("", "GET"), *((name, name) for name in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))]
BODIES = (("", "as written"), ("json", "JSON"), ("form", "form: name=value"))
HOWS_OF_CHECKS = (
    ("status", "the status is"),
    ("contains", "the text contains"),
    ("lacks", "the text lacks"),
    ("matches", "the text matches (regexp)"),
    ("jsonpath", "the JSON path has"),
)
HOWS_OF_VALUES = (("jsonpath", "JSON path"), ("regexp", "regexp, group 1"), ("css", "CSS selector"), ("xpath", "XPath"))
ENGINES_OF_ADDRESSES = tuple(name for name in TESTED if ENGINES[name].generates and name != "vegeta")
ENGINES_OF_SCRIPTS = tuple(name for name in TESTED if ENGINES[name].scripts)
# Path in an execution, in its scenario, and in `toril` → field; groups become the numbers of rows.
OF_EXECUTIONS = (
    (r"concurrency", "users"),
    (r"throughput", "rate"),  # or `most`
    (r"(ramp-up|hold-for|delay|iterations|executor)", "{}"),
    (r"steps", "steps_of_ramp"),
    (r"locations.*", "locations.0.name"),
    (r".*", "scenario"),
)
OF_SCENARIOS = (
    (r"default-address", "address"),
    (r"(think-time|script|headers|variables)\b.*", "{}"),
    (r"data-sources.*", "data.0.path"),
    (r".*", "address"),
)
OF_STEPS = {"assert": "checks.0.value", "extract": "carried.0.expression"}
OF_STEPS |= {"method": "method", "body": "body", "headers": "headers", "think-time": "think_time", "label": "label"}
REQUEST = re.compile(r"requests\[(\d+)\](?:\.do\[(\d+)\])?\.?(.*)")
FIRST_EXECUTION = FormExecution(
    steps=(FormStep(),),
    users="10",
    rate="50",
    arrivals="10/s",
    ramp_up="10s",
    hold_for="1m",
    think_time="1s",
    stages=(FormStage(to="50", lasts="30s"), FormStage(to="50", lasts="1m")),
)
FIRST = SuiteForm(
    executions=(FIRST_EXECUTION,),
    criteria=(FormCriterion(threshold="500ms"), FormCriterion(subject="fail", threshold="1%")),
    steady_only=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A message about a suite. `field`: the form's field; `line`: the line in the suite.yml."""

    message: str
    level: Literal["error", "warning"] = "error"
    field: str = ""
    line: int | None = None
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A suite that is being edited."""

    name: str = ""
    version: int | None = None  # the edited one; None for a new suite
    text: str = ""  # its suite.yml; beside a form, the one before the edit
    form: SuiteForm | None = None  # None in the YAML view
    comment: str = ""
    taken: tuple[str, ...] = ()  # names that a new suite does not get by itself
    notice: str = ""  # the reason why the form cannot show this suite

    @property
    def suite_name(self) -> str:
        """The name to save under: the typed one, or one made of the address."""
        if self.name or self.form is None or not self.form.first.address:
            return self.name
        url = _url(self.form.first.address)
        name = default_name(InitOptions(urls=(url,))) if url else ""
        if name == "local":  # each service of this machine has this host
            paths = (step.url for step in self.form.first.steps if step.url.startswith("/"))
            first = re.sub(r"[^A-Za-z0-9_-]+", "-", next(paths, "").partition("?")[0]).strip("-_")[:36].strip("-_")
            name = first or name
        numbered = (f"{name[:36]}-{number}" for number in range(2, 1_000))
        return next((free for free in (name, *numbered) if free not in self.taken), name)

    @property
    def written(self) -> str:
        """The suite.yml with the values of the form; the text itself in the YAML view."""
        return self.text if self.form is None else text_of(self._filled(self.form), self.text)

    def _filled(self, form: SuiteForm) -> SuiteForm:
        """Returns the form without empty rows, and with a name for each scenario."""
        names = [self.suite_name or "main", *(f"scenario-{number}" for number in range(2, len(form.executions) + 1))]
        executions = [
            own
            if own.whole
            else _without_empty(own).model_copy(
                update={
                    "scenario": own.scenario or name,
                    "locations": {place: weight or "1" for place, weight in own.locations.items() if place},
                }
            )
            for own, name in zip(form.executions, names, strict=False)
        ]
        found: SuiteForm = _without_empty(form).model_copy(update={"executions": tuple(executions)})
        return found

    def up_to(self, execution: int, step: int) -> "Draft":
        """Returns a suite of one user and these steps alone, for a try of the last of them."""
        executions = self._filled(self.form).executions if self.form else ()
        if self.form is None or execution >= len(executions) or not self.form.executions[execution].steps[step:]:
            raise OptionError("There is no such step.", code="bad-field")
        first = FormExecution(steps=self.form.executions[execution].steps[: step + 1])
        once: dict[str, Any] = dict.fromkeys(("most", "rate", "ramp_up", "steps_of_ramp", "hold_for", "delay"), "")
        once |= {"load": "users", "users": "1", "iterations": "1", "stages": (), "steps": _without_empty(first).steps}
        own = FormExecution.model_validate(executions[execution].model_dump() | once)
        return replace(self, form=SuiteForm(executions=(own,)))

    @property
    def echoes(self) -> dict[str, str]:
        """What a field means, by its name: a time without a unit, and the most that users with a think time send."""
        executions = self.form.executions if self.form else ()
        saved = (
            {"name": f"saved as {self.suite_name}"}
            if not self.name and self.version is None and self.suite_name
            else {}
        )
        return saved | {
            name: words for index, one in enumerate(executions) for name, words in _echoes(one, f"executions.{index}.")
        }

    @property
    def kept(self) -> list[str]:
        """The parts of the suite beside the form that have no field."""
        return kept_by(self.text) if self.form and self.text else []

    @property
    def empty(self) -> bool:
        """Whether the form has nothing to load yet."""
        parts = self.form.executions if self.form else ()
        typed = (
            one.whole or one.address or one.script or one.scenario or any(step.url for step in one.steps)
            for one in parts
        )
        return self.form is not None and not any(typed)

    def marks_of_form(self) -> list[Mark]:
        """Returns the problems of the address and of each wrong criterion in the form, at their fields."""
        rows = enumerate(self.form.criteria if self.form else ())
        problems = ((index, criterion.problem()) for index, criterion in rows if criterion != FormCriterion())
        marks = [Mark(message=text, field=f"criteria.{index}.threshold") for index, text in problems if text]
        return marks if self.form is None else [*self._marks_of_address(self.form), *marks]

    def _marks_of_address(self, form: SuiteForm) -> Iterator[Mark]:
        """Yields what is wrong with an address; a path before those of other requests is right in few suites."""
        for index, own in enumerate(form.executions):
            if not own.address or "${" in own.address:
                continue
            field = f"executions.{index}.address"
            try:
                path = read_url(own.address).path
            except OptionError as error:
                begins = re.match(r"https?://", own.address)
                text = str(error).partition("`: ")[2] if begins else "begin with https:// or http://."
                yield Mark(message=text[:1].upper() + text[1:], field=field)
                continue
            if path != "/" and any(step.url.startswith("/") for step in own.steps):
                text = f"`{path}` would come before the path of each request."
                fix = "" if self.version is not None else " Keep the host only, and write the path in a request."
                yield Mark(message=text + fix, field=field, level="warning" if self.version is not None else "error")

    def without_wrong_criteria(self) -> "Draft":
        """Returns the draft without the criteria that have marks, so that its load can be planned."""
        if self.form is None:
            return self
        return self._changed(criteria=tuple(criterion for criterion in self.form.criteria if not criterion.problem()))

    def field_of(self, path: str) -> str:
        """Returns the field of a path in the suite.yml; empty without a form, or if it has none."""
        if self.form is None:
            return ""
        if match := re.fullmatch(r"(reporting|toril)\b.*\.?criteria\[(\d+)\]", path):
            language = "toril" if match[1] == "toril" else "taurus"
            criteria = enumerate(self.form.criteria)
            same = [index for index, rule in criteria if not rule.problem() and rule.language == language]
            return f"criteria.{same[int(match[2])]}.threshold" if int(match[2]) < len(same) else ""
        if match := re.fullmatch(r"toril\.(workers|quorum|description|tags)\b.*", path):
            return match[1]
        for index, own in enumerate(self._filled(self.form).executions):
            row = f"executions.{index}."
            for begin, fields in (
                (f"execution[{index}].", OF_EXECUTIONS),
                (f"scenarios.{own.scenario}.", OF_SCENARIOS),
            ):
                rest = path.removeprefix(begin)
                if rest != path and (match := REQUEST.fullmatch(rest)):
                    return row + self._field_of_step(index, int(match[1]), int(match[2] or 0), match[3])
                if rest != path:
                    found = ((re.fullmatch(pattern, rest), field) for pattern, field in fields)
                    match, field = next((match, field) for match, field in found if match)
                    field = "most" if field == "rate" and own.load == "users" else field
                    return row + field.format(*(group.replace("-", "_") for group in match.groups()))
            if match := re.fullmatch(
                rf"toril\.(?:curves|arrivals)(?:\.{re.escape(own.scenario)})?.*?(?:\[(\d+)\].*)?", path
            ):
                return row + (f"stages.{match[1] or 0}.to" if own.load == "stages" else "arrivals")
        return ""

    def field_of_location(self, name: str) -> str:
        """Returns the first field with this location; empty without one."""
        for index, own in enumerate(self.form.executions if self.form else ()):
            if name in own.locations:
                return f"executions.{index}.locations.{[*own.locations].index(name)}.name"
        return ""

    def _field_of_step(self, execution: int, index: int, inner: int, key: str) -> str:
        steps = self.form.executions[execution].steps if self.form else ()
        shown = [place for place, step in enumerate(steps) if step != FormStep()]
        place = place_of((steps[place] for place in shown), index, inner)
        field = next((field for begin, field in OF_STEPS.items() if key.startswith(begin)), "url")
        return f"steps.{shown[place] if place < len(shown) else 0}.{field}"

    def as_yaml(self) -> "Draft":
        return replace(self, name=self.suite_name, text=self.written, form=None)

    def as_form(self) -> "Draft":
        """Returns the draft in the form; in YAML with a notice if the form cannot show it."""
        form, notice = form_of(self.text)
        lost = f"Saving this form removes {notice}." if form and notice else notice
        return replace(self, form=form, notice=lost)

    def _changed(self, **changes: Any) -> "Draft":
        return replace(self, form=None if self.form is None else self.form.model_copy(update=changes))


def draft_of(fields: Mapping[str, str], do: str = "") -> tuple[Draft, str]:
    """Returns the posted draft, after a change of its rows if `do` is one, and the field that has the focus then.

    OptionError for a text that does not fit into its field.
    """
    values = {name: value.replace("\r\n", "\n") for name, value in fields.items()}
    form, focus = (None, "") if values.get("view") == "yaml" else _form(values, do)
    draft = Draft(
        name=values.get("name", "").strip(),
        version=whole(values.get("version", "")),
        text=values.get("text", ""),
        form=form,
        comment=values.get("comment", "").strip()[:500],
    )
    return draft, focus


def _form(values: Mapping[str, str], do: str) -> tuple[SuiteForm, str]:
    typed = nested(values)
    focus = _changed_rows(typed, do)
    executions = [_typed_execution(own) for own in rows_of(typed, "executions")]
    plain = ("workers", "quorum", "description", "tags")
    try:
        form = SuiteForm.model_validate(
            {
                **{name: values[name].strip() for name in plain if name in values},
                "executions": executions,
                "criteria": [_with_unit(row) for row in rows_of(typed, "criteria")],
                "steady_only": "steady_only" in values,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise OptionError(
            f"{where}: this text does not fit into the field: {first['msg']}", code="bad-field"
        ) from error
    return form, focus


def nested(values: Mapping[str, str]) -> dict[str, Any]:
    """Returns fields such as `steps.0.url` as mappings, in which rows are lists.

    >>> nested({"steps.0.url": "/", "name": "shop"})
    {'steps': [{'url': '/'}], 'name': 'shop'}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if NAME.fullmatch(name):
            *parents, last = name.split(".")
            place = found
            for part in parents:
                inner = place.get(part)
                place[part] = inner if isinstance(inner, dict) else {}
                place = place[part]
            place[last] = value
    return {name: _with_lists(inner) for name, inner in found.items()}


def _with_lists(inner: Any) -> Any:
    if not isinstance(inner, dict):
        return inner
    if inner and all(name.isdecimal() for name in inner):
        return [_with_lists(inner[name]) for name in sorted(inner, key=int)]
    return {name: _with_lists(value) for name, value in inner.items()}


def rows_of(typed: Any, path: str) -> list[dict[str, Any]]:
    """Returns the rows at a path such as `executions.0.steps`, as the list that can be changed."""
    *parents, last = path.split(".")
    for part in parents:
        place = whole(part)
        if isinstance(typed, list):
            typed = typed[place] if place is not None and place < len(typed) else {}
        else:
            typed = typed.get(part, {}) if isinstance(typed, dict) else {}
    if not isinstance(typed, dict):
        return []
    typed[last] = (
        [row for row in typed.get(last, []) if isinstance(row, dict)] if isinstance(typed.get(last), list) else []
    )
    rows: list[dict[str, Any]] = typed[last]
    return rows


def _changed_rows(typed: dict[str, Any], do: str) -> str:
    """Adds, removes or moves a row. Returns the field or button that has the focus then."""
    verb, _, path = do.partition(":")
    kind_path, _, number = path.rpartition(".")
    index = whole(number)
    if verb == "add":
        kind_path, index = path, None
    kind = kind_path.rpartition(".")[2]
    if kind not in FIRST_FIELDS or (index is None) != (verb == "add"):
        return ""
    rows = rows_of(typed, kind_path)
    match verb:
        case "add":
            rows.append(_new_row(kind, rows))
            index = len(rows) - 1
        case "remove":
            del rows[index : (index or 0) + 1]
            index = min(index or 0, len(rows) - 1)
        case "up" | "down":
            other = (index or 0) + (1 if verb == "down" else -1)
            if 0 <= other < len(rows) and index is not None and index < len(rows):
                rows[index], rows[other] = rows[other], rows[index]
                index = other
            return f"{verb}:{kind_path}.{index}"
        case _:
            return ""
    return f"{kind_path}.{index}.{FIRST_FIELDS[kind]}" if rows else f"add:{kind_path}"


def _new_row(kind: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    if kind == "locations":
        return {"name": "", "weight": "1"}
    if kind == "executions":
        first = FIRST_EXECUTION.model_dump(exclude={"locations", "steps"}) | {"steps": [{}]}
        last = {name: own for name, own in (rows[-1] if rows else {}).items() if name in ("address", "locations")}
        return {**first, **last, "scenario": f"scenario-{len(rows) + 1}"}
    return {}


def _typed_execution(own: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of an execution's fields; the path of an address alone is its first request."""
    texts = {
        name: value if name in ("headers", "variables", "kept", "kept_scenario") else value.strip()
        for name, value in own.items()
        if isinstance(value, str)
    }
    own, url = own | texts, _url(own.get("address", "") if isinstance(own.get("address"), str) else "")
    steps = rows_of(own, "steps")
    carries = any(step.get("carried") or "jsonpath" in str(step.get("checks")) for step in steps)
    if own.get("taurus") == "apiritif" and carries:  # which scripts that bzt writes for Apiritif cannot
        own["taurus"] = "jmeter"
    if url and not own.get("script") and not any(step.get("url") or step.get("whole") for step in steps):
        own |= {"address": url.origin, "steps": [{**(steps[0] if steps else {}), "url": url.path}]}
    return own


def _without_empty(part: Any) -> Any:
    """Returns a part of a form without its rows that have no values."""
    lists = {name: value for name in type(part).model_fields if isinstance(value := getattr(part, name), tuple)}
    kept = {name: tuple(_without_empty(row) for row in rows if row not in EMPTY_ROWS) for name, rows in lists.items()}
    return part.model_copy(update=kept) if kept else part


def _echoes(form: FormExecution, row: str) -> Iterator[tuple[str, str]]:
    times = {name: getattr(form, name) for name in ("ramp_up", "hold_for", "delay", "think_time")}
    times |= {f"stages.{index}.lasts": stage.lasts for index, stage in enumerate(form.stages)}
    times |= {f"steps.{index}.think_time": step.think_time for index, step in enumerate(form.steps)}
    echoes = {name: f"{time} s" for name, time in times.items() if _is_bare(time)}
    if form.load == "users" and not form.script:
        with suppress(ValueError, ZeroDivisionError):
            rate = float(number(form.users) / (duration_s(form.think_time) or 0))
            most = f"at most about {quantity(float(f'{rate:.2g}'), '/s')}"
            echoes["think_time"] = ", ".join(filter(None, (echoes.get("think_time"), most)))
    yield from ((row + name, words) for name, words in echoes.items())


def measured(threshold: str) -> tuple[str, str]:
    """Returns the number and the unit of a threshold, for a field each; another text is one without a unit.

    >>> measured("1.5s"), measured("2s500ms"), measured("")
    (('1.5', 's'), ('2s500ms', ''), ('', ''))
    """
    match = MEASURED.fullmatch(threshold)
    return (match[1], match[2]) if match else (threshold, "")


def limit_of(criterion: FormCriterion) -> tuple[str, str]:
    """Returns the number and the unit of a criterion's threshold; the usual unit if there is no number yet."""
    amount, unit = measured(criterion.threshold)
    usual = next((unit for name, _, unit in SUBJECTS if name == criterion.subject), "")
    is_time = usual == "ms" and _is_bare(criterion.threshold)  # `p95>0.5` are seconds
    return amount, unit if amount and not is_time else "s" if amount else usual


def in_words(source: str | dict[str, Any]) -> str:
    """Returns when a criterion of a plan fails, such as `p95 of response times > 500 ms`."""
    parts = fields_of(source) if isinstance(source, str) else source
    names = {name: words for name, words, _ in SUBJECTS}
    subject = str(parts.get("subject", ""))
    amount, unit = measured(str(parts.get("threshold", "")))
    limit = f"{amount}{unit}" if unit.startswith("/") else f"{amount} {unit}".strip()
    text = f"{names.get(subject, subject)}{' of ' + str(parts['label']) if parts.get('label') else ''}"
    text += f" {SIGNS.get(str(parts.get('condition')), '')} {limit}"
    text += f" {parts['logic']} {parts.get('timeframe', '')}" if parts.get("logic") else ""
    text += f" in {parts['location']}" if parts.get("location") else ""
    return text + ("" if parts.get("fail", True) else " (does not fail the run)")


def _with_unit(row: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a criterion with the unit behind the number; a typed unit counts."""
    threshold, unit = str(row.get("threshold", "")).strip(), str(row.get("unit", ""))
    whole_row = {**row, "threshold": threshold + unit if _is_bare(threshold) else threshold}
    return {name: value for name, value in whole_row.items() if name != "unit"}


def _is_bare(text: str) -> bool:
    """Whether a text is a number without a unit."""
    match = MEASURED.fullmatch(text)
    return match is not None and not match[2]


def whole(text: str) -> int | None:
    """Returns a whole number; None for another text."""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _url(text: str) -> Url | None:
    try:
        return read_url(text)
    except OptionError:
        return None
