"""What every record has in common: a schema's name, and a strict reading."""

import json
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from toril.errors import StoreError
from toril.records.document import LONGEST_WHY, parsed, why

MOST_PARTS = 1 << 18  # of a record from a worker
LATEST = 1 << 35  # seconds since 1970: the year 3058

# What workers write has bounds: a suite is a stranger's code, and runs beside them.
Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Seconds = Annotated[float, Field(ge=-LATEST, le=LATEST, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=10_000)]


class Record(BaseModel):
    """One JSON file of a run; immutable once written."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    SCHEMA: ClassVar[str] = ""
    MOST_BYTES: ClassVar[int | None] = None  # None: not written by a worker

    def to_json(self) -> bytes:
        data = self.model_dump(mode="json", by_alias=True)
        text = json.dumps({"schema": self.SCHEMA, **data}, ensure_ascii=False, indent=1) + "\n"
        return text.encode("utf-8", "backslashreplace")  # half a character from an engine becomes `\udxxx`

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Self:
        """The record in `data`; StoreError, naming `where`, when it is another schema, damaged or incomplete."""
        try:
            if cls.MOST_BYTES is not None and len(data) > cls.MOST_BYTES:
                raise ValueError(f"it has more than {cls.MOST_BYTES:,} bytes")
            found = parsed(data) if cls.MOST_BYTES is None else parsed(data, most_parts=MOST_PARTS)
            schema = found.pop("schema", None) if isinstance(found, dict) else None
            if schema != cls.SCHEMA:
                found_schema = f"{schema!r}"[:LONGEST_WHY]
                raise StoreError(f"{where}: schema {found_schema}, expected {cls.SCHEMA!r}; it is of another version")
            return cls.model_validate(found)
        except (ValueError, OverflowError) as error:
            raise StoreError(f"{where} is damaged: {why(error)}") from error
