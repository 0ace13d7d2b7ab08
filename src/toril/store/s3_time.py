"""What S3's clock says, from answers that name whole seconds."""

import math
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from toril.errors import StoreError

NARROW_S = 0.2
MOST_READINGS = 5
STALE_S = 60.0


def date_of(answer: Any) -> float:
    """The second that the header `Date` names; StoreError when there is none."""
    text = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError as error:
        raise StoreError(f"what answers as S3 doesn't say what time it is (Date: {text!r}); check the proxy") from error


@dataclass(frozen=True, slots=True)
class Bracket:
    """How far S3's clock is ahead of this machine's monotonic one: between `lowest` and `highest`.

    An answer was made between the moments in which its request was sent and in which it arrived, and its date is the
    second that S3's clock then was in. A request that arrives about when the second turns halves what is open.
    """

    lowest: float = -math.inf
    highest: float = math.inf
    readings: int = 0
    read_at: float = 0.0
    round_trip_s: float = 0.0

    @property
    def is_narrow(self) -> bool:
        return self.readings > 0 and (self.highest - self.lowest <= NARROW_S or self.readings >= MOST_READINGS)

    def is_stale(self, now: float) -> bool:
        """Whether the two clocks may have drifted apart."""
        return now - self.read_at > STALE_S

    def wait_s(self, now: float) -> float:
        """How long until the next request tells most."""
        if not self.readings:
            return 0.0
        return -(now + self.round_trip_s / 2 + (self.lowest + self.highest) / 2) % 1

    def narrowed(self, sent: float, arrived: float, date: float) -> "Bracket":
        """With one answer more. One that contradicts the others, as of a host whose clock is off, begins anew."""
        own = Bracket(date - arrived, date + 1 - sent, self.readings + 1, arrived, arrived - sent)
        lowest, highest = max(self.lowest, own.lowest), min(self.highest, own.highest)
        return replace(own, lowest=lowest, highest=highest) if lowest <= highest else own

    def at(self, now: float) -> tuple[float, float]:
        """S3's clock at a moment of this machine's monotonic one, and how much later it may be."""
        return now + self.lowest, self.highest - self.lowest
