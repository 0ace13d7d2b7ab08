"""The search for the commit that made a suite worse, `bisect/<suite>/<good>-<bad>.json`: `toril.bisect/1`.

Changes are against the good commit, as in the verdict: relative (0.03 is 3 % more); for shares, differences.
"""

from typing import ClassVar, Literal

from toril.records.document import Count, Record, RecordPart, Seconds, Text, Word

BisectOutcome = Literal["found", "range", "several", "none", "undecided"]
BISECT = "bisect/"


class BisectDuet(RecordPart):
    """A measured commit, or one that could not be measured."""

    commit: Word
    run_id: Text = ""  # of the duet; empty: the commit did not start
    skipped: Text = ""  # why the commit has no result; empty: it has one
    change: float = 0.0
    spread: float = 0.0  # standard deviation of one pair, on the scale of logarithms; of shares, as they are
    pairs: Count = 0


class Bisect(Record):
    """A search: rewritten after each duet, so that an interrupted one continues."""

    SCHEMA: ClassVar[str] = "toril.bisect/1"
    suite: Text
    stage: Text = ""
    good: Word  # whole hashes
    commits: tuple[Word, ...]  # after good on the line of first parents, the oldest first; the last one is bad
    options: tuple[Text, ...] = ()  # of all duets
    at: Seconds  # of the first command
    label: Text = ""  # "": all requests
    metric: Word = ""  # empty until the bad commit is measured
    margin: float = 0.0  # the largest step that counts as none
    error: float = 0.05  # the accepted probability of a wrong answer
    duets: tuple[BisectDuet, ...] = ()
    outcome: BisectOutcome | None = None  # None: the search has not ended
    candidates: tuple[Word, ...] = ()  # the most probable commits, the oldest first; of `found`, one
    probability: float = 0.0  # of the outcome; of `undecided`, that it is one of the candidates
    change: float = 0.0  # of the step at the last candidate
    low: float = 0.0  # its 95 % interval
    high: float = 0.0

    @property
    def bad(self) -> str:
        return self.commits[-1]

    @property
    def found(self) -> str:
        """The commit that made the suite worse; empty if the search has not found it."""
        return self.candidates[0] if self.outcome == "found" else ""

    @property
    def key(self) -> str:
        return bisect_key(self.suite, self.good, self.bad, self.stage)


def bisect_key(suite: str, good: str, bad: str, stage: str) -> str:
    """Returns the key of a search; `good` and `bad` have at least 12 digits."""
    return f"{BISECT}{suite}/{good[:12]}-{bad[:12]}{stage and f'-{stage}'}.json"
