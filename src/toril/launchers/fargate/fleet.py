"""Starts, watches and stops the workers of one region in a thread, at the account's rates."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from toril.aws.client import Clients, call
from toril.aws.errors import AwsError
from toril.clock import Clock
from toril.errors import Note
from toril.launchers import WorkerExit
from toril.launchers.fargate import task_slots, tasks
from toril.launchers.fargate.rate_limit import BACKOFF, OF_CALLS, Rates, TokenBucket
from toril.launchers.fargate.task_exit import TaskExits, is_full
from toril.launchers.fargate.task_slots import TaskSlot
from toril.launchers.fargate.tasks import AT_ONCE, MOST_DESCRIBED, Capacity
from toril.records import DeployedWorker, Deployment, Plan, RanTask, Share

STEP_S = 0.2
WATCH_S = 3.0  # between two DescribeTasks; ECS allows 20 such calls a second in a region
CLOSE_WITHIN_S = 30.0  # longer than the timeouts of a call


@dataclass(frozen=True, slots=True)
class Site:
    """A fleet's region, its worker, and how fast it may start tasks."""

    deployment: Deployment
    kind: DeployedWorker
    rates: Rates


class Fleet:
    """One region's part of a run. The coordinator calls the public methods, which (except `close`) never wait for AWS.

    `step` does all work that is due; with `begin`, a thread calls it until the fleet is closed or released.
    """

    def __init__(
        self, plan: Plan, site: Site, clients: Clients, clock: Clock, *, deadline: float, begin: bool = True
    ) -> None:
        self.plan, self.site, self._clock, self._deadline = plan, site, clock, deadline
        self.region, self._cluster = site.deployment.region, site.deployment.cluster
        self._ecs = clients("ecs", self.region)
        self._exits = TaskExits(plan, site.deployment, site.kind, clients("logs", self.region), clock)
        self._slots: dict[str, TaskSlot] = {}  # by worker
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._launches, self._calls = TokenBucket(site.rates), TokenBucket(OF_CALLS)
        self._listed_tasks: dict[tuple[str, str], Any] | None = None  # (worker, attempt) → task
        self._look_up_at, self._look_ups_refused = 0.0, 0
        self._watch_at = 0.0
        self._uncertain = False  # whether a RunTask without an answer may have started a task
        self._errors: dict[str, AwsError] = {}  # by step: the error of its last call
        self._thread_error: BaseException | None = None
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"ecs-{self.region}")
        self._thread = threading.Thread(target=self._work, name=f"fleet-{self.region}", daemon=True)
        if begin:
            self._thread.start()

    # ── called by the coordinator

    def start(self, share: Share, attempt: str) -> None:
        """Starts this attempt unless its task exists; it replaces an earlier attempt of the worker."""
        self._slot(share, attempt, startable=True)

    def find(self, share: Share, attempt: str) -> None:
        """Finds the task that another coordinator has started for this attempt."""
        self._slot(share, attempt, startable=False)

    def again(self, worker: str, attempt: str) -> None:
        """Starts another attempt of a known worker."""
        self.start(self._slots[worker].share, attempt)

    def stop(self, worker: str) -> None:
        """Stops the task of this worker; a worker without a task gets none."""
        with self._lock:
            self._slots[worker].stop(self._clock.now())

    def ended(self) -> dict[str, WorkerExit]:
        with self._lock:
            if self._thread_error is not None:
                raise self._thread_error
            return {slot.worker: slot.gone for slot in self._slots.values() if slot.gone is not None}

    def tasks(self) -> dict[str, RanTask]:
        with self._lock:
            return {slot.worker: slot.ran for slot in self._slots.values() if slot.ran is not None}

    def notes(self) -> tuple[Note, ...]:
        with self._lock:
            errors = (Note(error.code, f"{self.region}: {error}") for error in self._errors.values())
            return (*dict.fromkeys(errors), *task_slots.notes(self._slots.values(), self.region, self._clock.now()))

    def release(self) -> None:
        """Leaves the tasks running."""
        self._ending.set()

    def close(self) -> tuple[str, ...]:
        """Stops every task of the run in this region, including unknown ones. Returns the problems."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_WITHIN_S)
        self._pool.shutdown(wait=True)
        with self._lock:
            known = list(self._watched())
            uncertain = self._uncertain
        deployment, run_id, why = self.site.deployment, self.plan.run_id, "the run is over"
        left = tasks.stop_all(self._ecs, deployment, run_id, why, self._clock, known, uncertain=uncertain).problems
        return (*left, f"{self.region}: AWS calls are still running") if self._thread.is_alive() else left

    def _watched(self) -> dict[str, TaskSlot]:
        """Returns the slots whose task was started and has not ended, as far as known, by the task's ARN."""
        return {slot.task: slot for slot in self._slots.values() if slot.task is not None and slot.gone is None}

    def _slot(self, share: Share, attempt: str, *, startable: bool) -> None:
        spot = self.plan.task is not None and self.plan.task.spot
        capacity: Capacity = "FARGATE_SPOT" if spot else "FARGATE"
        with self._lock:
            now = self._clock.now()
            self._slots[share.worker] = TaskSlot(
                share=share, attempt=attempt, capacity=capacity, since=now, due_at=now, startable=startable
            )

    # ── the thread

    def _work(self) -> None:
        try:
            while not self._ending.wait(STEP_S):
                self.step()
        except BaseException as error:  # raised again in the coordinator's thread, by `ended`
            with self._lock:
                self._thread_error = error
        finally:
            self._pool.shutdown(wait=False)

    def step(self) -> None:
        """Does all work that is due."""
        self._look_up()
        with self._lock:
            now = self._clock.now()
            watched = self._watched()
            jobs: list[tuple[Callable[[TaskSlot], None], TaskSlot]] = [
                (self._stop, one) for one in watched.values() if one.stop_due_at is not None and one.stop_due_at <= now
            ]
            due = sorted((slot for slot in self._slots.values() if slot.may_start(now)), key=lambda slot: slot.due_at)
            if now >= self._deadline:
                for slot in due:
                    slot.gone = WorkerExit("it was not started: the run's deadline has passed", code="deadline")
                due = []
            allowed = min(AT_ONCE, self._calls.available(now), self._launches.available(now))
            for slot in due[:allowed]:
                slot.in_flight = True
                jobs.append((self._start, slot))
                self._calls.take()
                self._launches.take()
            watch = now >= self._watch_at and bool(watched)
        list(self._pool.map(lambda job: job[0](job[1]), jobs))
        if watch:
            self._watch()

    def _look_up(self) -> None:
        """Finds tasks of earlier requests, before it starts others."""
        with self._lock:
            now = self._clock.now()
            waiting = [slot for slot in self._slots.values() if slot.queued and not slot.looked_up]
        if not waiting or now < self._look_up_at:
            return
        try:
            if self._listed_tasks is None or any(slot.unanswered for slot in waiting):
                self._listed_tasks = self._listed()
        except AwsError as error:
            self._look_ups_refused += 1
            with self._lock:
                self._errors["look up"] = error
                self._look_up_at = now + BACKOFF.wait_s(self._look_ups_refused)
                if not error.fault.passes:  # no task may start without the list; running tasks report to the store
                    for slot in waiting:
                        if slot.startable:
                            slot.gone = WorkerExit(str(error), code=error.code)
            return
        with self._lock:
            self._look_ups_refused = 0
            self._errors.pop("look up", None)
            for slot in waiting:
                task = self._listed_tasks.get((slot.worker, slot.attempt))
                if task is None:
                    slot.not_found()
                else:
                    slot.assign(task, self.region, self._clock.now())

    def _listed(self) -> dict[tuple[str, str], Any]:
        """Returns the run's tasks; if an attempt has two, the running one."""
        by_attempt = {}
        for status in tasks.STATUSES:
            for task in tasks.described(self._ecs, self.site.deployment, status, self.plan.run_id):
                by_attempt[tasks.attempt_of(task)] = task
        return {attempt: task for attempt, task in by_attempt.items() if attempt is not None}

    def _start(self, slot: TaskSlot) -> None:
        if self._ending.is_set():
            return
        request = tasks.run_task(
            self.plan, slot.share, slot.attempt, self.site.deployment, self.site.kind, slot.capacity
        )
        request["clientToken"] = tasks.token(self.plan.run_id, slot.worker, slot.attempt, slot.capacity, slot.refusals)
        try:
            answer = call(self._ecs.run_task, "ecs:RunTask", **request)
        except AwsError as error:
            with self._lock:
                if error.fault.passes:
                    self._uncertain = True
                    slot.unanswered_by(error.fault, self._clock.now())
                elif error.resources:  # an earlier request has started it, with another revision
                    slot.assign({"taskArn": error.resources[0]}, self.region, self._clock.now())
                elif is_full(error.fault.message):
                    slot.refused(error.fault.message, self._clock.now())
                else:
                    slot.in_flight, slot.gone = False, WorkerExit(str(error), code=error.code)
            return
        with self._lock:
            if answer["tasks"]:
                slot.assign(answer["tasks"][0], self.region, self._clock.now())
            else:
                slot.refused(tasks.failure_of(answer), self._clock.now())

    def _stop(self, slot: TaskSlot) -> None:
        request: dict[str, Any] = {"cluster": self._cluster, "task": slot.task, "reason": "toril: the run ends"}
        try:
            call(self._ecs.stop_task, "ecs:StopTask", **request)
        except AwsError as error:
            with self._lock:
                self._errors["stop"] = error
                slot.stop_refused(error.fault, self._clock.now())
            return
        with self._lock:
            slot.stop_due_at = None
            self._errors.pop("stop", None)

    def _watch(self) -> None:
        with self._lock:
            self._watch_at = self._clock.now() + WATCH_S
            watched = self._watched()
        arns = list(watched)
        over: list[tuple[TaskSlot, Any]] = []
        for first in range(0, len(arns), MOST_DESCRIBED):
            some = arns[first : first + MOST_DESCRIBED]
            try:
                answer = call(self._ecs.describe_tasks, "ecs:DescribeTasks", cluster=self._cluster, tasks=some)
            except AwsError as error:
                with self._lock:
                    self._errors["watch"] = error
                break
            with self._lock:
                self._errors.pop("watch", None)
                for task in answer["tasks"]:
                    watched[task["taskArn"]].described(task, self._clock.now())
                over += [(watched[one["taskArn"]], one) for one in answer["tasks"] if one["lastStatus"] == "STOPPED"]
                for failure in answer.get("failures", []):
                    watched[failure["arn"]].unknown(self._clock.now())
        self._conclude(over)

    def _conclude(self, over: Sequence[tuple[TaskSlot, Any]]) -> None:
        """Records why tasks ended. RunTask may start two tasks for an attempt; the other one then replaces it."""
        twins = self._exits.twins(self._ecs, [task for slot, task in over if not slot.stopping])
        with self._lock:
            for slot, task in over:
                if task["taskArn"] in twins:
                    slot.assign(twins[task["taskArn"]], self.region, self._clock.now())
        ended = [(slot, task) for slot, task in over if task["taskArn"] not in twins]
        exits = self._pool.map(lambda pair: self._exits.read(pair[1], stopped=pair[0].stopping), ended)
        for (slot, _), gone in zip(ended, exits, strict=True):
            with self._lock:
                slot.gone = gone
