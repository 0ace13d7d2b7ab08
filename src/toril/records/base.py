"""What every record has in common: a schema's name, and a strict reading."""

import json
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from toril.errors import StoreError

if TYPE_CHECKING:
    from toril.store import Store


class Record(BaseModel):
    """One JSON file of a run; immutable once written."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    SCHEMA: ClassVar[str] = ""

    def to_json(self) -> bytes:
        data = self.model_dump(mode="json", by_alias=True)
        text = json.dumps({"schema": self.SCHEMA, **data}, ensure_ascii=False, indent=1) + "\n"
        return text.encode("utf-8", "backslashreplace")  # half a character from an engine becomes `\udxxx`

    @classmethod
    def look_up(cls, store: "Store", key: str) -> Self | None:
        """The record that is stored there; None when nothing is."""
        data = store.find(key)
        return None if data is None else cls.from_json(data, key)

    @classmethod
    def load(cls, store: "Store", key: str) -> Self:
        """The record that is stored there; StoreError when nothing is."""
        return cls.from_json(store.get(key), key)

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Self:
        """The record in `data`; StoreError, naming `where`, when it is another schema, damaged or incomplete."""
        try:
            found = json.loads(data)
            schema = found.pop("schema", None) if isinstance(found, dict) else None
            if schema != cls.SCHEMA:
                raise StoreError(f"{where}: schema {schema!r}, expected {cls.SCHEMA!r}; it is of another version")
            return cls.model_validate(found)
        except (ValueError, ValidationError, RecursionError) as error:
            raise StoreError(f"{where} is damaged: {str(error).splitlines()[0]}") from error
