"""Runs bzt's executors that have no engine module here: bzt's own readers deliver the samples, at bzt's resolution.

Times are whole seconds and durations whole milliseconds, so the bounds of the steady state may be off by a second.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from toril.engines import Batch, EngineContext
from toril.engines.base import Engine

ROWS_PER_BATCH = 20_000


class GenericEngine(Engine):
    """An `Engine` around bzt's executor and the readers it hands to bzt's aggregator."""

    parks: ClassVar[bool] = False
    resolution_us = 1000

    def __init__(self, executor: Any, context: EngineContext, readers: list[Any]) -> None:
        self._executor, self.tool_name = executor, type(executor).__name__
        self.context = context
        self._readers = readers
        self._users: int | None = None

    @property
    def process(self) -> Any:
        return getattr(self._executor, "process", None)

    def startup(self) -> None:
        self._executor.startup()

    def check(self) -> bool:
        return bool(self._executor.check())

    def post_process(self) -> None:
        self._executor.post_process()

    def batches(self, final: bool) -> Iterator[Batch]:
        rows = []
        for reader in self._leaves():
            for row in reader._read(final):
                if row is None:
                    break
                rows.append(row)
                if len(rows) == ROWS_PER_BATCH:
                    yield self._batch(rows)
                    rows = []
            if hasattr(reader, "buffer"):
                reader.buffer = {0: 1}  # bzt's executors check it for results
        if rows:
            yield self._batch(rows)

    def virtual_users(self) -> int | None:
        return self._users

    def end(self, within_s: float) -> None:
        self.asked_to_end = True
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def last_output(self) -> str:
        return "\n".join(self._executor.get_error_diagnostics() or [])[-600:]

    def _leaves(self) -> list[Any]:
        leaves, waiting = [], list(self._readers)
        while waiting:
            reader = waiting.pop()
            inner = getattr(reader, "underlings", None)
            waiting += inner or []
            if inner is None and hasattr(reader, "_read"):
                leaves.append(reader)
        return leaves

    def _batch(self, rows: list[Any]) -> Batch:
        second, label, users, response_s, connect_s, latency_s, rc, error, _, size = zip(*rows, strict=True)
        self._users = users[-1] or None  # some readers have no users
        completed = np.array(second, np.float64)
        response_us = _microseconds(response_s)
        return Batch(
            started_s=completed - response_us / 1e6,
            completed_s=completed,
            label=np.array([str(text) for text in label], object),
            kind=np.full(len(rows), "request", object),
            ok=np.array([text is None for text in error], np.bool_),
            rc=np.array([str(code or "") for code in rc], object),
            message=np.array([str(text or "") for text in error], object),
            response_us=response_us,
            ttfb_us=_microseconds(latency_s),
            connect_us=_microseconds(connect_s),
            bytes=np.array([count or 0 for count in size], np.int64),
        )


def _microseconds(seconds: Any) -> Any:
    return np.rint(np.array([value or 0 for value in seconds], np.float64) * 1e6).astype(np.int64)
