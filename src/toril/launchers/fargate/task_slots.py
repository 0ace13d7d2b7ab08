"""The state of each worker of a region, and its next step; makes no AWS calls.

A fleet looks up a worker's task before it starts one, because another coordinator of the run may have started it. It
also looks the task up when a RunTask had no answer and the worker is to be stopped.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toril.aws.errors import Fault
from toril.errors import Note
from toril.launchers import WorkerExit
from toril.launchers.fargate.rate_limit import BACKOFF
from toril.launchers.fargate.task_exit import is_full, passes
from toril.launchers.fargate.tasks import Capacity
from toril.records import RanTask, Share

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

FORGOTTEN_S = 60.0  # DescribeTasks may not know a task yet that RunTask has just started
RAN = frozenset({"RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"})
NOTED_S = 5  # a note appears after this time, and its seconds advance in such steps
STAGES = {
    "PROVISIONING": "waiting for a network interface",
    "PENDING": "pulling the image",
    "ACTIVATING": "starting",
}
TIMES = {"pull_started_at": "pullStartedAt", "started_at": "startedAt", "stopped_at": "stoppedAt"}


@dataclass(slots=True, kw_only=True)
class TaskSlot:
    """One worker: its latest attempt, and that attempt's task."""

    share: Share
    attempt: str
    capacity: Capacity
    since: float  # when its present stage began, in seconds since the epoch
    startable: bool = True  # False: its task is looked up and never started
    looked_up: bool = False  # whether ECS was asked for its task
    due_at: float = 0.0
    refusals: int = 0
    unanswered: int = 0
    in_flight: bool = False
    waiting: str = ""  # AWS' reason for the latest refusal
    task: str | None = None
    status: str = ""
    missing_since: float | None = None
    ran: RanTask | None = None
    gone: WorkerExit | None = None
    stopping: bool = False
    stop_due_at: float | None = None  # None: no StopTask is due
    stops_refused: int = 0

    @property
    def worker(self) -> str:
        return self.share.worker

    @property
    def queued(self) -> bool:
        return self.task is None and self.gone is None and not self.in_flight

    def may_start(self, now: float) -> bool:
        return self.queued and self.looked_up and self.startable and self.due_at <= now

    def stop(self, now: float) -> None:
        """Stops its task as soon as there is one, and prevents a start."""
        if not self.stopping:
            self.stopping, self.startable, self.stop_due_at = True, False, now
        if self.queued and self.looked_up:
            self._not_started()

    def assign(self, task: "TaskTypeDef", region: str, now: float) -> None:
        """Sets the task that RunTask started, or that the lookup found."""
        self.looked_up, self.in_flight, self.unanswered, self.waiting = True, False, 0, ""
        self.task, self.status, self.since, self.missing_since = task["taskArn"], "", now, None
        self.ran = RanTask(arn=task["taskArn"], region=region, capacity=self.capacity)
        self.described(task, now)

    def not_found(self) -> None:
        """Records that the lookup found no task: one may start now if the slot is startable."""
        self.looked_up, self.unanswered = True, 0
        if not self.startable:
            self._not_started()

    def described(self, task: "TaskTypeDef", now: float) -> None:
        """Records a description of its task."""
        status, self.missing_since = task.get("lastStatus", ""), None
        if status != self.status:
            self.status, self.since = status, now
        if self.ran is not None:
            stamps = {name: task[key].timestamp() for name, key in TIMES.items() if task.get(key)}  # type: ignore[literal-required]
            capacity = task.get("capacityProviderName") or self.capacity
            self.ran = self.ran.model_copy(update={"capacity": capacity, **stamps})

    def unknown(self, now: float) -> None:
        """Records that DescribeTasks does not know its task."""
        if self.missing_since is None:
            self.missing_since = now
        if self.gone is None and now - self.missing_since > FORGOTTEN_S:
            self.gone = WorkerExit("ECS does not know its task any more", code="task-unknown")

    def refused(self, reason: str, now: float) -> None:
        """Records that RunTask started no task, and AWS' reason; the next request has a new token."""
        self.in_flight, self.unanswered, self.waiting = False, 0, reason
        self.refusals += 1
        if self.stopping:
            self._not_started()
        elif self.capacity == "FARGATE_SPOT" and is_full(reason):
            self.capacity, self.due_at = "FARGATE", now
        elif passes(reason):
            self.due_at = now + BACKOFF.wait_s(self.refusals)
        else:
            self.gone = WorkerExit(f"ecs:RunTask: {reason}", code="refused")

    def unanswered_by(self, fault: Fault, now: float) -> None:
        """Records a RunTask without an answer; the next request has the same token, so that no task starts twice."""
        self.in_flight, self.waiting = False, str(fault)
        self.unanswered += 1
        self.due_at = now + BACKOFF.wait_s(self.unanswered)
        if self.stopping:
            self.looked_up = False

    def stop_refused(self, fault: Fault, now: float) -> None:
        self.stops_refused += 1
        again_at = now + BACKOFF.wait_s(self.stops_refused)
        self.stop_due_at = again_at if fault.passes else None

    def _not_started(self) -> None:
        if self.unanswered:
            self.looked_up = False  # a RunTask without an answer may have started it
        elif self.stopping:
            reason = "; ".join(filter(None, ("it was stopped before its task started", self.waiting)))
            self.gone = WorkerExit(reason, code="stopped-before-start")
        else:
            self.gone = WorkerExit("ECS has no task of it", again=True, code="no-task")


def notes(slots: Collection[TaskSlot], region: str, now: float) -> Iterator[Note]:
    """Yields at most one note on waiting workers: at once if AWS refused a request, else after `NOTED_S`."""
    since: dict[str, list[float]] = {}
    for waits in slots:
        if waits.gone is None and waits.status not in RAN and (waits.waiting or now - waits.since >= NOTED_S):
            since.setdefault(_stage(waits), []).append(waits.since)
    if since:
        waited = {stage: NOTED_S * max(0, int((now - min(ats)) // NOTED_S)) for stage, ats in since.items()}
        parts = [f"{len(ats)} {stage} for {waited[stage]} s" for stage, ats in since.items()]
        running = f"{region}: {sum(slot.status in RAN for slot in slots)} of {len(slots)} workers are running"
        yield Note("workers-wait", "; ".join([running, *parts]))


def _stage(slot: TaskSlot) -> str:
    if slot.task is None:
        return f"waiting to start ({slot.waiting})" if slot.waiting else "waiting to start"
    return STAGES.get(slot.status, slot.status.lower() or "starting")
