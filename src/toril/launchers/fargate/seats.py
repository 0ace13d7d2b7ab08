"""What a region's fleet knows of each of its workers; plain state, guarded by the fleet's lock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toril.launchers import Gone
from toril.launchers.fargate.reasons import gone
from toril.launchers.fargate.requests import Capacity
from toril.records import RanTask, Share

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

FORGOTTEN_S = 60.0  # an answer of DescribeTasks may not know a task yet that RunTask has just started
STAGES = {
    "PROVISIONING": "waiting for a network interface",
    "PENDING": "pulling the image",
    "ACTIVATING": "starting",
}


@dataclass(slots=True, kw_only=True)
class Seat:
    """One worker: its latest attempt, and the task of it."""

    share: Share
    attempt: str
    capacity: Capacity
    since: float  # of its present stage, in seconds since the epoch
    due_at: float = 0.0
    refused: int = 0
    unanswered: int = 0
    in_flight: bool = False
    waiting: str = ""  # what AWS said when it was refused
    task: str | None = None
    status: str = ""
    ran: RanTask | None = None
    gone: Gone | None = None
    stopping: bool = False
    stop_sent: bool = False

    @property
    def worker(self) -> str:
        return self.share.worker

    @property
    def queued(self) -> bool:
        return self.task is None and self.gone is None and not self.in_flight

    @property
    def watched(self) -> bool:
        return self.task is not None and self.gone is None

    def started(self, task: "TaskTypeDef", region: str, now: float) -> None:
        """RunTask's answer."""
        self.task, self.since, self.waiting = task["taskArn"], now, ""
        self.ran = RanTask(arn=task["taskArn"], region=region, capacity=self.capacity)
        self.described(task, now)

    def described(self, task: "TaskTypeDef", now: float) -> bool:
        """DescribeTasks' answer; whether it says that the task has just stopped."""
        status = task.get("lastStatus", "")
        was_running = self.status in ("RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING")
        if status != self.status:
            self.status, self.since = status, now
        if self.ran is not None:
            stamps = {name: task[key].timestamp() for name, key in TIMES.items() if task.get(key)}  # type: ignore[literal-required]
            self.ran = self.ran.model_copy(
                update={"capacity": task.get("capacityProviderName") or self.capacity, **stamps}
            )
        if status == "STOPPED" and self.gone is None:
            self.gone = gone(task, was_running=was_running or bool(task.get("startedAt")))
            return True
        return False

    def unknown(self, now: float) -> None:
        """DescribeTasks knows no such task."""
        if self.gone is None and now - self.since > FORGOTTEN_S:
            self.gone = Gone("AWS knows its task no longer")


TIMES = {"pull_started_at": "pullStartedAt", "started_at": "startedAt", "stopped_at": "stoppedAt"}


@dataclass(slots=True)
class Seats:
    """All of a region's, by worker."""

    of: dict[str, Seat] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Seat]:
        return iter(self.of.values())

    def due(self, now: float) -> list[Seat]:
        """Those whose task may be started now, the longest waiting first."""
        return sorted(
            (one for one in self if one.queued and not one.stopping and one.due_at <= now), key=lambda one: one.due_at
        )

    def to_stop(self) -> list[Seat]:
        return [one for one in self if one.watched and one.stopping and not one.stop_sent]

    def by_task(self) -> dict[str, Seat]:
        return {one.task: one for one in self if one.task is not None}

    def notes(self, region: str, now: float) -> Iterator[str]:
        """What is waited for, in a line; nothing once all run."""
        waiting = [one for one in self if one.gone is None and one.status != "RUNNING"]
        if not waiting:
            return
        started = sum(one.status == "RUNNING" for one in self)
        parts = [f"{region}: {started} of {len(self.of)} workers run"]
        parts += _grouped((_stage(one) for one in waiting), min(one.since for one in waiting), now)
        yield "; ".join(parts)


def _stage(seat: Seat) -> str:
    if seat.task is None:
        return f"waiting to start: {seat.waiting}" if seat.waiting else "waiting to start"
    return STAGES.get(seat.status, seat.status.lower() or "starting")


def _grouped(stages: Iterable[str], since: float, now: float) -> Iterator[str]:
    counts: dict[str, int] = {}
    for stage in stages:
        counts[stage] = counts.get(stage, 0) + 1
    for stage, count in counts.items():
        yield f"{count} {stage}"
    yield f"for {max(0.0, now - since):.0f} s"
