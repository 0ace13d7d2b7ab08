"""What a region's fleet knows of each of its workers, and what is to be done next; plain state, no calls.

A worker's task is looked for before it is started, since another owner of the run may have started it, and whenever
nobody knows whether a RunTask was obeyed and no other is to follow.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toril.launchers import Gone
from toril.launchers.fargate import reasons
from toril.launchers.fargate.calls import Refused
from toril.launchers.fargate.pacing import wait_s
from toril.launchers.fargate.requests import Capacity
from toril.records import RanTask, Share

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

FORGOTTEN_S = 60.0  # an answer of DescribeTasks may not know a task yet that RunTask has just started
RAN = frozenset({"RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"})
TIMES = {"pull_started_at": "pullStartedAt", "started_at": "startedAt", "stopped_at": "stoppedAt"}


@dataclass(slots=True, kw_only=True)
class Seat:
    """One worker: its latest attempt, and the task of it."""

    share: Share
    attempt: str
    capacity: Capacity
    since: float  # of its present stage, in seconds since the epoch
    startable: bool = True  # otherwise its task is only looked for
    sought: bool = False
    due_at: float = 0.0
    refused: int = 0
    unanswered: int = 0
    in_flight: bool = False
    waiting: str = ""  # what AWS said when it was refused
    task: str | None = None
    status: str = ""
    missing_since: float | None = None
    ran: RanTask | None = None
    gone: Gone | None = None
    stopping: bool = False
    stop_due_at: float | None = None  # None: nothing of it is to be stopped, or it was
    stops_refused: int = 0

    @property
    def worker(self) -> str:
        return self.share.worker

    @property
    def queued(self) -> bool:
        return self.task is None and self.gone is None and not self.in_flight

    @property
    def watched(self) -> bool:
        return self.task is not None and self.gone is None

    def told_to_stop(self, now: float) -> None:
        """Its task is stopped as soon as there is one; none is started any more."""
        if not self.stopping:
            self.stopping, self.startable, self.stop_due_at = True, False, now
        if self.queued and self.sought:
            self._not_started()

    def has(self, task: "TaskTypeDef", region: str, now: float) -> None:
        """It has this task: RunTask started it, or it was found."""
        self.sought, self.in_flight, self.unanswered, self.waiting = True, False, 0, ""
        self.task, self.status, self.since, self.missing_since = task["taskArn"], "", now, None
        self.ran = RanTask(arn=task["taskArn"], region=region, capacity=self.capacity)
        self.described(task, now)

    def not_found(self) -> None:
        """No task of it is there; it may be started now, or never."""
        self.sought, self.unanswered = True, 0
        if not self.startable:
            self._not_started()

    def described(self, task: "TaskTypeDef", now: float) -> None:
        """What ECS says of its task."""
        status, self.missing_since = task.get("lastStatus", ""), None
        if status != self.status:
            self.status, self.since = status, now
        if self.ran is not None:
            stamps = {name: task[key].timestamp() for name, key in TIMES.items() if task.get(key)}  # type: ignore[literal-required]
            capacity = task.get("capacityProviderName") or self.capacity
            self.ran = self.ran.model_copy(update={"capacity": capacity, **stamps})

    def unknown(self, now: float) -> None:
        """DescribeTasks knows no such task."""
        if self.missing_since is None:
            self.missing_since = now
        if self.gone is None and now - self.missing_since > FORGOTTEN_S:
            self.gone = Gone("AWS knows its task no longer")

    def was_refused(self, said: str, now: float, seed: str) -> None:
        """RunTask started nothing, and said so: the next request is another one."""
        self.in_flight, self.unanswered, self.waiting = False, 0, said
        self.refused += 1
        if self.stopping:
            self._not_started()
        elif self.capacity == "FARGATE_SPOT" and reasons.is_full(said):
            self.capacity, self.due_at = "FARGATE", now
        elif reasons.passes(said):
            self.due_at = now + wait_s(f"{seed} {self.worker}", self.refused)
        else:
            self.gone = Gone(reasons.refusal("", said, "ecs:RunTask"))

    def was_not_answered(self, refused: Refused, now: float, seed: str) -> None:
        """RunTask is not known to have been obeyed: the same request again, which starts nothing twice."""
        self.in_flight, self.waiting = False, refused.said
        self.unanswered += 1
        self.due_at = now + wait_s(f"{seed} {self.worker}", self.unanswered)
        if self.stopping:
            self.sought = False

    def stop_was_refused(self, refused: Refused, now: float, seed: str) -> None:
        self.stops_refused += 1
        again_at = now + wait_s(f"{seed} {self.worker}", self.stops_refused)
        self.stop_due_at = again_at if refused.again else None

    def _not_started(self) -> None:
        if self.unanswered:
            self.sought = False  # it may have been, though nobody heard of it
        elif self.stopping:
            self.gone = Gone("; ".join(filter(None, ("it was told to end before its task started", self.waiting))))
        else:
            self.gone = Gone("AWS knows no task of it", again=True)


@dataclass(slots=True)
class Seats:
    """All of a region's, by worker."""

    of: dict[str, Seat] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Seat]:
        return iter(self.of.values())

    def unsought(self) -> list[Seat]:
        """Those of which nobody knows yet whether they have a task."""
        return [one for one in self if one.queued and not one.sought]

    def due(self, now: float) -> list[Seat]:
        """Those whose task may be started now, the longest waiting first."""
        waiting = (one for one in self if one.queued and one.sought and one.startable and one.due_at <= now)
        return sorted(waiting, key=lambda one: one.due_at)

    def to_stop(self, now: float) -> list[Seat]:
        return [one for one in self if one.watched and one.stop_due_at is not None and one.stop_due_at <= now]

    def watched(self) -> list[Seat]:
        return [one for one in self if one.watched]

    def end(self, waiting: Iterable[Seat], reason: str) -> None:
        for seat in waiting:
            seat.gone = Gone(reason)


def notes(seats: Sequence[Seat], region: str, now: float) -> Iterator[str]:
    """What is waited for, in a line: at once where AWS has refused something, else when it takes its time."""
    since: dict[str, list[float]] = {}
    for one in seats:
        if one.gone is None and one.status not in RAN and (one.waiting or now - one.since >= NOTED_S):
            since.setdefault(_stage(one), []).append(one.since)
    if since:
        waited = {stage: NOTED_S * max(0, int((now - min(ats)) // NOTED_S)) for stage, ats in since.items()}
        parts = [f"{len(ats)} {stage} for {waited[stage]} s" for stage, ats in since.items()]
        yield "; ".join([f"{region}: {sum(one.status in RAN for one in seats)} of {len(seats)} workers run", *parts])


NOTED_S = 5  # and as often as this a line on a screen changes
STAGES = {
    "PROVISIONING": "waiting for a network interface",
    "PENDING": "pulling the image",
    "ACTIVATING": "starting",
}


def _stage(seat: Seat) -> str:
    if seat.task is None:
        return f"waiting to start ({seat.waiting})" if seat.waiting else "waiting to start"
    return STAGES.get(seat.status, seat.status.lower() or "starting")
