"""Records the applications of `tests/applications` by the real command, and runs the suites that it writes."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.applications import CREDENTIALS, PASSWORD, USER
from tests.applications.spa import API_KEY
from tests.end_to_end.running import LIMIT_S, toril

KNOWN = {"_USER": USER, "_PASSWORD": PASSWORD, "_API_KEY": API_KEY}  # by the end of a variable's name


@dataclass(frozen=True, slots=True)
class Called:
    """A finished command."""

    code: int
    output: str


def call(*arguments: str | Path, variables: Mapping[str, str] | None = None) -> Called:
    """Calls the command with these variables in its environment, beside those of the journeys."""
    environment = {**os.environ, **CREDENTIALS, **(variables or {})}
    done = subprocess.run(
        toril(*arguments), capture_output=True, text=True, timeout=2 * LIMIT_S, check=False, env=environment
    )
    return Called(done.returncode, done.stdout + done.stderr)


def variables_of(suite: Path) -> dict[str, str]:
    """Returns values for the variables that the suite's README.md tells its user to set."""
    declared = yaml.safe_load((suite / "suite.yml").read_text())["settings"]["env"]
    own = [name for name, value in declared.items() if value == f"${{{name}}}"]
    return {name: next(value for end, value in KNOWN.items() if name.endswith(end)) for name in own}
