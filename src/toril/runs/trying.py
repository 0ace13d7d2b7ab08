"""Follows a try: its worker writes each request with its response, and readers show them as they arrive."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from toril.errors import StoreError
from toril.records import Exit, Plan, Start, run_key, worker_key
from toril.records.evidence import MOST_BYTES_OF_FILE, MOST_FILES_OF_TRY, Exchange, Exchanges, evidence_file_name
from toril.records.progress import Progress
from toril.store import Reader
from toril.store.records import find_record

if TYPE_CHECKING:
    from toril.coordinator.progress import View


class Trial:
    """A view of a try that shows each exchange once, in the order of arrival, besides another view."""

    def __init__(self, store: Reader, run_id: str, view: "View", show: Callable[[Exchange], None]) -> None:
        self._store, self._run_id, self._view, self._show = store, run_id, view, show
        self._number = 0  # of the last file

    def show(self, progress: Progress) -> None:
        self._view.show(progress)
        with suppress(StoreError):  # the next call reads it
            self.read()

    def read(self) -> None:
        """Shows the exchanges that have arrived since the last call."""
        exchanges, self._number = exchanges_after(self._store, self._run_id, self._number)
        for exchange in exchanges:
            self._show(exchange)


def exchanges_after(store: Reader, run_id: str, number: int) -> tuple[list[Exchange], int]:
    """Returns the exchanges of the files after this number, and the number of the last file. Skips damaged files."""
    start = find_record(store, Start, run_key(run_id, "start.json"))
    exchanges: list[Exchange] = []
    for worker, attempt in [] if start is None else list(start.attempts.items())[:1]:
        while number < MOST_FILES_OF_TRY:
            key = worker_key(run_id, worker, attempt, evidence_file_name(number + 1))
            data = store.find(key, MOST_BYTES_OF_FILE)
            if data is None:
                break
            number += 1
            with suppress(StoreError):
                exchanges += Exchanges.from_stranger(data, key).exchanges
    return exchanges, number


def why_not_started(store: Reader, plan: Plan) -> str:
    """Returns the message of a worker that failed before the load, such as a script's traceback; "" without one."""
    keys = (key for share in plan.shares for key in store.keys(run_key(plan.run_id, "workers", share.worker, "")))
    exits = (find_record(store, Exit, key) for key in keys if key.endswith("/exit.json"))
    return next((left.message for left in exits if left is not None and left.outcome == "failed"), "")
