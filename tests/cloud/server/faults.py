"""What goes wrong because a test says so: errors, lost and slow answers, rates of calls."""

import asyncio
import time
from dataclasses import dataclass

from ministack.core.responses import get_region

from tests.cloud.server.errors import Refusal
from tests.cloud.server.state import Regional, on_reset


@dataclass(slots=True, kw_only=True)
class Fault:
    """What becomes of the next calls of an operation."""

    service: str  # MiniStack's name of it
    operation: str
    times: int
    region: str | None = None  # any
    saying: str = ""  # calls with this in their path or body only
    delay_s: float = 0
    error: Refusal | None = None
    done: bool = False  # whether what was asked for is done, although the caller gets the error

    def holds(self, service: str, operation: str, text: str) -> bool:
        return (
            (self.service, self.operation) == (service, operation)
            and self.times > 0
            and self.region in (None, get_region())
            and self.saying in text
        )


@dataclass(slots=True, kw_only=True)
class Bucket:
    """How many calls of an operation are taken: a bucket of tokens, as AWS counts them."""

    rate_per_s: float
    burst: float
    tokens: float
    at_s: float

    def take(self) -> bool:
        now_s = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now_s - self.at_s) * self.rate_per_s)
        self.at_s = now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


FAULTS: list[Fault] = []
BUCKETS: Regional[dict[tuple[str, str], Bucket]] = Regional(dict)  # by service and operation
on_reset(FAULTS.clear)


async def met(service: str, operation: str, text: str) -> Refusal | None:
    """Waits, refuses, or tells the error that the caller gets once all is done; as asked for of this call."""
    bucket = BUCKETS.here().get((service, operation))
    if bucket is not None and not bucket.take():
        raise Refusal("ThrottlingException", "Rate exceeded")
    fault = next((one for one in FAULTS if one.holds(service, operation, text)), None)
    if fault is None:
        return None
    fault.times -= 1
    if fault.delay_s:
        await asyncio.sleep(fault.delay_s)
    if fault.error is not None and not fault.done:
        raise fault.error
    return fault.error


def limit(account: str, region: str, key: tuple[str, str], rate_per_s: float, burst: float) -> None:
    """Start to count the calls of one region."""
    full = Bucket(rate_per_s=rate_per_s, burst=burst, tokens=burst, at_s=time.monotonic())
    BUCKETS.of(account, region)[key] = full
