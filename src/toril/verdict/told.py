"""What a verdict has to say of rates that were set while the run went on."""

from collections.abc import Iterator

from toril.records.summary import Summary
from toril.summary.completeness import Completeness

NOTABLE_S = 0.1


def notes_on_rates(completeness: Completeness) -> Iterator[str]:
    """Each change that a person asked for; the stages of a search are told with its result."""
    started_at = completeness.started_at
    for rate in completeness.rates:
        if started_at is not None and rate.cause == "user":
            text = f"the load of {rate.execution} was changed while it went on (`toril adjust`): "
            text += f"{rate.rps:,.10g}/s from {rate.at - started_at:,.0f} s on"
            late = completeness.latest(rate)
            if late is not None and late[1] >= NOTABLE_S:
                text += f"; worker {late[0]} saw that {late[1]:.1f} s late"
            yield text


def told_capacity(summary: Summary) -> Iterator[str]:
    """What each search came to."""
    yield from (f"capacity: {found.message}" for found in (summary.capacity or {}).values())
