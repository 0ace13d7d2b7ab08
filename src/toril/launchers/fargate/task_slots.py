"""The state of each worker of a region and the next step for it; no calls of AWS.

A worker's task is looked up before it is started, since another owner of the run may have started it, and whenever
it is unknown whether AWS obeyed a RunTask and no other is to follow.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toril.aws.errors import Fault
from toril.launchers import WorkerExit
from toril.launchers.fargate.rate_limit import BACKOFF
from toril.launchers.fargate.task_exit import is_full, passes
from toril.launchers.fargate.tasks import Capacity
from toril.records import RanTask, Share
from toril.suite.reader import Note

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

FORGOTTEN_S = 60.0  # an answer of DescribeTasks may not know a task yet that RunTask has just started
RAN = frozenset({"RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"})
NOTED_S = 5  # and as often as this a line on a screen changes
STAGES = {
    "PROVISIONING": "waiting for a network interface",
    "PENDING": "pulling the image",
    "ACTIVATING": "starting",
}
TIMES = {"pull_started_at": "pullStartedAt", "started_at": "startedAt", "stopped_at": "stoppedAt"}


@dataclass(slots=True, kw_only=True)
class TaskSlot:
    """One worker: its latest attempt, and the task of it."""

    share: Share
    attempt: str
    capacity: Capacity
    since: float  # when its present stage began, in seconds since the epoch
    startable: bool = True  # False: its task is only looked up
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
        """Stops its task as soon as there is one; starts none any more."""
        if not self.stopping:
            self.stopping, self.startable, self.stop_due_at = True, False, now
        if self.queued and self.looked_up:
            self._not_started()

    def assign(self, task: "TaskTypeDef", region: str, now: float) -> None:
        """Takes the task that RunTask started, or that was found."""
        self.looked_up, self.in_flight, self.unanswered, self.waiting = True, False, 0, ""
        self.task, self.status, self.since, self.missing_since = task["taskArn"], "", now, None
        self.ran = RanTask(arn=task["taskArn"], region=region, capacity=self.capacity)
        self.described(task, now)

    def not_found(self) -> None:
        """Notes that it has no task: it may be started now, or never."""
        self.looked_up, self.unanswered = True, 0
        if not self.startable:
            self._not_started()

    def described(self, task: "TaskTypeDef", now: float) -> None:
        """Takes in a description of its task."""
        status, self.missing_since = task.get("lastStatus", ""), None
        if status != self.status:
            self.status, self.since = status, now
        if self.ran is not None:
            stamps = {name: task[key].timestamp() for name, key in TIMES.items() if task.get(key)}  # type: ignore[literal-required]
            capacity = task.get("capacityProviderName") or self.capacity
            self.ran = self.ran.model_copy(update={"capacity": capacity, **stamps})

    def unknown(self, now: float) -> None:
        """Notes that DescribeTasks knows no such task."""
        if self.missing_since is None:
            self.missing_since = now
        if self.gone is None and now - self.missing_since > FORGOTTEN_S:
            self.gone = WorkerExit("AWS knows its task no longer", code="task-unknown")

    def refused(self, reason: str, now: float) -> None:
        """Notes that RunTask started nothing, for this reason: the next request is another one."""
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
        """Notes that RunTask may not have been obeyed: the next request is the same, which starts nothing twice."""
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
            self.looked_up = False  # AWS may have started it without an answer
        elif self.stopping:
            reason = "; ".join(filter(None, ("it was stopped before its task started", self.waiting)))
            self.gone = WorkerExit(reason, code="stopped-before-start")
        else:
            self.gone = WorkerExit("AWS knows no task of it", again=True, code="no-task")


def notes(slots: Collection[TaskSlot], region: str, now: float) -> Iterator[Note]:
    """Yields at most one note on what takes its time: at once if AWS has refused something, else after a while."""
    since: dict[str, list[float]] = {}
    for one in slots:
        if one.gone is None and one.status not in RAN and (one.waiting or now - one.since >= NOTED_S):
            since.setdefault(_stage(one), []).append(one.since)
    if since:
        waited = {stage: NOTED_S * max(0, int((now - min(ats)) // NOTED_S)) for stage, ats in since.items()}
        parts = [f"{len(ats)} {stage} for {waited[stage]} s" for stage, ats in since.items()]
        running = f"{region}: {sum(one.status in RAN for one in slots)} of {len(slots)} workers run"
        yield Note("workers-wait", "; ".join([running, *parts]))


def _stage(slot: TaskSlot) -> str:
    if slot.task is None:
        return f"waiting to start ({slot.waiting})" if slot.waiting else "waiting to start"
    return STAGES.get(slot.status, slot.status.lower() or "starting")
