"""The workers of one region: started, watched and stopped by a thread of their own, at the account's rates."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from toril.launchers import Gone
from toril.launchers.fargate import reasons, requests
from toril.launchers.fargate.calls import Refused, call
from toril.launchers.fargate.clients import Clients
from toril.launchers.fargate.inventory import MOST_DESCRIBED, own_tasks, stop_all
from toril.launchers.fargate.logs import last_words
from toril.launchers.fargate.pacing import Backoff, Bucket, Rates
from toril.launchers.fargate.requests import Capacity
from toril.launchers.fargate.seats import Seat, Seats
from toril.records import DeployedWorker, Deployment, Plan, RanTask, Share

AT_ONCE = 8  # calls side by side
STEP_S = 0.2
WATCH_S = 3.0  # between two looks at tasks; ECS allows 20 such calls a second in a region
CLOSE_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where a fleet is, and what its tasks are."""

    deployment: Deployment
    kind: DeployedWorker
    rates: Rates
    spot_rates: Rates


class Fleet:
    """One region's part of a run. Its public methods are for the coordinator's thread, and never wait for AWS."""

    def __init__(
        self,
        plan: Plan,
        site: Site,
        clients: Clients,
        now: Callable[[], float],
        *,
        begin: bool = True,
    ) -> None:
        self.plan, self.site, self._clients, self._now = plan, site, clients, now
        self.region, self._cluster = site.deployment.region, site.deployment.cluster
        self._ecs = clients("ecs", self.region)
        self._seats = Seats()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._buckets: dict[Capacity, Bucket] = {
            "FARGATE": Bucket(site.rates),
            "FARGATE_SPOT": Bucket(site.spot_rates),
        }
        self._backoff = Backoff(f"{plan.run_id} {self.region}")
        self._watch_at = 0.0
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"ecs-{self.region}")
        self._thread = threading.Thread(target=self._work, name=f"fleet-{self.region}", daemon=True)
        self.trouble = ""  # why AWS cannot be asked at the moment
        if begin:
            self._thread.start()

    # ── what the coordinator says and asks

    def start(self, share: Share, attempt: str) -> None:
        """Start this attempt, in the place of an earlier one of the same worker."""
        spot = self.plan.task is not None and self.plan.task.spot
        capacity: Capacity = "FARGATE_SPOT" if spot else "FARGATE"
        with self._lock:
            now = self._now()
            self._seats.of[share.worker] = Seat(share=share, attempt=attempt, capacity=capacity, since=now, due_at=now)

    def again(self, worker: str, attempt: str) -> None:
        """Start another attempt of a worker that is known."""
        self.start(self._seats.of[worker].share, attempt)

    def stop(self, worker: str) -> None:
        """Have the task of this worker stopped; one that has not started never does."""
        with self._lock:
            seat = self._seats.of[worker]
            seat.stopping = True
            if seat.queued:
                seat.gone = Gone(f"it was told to end before its task started; {seat.waiting}".rstrip("; "))

    def ended(self) -> dict[str, Gone]:
        with self._lock:
            return {seat.worker: seat.gone for seat in self._seats if seat.gone is not None}

    def tasks(self) -> dict[str, RanTask]:
        with self._lock:
            return {seat.worker: seat.ran for seat in self._seats if seat.ran is not None}

    def notes(self) -> tuple[str, ...]:
        with self._lock:
            trouble = (f"{self.region}: {self.trouble}",) if self.trouble else ()
            return (*trouble, *self._seats.notes(self.region, self._now()))

    def find(self, shares: Mapping[str, Share], attempts: Mapping[str, str]) -> None:
        """Take over the tasks that others have started for these attempts; Refused when AWS does not say."""
        found = [
            task
            for status in ("RUNNING", "STOPPED")
            for task in own_tasks(self._ecs, self.site.deployment, self.plan.run_id, status)
        ]
        with self._lock:
            now = self._now()
            for worker, attempt in attempts.items():
                seat = Seat(share=shares[worker], attempt=attempt, capacity="FARGATE", since=now)
                task = next((one for one in found if requests.attempt_of(one) == (worker, attempt)), None)
                if task is None:
                    seat.gone = Gone("AWS knows no task of it", again=True)
                else:
                    seat.started(task, self.region, now)
                self._seats.of[worker] = seat

    def release(self) -> None:
        """Let the tasks be."""
        self._ending.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> tuple[str, ...]:
        """Stop every task of the run in this region, known or not; what could not be done."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_WITHIN_S)
        self._pool.shutdown(wait=True, cancel_futures=True)
        return stop_all(self._ecs, self.site.deployment, self.plan.run_id, "the run is over")[1]

    # ── the thread

    def _work(self) -> None:
        while not self._ending.wait(STEP_S):
            self.step()

    def step(self) -> None:
        """All that is due now."""
        with self._lock:
            stopping, due, now = self._seats.to_stop(), self._seats.due(self._now()), self._now()
            starting = [one for capacity in self._buckets for one in self._affordable(due, capacity, now)]
            for seat in starting:
                seat.in_flight = True
            watch = now >= self._watch_at and any(seat.watched for seat in self._seats)
        jobs = [(self._stop, seat) for seat in stopping] + [(self._start, seat) for seat in starting]
        list(self._pool.map(lambda job: job[0](job[1]), jobs))
        if watch:
            self._watch()

    def _affordable(self, due: Sequence[Seat], capacity: Capacity, now: float) -> list[Seat]:
        wanted = [one for one in due if one.capacity == capacity][:AT_ONCE]
        return wanted[: self._buckets[capacity].take(len(wanted), now)]

    def _start(self, seat: Seat) -> None:
        deployment = self.site.deployment
        request = requests.run_task(self.plan, seat.share, seat.attempt, deployment, self.site.kind, seat.capacity)
        request["clientToken"] = requests.token(
            self.plan.run_id, seat.worker, seat.attempt, seat.capacity, seat.refused
        )
        try:
            answer = call(self._ecs.run_task, "ecs:RunTask", **request)
        except Refused as refused:
            with self._lock:
                seat.in_flight = False
                self._put_off(seat, refused)
            return
        with self._lock:
            seat.in_flight = False
            seat.unanswered, self.trouble = 0, ""
            if answer["tasks"]:
                seat.started(answer["tasks"][0], self.region, self._now())
            else:
                failures = answer.get("failures", [])
                said = (
                    " ".join(filter(None, (failures[0].get("reason"), failures[0].get("detail")))) if failures else ""
                )
                self._refuse(seat, said or "RunTask started nothing and gave no reason")

    def _refuse(self, seat: Seat, said: str) -> None:
        """`failures[]`: an answer, so that the next request is another one."""
        seat.refused += 1
        seat.waiting = said
        if not reasons.is_full(said):
            seat.gone = Gone(reasons.refusal("", said, "ecs:RunTask"))
        elif seat.capacity == "FARGATE_SPOT":
            seat.capacity, seat.due_at = "FARGATE", self._now()
        else:
            seat.due_at = self._now() + self._backoff.wait_s(seat.refused)

    def _put_off(self, seat: Seat, refused: Refused) -> None:
        """No answer, or one that asks to wait: the same request again, later. Others are for good."""
        if refused.again:
            seat.unanswered += 1
            seat.waiting = refused.said
            seat.due_at = self._now() + self._backoff.wait_s(seat.unanswered)
        elif reasons.is_full(refused.said):
            self._refuse(seat, refused.said)
        else:
            seat.gone = Gone(refused.said)

    def _stop(self, seat: Seat) -> None:
        assert seat.task is not None  # noqa: S101 - only those are asked for
        task = seat.task
        try:
            call(
                lambda: self._ecs.stop_task(
                    cluster=self.site.deployment.cluster, task=task, reason="toril: the run ends"
                ),
                "ecs:StopTask",
            )
        except Refused as refused:
            with self._lock:
                self.trouble = refused.said
                seat.stop_sent = not refused.again
            return
        with self._lock:
            seat.stop_sent = True

    def _watch(self) -> None:
        with self._lock:
            self._watch_at = self._now() + WATCH_S
            arns = [seat.task for seat in self._seats if seat.watched and seat.task is not None]
        stopped: list[Seat] = []
        for first in range(0, len(arns), MOST_DESCRIBED):
            some = arns[first : first + MOST_DESCRIBED]
            try:
                answer = call(self._ecs.describe_tasks, "ecs:DescribeTasks", cluster=self._cluster, tasks=some)
            except Refused as refused:
                with self._lock:
                    self.trouble = refused.said
                return
            with self._lock:
                self.trouble = ""
                seats, now = self._seats.by_task(), self._now()
                stopped += [
                    seats[one["taskArn"]] for one in answer["tasks"] if seats[one["taskArn"]].described(one, now)
                ]
                for failure in answer.get("failures", []):
                    if failure.get("arn") in seats:
                        seats[failure["arn"]].unknown(now)
        for seat in stopped:
            self._explain(seat)

    def _explain(self, seat: Seat) -> None:
        """Put the last words of a container that failed to its reason."""
        if seat.gone is None or seat.task is None or seat.stopping or seat.gone.again:
            return
        words = last_words(self._clients("logs", self.region), self.site.deployment, self.site.kind, seat.task)
        with self._lock:
            seat.gone = Gone(f"{seat.gone.reason}; {words}", seat.gone.again)
