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
    """(offset_s, uncertainty_s): this clock minus the store's, which lies within ± uncertainty; the best of some tries.

    The store said its time somewhere between two looks at this clock, so the truth is between two differences.
    """
    found = []
    for _ in range(TRIES):
        before = now()
        said, later = store.time()
        lowest, highest = before - said - later, now() - said
        found.append(((lowest + highest) / 2, (highest - lowest) / 2))
    return min(found, key=lambda one: one[1])


def begun(store: Store, now: Callable[[], float], *, beside: bool) -> "Future[tuple[float, float]]":
    """The same, found `beside` other work: a bucket takes three seconds to tell, as long as an engine to start."""
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
MOST_BYTES = 1 << 20  # what is known of a task is some kilobytes

log = logging.getLogger("toril.worker")


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """None is what nobody told."""

    image_digest: str | None = None
    task: str | None = None  # its ARN


def task_facts(environment: Mapping[str, str]) -> TaskFacts:
    """Which image this container is of, and which task it is part of; nothing outside of ECS."""
    address = environment.get(ADDRESS)
    digest = environment.get("TORIL_IMAGE_DIGEST")  # for launchers that are not ECS
    if not address:
        return TaskFacts(image_digest=digest)
    return TaskFacts(
        image_digest=digest or _told(address, "ImageID"),
        task=_told(f"{address}/task", "TaskARN"),
    )


def _told(address: str, name: str) -> str | None:
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
