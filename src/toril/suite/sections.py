"""Typed sections of a suite: one base class, the types of values, and each refusal as a code and `<what>; <fix>`."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from toril.criteria import duration_s, number, rate_per_s
from toril.errors import UserError
from toril.suite.reader import MAX_NUMBER, quoted
from toril.text import suggestion

RATE = re.compile(r"([0-9.]+)([kM]?)(/[A-Za-z]+)?")
FACTORS = {"": 1, "k": 1000, "M": 1_000_000}

# The codes of refusals for pydantic's own checks; the validators below bring their codes along.
CODES = {
    "extra_forbidden": "unknown-key",
    "missing": "missing-key",
    "too_short": "empty-list",
    "literal_error": "unknown-value",
    "greater_than": "out-of-range",
    "greater_than_equal": "out-of-range",
    "less_than_equal": "out-of-range",
    "bool_type": "not-a-boolean",
    "bool_parsing": "not-a-boolean",
    "int_type": "not-a-number",
    "int_parsing": "not-a-number",
    "int_from_float": "not-a-number",
    "string_type": "not-a-text",
    "string_too_short": "not-a-text",
    "tuple_type": "not-a-list",
    "list_type": "not-a-list",
    "dict_type": "not-a-mapping",
    "model_type": "not-a-mapping",
}


class Section(BaseModel):
    """A mapping in a suite, whose keys are written with hyphens and without units."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.removesuffix("_s").rstrip("_").replace("_", "-"),
    )

    @classmethod
    def read(cls, written: object, path: str, error: Callable[[str, str, str], UserError]) -> Self:
        """The section at `path`; raises `error(code, path, text)` for the first thing in it that does not fit."""
        try:
            return cls.model_validate(written)
        except ValidationError as invalid:
            first, *others = invalid.errors(include_url=False, include_context=False)
            if first["type"] == "missing":  # it may be misspelt
                unknown = (one for one in others if one["type"] == "extra_forbidden")
                first = next((one for one in unknown if one["loc"][:-1] == first["loc"][:-1]), first)
            where = path
            for part in first["loc"]:
                where += f"[{part}]" if isinstance(part, int) else f".{part[:60]}"
            code = CODES.get(first["type"], first["type"] if "-" in first["type"] else "unusable-value")
            raise error(code, where, _text(cls, code, first)) from None


def _text(section: type[Section], code: str, error: ErrorDetails) -> str:
    if code == "unknown-key":
        return f"unknown; {suggestion(str(error['loc'][-1]), _keys_at(section, error['loc'][:-1]))}"
    if code == "missing-key":
        return f"missing; add `{error['loc'][-1]}` beside the keys that are there"
    if code == "empty-list":
        return "empty; write one at least"
    text = error["msg"]
    if code == "not-a-mapping":
        text = "not a mapping; write keys below it"
    elif ";" not in text:
        text = f"which has to be {text.removeprefix('Input should be ')}; correct it"
    return f"{quoted(error['input'])}, {text}"


def _keys_at(section: type[Section], location: tuple[int | str, ...]) -> list[str]:
    """The keys of the section at this place of `section`."""
    for part in location:
        field = next((one for one in section.model_fields.values() if one.alias == part), None)
        if field is not None:
            section = next(_sections_in(field.annotation), section)
    return [str(field.alias) for field in section.model_fields.values()]


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)


def misfit(code: str, text: str) -> PydanticCustomError:
    """A refusal; the text goes on behind the value: `no duration; write it like 30s`."""
    return PydanticCustomError(code, "{text}", {"text": text})


def _rate(value: object) -> float:
    """Requests per second: a number, or one with its unit, such as `500/s` or `30k/min`."""
    match = RATE.fullmatch(str(value).replace(" ", ""))
    try:
        if match is None or isinstance(value, bool):
            raise ValueError
        return float(number(match[1]) * FACTORS[match[2]] * (rate_per_s(f"1{match[3]}") if match[3] else 1))
    except ValueError:
        raise misfit("not-a-rate", "not a rate; write it like 500, 500/s or 30k/min") from None


def _duration(value: object) -> float:
    try:
        return float(duration_s(value))
    except ValueError:
        raise misfit("not-a-duration", "not a duration; write it like 30s, 5m or 2h") from None


def _percentage(value: object) -> float:
    """`90%`, or a fraction up to 1, as a fraction."""
    percent = isinstance(value, str) and value.strip().endswith("%")
    try:
        if not percent and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError
        fraction = float(str(value).strip().removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        raise misfit("not-a-percentage", "not a percentage; write it like 90%") from None
    if not 0 < fraction <= 1:
        raise misfit("not-a-percentage", "not above 0% and at most 100%; write it like 90%")
    return fraction


Rate = Annotated[float, BeforeValidator(_rate), Field(le=MAX_NUMBER)]  # requests per second
Duration = Annotated[float, BeforeValidator(_duration)]
Percentage = Annotated[float, BeforeValidator(_percentage)]
Texts = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
