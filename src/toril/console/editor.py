"""A suite that is being edited: the fields that a page posts, and the actions on its rows.

All unsaved state is in the posted fields, so that no server keeps it. Nothing here reads a store or a suite's files.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError

from toril.authoring.form import FormCriterion, FormRequest, FormStage, SuiteForm, form_of, text_of
from toril.authoring.options import InitOptions, Url, default_name, read_url
from toril.criteria import METRICS
from toril.criteria.criterion import fields_of
from toril.criteria.quantities import duration_s, number
from toril.errors import OptionError
from toril.suite.engines import ENGINES, TESTED
from toril.text import quantity

ROW = re.compile(r"(requests|stages|criteria|locations)\.(\d{1,3})\.([a-z_]+)")
EMPTY_ROWS: dict[str, Any] = {"requests": FormRequest(), "stages": FormStage(), "criteria": FormCriterion()}
FIRST_FIELDS = {"requests": "url", "stages": "to", "criteria": "subject", "locations": "name"}
SUBJECTS = tuple(  # what the form offers: subject, words, usual unit
    (subject, words, metric.usual_unit) for metric in METRICS.values() for subject, words in metric.offered.items()
)
UNITS = (("ms", "ms"), ("s", "s"), ("%", "%"), ("/s", "/s"), ("kB", "kB"), ("", "count"))
SIGNS = {">": ">", ">=": "≥", "<": "<", "<=": "≤", "=": "=", "==": "="}
MEASURED = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(ms|s|%|/s|kB|)")
METHODS = ("", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
ENGINES_OF_ADDRESSES = tuple(name for name in TESTED if ENGINES[name].generates and name != "vegeta")
ENGINES_OF_SCRIPTS = tuple(name for name in TESTED if ENGINES[name].scripts)
# Path in a suite.yml → field; groups become the numbers of rows.
FIELDS = (
    (r"execution\[0\]\.concurrency", "users"),
    (r"execution\[0\]\.throughput", "rate"),  # or `most`
    (r"execution\[0\]\.(?:ramp-up)", "ramp_up"),
    (r"execution\[0\]\.(?:hold-for)", "hold_for"),
    (r"execution\[0\]\.(steps|iterations|executor)", "{}"),
    (r"execution\[0\]\.locations.*", "locations.0.name"),
    (r"scenarios\..*\.default-address", "address"),
    (r"scenarios\..*\.think-time", "think_time"),
    (r"scenarios\..*\.script", "script"),
    (r"scenarios\..*\.requests\[(\d+)\].*", "requests.{}.url"),
    (r"scenarios\.[^.]*", "address"),
    (r"toril\.curves\..*\[(\d+)\].*", "stages.{}.to"),
    (r"toril\.(workers|quorum|description|tags).*", "{}"),
)
FIRST = SuiteForm(
    scenario="",
    requests=(FormRequest(),),
    users="10",
    rate="50",
    ramp_up="10s",
    hold_for="1m",
    think_time="1s",
    stages=(FormStage(to="50", lasts="30s"), FormStage(to="50", lasts="1m")),
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
        if self.name or self.form is None or not self.form.address:
            return self.name
        url = _url(self.form.address)
        name = default_name(InitOptions(urls=(url,))) if url else ""
        if name == "local":  # each service of this machine has this host
            paths = (request.url for request in self.form.requests if request.url.startswith("/"))
            first = re.sub(r"[^A-Za-z0-9_-]+", "-", next(paths, "").partition("?")[0]).strip("-_")[:36].strip("-_")
            name = first or name
        numbered = (f"{name[:36]}-{number}" for number in range(2, 1_000))
        return next((free for free in (name, *numbered) if free not in self.taken), name)

    @property
    def written(self) -> str:
        """The suite.yml with the values of the form; the text itself in the YAML view."""
        if self.form is None:
            return self.text
        form = self.form.model_copy(update={"scenario": self.form.scenario or self.suite_name or "main"})
        without = {name: tuple(own for own in getattr(form, name) if own != row) for name, row in EMPTY_ROWS.items()}
        locations = {name: weight or "1" for name, weight in form.locations.items() if name}
        return text_of(form.model_copy(update={**without, "locations": locations}), self.text)

    @property
    def echoes(self) -> dict[str, str]:
        """What a field means, by its name: a time without a unit, and the most that users with a think time send."""
        form = self.form
        if form is None:
            return {}
        times = {"ramp_up": form.ramp_up, "hold_for": form.hold_for, "think_time": form.think_time}
        times |= {f"stages.{index}.lasts": stage.lasts for index, stage in enumerate(form.stages)}
        echoes = {name: f"{time} s" for name, time in times.items() if _is_bare(time)}
        if form.load != "users" or form.script:
            return echoes
        try:
            rate = float(number(form.users) / (duration_s(form.think_time) or 0))
        except (ValueError, ZeroDivisionError):
            return echoes
        most = f"at most about {quantity(float(f'{rate:.2g}'), '/s')}"
        return echoes | {"think_time": ", ".join(filter(None, (echoes.get("think_time"), most)))}

    @property
    def empty(self) -> bool:
        """Whether the form has nothing to load yet."""
        form = self.form
        return form is not None and not (form.address or form.script or any(request.url for request in form.requests))

    def marks_of_form(self) -> list[Mark]:
        """Returns the problems of the address and of each wrong criterion in the form, at their fields."""
        rows = enumerate(self.form.criteria if self.form else ())
        problems = ((index, criterion.problem()) for index, criterion in rows if criterion != EMPTY_ROWS["criteria"])
        marks = [Mark(message=text, field=f"criteria.{index}.threshold") for index, text in problems if text]
        return marks if self.form is None else [*self._marks_of_address(self.form), *marks]

    def _marks_of_address(self, form: SuiteForm) -> Iterator[Mark]:
        """Yields what is wrong with the address; a path before those of other requests is right in few suites."""
        if not form.address or "${" in form.address:
            return
        try:
            path = read_url(form.address).path
        except OptionError as error:
            begins = re.match(r"https?://", form.address)
            text = str(error).partition("`: ")[2] if begins else "begin with https:// or http://."
            yield Mark(message=text[:1].upper() + text[1:], field="address")
            return
        if path != "/" and any(request.url.startswith("/") for request in form.requests):
            text = f"`{path}` would come before the path of each request."
            fix = "" if self.version is not None else " Keep the host only, and write the path in a request."
            yield Mark(message=text + fix, field="address", level="warning" if self.version is not None else "error")

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
        for pattern, field in FIELDS:
            if match := re.fullmatch(pattern, path):
                return "most" if field == "rate" and self.form.load == "users" else field.format(*match.groups())
        return ""

    def as_yaml(self) -> "Draft":
        return replace(self, name=self.suite_name, text=self.written, form=None)

    def as_form(self) -> "Draft":
        """Returns the draft in the form; in YAML with a notice if the form cannot show it."""
        form, notice = form_of(self.text)
        return replace(self, form=form, notice=notice)

    def with_row(self, kind: str) -> "Draft":
        """Returns the draft with an empty row more."""
        if self.form is None or kind not in ("locations", *EMPTY_ROWS):
            return self
        if kind == "locations":
            return self._changed(locations={**self.form.locations, "": "1"})
        return self._changed(**{kind: (*getattr(self.form, kind), EMPTY_ROWS[kind])})

    def without_row(self, kind: str, index: int) -> "Draft":
        if self.form is None or kind not in ("locations", *EMPTY_ROWS):
            return self
        if kind == "locations":
            kept = (pair for place, pair in enumerate(self.form.locations.items()) if place != index)
            return self._changed(locations=dict(kept))
        rows = getattr(self.form, kind)
        return self._changed(**{kind: rows[:index] + rows[index + 1 :]})

    def field_of_row(self, kind: str, index: int) -> str:
        """Returns the first field of a row, or of the last one if there are fewer; empty without rows."""
        count = len(getattr(self.form, kind)) if self.form and kind in FIRST_FIELDS else 0
        place = count - 1 if index < 0 else min(index, count - 1)
        return f"{kind}.{place}.{FIRST_FIELDS[kind]}" if count else ""

    def _changed(self, **changes: Any) -> "Draft":
        return replace(self, form=None if self.form is None else self.form.model_copy(update=changes))


def draft_of(fields: Mapping[str, str]) -> Draft:
    """Returns the posted draft; OptionError for a text that does not fit into its field."""
    values = {name: value.replace("\r\n", "\n") for name, value in fields.items()}
    return Draft(
        name=values.get("name", "").strip(),
        version=whole(values.get("version", "")),
        text=values.get("text", ""),
        form=None if values.get("view") == "yaml" else _form(values),
        comment=values.get("comment", "").strip()[:500],
    )


def _form(values: Mapping[str, str]) -> SuiteForm:
    rows: dict[str, dict[int, dict[str, str]]] = {}
    for name, value in values.items():
        if match := ROW.fullmatch(name):
            rows.setdefault(match[1], {}).setdefault(int(match[2]), {})[match[3]] = value
    parts = {kind: [row for _, row in sorted(rows.get(kind, {}).items())] for kind in ("locations", *EMPTY_ROWS)}
    criteria = [_with_unit(row) for row in parts["criteria"]]
    requests: list[Any] = [{**row, "headers": pairs_of(row.get("headers", ""), ":")} for row in parts["requests"]]
    address, script = values.get("address", "").strip(), values.get("script", "")
    url = _url(address)
    if url and not script and not any(row.get("url") for row in requests):  # the path of the address is the request
        address, requests = url.origin, [{**(requests[0] if requests else {}), "url": url.path}]
    plain = (
        "executor",
        "load",
        "users",
        "most",
        "rate",
        "ramp_up",
        "steps",
        "hold_for",
        "iterations",
        "think_time",
        "workers",
        "quorum",
        "description",
    )
    try:
        return SuiteForm.model_validate(
            {
                **{name: values[name].strip() for name in plain if name in values},
                "scenario": values.get("scenario", ""),
                "address": address,
                "script": script,
                "requests": requests,
                "stages": parts["stages"],
                "criteria": criteria,
                "locations": {row.get("name", "").strip(): row.get("weight", "").strip() for row in parts["locations"]},
                "steady_only": "steady_only" in values,
                "tags": pairs_of(values.get("tags", ""), "="),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise OptionError(
            f"{where}: this text does not fit into the field: {first['msg']}", code="bad-field"
        ) from error


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


def _with_unit(row: dict[str, str]) -> dict[str, str]:
    """Returns the fields of a criterion with the unit behind the number; a typed unit counts."""
    threshold, unit = row.get("threshold", "").strip(), row.get("unit", "")
    whole_row = {**row, "threshold": threshold + unit if _is_bare(threshold) else threshold}
    return {name: value for name, value in whole_row.items() if name != "unit"}


def _is_bare(text: str) -> bool:
    """Whether a text is a number without a unit."""
    match = MEASURED.fullmatch(text)
    return match is not None and not match[2]


def whole(text: str) -> int | None:
    """Returns a whole number; None for another text."""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def pairs_of(text: str, separator: str) -> dict[str, str]:
    """Returns the pairs in lines such as `name: value`."""
    pairs = (line.partition(separator) for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _url(text: str) -> Url | None:
    try:
        return read_url(text)
    except OptionError:
        return None
