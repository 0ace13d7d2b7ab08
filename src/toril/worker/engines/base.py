"""Parts that several engines' executors have in common."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from bzt.engine import ScenarioExecutor

from toril.worker.disk import put_whole
from toril.worker.engines import Batch, EngineContext, Facts, Sends, Unfinished, tail_of
from toril.worker.engines.in_process import LATE, NOT_SAMPLES, UNWRITTEN, USERS
from toril.worker.engines.readers import RowFile


class EngineBase:
    """Defaults of an `Engine`: one process, no report of late sends, users or unfinished requests.

    It stands before bzt's executor among the base classes, because it replaces that one's `check` and `post_process`.
    """

    tool_name: ClassVar[str]
    context: EngineContext
    process: Any
    stdout: Any
    stderr: Any

    def check(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def post_process(self) -> None:
        ScenarioExecutor.post_process(self)

    def batches(self, final: bool) -> Iterator[Batch]:
        yield from ()

    def sends(self) -> Iterator[Sends]:
        yield from ()

    def virtual_users(self) -> int | None:
        return None

    def unfinished(self) -> Iterable[Unfinished]:
        return ()

    def facts(self) -> Facts:
        return Facts()

    def unreadable(self) -> int:
        return 0

    @property
    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else None

    def exit_message(self) -> str:
        """The exit code, and the last lines of both outputs."""
        outputs = (tail_of(getattr(one, "name", None)) for one in (self.stderr, self.stdout))
        return f"{self.tool_name} ended with exit code {self.exit_code}: " + "\n".join(filter(None, outputs))


class RowEngine(EngineBase):
    """An engine whose process writes a `RowFile`, and ends the load when the folder has a file `end`.

    Its rows have the columns `bytes`, `label` and `outcome`, among others. Subclasses convert them (`_batch`, `_late`).
    """

    row: ClassVar["np.dtype[Any]"]
    rows_per_batch: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.process = None
        self._users: int | None = None
        self._sends: list[Sends] = []
        self._asked_to_end = False

    @cached_property
    def _file(self) -> RowFile:
        return RowFile(self.context.folder, self.row, self.rows_per_batch)

    def post_process(self) -> None:
        super().post_process()
        self._file.close()

    def end(self, within_s: float) -> None:
        self._asked_to_end = True
        put_whole(self.context.folder / "end", repr(within_s))

    def batches(self, final: bool) -> Iterator[Batch]:
        for rows in self._file.read(final):
            samples = rows["label"] < NOT_SAMPLES
            if not samples.all():
                self._read_others(rows[~samples])
                rows = rows[samples]
            if len(rows):
                yield self._batch(rows)

    def _read_others(self, rows: Any) -> None:
        users = rows["bytes"][rows["label"] == USERS]
        if users.size:
            self._users = int(users[-1])
        for row in rows[rows["label"] == LATE]:
            self._sends.append(self._late(row))

    def _batch(self, rows: Any) -> Batch:
        raise NotImplementedError

    def _late(self, row: Any) -> Sends:
        raise NotImplementedError

    def sends(self) -> Iterator[Sends]:
        while self._sends:
            yield self._sends.pop(0)

    def virtual_users(self) -> int | None:
        return self._users

    def unfinished(self) -> Iterable[Unfinished]:
        return self._file.unfinished

    def facts(self) -> Facts:
        return Facts(**self._file.facts)

    def unreadable(self) -> int:
        return self._file.unreadable

    def failure(self) -> str | None:
        if self.process is None or self._asked_to_end or self._file.ended:
            return None
        if self.exit_code == UNWRITTEN:
            why = "probably for want of room on the worker's disk; make room"
            return f"{self.tool_name} could not write its records, {why}"
        return self.exit_message()
