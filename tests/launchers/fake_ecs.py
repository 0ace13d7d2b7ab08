"""A fake of ECS, logs and scheduler for one region, with a clock that only tests move."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

NO_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
Answer = dict[str, Any]


@dataclass(slots=True)
class Clock:
    """A clock that only `sleep` and tests move."""

    at: float = 1_000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def error(code: str, message: str = "", status: int = 400, **more: Any) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, "an operation")  # type: ignore[arg-type]


def timeout() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="https://ecs")


THROTTLED = error("ThrottlingException", "Rate exceeded")


@dataclass(slots=True)
class Fault:
    """The outcome of the next calls of one method."""

    method: str
    times: float
    outcome: BaseException | list[Answer]  # an error, or RunTask's `failures`
    done: bool = False  # the call is executed, and only its answer is lost
    where: Callable[[Answer], bool] = lambda request: True


@dataclass(slots=True)
class FakeEcs:
    """The tasks of one region, in the form of DescribeTasks; one object is the client of ECS, logs and scheduler."""

    region: str
    clock: Clock
    tasks: dict[str, Answer] = field(default_factory=dict)
    calls: list[tuple[str, Answer]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)
    schedules: dict[str, Answer] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)  # tasks that ListTasks does not know yet
    undescribed: set[str] = field(default_factory=set)  # tasks that DescribeTasks does not know
    twins: int = 0  # number of next RunTask calls that also start a second, unnamed task
    _tokens: dict[str, tuple[Answer, str]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # ── for tests

    def fail(self, method: str, error: BaseException | str, times: float = 1, **more: Any) -> None:
        """Lets the next calls of a method fail; a text is a reason in RunTask's `failures`."""
        self.faults.append(Fault(method, times, [{"reason": error}] if isinstance(error, str) else error, **more))

    def heal(self) -> None:
        self.faults.clear()

    def asked(self, method: str) -> list[Answer]:
        return [request for name, request in self.calls if name == method]

    def task_of(self, worker: str) -> Answer:
        """The latest task of a worker."""
        return [task for task in self.tasks.values() if _variable(task, "TORIL_WORKER") == worker][-1]

    def running(self) -> list[Answer]:
        return [task for task in self.tasks.values() if task["desiredStatus"] == "RUNNING"]

    def moves(self, worker: str, status: str) -> None:
        task = self.task_of(worker)
        task["lastStatus"] = status
        if status == "RUNNING":
            task["startedAt"] = self._time()

    def ends(
        self, worker: str, stop_code: str = "EssentialContainerExited", reason: str = "", exit_code: int | None = None
    ) -> None:
        self.end(self.task_of(worker), stop_code, reason, exit_code)

    def end(self, task: Answer, stop_code: str, reason: str, exit_code: int | None = None) -> None:
        task |= {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": stop_code, "stoppedReason": reason}
        task["stoppedAt"] = self._time()
        task["containers"] = [{"name": "worker", **({} if exit_code is None else {"exitCode": exit_code})}]

    # ── the clients' methods

    def run_task(self, **request: Any) -> Answer:
        with self._lock:
            fault = self._called("run_task", request)
            if fault is not None and isinstance(fault.outcome, list):
                return {"tasks": [], "failures": fault.outcome}
            token = request["clientToken"]
            known = self._tokens.get(token)
            if known is not None and known[0] != request:
                raise error("ConflictException", "used with other parameters", resourceIds=[known[1]])
            if known is None:
                self._start(request)
                self._tokens[token] = (request, self._start(request) if self._twin() else list(self.tasks)[-1])
            self._lost(fault)
            return {"tasks": [self.tasks[self._tokens[token][1]].copy()], "failures": []}

    def list_tasks(self, **request: Any) -> Answer:
        with self._lock:
            self._called("list_tasks", request)
            page, first = 100, int(request.get("nextToken", 0))
            found = [
                arn
                for arn, task in self.tasks.items()
                if arn not in self.unlisted
                and task["startedBy"] == request["startedBy"]
                and task["desiredStatus"] == request["desiredStatus"]
            ]
            more = {"nextToken": str(first + page)} if len(found) > first + page else {}
            return {"taskArns": found[first : first + page], **more}

    def describe_tasks(self, **request: Any) -> Answer:
        with self._lock:
            self._called("describe_tasks", request)
            assert 1 <= len(request["tasks"]) <= 100
            known = [arn for arn in request["tasks"] if arn in self.tasks and arn not in self.undescribed]
            missing = [{"arn": arn, "reason": "MISSING"} for arn in request["tasks"] if arn not in known]
            return {"tasks": [self.tasks[arn].copy() for arn in known], "failures": missing}

    def stop_task(self, **request: Any) -> Answer:
        with self._lock:
            fault = self._called("stop_task", request)
            task = self.tasks.get(request["task"])
            if task is None:
                raise error("InvalidParameterException", "The referenced task was not found.")
            if task["lastStatus"] != "STOPPED":
                self.end(task, "UserInitiated", request["reason"], 0)
            self._lost(fault)
            return {"task": task.copy()}

    def get_log_events(self, **request: Any) -> Answer:
        with self._lock:
            self._called("get_log_events", request)
            if request["logStreamName"] not in self.logs:
                raise error("ResourceNotFoundException", "The specified log stream does not exist.")
            return {"events": [{"message": line} for line in self.logs[request["logStreamName"]]]}

    def create_schedule(self, **request: Any) -> Answer:
        self._called("create_schedule", request)
        if request["Name"] in self.schedules:
            raise error("ConflictException", f"Schedule {request['Name']} already exists.", 409)
        self.schedules[request["Name"]] = request
        return {}

    def delete_schedule(self, **request: Any) -> Answer:
        self._called("delete_schedule", request)
        if self.schedules.pop(request["Name"], None) is None:
            raise error("ResourceNotFoundException", f"Schedule {request['Name']} does not exist.", 404)
        return {}

    # ──

    def _called(self, method: str, request: Answer) -> Fault | None:
        self.calls.append((method, request))
        fault = next(
            (one for one in self.faults if one.method == method and one.times > 0 and one.where(request)), None
        )
        if fault is None:
            return None
        fault.times -= 1
        if isinstance(fault.outcome, BaseException) and not fault.done:
            raise fault.outcome
        return fault

    @staticmethod
    def _lost(fault: Fault | None) -> None:
        if fault is not None and isinstance(fault.outcome, BaseException):
            raise fault.outcome

    def _twin(self) -> bool:
        self.twins -= 1
        return self.twins >= 0

    def _start(self, request: Answer) -> str:
        arn = f"arn:aws:ecs:{self.region}:123456789012:task/toril/{len(self.tasks):032x}"
        self.tasks[arn] = {
            "taskArn": arn,
            "startedBy": request["startedBy"],
            "overrides": request["overrides"],
            "capacityProviderName": request["capacityProviderStrategy"][0]["capacityProvider"],
            "lastStatus": "PROVISIONING",
            "desiredStatus": "RUNNING",
        }
        return arn

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self.clock.at, UTC)


def _variable(task: Answer, name: str) -> str:
    (container,) = task["overrides"]["containerOverrides"]
    return str({one["name"]: one["value"] for one in container["environment"]}[name])
