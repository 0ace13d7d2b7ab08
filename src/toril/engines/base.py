"""The base classes of all engines' executors."""

import importlib.util
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bzt import ToolError

from toril.aws.errors import AwsError
from toril.aws.signing import signing_keys
from toril.engines import Batch, EngineContext, FoundCase, InFlight, LoadFacts, Sends, advice_on, own_traceback, tail_of
from toril.engines.disk import write_atomically
from toril.engines.in_process import COLUMNS, LATE, NOT_SAMPLES, UNWRITTEN, USERS
from toril.engines.readers import CaseLines, RowFile
from toril.errors import InfrastructureError

RENEW_EACH_S = 30.0  # botocore renews keys more than ten minutes before they expire


class Engine:
    """A load engine's executor; the package's docstring describes its life.

    The defaults are those of an engine with one process that reports neither late sends, users nor unfinished requests.
    The class stands before bzt's executor among an engine's base classes, because it replaces some of its methods.
    """

    module_settings: ClassVar[Mapping[str, Any]] = {}  # the suite's own override them
    tool_name = ""
    parks: ClassVar[bool] = True
    single_threaded: ClassVar[bool] = False  # health compares its busiest process with one core
    reports_lateness: ClassVar[bool] = False  # whether `sends` returns lateness
    reports_work: ClassVar[bool] = False  # whether `sends` returns how busy the engine's busiest loop was
    switches: ClassVar[bool] = False  # whether it sends in `context.turns` only
    adjustable: ClassVar[bool] = False  # whether its rate can change during the load (`adjust`)
    requests_are_cases = False  # in a functional suite each request is a test case
    resolution_us = 1  # of its records
    recorded = False  # its samples come from an earlier run, moved into this one, and may lie in the future

    context: EngineContext
    engine: Any  # bzt's
    process: Any = None  # psutil.Popen; None before startup
    stdout: Any = None
    stderr: Any = None
    asked_to_end = False
    _renewed_at = -math.inf

    @cached_property
    def _keys(self) -> dict[Path, tuple[Callable[[], Mapping[str, str]], Mapping[str, str]]]:
        """The files with the keys that sign the requests: how to renew them, and those in the file."""
        return {}

    def startup(self) -> None:
        super().startup()  # type: ignore[misc]  # bzt's

    def start_wrapper(self, wrapper: Path, settings: Mapping[str, Any]) -> None:
        """Start the engine's own process, `wrapper`, which reads the settings from a file."""
        path = self.context.folder / "settings.json"
        path.write_text(json.dumps({"folder": str(self.context.folder), **settings}))
        own = self.settings.get("interpreter", sys.executable)  # type: ignore[attr-defined]
        self.process = self._execute([own, "-P", str(wrapper), str(path)])  # type: ignore[attr-defined]

    def kept_settings(self) -> dict[str, Any]:
        """Returns what the engine's process needs to keep requests (`keeping.py`) and to send a trace context."""
        keeping = self.context.keeping
        kept = None if keeping is None else keeping.model_dump()
        return {"keeping": kept, "traceparent": self.context.traceparent}

    def check(self) -> bool:
        """Returns whether the process has ended."""
        if self.process is None or self.exit_code is not None:
            return True
        if self.context.is_overdue(time.time()):
            self.cut_off()
        self.renew_keys()
        return False

    def signing(self, scenario: Any) -> dict[str, str] | None:
        """Returns what the engine's process needs to sign requests; None if the scenario does not ask for it.

        Keeps the file with the keys fresh from now on.
        """
        sign = scenario.get("sign")
        if not sign:
            return None
        region = str(sign.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "")
        if not region:
            text = "`sign` has no `region`, and neither AWS_REGION nor AWS_DEFAULT_REGION is set. Add `region`"
            raise InfrastructureError(text, code="no-region")
        keys = signing_keys(region, str(sign.get("role") or ""))
        path = self.context.folder / f"keys-{len(self._keys)}.json"  # both arms of a duet may have a role of their own
        known = keys()
        write_atomically(path, json.dumps(known))
        self._keys[path] = keys, known
        self._renewed_at = time.monotonic()
        return {"service": str(sign["service"]), "region": region, "credentials": str(path)}

    def renew_keys(self) -> None:
        """Keep the files with the keys that sign the requests fresh."""
        if not self._keys or time.monotonic() < self._renewed_at + RENEW_EACH_S:
            return
        self._renewed_at = time.monotonic()
        for path, (keys, known) in self._keys.items():
            try:
                fresh = keys()
            except AwsError as error:  # the known keys are valid for minutes
                self.log.warning("%s", error)  # type: ignore[attr-defined]  # bzt's
                continue
            if fresh != known:
                write_atomically(path, json.dumps(fresh))
                self._keys[path] = keys, fresh

    def cut_off(self) -> None:
        """End the requests in flight after the graceful stop; for engines that do not do so themselves."""

    def end(self, within_s: float) -> None:
        """End the load early: the process watches for this file in its folder."""
        self.asked_to_end = True
        write_atomically(self.context.folder / "end", repr(within_s))

    def adjust(self, at: float, rps: float) -> None:
        """Set the rate of all workers together from a time on (seconds since the epoch)."""

    def post_process(self) -> None:
        from bzt.engine import ScenarioExecutor  # takes a second: import it while the worker prepares

        ScenarioExecutor.post_process(self)

    def batches(self, final: bool) -> Iterator[Batch]:
        """Returns the samples of complete rows since the last call; `final` after the end of the process."""
        yield from ()

    @cached_property
    def _case_lines(self) -> CaseLines:
        return CaseLines(self.context.folder / "cases")

    def cases(self) -> Iterator[FoundCase]:
        """Returns the test cases of a functional suite that ended since the last call."""
        return self._case_lines.cases()

    def sends(self) -> Iterator[Sends]:
        """Returns the lateness since the last call; to be called after `batches`, which may read it."""
        yield from ()

    def virtual_users(self) -> int | None:
        """Returns the active users as the engine counts them, think time included; None if unknown."""
        return None

    def unfinished(self) -> Iterable[InFlight]:
        """Returns requests that are not samples, including failures that the end of the load caused."""
        return ()

    def facts(self) -> LoadFacts:
        """Returns facts about the load after its end."""
        return LoadFacts()

    def unreadable(self) -> int:
        """Returns the number of unreadable rows."""
        return self._case_lines.unreadable

    @property
    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else None

    def failure(self) -> str | None:
        """Returns why the process ended early, with its last output; None after a regular or requested end."""
        return None if self.asked_to_end or not self.exit_code else self.exit_message()

    def exit_message(self) -> str:
        """Returns how the process ended, and its last output; in a try only the script's own traceback, if it has one.

        The worker's folder is the suite's.
        """
        output = self.last_output()
        advice = advice_on(output)
        if self.context.tried and (own := own_traceback(output, Path.cwd())):
            return own + advice
        code = self.exit_code or 0
        how = f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            how += " (probably for lack of memory; raise `toril.worker.memory`)"
        return f"{self.tool_name} {how}: {output or 'it printed nothing'}{advice}"

    def last_output(self) -> str:
        """Returns the last lines of stderr and stdout, which may be one file."""
        names = [getattr(file, "name", None) for file in (self.stderr, self.stdout)]
        outputs = dict.fromkeys(tail_of(name, self.context.output_lines) for name in names)
        return "\n".join(filter(None, outputs))

    def require(self, module: str, extra: str = "worker") -> None:
        """Raise ToolError if this Python module is missing. Replaces bzt's call of pip at each start."""
        if importlib.util.find_spec(module) is None:
            raise ToolError(f"{self.tool_name} is not installed beside bzt. Install the extra `{extra}`")

    def open_outputs(self, name: str) -> None:
        """Open files for the process's output; bzt closes them."""
        self.stdout, self.stderr = (
            Path(self.engine.create_artifact(name, ending)).open("w")  # noqa: SIM115
            for ending in (".out", ".err")
        )


def not_installed(tool: str, version: str, home: Path, *, code: str) -> InfrastructureError:
    """Returns the error of a tool whose prepared folder, its home, does not exist."""
    fix = f"Run `make {tool.lower()}`, or set TORIL_{tool.upper()}_HOME to its folder"
    return InfrastructureError(f"{tool} {version} is not installed in {home}. {fix}", code=code)


class RowEngine(Engine):
    """An engine whose process writes a `RowFile`, by default with the rows of `in_process.RowWriter`.

    The columns `bytes`, `label` and `outcome` exist in all of them.
    """

    row: ClassVar["np.dtype[Any]"] = np.dtype(
        list(zip(COLUMNS, ("<f8", "<i8", "<i8", "<i8", "<u4", "<u4"), strict=True))
    )
    rows_per_batch: ClassVar[int] = 50_000
    reports_lateness: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._users: int | None = None
        self._sends: list[Sends] = []

    @cached_property
    def _file(self) -> RowFile:
        return RowFile(self.context.folder, self.row, self.rows_per_batch)

    def post_process(self) -> None:
        super().post_process()
        self._file.close()

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

    def _at_s(self, rows: Any) -> Any:
        """Returns the times of rows, or of one, in seconds since the epoch."""
        return rows["started_s"].astype(np.float64)

    def _batch(self, rows: Any) -> Batch:
        started_s, response_us = self._at_s(rows), rows["response_us"].astype(np.int64)
        named = self._file.named(rows)
        return Batch(
            started_s=started_s,
            completed_s=started_s + np.where(named.pop("lasts"), response_us, 0) / 1e6,
            response_us=response_us,
            ttfb_us=rows["ttfb_us"].astype(np.int64),
            connect_us=np.full(len(rows), -1, np.int64),
            bytes=rows["bytes"].astype(np.int64),
            **named,
        )

    def _late(self, row: Any) -> Sends:
        late_us, late_p90_us = int(row["response_us"]), int(row["ttfb_us"])
        return Sends(at_s=float(self._at_s(row)), late_us=late_us, late_p90_us=late_p90_us)

    def sends(self) -> Iterator[Sends]:
        while self._sends:
            yield self._sends.pop(0)

    def virtual_users(self) -> int | None:
        return self._users

    def unfinished(self) -> Iterable[InFlight]:
        return self._file.unfinished

    def facts(self) -> LoadFacts:
        return LoadFacts(**self._file.facts)

    def unreadable(self) -> int:
        return self._file.unreadable + super().unreadable()

    def failure(self) -> str | None:
        if self.process is None or self.asked_to_end or self._file.ended:
            return None
        if self.exit_code == UNWRITTEN:
            why = "probably because the worker's disk is full. Free some space, or raise toril.worker.storage"
            return f"{self.tool_name} could not write its records, {why}"
        if self.exit_code == 0:
            return f"the script ended {self.tool_name}'s process before the load was over. Remove its exit call"
        return self.exit_message()
