"""Faults that tests request: errors and lost answers."""

from dataclasses import dataclass

from ministack.core.responses import get_region

from tests.cloud.server.errors import Refusal
from tests.cloud.server.state import on_reset


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


FAULTS: list[Fault] = []
on_reset(FAULTS.clear)


def met(service: str, operation: str, text: str) -> Refusal | None:
    """Applies a call's faults: raises Refusal, or returns the error to send after the execution."""
    fault = next((one for one in FAULTS if one.holds(service, operation, text)), None)
    if fault is None:
        return None
    fault.times -= 1
    if fault.error is not None and not fault.done:
        raise fault.error
    return fault.error
