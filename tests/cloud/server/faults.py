"""Faults that tests request: errors, lost answers, throttling."""

import time
from dataclasses import dataclass

from ministack.core.responses import get_region

from tests.cloud.server.errors import Refusal
from tests.cloud.server.state import Regional, on_reset


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault of the next calls of an operation."""

    service: str  # MiniStack's name
    operation: str
    times: int
    region: str | None = None  # None: any
    saying: str = ""  # affects only calls with this text in path or body
    error: Refusal | None = None
    done: bool = False  # whether the call is executed although the caller gets an error

    def holds(self, service: str, operation: str, text: str) -> bool:
        return (
            (self.service, self.operation) == (service, operation)
            and self.times > 0
            and self.region in (None, get_region())
            and self.saying in text
        )


@dataclass(slots=True, kw_only=True)
class Bucket:
    """The rate limit of an operation: a token bucket, like AWS's."""

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


def met(service: str, operation: str, text: str) -> Refusal | None:
    """Applies a call's faults: raises Refusal, or returns the error to send after the execution."""
    bucket = BUCKETS.here().get((service, operation))
    if bucket is not None and not bucket.take():
        raise Refusal("ThrottlingException", "Rate exceeded")
    fault = next((one for one in FAULTS if one.holds(service, operation, text)), None)
    if fault is None:
        return None
    fault.times -= 1
    if fault.error is not None and not fault.done:
        raise fault.error
    return fault.error


def limit(account: str, region: str, key: tuple[str, str], rate_per_s: float, burst: float) -> None:
    """Starts to limit the calls in one region."""
    full = Bucket(rate_per_s=rate_per_s, burst=burst, tokens=burst, at_s=time.monotonic())
    BUCKETS.of(account, region)[key] = full
