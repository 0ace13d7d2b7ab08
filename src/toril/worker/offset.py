"""How far this machine's clock is from the store's: all workers of a run are compared through that one."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

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
