"""The facts of ready.json: the clock's offset to the store, the task and its image."""

import json
import logging
import threading
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from toril.store import Store

TRIES = 3


def clock_offset(store: Store, now: Callable[[], float]) -> tuple[float, float]:
    """Returns (offset_s, uncertainty_s): this clock minus the store's, ± uncertainty; the best of three tries.

    The store read its clock between two readings of this one, so the offset lies between two differences.
    """
    offsets = []
    for _ in range(TRIES):
        before = now()
        time_s, later_s = store.time()
        lowest, highest = before - time_s - later_s, now() - time_s
        offsets.append(((lowest + highest) / 2, (highest - lowest) / 2))
    return min(offsets, key=lambda offset: offset[1])


def measure_offset(store: Store, now: Callable[[], float], *, threaded: bool) -> "Future[tuple[float, float]]":
    """Returns the clock offset, measured in a thread if `threaded`: with a bucket it takes three seconds."""
    future: Future[tuple[float, float]] = Future()

    def find() -> None:
        try:
            future.set_result(clock_offset(store, now))
        except BaseException as error:  # result() raises it again
            future.set_exception(error)

    if threaded:
        threading.Thread(target=find, name="clock", daemon=True).start()
    else:
        find()
    return future


ADDRESS = "ECS_CONTAINER_METADATA_URI_V4"
TIMEOUT_S = 1.0

log = logging.getLogger("toril.worker")


def task_facts(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Returns the digest of this container's image and the ARN of its task, as in `Ready`; None outside of ECS."""
    address = environment.get(ADDRESS)
    digest = environment.get("TORIL_IMAGE_DIGEST")  # for launchers that are not ECS
    if not address:
        return {"image_digest": digest, "task": None}
    return {"image_digest": digest or _fact(address, "ImageID"), "task": _fact(f"{address}/task", "TaskARN")}


def _fact(address: str, name: str) -> str | None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # link-local addresses need no proxy
    try:
        with direct.open(address, timeout=TIMEOUT_S) as answer:
            fact = dict(json.load(answer)).get(name)
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s: cannot read %s: %s", address, name, error)
        return None
    return fact if isinstance(fact, str) and fact else None
