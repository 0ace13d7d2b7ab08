"""Reads results that another tool writes or has written: a growing file, without a process of its own.

The load ends when the file has not grown for `results-timeout` (10 s by default). Incomplete rows count as unreadable.

The first records decide between two kinds of files:

- A file that the tool writes during the run. Its times count as they are.
- A recording, which begins before this execution. All its times are moved by the same amount, so that its first request
  is sent when the execution begins. Without `recorded: true` in the execution, a recording older than this worker is
  an error.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from glob import glob
from pathlib import Path
from typing import ClassVar

from bzt import TaurusConfigError
from bzt.engine import ScenarioExecutor
from bzt.modules.external import ExternalResultsLoader
from bzt.utils import dehumanize_time

from toril.engines import Batch
from toril.engines.base import Engine
from toril.engines.external.formats import UnknownFormatError, reader_of
from toril.engines.readers import RecordReader, batch_of

WAIT_FOR_FILE_S = 30.0
RESULTS_TIMEOUT_S = 10.0
COARSEST_S = 1.0  # some tools write whole seconds


class Executor(Engine, ExternalResultsLoader):  # type: ignore[misc]  # bzt has no types
    parks: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._path: Path | None = None
        self._found: RecordReader | None = None
        self._moved_s: float | None = None  # None: nothing has been read yet
        self._prepared_at = 0.0  # before any service of the suite could write results
        self._begun_at = self._grew_at = float("inf")
        self._size = -1
        self._waits_s, self._timeout_s = WAIT_FOR_FILE_S, RESULTS_TIMEOUT_S
        self._failure: str | None = None
        self._ended = False

    @property
    def resolution_us(self) -> int:  # type: ignore[override]  # known once the file is
        return self._found.resolution_us if self._found else 1000

    def prepare(self) -> None:
        ScenarioExecutor.prepare(self)
        self._read_options()
        if not (self.data_file or self._data_file_pattern):
            raise TaurusConfigError("the results loader has no file. Set `data-file` or `data-file-pattern`")
        self._waits_s = self._option("wait-for-file", WAIT_FOR_FILE_S)
        self._timeout_s = self._option("results-timeout", RESULTS_TIMEOUT_S)
        self._prepared_at = time.time()

    def _option(self, name: str, default: float) -> float:
        return float(dehumanize_time(self.execution.get(name, self.settings.get(name, default))))

    def startup(self) -> None:
        self._begun_at = float(self.context.gate.read_text())
        self._check_file()

    def check(self) -> bool:
        """Returns whether the file is complete; `batches` reads once more after it."""
        if not self._ended and not self._failure:
            self._check_file()
        now = time.time()
        if self._found is None and not self._failure and not self.asked_to_end and now > self._begun_at + self._waits_s:
            wanted = self.data_file or self._data_file_pattern
            what = "had no complete line" if self._path else "did not appear"
            fix = "Correct the path, or raise `wait-for-file`"
            self._failure = f"the results file {wanted} {what} within {self._waits_s:g} s. {fix}"
        quiet = self._found is not None and now > self._grew_at + self._timeout_s
        self._ended = self._ended or self.asked_to_end or quiet or self._failure is not None
        return self._ended

    def _check_file(self) -> None:
        """Find the file and its format, and check whether it has grown."""
        try:
            self._path = self._path or self._newest()
            if self._path is None:
                return
            status = self._path.stat()
            if status.st_size < self._size:
                self._failure = f"the results file {self._path} shrank during the run. Make its tool append only"
            if status.st_size != self._size:
                self._grew_at = status.st_mtime if self._size < 0 else time.time()
                self._size = status.st_size
            self._found = self._found or reader_of(self._path)
        except UnknownFormatError as error:
            self._failure = f"the results file {self._path} {error}"
        except OSError as error:
            self._failure = f"cannot read the results file {self._path}: {error.strerror}"

    def _newest(self) -> Path | None:
        """Returns the file; with a pattern the last match by name, as in bzt, once it is not empty."""
        if self.data_file:
            path = Path(self.engine.find_file(self.data_file))
            return path if path.is_file() else None
        matching = sorted(glob(self._data_file_pattern))  # noqa: PTH207 - it may be absolute
        return Path(matching[-1]) if matching and Path(matching[-1]).stat().st_size else None

    def batches(self, final: bool) -> Iterator[Batch]:
        if self._found is None:
            return
        first_pass, newest_s = self._moved_s is None, 0.0
        for records in self._found.read(final):
            newest_s = max(newest_s, *(record.started_s + record.response_us / 1e6 for record in records))
            if self._moved_s is None:
                first_s = min(record.started_s for record in records)
                if first_s < self._prepared_at - COARSEST_S and not self.execution.get("recorded"):
                    self._refuse(first_s)
                    return
                self.recorded = first_s < self._begun_at
                self._moved_s = self._begun_at - first_s if self.recorded else 0.0
                self.log.info("Results of %s begin %.3f s from the start", self._path, first_s - self._begun_at)
            yield batch_of(records, self._moved_s)
        if first_pass and newest_s:
            self._grew_at = min(self._grew_at, newest_s)  # the file itself may be a newer copy

    def _refuse(self, first_s: float) -> None:
        age = f"{datetime.fromtimestamp(first_s, UTC):%Y-%m-%d %H:%M:%S} UTC, before this run"
        self._failure = (
            f"the results file {self._path} begins at {age}. To judge an earlier run's results, add `recorded: true` "
            "to the execution"
        )

    def virtual_users(self) -> int | None:
        return self._found.users if self._found and not self.recorded else None

    def unreadable(self) -> int:
        return self._found.unreadable if self._found else 0

    def failure(self) -> str | None:
        return self._failure
