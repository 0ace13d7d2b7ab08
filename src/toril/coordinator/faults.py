"""Starts and ends the faults of a run on the load's clock: each once, by whichever coordinator has the run.

A fault has three records, each written once:

- `begun`, before the start: a later coordinator repeats the start, which starts no second fault, or looks for the fault
- `started`, with the id
- `ended`

When the load ends for whatever reason, the active fault is stopped. A coordinator that has lost the run stops what it
started after another one had ended the fault.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from toril.aws.errors import AwsError
from toril.clock import Clock
from toril.coordinator.lease import LeaseKeeper, LeaseLostError
from toril.errors import InfrastructureError
from toril.records import Fault, FaultRecord, FaultStep, Plan, Start, fault_key
from toril.store import Store
from toril.store.records import find_record, get_record

POLL_S = 0.5  # between two requests for the state of an active fault
PATIENCE_S = 60.0  # for a start that fails for a temporary reason
ENDS_WITHIN_S = 120.0  # after the load; then the run ends without the fault's end
UNREPORTED = "the load ended before the fault's start was reported"
STUCK = "it did not end in time, and may still be active; stop it by hand"


class Injector(Protocol):
    """Starts and stops faults; `number` counts those of a run from 1. InfrastructureError if a call fails."""

    def start(self, run_id: str, number: int, fault: Fault) -> str:
        """Starts the fault and returns its id. A repeated call returns the same id and starts nothing."""

    def find(self, run_id: str, number: int, fault: Fault) -> str:
        """Returns the id of the fault if it was started, else an empty text."""

    def ended(self, fault: Fault, id: str) -> tuple[float | None, str] | None:
        """Returns the time of the fault's end (None: now), and why it had no effect or an empty text.

        None while it is active.
        """

    def stop(self, fault: Fault, id: str) -> None:
        """Requests the end of the fault. A repeated call has no effect."""


InjectorOf = Callable[[Fault], Injector]


@dataclass(slots=True)
class Faults:
    """The faults of one run, for one coordinator."""

    store: Store
    plan: Plan
    clock: Clock
    lease: LeaseKeeper
    injector: InjectorOf
    _number: int = field(init=False, default=1)  # of the first fault that needs work
    _again_at: float = field(init=False, default=float("-inf"))
    _over_since: float | None = field(init=False, default=None)  # the end of the load
    _records: dict[str, FaultRecord | None] = field(init=False, default_factory=dict)  # by key

    def advance(self, start: Start | None, *, loading: bool) -> bool:
        """Does all work that is due. Returns whether no fault is active. `loading`: the load has not ended.

        LeaseLostError if another coordinator has the run. After a StoreError, the next call repeats the work.
        """
        if loading and start is None:
            return True
        if not loading and self._over_since is None:
            self._over_since = self.clock.now()
        while self._number <= len(self.plan.faults):
            fault, now = self.plan.faults[self._number - 1], self.clock.now()
            if self._over_since is not None and now > self._over_since + ENDS_WITHIN_S:
                self._write("ended", now, failure=STUCK)
            elif now < self._again_at:
                return False
            elif (idle := self._attempt(fault, start if loading else None, now)) is not None:
                return idle
            self._number += 1
        return True

    def close(self) -> None:
        """Stops the active fault after an error that ends the run; if that fails, its own time limit applies."""
        if self._number <= len(self.plan.faults):
            self._attempt(self.plan.faults[self._number - 1], None, self.clock.now())

    def _attempt(self, fault: Fault, start: Start | None, now: float) -> bool | None:
        """Does the work of one fault, as `_advance`. A start that is refused, or fails for long, ends the fault."""
        try:
            return self._advance(fault, start, now)
        except LeaseLostError:
            raise
        except InfrastructureError as error:
            self._again_at = now + POLL_S
            begun, given_up = self._find("begun"), self._find("ended") is not None
            passes = isinstance(error, AwsError) and error.fault.passes
            if begun is None or start is None or self._find("started") or (passes and now < begun.at + PATIENCE_S):
                return False
            self._write("ended", now, str(error))
            return None if given_up else False

    def _advance(self, fault: Fault, start: Start | None, now: float) -> bool | None:
        """Returns None if the fault needs no more work, else whether it is idle. `start`: None after the load."""
        started, ended, injector = self._find("started"), self._find("ended"), self.injector(fault)
        if started is None and (start is None or ended is not None):
            self._find_lost(fault, now)
            return None
        if started is None:
            return start is None or now < start.at + fault.at_s or self._start(fault, now)
        if ended is not None:
            return None
        if (over := injector.ended(fault, started.experiment)) is not None:
            self._write("ended", max(over[0] or now, started.at), over[1])  # the clocks of AWS and here differ
            return None
        if start is None or (fault.for_s is not None and now >= started.at + fault.for_s):
            injector.stop(fault, started.experiment)
        self._again_at = now + POLL_S
        return False

    def _start(self, fault: Fault, now: float) -> bool:
        """Starts the fault and returns False, because it is not idle."""
        self._write("begun", now)
        id = self.injector(fault).start(self.plan.run_id, self._number, fault)
        try:
            self._write("started", now, experiment=id)
        except LeaseLostError:
            self._records.clear()
            if self._find("ended") is not None:
                self.injector(fault).stop(fault, id)
            raise
        return False

    def _find_lost(self, fault: Fault, now: float) -> None:
        """Stops a fault whose start was not reported."""
        if self._find("begun") is not None:
            # The record precedes the search: a coordinator that starts the fault after the search reads it.
            self._write("ended", now, UNREPORTED)
            if id := self.injector(fault).find(self.plan.run_id, self._number, fault):
                self.injector(fault).stop(fault, id)

    def _find(self, step: FaultStep) -> FaultRecord | None:
        """Returns a record of the fault; only the coordinator of the run writes it, so it is read once."""
        key = fault_key(self.plan.run_id, self._number, step)
        if key not in self._records:
            self._records[key] = find_record(self.store, FaultRecord, key)
        return self._records[key]

    def _write(self, step: FaultStep, at: float, failure: str = "", experiment: str = "") -> None:
        """Writes a record once; one that exists takes precedence."""
        if self._find(step) is None:
            key = fault_key(self.plan.run_id, self._number, step)
            self.lease.renew()
            self.store.put_once(key, FaultRecord(at=at, failure=failure, experiment=experiment).to_json())
            self._records[key] = get_record(self.store, FaultRecord, key)
