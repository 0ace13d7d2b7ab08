"""JMeter's records beside its samples: late sends and users from its script, and aborted requests from its log.

With a throughput timer, a send is late if it was due while a virtual user waited to make it. Lateness is the time
beyond 10 ms, the interval at which `gate.bsh` checks. A send is dropped if it was due, no user was free, and the timer
does not make up for it. With or without a timer, sends are at least as late as the JVM's threads wake up: garbage
collection and a busy machine delay both alike. The script is interpreted, so its probe sleeps longer than those of
other engines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from toril.engines import Sends
from toril.engines.readers import Lines, Sampled

# The name of a user's thread ends with the numbers of its group and its own.
ABORTED = re.compile(
    r" ERROR .*(?:Uncaught exception in thread Thread\[.* \d+-\d+,"
    r"|JMeterThread: Error while processing sampler(?:: '(.*)')?)"
)
TRANSACTION = re.compile(r"Number of samples in transaction : (\d+), number of failing samples : (\d+)")  # a message
LONGEST = 200  # characters of an exception


def short_code(code: str) -> str:
    """Returns a response code as criteria use it: for an exception its class name without the package."""
    return code.rsplit(".", 1)[-1] if code.endswith("Exception") else code


def script_error(line: str) -> Sampled:
    """Returns a line of `gate.bsh` on an error of a script as a failed transaction, named after the script's sample."""
    at_ms, label, text = line.split("\t")
    kind = text.partition(":")[0]
    return Sampled(
        started_s=int(at_ms) / 1000,
        response_us=0,
        label=label,
        ok=False,
        rc=kind.rpartition(".")[2] if kind.endswith(("Exception", "Error")) else "",
        message=text[:LONGEST],
        kind="transaction",
    )


class SendsFile:
    """Reads the lines that `gate.bsh` writes.

    Each second: ms since the epoch, maximum and 90th percentile of lateness in µs, sends dropped so far (-1: no
    throughput timer). Whenever their number changes: ms since the epoch, users.
    """

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._dropped = 0
        self.users = 0
        self.begun_at: float | None = None  # start of the first user, seconds since the epoch
        self.ended_at: float | None = None  # end of the last user

    def read(self) -> Iterator[Sends]:
        """Returns the sends of the whole lines since the last call."""
        for line in chain.from_iterable(self._lines.read()):
            at_ms, *numbers = map(int, line.split())
            at_s = at_ms / 1000
            if len(numbers) == 1:
                (self.users,) = numbers
                self.begun_at = self.begun_at or (at_s if self.users else None)
                self.ended_at = at_s if self.begun_at and not self.users else None
                continue
            late_us, late_p90_us, dropped = numbers
            before, self._dropped = self._dropped, max(0, dropped)
            yield Sends(
                at_s=at_s,
                late_us=late_us,
                late_p90_us=late_p90_us,
                dropped=None if dropped < 0 else dropped - before,
            )


@dataclass(slots=True)
class LogFacts:
    """Facts from the log of a JMeter that has ended."""

    aborted: list[tuple[str, str]] = field(default_factory=list)  # label of each ("" unknown), and the exception
    left_early: int = 0  # users that ended before their loop did


def read_log(path: Path) -> LogFacts:
    """Reads jmeter.log: requests without a record, because a script around them failed (e.g. Groovy's `assert`)."""
    facts, label = LogFacts(), None
    if not path.is_file():
        return facts
    with path.open(errors="replace") as lines:
        for line in lines:
            if label is not None:
                facts.aborted.append((label, line.strip()[:LONGEST]))
                label = None
            if "JMeterThread: Thread finished: " in line:
                facts.left_early += 1
            elif "JMeterThread: Thread is done: " in line:
                facts.left_early -= 1
            elif match := ABORTED.search(line):
                label = (match[1] or "").rstrip(".'")
    facts.left_early = max(0, facts.left_early)
    return facts
