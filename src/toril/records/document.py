"""The two kinds of JSON documents: `Record`, a pydantic model, and `JsonObject`, a cheaper slotted dataclass.

Small documents are written indented, large ones as fast as possible. Documents that other programs may have written
are read strictly and within bounds, because a suite contains foreign code that runs beside the workers.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from toril.errors import StoreError

MOST_PARTS = 1 << 20  # lists, objects, texts and commas; each needs up to 60 bytes of memory
MOST_PARTS_OF_WORKER = 1 << 18  # of a record from a worker
MOST_ENTRIES = 2_000  # of a list in a foreign file: workers, criteria, reasons …
LARGEST = 10**15
LATEST = 1 << 35  # seconds since 1970: the year 3058
LONGEST_WHY = 300  # characters of a message about a file, which may quote foreign text
READABLE = 4 << 20  # characters; indenting takes ten times as long as writing

Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Number = Annotated[int | float, Field(ge=-LARGEST, le=LARGEST)]
Seconds = Annotated[float, Field(ge=-LATEST, le=LATEST, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=10_000)]
Word = Annotated[str, Field(max_length=100)]
Version = Annotated[str, Field(max_length=60, pattern=r"^[0-9A-Za-z.+!-]*$")]  # of toril
Few = Field(max_length=MOST_ENTRIES)


def document(content: Any) -> bytes:
    """Returns the content as strict JSON in UTF-8; a lone surrogate becomes a JSON escape."""
    strict: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False, "default": _parts}
    text = json.dumps(content, separators=(",", ":"), **strict)
    if len(text) <= READABLE:
        text = json.dumps(content, indent=1, **strict)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _parts(content: Any) -> Any:
    if isinstance(content, JsonObject):
        return content.members()
    if isinstance(content, BaseModel):
        return content.model_dump(mode="json")
    raise TypeError(f"{type(content).__name__} cannot be written as JSON")


def parsed(data: bytes, *, most_parts: int = MOST_PARTS) -> Any:
    """Returns the value of strict JSON; ValueError for NaN, infinity, duplicate names and too many parts."""
    if sum(map(data.count, (b"[", b"{", b'"', b","))) > most_parts:
        raise ValueError(f"it has more than {most_parts:,} parts")
    try:
        text = data.decode("utf-8", "surrogatepass")
        return json.loads(text, parse_constant=_number, parse_float=_number, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is not a finite number")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has a duplicate name")
    return members


def why(error: Exception) -> str:
    """Returns the first fault of a file in one short line."""
    if isinstance(error, ValidationError):
        first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place, fault = ".".join(str(part)[:80] for part in first["loc"]), first["msg"].removeprefix("Value error, ")
        text = f"{place}: {fault}".lstrip(": ")
    else:
        text = (str(error).splitlines() or ["it is empty"])[0]
    return text[:LONGEST_WHY]


class RecordPart(BaseModel):
    """A part of a record: immutable; ignores the fields of newer versions."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


class Record(RecordPart):
    """One JSON file of a run; immutable once written."""

    SCHEMA: ClassVar[str] = ""
    MOST_BYTES: ClassVar[int | None] = None  # None: not written by a worker

    def to_json(self) -> bytes:
        data = self.model_dump(mode="json", by_alias=True)
        return document({"schema": self.SCHEMA, **data})

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Self:
        """Returns the record in `data`; StoreError, which names `where`, if it is damaged or has another schema."""
        try:
            if cls.MOST_BYTES is not None and len(data) > cls.MOST_BYTES:
                raise ValueError(f"it has more than {cls.MOST_BYTES:,} bytes")
            content = parsed(data) if cls.MOST_BYTES is None else parsed(data, most_parts=MOST_PARTS_OF_WORKER)
            schema = content.pop("schema", None) if isinstance(content, dict) else None
            _check_schema(schema, cls.SCHEMA, where)
            return cls.model_validate(content)
        except (ValueError, OverflowError) as error:
            raise StoreError(f"{where} is damaged: {why(error)}", code="damaged-file") from error


def _check_schema(schema: Any, expected: str, where: str) -> None:
    if schema != expected:
        problem = f"has schema {schema!r:.{LONGEST_WHY}} instead of {expected!r}; another version of toril wrote it"
        raise StoreError(f"{where} {problem}", code="other-version")


class JsonObject:
    """Base class of a document's parts: immutable values, read by attribute and written as JSON objects.

    Fields are written in the order of their declaration. Only `from_stranger` checks the bounds in the annotations.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset()  # or {}; other fields are written as null

    def members(self) -> dict[str, Any]:
        """Returns the fields of its JSON object by name; nested values are still objects of this class."""
        kind: Any = type(self)
        values = {name: getattr(self, name) for name in _names(kind)}
        for name in self.OMITTED_WHEN_NONE:
            if values[name] in (None, {}):
                del values[name]
        return values

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON object as plain data."""
        return {name: value if type(value) in _PLAIN else _plain(value) for name, value in self.members().items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Returns the object of `data`, which toril itself wrote: ignores unknown names, and checks no values."""
        if not isinstance(data, dict):
            raise ValueError(f"{cls.__name__} is not a JSON object")
        kind: Any = cls
        known = [(name, read) for name, read in _readers(kind) if name in data]
        return cls(**{name: data[name] if read is None else read(data[name]) for name, read in known})

    @classmethod
    def from_stranger(cls, data: bytes, where: str) -> Self:
        """Returns the object in foreign JSON text; StoreError, which names `where`, if it exceeds the bounds."""
        kind: Any = cls
        try:
            read: Self = _adapter(kind).validate_json(data)
        except ValidationError as error:
            raise StoreError(f"{where} is not a file of toril: {why(error)}", code="damaged-file") from error
        return read


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject(JsonObject):
    """The content of a file that toril wrote. Fields of newer versions are kept and written again."""

    MOST_BYTES: ClassVar[int | None] = None
    # The data as read.
    stored: Annotated[Mapping[str, Any] | None, Field(exclude=True)] = field(
        default=None, init=False, repr=False, compare=False
    )

    def members(self) -> dict[str, Any]:
        return super(StoredObject, self).members() if self.stored is None else dict(self.stored)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        kind: Any = cls
        document = super(StoredObject, cls).from_dict({"schema": _schema_of(kind), **data})
        object.__setattr__(document, "stored", data)
        return document

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Self:
        """Returns the content of a file; StoreError, which names `where`, if it is damaged or has another schema."""
        kind: Any = cls
        try:
            content = json.loads(data)
            if not isinstance(content, dict):
                raise ValueError("it is not a JSON object")
            _check_schema(content.get("schema"), _schema_of(kind), where)
            return cls.from_dict(content)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            fix = "delete it, and toril makes it again from the run's files"
            raise StoreError(f"{where} is damaged: {why(error)}; {fix}", code="damaged-file") from error


@cache
def _schema_of(cls: Any) -> str:
    """Returns the default of the field `schema`, which each stored object has."""
    return str(next(field.default for field in fields(cls) if field.name == "schema"))


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls) if field.init)


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple or kind is list:
        return [item if type(item) in _PLAIN else _plain(item) for item in value]
    if kind is dict:
        return {key: item if type(item) in _PLAIN else _plain(item) for key, item in value.items()}
    if isinstance(value, JsonObject):
        return value.to_dict()
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


_PLAIN = frozenset({int, float, str, bool, type(None)})


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


@cache
def _readers(cls: Any) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
    hints = get_type_hints(cls)
    return tuple((name, _reader(hints[name])) for name in _names(cls))


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """Returns the function that makes a value of the type from plain data; None if they are the same."""
    if isinstance(hint, type) and issubclass(hint, JsonObject):
        return hint.from_dict
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.model_validate
    arguments = get_args(hint)
    item = next((reader for argument in arguments if (reader := _reader(argument)) is not None), None)
    if get_origin(hint) is tuple:
        return tuple if item is None else lambda values: tuple(map(item, values))
    if item is None:
        return None
    if get_origin(hint) is dict:
        return lambda values: {key: item(value) for key, value in values.items()}
    return lambda value: None if value is None else item(value)
