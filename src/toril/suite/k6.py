"""What k6 cannot do with an execution or a scenario."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from toril.suite.door import Door
from toril.suite.vegeta import Problem

ENDINGS = ("", ".js", ".mjs", ".ts", ".tar")  # scripts, and archives of scripts


def refuse_ignored(
    load: Mapping[str, int | Fraction | None], item: Mapping[str, Any], timed: bool, door: Door, path: str
) -> None:
    """SuiteError for load keys that would be left out without a word."""
    for key, value in load.items():
        if value:
            fix = "leave it out, or write an arrival rate into the script, and no load keys into the suite"
            raise door.error(f"{path}.{key}", "set, which k6 ignores", fix)
    if item.get("ramp-up") and item.get("iterations"):
        raise door.error(f"{path}.iterations", "set beside ramp-up, and k6 knows only one of them", "leave one out")


def k6_problems(scenario: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What is wrong with a scenario for k6, which bzt writes no script for."""
    script = scenario.get("script")
    if not script:
        yield Problem(path, "without a script, and k6 has nothing else to run", "write `script: load.js`")
        return
    ending = PurePosixPath(str(script)).suffix.lower()
    if ending not in ENDINGS:
        yield Problem(f"{path}.script", f"`{PurePosixPath(str(script)).name[-60:]}`, which k6 cannot run", "give a .js")
