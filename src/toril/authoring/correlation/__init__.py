"""Finds values that come out of one response and go into a later request, offline and deterministically."""

from collections.abc import Collection
from dataclasses import dataclass

from toril.authoring.recorded import Extract, Recorded, ValuePlace

APPLIED_FROM = 0.5  # confidence
LISTED_FROM = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A rule: one value that responses carry to later requests."""

    number: int  # in the list of rules, from 1
    extract: Extract
    source: int  # number of the exchange whose response has the value
    uses: tuple[tuple[int, ValuePlace], ...]  # numbers of exchanges, and the places in their requests
    confidence: float
    why: tuple[str, ...]  # the terms of the confidence
    masked: str  # the value, as people may see it
    applied: bool
    value: str = ""  # in the recording, decoded; a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """What a recording carries from response to request."""

    rules: tuple[Carried, ...] = ()
    unpaired: tuple[str, ...] = ()  # requests that only one of two recordings has
    client_made: tuple[tuple[int, ValuePlace], ...] = ()  # values that the client itself makes anew each time


def correlated(
    recorded: Recorded,
    second: Recorded | None = None,
    *,
    threshold: float = APPLIED_FROM,
    forced: Collection[int] = (),
    dropped: Collection[int] = (),
) -> Correlation:
    """Returns the rules of a recording; `second` is another observation of the same journey.

    `forced` and `dropped` are numbers of rules to apply or drop in spite of their confidence.
    """
    return Correlation()
