"""`toril-trend.yml`: the changes of trends that people have accepted, each with a reason and an end.

acknowledged:
- {suite: shop, commit: 4e5f6a7, label: checkout, reason: the new tax service, until: 2026-12-31}
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter

from toril.errors import OptionError
from toril.records.document import why

FILE = Path("toril-trend.yml")  # in the working folder
Name = Annotated[str, Field(min_length=1, max_length=1_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One accepted change. Empty fields fit any series; one of `commit` and `run` is given."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    suite: Name
    commit: str = ""  # its beginning
    run: str = ""  # the first run after the change
    label: str = ""
    location: str = ""
    metric: str = ""
    reason: Name
    until: date  # the last day

    def __post_init__(self) -> None:
        if bool(self.commit) == bool(self.run):
            raise ValueError("one of `commit` and `run` is required")

    def __str__(self) -> str:
        parts = (self.commit or self.run, self.label, self.location, self.metric)
        return f"{self.suite}: {' '.join(filter(None, parts))} until {self.until} ({self.reason})"


CONTENT = TypeAdapter(dict[Literal["acknowledged"], tuple[Acknowledgement, ...] | None])


def read_acknowledged(path: Path) -> tuple[Acknowledgement, ...]:
    """Returns the acknowledgements of a file, in its order; none if it does not exist.

    OptionError `bad-acknowledgement` for unknown or missing keys, and for dates that cannot be read.
    """
    try:
        content = CONTENT.validate_python(yaml.safe_load(path.read_text("utf-8")) or {})
        return content.get("acknowledged") or ()
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        fix = "Each entry needs suite, commit or run, reason and until (a date such as 2026-12-31)."
        raise OptionError(f"{path}: {why(error)}. {fix}", code="bad-acknowledgement") from error
