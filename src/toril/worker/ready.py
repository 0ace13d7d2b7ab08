"""The facts of ready.json: the clock's offset to the store, the task and its image."""

import json
import logging
import threading
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from toril.store import Store

TRIES = 3


def clock_offset(store: Store, now: Callable[[], float]) -> tuple[float, float]:
    """(offset_s, uncertainty_s): this clock minus the store's, known to ± uncertainty; the best of some tries.

    The store read its clock between two readings of this one, so the offset lies between two differences.
    """
    found = []
    for _ in range(TRIES):
        before = now()
        time_s, later_s = store.time()
        lowest, highest = before - time_s - later_s, now() - time_s
        found.append(((lowest + highest) / 2, (highest - lowest) / 2))
    return min(found, key=lambda one: one[1])


def begun(store: Store, now: Callable[[], float], *, beside: bool) -> "Future[tuple[float, float]]":
    """The same, measured in a thread (`beside`): a bucket needs three seconds for it, as an engine does to start."""
    found: Future[tuple[float, float]] = Future()

    def find() -> None:
        try:
            found.set_result(clock_offset(store, now))
        except BaseException as error:  # raised again where the result is asked for
            found.set_exception(error)

    if beside:
        threading.Thread(target=find, name="clock", daemon=True).start()
    else:
        find()
    return found


ADDRESS = "ECS_CONTAINER_METADATA_URI_V4"
TIMEOUT_S = 1.0
MOST_BYTES = 1 << 20  # an answer has some kilobytes

log = logging.getLogger("toril.worker")


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """None is unknown."""

    image_digest: str | None = None
    task: str | None = None  # its ARN


def task_facts(environment: Mapping[str, str]) -> TaskFacts:
    """The image and the task of this container; unknown outside of ECS."""
    address = environment.get(ADDRESS)
    digest = environment.get("TORIL_IMAGE_DIGEST")  # for launchers that are not ECS
    if not address:
        return TaskFacts(image_digest=digest)
    return TaskFacts(
        image_digest=digest or _fact(address, "ImageID"),
        task=_fact(f"{address}/task", "TaskARN"),
    )


def _fact(address: str, name: str) -> str | None:
    try:
        found = _answer(address).get(name)
    except (OSError, ValueError) as error:
        log.warning("%s does not tell %s: %s", address, name, error)
        return None
    return found if isinstance(found, str) and found else None


def _answer(address: str) -> dict[str, Any]:
    if not address.startswith("http://"):
        raise ValueError("it is no http address")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a link-local address is behind no proxy
    with direct.open(address, timeout=TIMEOUT_S) as answer:
        data = answer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"the answer has more than {MOST_BYTES:,} bytes")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("the answer is no object")
    return found
