"""The experience from stored duets: the spread of figures, the rate of false alarms, and proposals for plans."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toril.records import Plan
from toril.records.history import Fingerprint, HistoryRecord
from toril.regression.pairs import Figure


@dataclass(frozen=True, slots=True)
class Calibration:
    """What earlier duets with one fingerprint show."""

    duets: int
    aa: int  # duets of base with itself
    alarms: int  # those that failed
    rate_low: float  # lower 95 % bound of alarms / aa
    spread: Mapping[tuple[str, str], tuple[float, float]]  # (label, metric) → standard deviation, degrees of freedom


@dataclass(frozen=True, slots=True)
class Proposal:
    """The pairs that find a change of one figure."""

    figure: Figure
    pairs: int | None  # None: more than the most; or the spread is unknown
    minutes: float | None  # of load, with the warm-up
    margin: float | None  # the smallest reasonable one for the planned pairs
    known: bool  # whether earlier duets show the spread


def calibrate(records: Iterable[HistoryRecord], like: Fingerprint) -> Calibration:
    """Returns the experience from the last 60 duets with this fingerprint; `records` come the newest first."""
    raise NotImplementedError


def propose(calibration: Calibration, plan: Plan, change: float) -> tuple[Proposal, ...]:
    """Returns a proposal for each figure of the plan, to find a relative change (0.05 is 5 %).

    OptionError `not-detectable` if the change is not above the margin.
    """
    raise NotImplementedError
