"""`toril record`: opens Chromium, and records what a person or a script does in it."""

from dataclasses import dataclass
from pathlib import Path

from toril.authoring.recorded import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions:
    """The options of a recording."""

    url: str
    steps: tuple[str, ...] = ()  # names of the steps, in order
    script: Path | None = None  # a Playwright script that records without a person
    browser: bool = False  # whether to write a Playwright script of the journey
    twice: bool = False  # whether the script makes a second observation
    device: str = ""
    insecure: bool = False
    har: Path | None = None  # where to keep the recording
    files: bool = True  # whether uploaded files land in the suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A recording, and the Playwright script of the same journey."""

    recorded: Recorded
    second: Recorded | None = None
    script: str = ""


def record(options: RecordOptions) -> Journey:
    """Records a journey; InfrastructureError without Playwright or Chromium."""
    raise NotImplementedError
