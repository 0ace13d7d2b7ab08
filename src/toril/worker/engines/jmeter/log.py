"""What jmeter.log has of users and requests that no record has."""

import re
from dataclasses import dataclass, field
from pathlib import Path

# A user's thread has the numbers of its group and its own.
BROKEN = re.compile(
    r" ERROR .*(?:Uncaught exception in thread Thread\[.* \d+-\d+,"
    r"|JMeterThread: Error while processing sampler(?:: '(.*)')?)"
)
LONGEST = 200  # characters of an exception


@dataclass(slots=True)
class LogEnd:
    """What it says when JMeter has ended."""

    broken: list[tuple[str, str]] = field(default_factory=list)  # label of each ("" unknown), and the exception
    left_early: int = 0  # users that did not end by their loop's end


def read_log(path: Path) -> LogEnd:
    """An exception in a script that is no sampler (Groovy's `assert`) takes the request's record with it."""
    found, label = LogEnd(), None
    if not path.is_file():
        return found
    with path.open(errors="replace") as lines:
        for line in lines:
            if label is not None:
                found.broken.append((label, line.strip()[:LONGEST]))
                label = None
            if "JMeterThread: Thread finished: " in line:
                found.left_early += 1
            elif "JMeterThread: Thread is done: " in line:
                found.left_early -= 1
            elif broken := BROKEN.search(line):
                label = (broken[1] or "").rstrip(".'")
    found.left_early = max(0, found.left_early)
    return found
