"""The workers of one region: started, watched and stopped by a thread of their own, at the account's rates."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from toril.clock import Clock
from toril.launchers import Gone
from toril.launchers.fargate import reasons, requests, seats
from toril.launchers.fargate.calls import Refused, call
from toril.launchers.fargate.clients import Clients
from toril.launchers.fargate.inventory import MOST_DESCRIBED, own_tasks, stop_all
from toril.launchers.fargate.obituary import Obituary
from toril.launchers.fargate.pacing import OF_CALLS, Bucket, Rates, wait_s
from toril.launchers.fargate.requests import Capacity
from toril.launchers.fargate.seats import Seat, Seats
from toril.records import DeployedWorker, Deployment, Plan, RanTask, Share

AT_ONCE = 8  # calls side by side
STEP_S = 0.2
WATCH_S = 3.0  # between two looks at tasks; ECS allows 20 such calls a second in a region
CLOSE_WITHIN_S = 30.0  # what is under way has ended by then: a call is given up earlier


@dataclass(frozen=True, slots=True)
class Site:
    """Where a fleet is, and what its tasks are."""

    deployment: Deployment
    kind: DeployedWorker
    rates: Rates
    spot_rates: Rates


class Fleet:
    """One region's part of a run. Its public methods are for the coordinator's thread, and never wait for AWS.

    `step` does all that is due; with `begin`, a thread calls it until the fleet is closed or released.
    """

    def __init__(
        self, plan: Plan, site: Site, clients: Clients, clock: Clock, *, deadline: float, begin: bool = True
    ) -> None:
        self.plan, self.site, self._clock, self._deadline = plan, site, clock, deadline
        self.region, self._cluster = site.deployment.region, site.deployment.cluster
        self._ecs = clients("ecs", self.region)
        self._obituary = Obituary(plan, site.deployment, site.kind, clients("logs", self.region), clock)
        self._seats = Seats()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._launches = {"FARGATE": Bucket(site.rates), "FARGATE_SPOT": Bucket(site.spot_rates)}
        self._calls = Bucket(OF_CALLS)
        self._seed = f"{plan.run_id} {self.region}"
        self._found: dict[tuple[str, str], Any] | None = None  # (worker, attempt) → task, as others have started them
        self._seek_at, self._seeks_refused = 0.0, 0
        self._watch_at = 0.0
        self._uncertain = False  # whether a RunTask may have been obeyed without an answer
        self._trouble: dict[str, str] = {}  # what AWS does not do at the moment, and why
        self._broken: BaseException | None = None
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"ecs-{self.region}")
        self._thread = threading.Thread(target=self._work, name=f"fleet-{self.region}", daemon=True)
        if begin:
            self._thread.start()

    # ── what the coordinator says and asks

    def start(self, share: Share, attempt: str) -> None:
        """Start this attempt, unless it was before; in the place of an earlier one of the same worker."""
        self._seat(share, attempt, startable=True)

    def find(self, share: Share, attempt: str) -> None:
        """Take over the task that somebody else has started for this attempt."""
        self._seat(share, attempt, startable=False)

    def again(self, worker: str, attempt: str) -> None:
        """Start another attempt of a worker that is known."""
        self.start(self._seats.of[worker].share, attempt)

    def stop(self, worker: str) -> None:
        """Have the task of this worker stopped; one that has not started never does."""
        with self._lock:
            self._seats.of[worker].told_to_stop(self._clock.now())

    def ended(self) -> dict[str, Gone]:
        with self._lock:
            if self._broken is not None:
                raise self._broken
            return {seat.worker: seat.gone for seat in self._seats if seat.gone is not None}

    def tasks(self) -> dict[str, RanTask]:
        with self._lock:
            return {seat.worker: seat.ran for seat in self._seats if seat.ran is not None}

    def notes(self) -> tuple[str, ...]:
        with self._lock:
            trouble = (f"{self.region}: {said}" for said in dict.fromkeys(self._trouble.values()))
            return (*trouble, *seats.notes(list(self._seats), self.region, self._clock.now()))

    def release(self) -> None:
        """Let the tasks be."""
        self._ending.set()

    def close(self) -> tuple[str, ...]:
        """Stop every task of the run in this region, known or not; what could not be done."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_WITHIN_S)
        self._pool.shutdown(wait=True)
        with self._lock:
            known = [seat.task for seat in self._seats if seat.watched and seat.task is not None]
            uncertain = self._uncertain
        deployment, run_id = self.site.deployment, self.plan.run_id
        left = stop_all(self._ecs, deployment, run_id, "the run is over", self._clock, known, uncertain=uncertain)[1]
        return (*left, f"{self.region}: calls of AWS are still under way") if self._thread.is_alive() else left

    def _seat(self, share: Share, attempt: str, *, startable: bool) -> None:
        spot = self.plan.task is not None and self.plan.task.spot
        capacity: Capacity = "FARGATE_SPOT" if spot else "FARGATE"
        with self._lock:
            now = self._clock.now()
            self._seats.of[share.worker] = Seat(
                share=share, attempt=attempt, capacity=capacity, since=now, due_at=now, startable=startable
            )

    # ── the thread

    def _work(self) -> None:
        try:
            while not self._ending.wait(STEP_S):
                self.step()
        except BaseException as error:  # raised again where the coordinator asks: nobody would see it here
            with self._lock:
                self._broken = error
        finally:
            self._pool.shutdown(wait=False)

    def step(self) -> None:
        """All that is due now."""
        self._seek()
        with self._lock:
            now = self._clock.now()
            jobs: list[tuple[Callable[[Seat], None], Seat]] = [(self._stop, one) for one in self._seats.to_stop(now)]
            due = self._seats.due(now)
            if now >= self._deadline:
                self._seats.end(due, "it was not started: the run's deadline is over")
                due = []
            for seat in self._affordable(due, now):
                seat.in_flight = True
                jobs.append((self._start, seat))
            watch = now >= self._watch_at and bool(self._seats.watched())
        list(self._pool.map(lambda job: job[0](job[1]), jobs))
        if watch:
            self._watch()

    def _affordable(self, due: Sequence[Seat], now: float) -> list[Seat]:
        """As many of those as the account's rates allow."""
        left = min(AT_ONCE, self._calls.has(now))
        found: list[Seat] = []
        for capacity, bucket in self._launches.items():
            some = [one for one in due if one.capacity == capacity][: min(left - len(found), bucket.has(now))]
            bucket.take(len(some))
            found += some
        self._calls.take(len(found))
        return found

    def _seek(self) -> None:
        """Look for tasks that are there already, before any is started."""
        with self._lock:
            waiting, now = self._seats.unsought(), self._clock.now()
        if not waiting or now < self._seek_at:
            return
        try:
            if self._found is None or any(seat.unanswered for seat in waiting):
                self._found = self._listed()
        except Refused as refused:
            self._seeks_refused += 1
            with self._lock:
                self._trouble["seek"] = refused.said
                self._seek_at = now + wait_s(self._seed, self._seeks_refused)
                if (
                    not refused.again
                ):  # who may not look may not start; tasks of others report to the store all the same
                    self._seats.end((one for one in waiting if one.startable), refused.said)
            return
        with self._lock:
            self._seeks_refused = 0
            self._trouble.pop("seek", None)
            for seat in waiting:
                task = self._found.get((seat.worker, seat.attempt))
                if task is None:
                    seat.not_found()
                else:
                    seat.has(task, self.region, self._clock.now())

    def _listed(self) -> dict[tuple[str, str], Any]:
        """Of two tasks of an attempt, the one that runs."""
        listed = [
            task
            for status in ("STOPPED", "RUNNING")
            for task in own_tasks(self._ecs, self.site.deployment, self.plan.run_id, status)
        ]
        return {key: task for task in listed if (key := requests.attempt_of(task)) is not None}

    def _start(self, seat: Seat) -> None:
        if self._ending.is_set():
            return
        request = requests.run_task(
            self.plan, seat.share, seat.attempt, self.site.deployment, self.site.kind, seat.capacity
        )
        request["clientToken"] = requests.token(
            self.plan.run_id, seat.worker, seat.attempt, seat.capacity, seat.refused
        )
        try:
            answer = call(self._ecs.run_task, "ecs:RunTask", **request)
        except Refused as refused:
            with self._lock:
                if refused.again:
                    self._uncertain = True
                    seat.was_not_answered(refused, self._clock.now(), self._seed)
                elif refused.resources:  # started before, with another revision: it is the one
                    seat.has({"taskArn": refused.resources[0]}, self.region, self._clock.now())
                elif reasons.is_full(refused.said):
                    seat.was_refused(refused.said, self._clock.now(), self._seed)
                else:
                    seat.in_flight, seat.gone = False, Gone(refused.said)
            return
        with self._lock:
            if answer["tasks"]:
                seat.has(answer["tasks"][0], self.region, self._clock.now())
            else:
                seat.was_refused(requests.failure_of(answer), self._clock.now(), self._seed)

    def _stop(self, seat: Seat) -> None:
        request = {"cluster": self._cluster, "task": seat.task, "reason": "toril: the run ends"}
        try:
            call(self._ecs.stop_task, "ecs:StopTask", **request)
        except Refused as refused:
            with self._lock:
                self._trouble["stop"] = refused.said
                seat.stop_was_refused(refused, self._clock.now(), self._seed)
            return
        with self._lock:
            seat.stop_due_at = None
            self._trouble.pop("stop", None)

    def _watch(self) -> None:
        with self._lock:
            self._watch_at = self._clock.now() + WATCH_S
            watched = {seat.task: seat for seat in self._seats.watched() if seat.task is not None}
        arns = list(watched)
        over: list[tuple[Seat, Any]] = []
        for first in range(0, len(arns), MOST_DESCRIBED):
            some = arns[first : first + MOST_DESCRIBED]
            try:
                answer = call(self._ecs.describe_tasks, "ecs:DescribeTasks", cluster=self._cluster, tasks=some)
            except Refused as refused:
                with self._lock:
                    self._trouble["watch"] = refused.said
                break
            with self._lock:
                self._trouble.pop("watch", None)
                for task in answer["tasks"]:
                    watched[task["taskArn"]].described(task, self._clock.now())
                over += [(watched[one["taskArn"]], one) for one in answer["tasks"] if one["lastStatus"] == "STOPPED"]
                for failure in answer.get("failures", []):
                    watched[failure["arn"]].unknown(self._clock.now())
        self._conclude(over)

    def _conclude(self, over: Sequence[tuple[Seat, Any]]) -> None:
        """Tell why tasks are gone, or go on with another one of the same attempt: a RunTask may start two."""
        twins = self._obituary.twins(self._ecs, [task for seat, task in over if not seat.stopping])
        with self._lock:
            for seat, task in over:
                if task["taskArn"] in twins:
                    seat.has(twins[task["taskArn"]], self.region, self._clock.now())
        ended = [(seat, task) for seat, task in over if task["taskArn"] not in twins]
        found = self._pool.map(lambda one: self._obituary.reason(one[1], stopped=one[0].stopping), ended)
        for (seat, _), gone in zip(ended, found, strict=True):
            with self._lock:
                seat.gone = gone
