"""Typed sections of a suite: one base class, the types of values, and errors as a code and `<problem>. <Fix>.`"""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Self, cast, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from toril.criteria import duration_s, number, rate_per_s
from toril.criteria.quantities import size_bytes
from toril.errors import UserError
from toril.suite import values
from toril.suite.reader import MAX_NUMBER, quoted
from toril.text import suggestion

RATE = re.compile(r"([0-9.]+)([kM]?)(/[A-Za-z]+)?")
FACTORS = {"": 1, "k": 1000, "M": 1_000_000}

# Error codes for pydantic's own checks; the validators below have codes of their own.
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
PROBLEMS = {  # of the same codes; `wanted` is pydantic's description of the value
    "unknown-value": "is not a known value. Use {wanted}.",
    "out-of-range": "is out of range. Write a value {wanted}.",
    "not-a-boolean": "is not a boolean. Write true or false.",
    "not-a-number": "is not a whole number. Write one such as 10.",
    "not-a-text": "is not a text. Write a text of at least one character.",
    "not-a-list": "is not a list. Write it like `[first, second]`.",
    "not-a-mapping": "is not a mapping. Write keys and values below it.",
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
        """Returns the section at `path`; raises `error(code, path, text)` for the first wrong key or value."""
        try:
            return cls.model_validate(written)
        except ValidationError as invalid:
            first, *others = invalid.errors(include_url=False, include_context=False)
            if first["type"] == "missing":  # it may be misspelt
                unknown = (error for error in others if error["type"] == "extra_forbidden")
                first = next((error for error in unknown if error["loc"][:-1] == first["loc"][:-1]), first)
            where = path
            for part in first["loc"]:
                where += f"[{part}]" if isinstance(part, int) else f".{part[:60]}"
            code = CODES.get(first["type"], first["type"] if "-" in first["type"] else "unusable-value")
            raise error(code, where, _text(cls, code, {**first, "input": _written_at(written, first)})) from None


def _written_at(written: Any, error: ErrorDetails) -> object:
    """Returns the value as the user wrote it, which a validator may have read: `65KiB` as 66560."""
    try:
        for part in error["loc"]:
            written = written[part]
    except (LookupError, TypeError):
        return error["input"]
    return cast("object", written)


def _text(section: type[Section], code: str, error: ErrorDetails) -> str:
    if code == "unknown-key":
        return f"Unknown key. {suggestion(str(error['loc'][-1]), _keys_at(section, error['loc'][:-1]))}"
    if code == "missing-key":
        return f"Missing key. Add `{error['loc'][-1]}` beside the other keys."
    if code == "empty-list":
        return "The list is empty. Add an item."
    wanted = error["msg"].removeprefix("Input should be ")
    own = "-" in error["type"]  # of the validators below
    text = wanted if own else PROBLEMS.get(code, "is not usable. It must be {wanted}.").format(wanted=wanted)
    return f"{quoted(error['input'])} {text}"


def _keys_at(section: type[Section], location: tuple[int | str, ...]) -> list[str]:
    """Returns the keys of the section at this location inside `section`."""
    for part in location:
        field = next((field for field in section.model_fields.values() if field.alias == part), None)
        if field is not None:
            section = next(_sections_in(field.annotation), section)
    return [str(field.alias) for field in section.model_fields.values()]


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)


def misfit(code: str, text: str) -> PydanticCustomError:
    """Returns a validation error; the text follows the value: `is not a duration. Write it like 30s.`"""
    return PydanticCustomError(code, "{text}", {"text": text})


def rate_of(value: object) -> float:
    """Reads a rate: a number, or a number with its unit, such as `500/s` or `30k/min`."""
    match = RATE.fullmatch(str(value).replace(" ", ""))
    try:
        if match is None or isinstance(value, bool):
            raise ValueError
        return float(number(match[1]) * FACTORS[match[2]] * (rate_per_s(f"1{match[3]}") if match[3] else 1))
    except ValueError:
        raise misfit("not-a-rate", "is not a rate. Write it like 500, 500/s or 30k/min.") from None


def _duration(value: object) -> float:
    try:
        return float(duration_s(value))
    except ValueError:
        raise misfit("not-a-duration", "is not a duration. Write it like 30s, 5m or 2h.") from None


def _percentage(value: object) -> float:
    """Reads `90%`, or a fraction up to 1; returns a fraction."""
    percent = isinstance(value, str) and value.strip().endswith("%")
    try:
        if not percent and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError
        fraction = float(str(value).strip().removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        raise misfit("not-a-percentage", "is not a percentage. Write it like 90%.") from None
    if not 0 < fraction <= 1:
        raise misfit("not-a-percentage", "is not between 0% and 100%. Write it like 90%.")
    return fraction


def _byte_size(value: object) -> int:
    try:
        return int(size_bytes(value))
    except ValueError:
        raise misfit("not-a-size", "is not a size. Write it like 4KiB or 3MiB.") from None


def as_list(value: object) -> object:
    """Returns a list of one text; any other value unchanged."""
    return [value] if isinstance(value, str) else value


def _whole(value: object) -> object:
    if isinstance(value, bool):
        raise misfit("not-a-number", "is not a whole number. Write one such as 10.")
    return value


Whole = Annotated[int, BeforeValidator(_whole), values.WHOLE]
Rate = Annotated[float, BeforeValidator(rate_of), Field(le=MAX_NUMBER), values.RATE]  # requests per second
Duration = Annotated[float, BeforeValidator(_duration), values.DURATION]
ByteSize = Annotated[int, BeforeValidator(_byte_size), values.SIZE]
Percentage = Annotated[float, BeforeValidator(_percentage), values.SHARE]
Texts = Annotated[tuple[str, ...], BeforeValidator(as_list), values.one_or_many(".*")]
