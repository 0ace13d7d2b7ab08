"""Faults of tasks that tests request: late, failed and double starts, killed and frozen processes."""

import signal
import time
from dataclasses import dataclass, field
from typing import Any

from ministack.services import ecs

from tests.cloud.server.processes import CLIENT, Container
from tests.cloud.server.state import Regional

POLL_S = 0.02
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


@dataclass(slots=True)
class Starts:
    """The faults of the next tasks of a region."""

    failing: list[str] = field(default_factory=list)  # the reason for each task
    twins: int = 0  # tasks to start twice; the answer has only one
    ready_after_s: float | None = 0  # time in PENDING; None: forever


STARTS: Regional[Starts] = Regional(Starts)


def held_back(task: dict[str, Any]) -> str | None:
    """Waits while the region's tasks stay PENDING. Returns the reason if the task has to fail, or None."""
    starts = STARTS.here()
    if starts.failing:
        return starts.failing.pop(0)
    began_s = time.monotonic()
    if starts.ready_after_s != 0:
        ecs._mark_task_pending(task["taskArn"], task)
    while ecs._task_is_active(task["taskArn"], task):
        starts = STARTS.here()  # read again, since a reset or a test may change it
        if starts.ready_after_s is not None and time.monotonic() - began_s >= starts.ready_after_s:
            break
        time.sleep(POLL_S)
    return None


def signal_task(task: dict[str, Any], how: str) -> None:
    """Sends a signal to every process of a task."""
    for container in _containers(task):
        container.signal_all(SIGNALS[how])


def run_out_of_memory(task: dict[str, Any]) -> None:
    """Kills every process of a task like the kernel, and records the reason in its containers."""
    task["_out_of_memory"] = True
    signal_task(task, "kill")


def set_reason(task: dict[str, Any]) -> None:
    """Sets the reason of containers that were killed for memory."""
    if task.get("_out_of_memory"):
        for container in task["containers"]:
            container["reason"] = OUT_OF_MEMORY


def _containers(task: dict[str, Any]) -> list[Container]:
    found = [CLIENT.get(one) for one in task.get("_docker_ids") or ()]
    if not found:
        raise ValueError(f"{task['taskArn']} has no container: it is {task['lastStatus']}")
    return found
