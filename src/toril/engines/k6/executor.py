"""k6, which users install themselves: starts it paused, resumes it at the gate, and reads its CSV file.

Load keys of the suite replace the script's own load and are divided among workers. Without load keys the script's load
runs: each worker gets an execution segment, by which k6 itself divides virtual users, iterations and arrival rates.
The script's thresholds, which k6 judges on each worker's part of the samples, are the script's own verdict, but for
those that are criteria of the run (`toril.suite.k6`).

k6 cannot let requests finish at an early end: it interrupts iterations, and requests in flight are unfinished. The
same happens at an end that the script itself asks for.

The results do not tell the kinds of the script's own metrics. The scripts' texts do, or k6 itself while it runs.
"""

import contextlib
import json
import math
import os
import re
import shlex
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from bzt import TaurusConfigError, ToolError
from bzt.engine import ScenarioExecutor
from bzt.modules.k6 import K6Executor

from toril.engines import Batch, InFlight, LoadFacts, Sends, tail_of
from toril.engines.base import Engine
from toril.engines.in_process import wait_at_gate
from toril.engines.k6.csv import K6Reader
from toril.engines.k6.debug import DEBUG, K6Debug
from toril.engines.readers import batch_of, keep, keeper_of
from toril.errors import InfrastructureError, UserError
from toril.suite.k6 import own_metrics, thresholds_in

PAUSED = (4, "PausedBeforeRun")  # the API's status once all virtual users are initialised
POLL_S = 0.02
SETUP_S = 170.0  # for setup(), less than a worker has until it must be ready
UNBOUNDED = "24h"  # otherwise k6 ends iterations after ten minutes
CROSSED, ABORTED = 99, 108  # exit codes after crossed thresholds, and after the script's `test.abort()`
ON_METRICS = re.compile(r"thresholds on metrics '([^']*)'")
ABORTS = "has abortOnFail enabled"
RAISED = re.compile(r'\bscenario"?[=:]"?([\w-]+)"?[ ,]"?source"?[=:]"?stacktrace\b')  # as text, and in a try as JSON
# A value such as NaN: k6 logs it and adds nothing
NOT_ADDED = re.compile(r"is an invalid value for metric|no value was provided for metric")
USERS_REPORTED_EVERY_S = 1.0
OF_PROTOCOLS = re.compile(r"(?:ws|grpc|browser)_")  # built-in metrics
ENVIRONMENT = {"K6_CSV_TIME_FORMAT": "unix_nano", "K6_CSV_SAVE_INTERVAL": "200ms", "K6_NO_USAGE_REPORT": "true"}
NO_BODIES = "k6 records neither headers nor bodies during a run."
MISSING = (
    "k6 is not installed. toril does not ship it, because it is under the AGPL. Put it on PATH, or set modules.k6.path "
    "to it; in an image of your own, use `COPY --from=grafana/k6 /usr/bin/k6 /usr/local/bin/k6`"
)


class Executor(Engine, K6Executor):  # type: ignore[misc]  # bzt has no types
    tool_name = "k6"

    def __init__(self) -> None:
        super().__init__()
        self._program = ""
        self._port = 0
        self._reader = K6Reader(Path())
        self._interrupted = False
        self._resumed_at: float | None = None
        self._setup_failure = ""
        self._undone = 0  # iterations of the suite that never began

    def prepare(self) -> None:
        ScenarioExecutor.prepare(self)
        self._program = self._find()
        self.script = self.get_script_path()
        if not self.script:
            raise TaurusConfigError("k6 has no script. Set `script` in the scenario")
        self.open_outputs("k6")
        self.kpi_file = self.engine.create_artifact("kpi", ".csv")
        declared = own_metrics(Path(self.script).read_text(errors="replace"))
        counters = [name for name, kind in declared.items() if kind == "counter"]
        self._reader = K6Reader(Path(self.kpi_file), self._kind_of, self.context.request_tags, counters)
        self._reader.without_setup = self.context.shared_setup is not None
        self._kinds: dict[str, str] = {}
        for path in (*self.context.suite.rglob("*.[jt]s"), *self.context.suite.rglob("*.mjs"), Path(self.script)):
            self._kinds |= own_metrics(path.read_text(errors="replace"))
        self._keeper = keeper_of(self.context)
        self._debug = K6Debug(self.context.folder, self._keeper.most_of_body)
        if self.context.tried:
            self.stderr.close()
            self.stderr = self._debug.open()

    def _kind_of(self, metric: str) -> str | None:
        """Returns the kind of one of the script's metrics; "" if unknown, None for k6's own of other protocols."""
        if metric not in self._kinds and OF_PROTOCOLS.match(metric):
            return None
        if metric not in self._kinds:
            answer = self._call("GET", path="metrics") or {}
            known = {one["id"]: one["attributes"]["type"] for one in answer.get("data", ())}
            self._kinds[metric] = known.get(metric, "")
        return self._kinds[metric]

    def _find(self) -> str:
        configured = str(self.settings.get("path", "") or "")
        program = shutil.which(Path(configured).expanduser() if configured else "k6")
        if not program:
            raise ToolError(f"modules.k6.path: `{configured}` does not exist. {MISSING}" if configured else MISSING)
        return program

    def startup(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.env.set(ENVIRONMENT)
        own = ["--paused", "--address", f"127.0.0.1:{self._port}", "--out", f"csv={self.kpi_file}"]
        own += ["--quiet", "--no-color", *(DEBUG if self.context.tried else ())]
        if (shared := self.context.shared_setup) is not None:  # the worker of setup() also runs teardown()
            own += ["--no-setup"] if shared.here else ["--no-setup", "--no-teardown"]
        users = shlex.split(str(self.settings.get("cmdline", "") or ""))
        self.process = self._execute([self._program, "run", *own, *self._load(), *users, self.script])
        threading.Thread(target=self._open_at_the_gate, name="k6", daemon=True).start()

    def _load(self) -> list[str]:
        """Returns the options for the load and its length."""
        segment = self.context.share.segment
        if segment is not None:
            return ["--execution-segment", segment.own, "--execution-segment-sequence", segment.whole]
        users, planned, length_s = self.context.share.concurrency or 1, self.context.planned, self.context.length_s
        if planned.ramp_up_s:
            hold_s = length_s - planned.ramp_up_s
            stages = [(planned.ramp_up_s, users), *([(hold_s, users)] if hold_s > 0 else [])]
            return ["--vus", "0", *(word for s, n in stages for word in ("--stage", f"{_seconds(s)}:{n}"))]
        load = ["--vus", str(users), "--duration", _seconds(length_s) if length_s else UNBOUNDED]
        return [*load, "--iterations", str(users * planned.iterations)] if planned.iterations else load

    def _open_at_the_gate(self) -> None:
        """Report k6 as parked once it is paused and initialised, and resume it at the gate's time (in a thread)."""
        while self.process.poll() is None and not self._is_paused():
            time.sleep(POLL_S)
        if self.process.poll() is not None:
            return
        try:
            self._share_setup()
        except UserError as error:
            self._setup_failure = str(error)
            self.process.kill()
            return
        wait_at_gate(self.context.folder)
        self._call("PATCH", {"data": {"type": "status", "id": "default", "attributes": {"paused": False}}})
        self._resumed_at = time.time()

    def _share_setup(self) -> None:
        """Run the script's setup() in one worker, before the load, and give its result to the k6 of each worker."""
        if self.context.shared_setup is not None:
            self._call_setup("PUT", self.context.shared_setup.run(lambda: self._call_setup("POST", None)))

    def _call_setup(self, method: str, content: Any) -> Any:
        answer = self._call(method, content, "setup", within_s=SETUP_S)
        if not isinstance(answer, dict) or "data" not in answer:
            errors = answer.get("errors") if isinstance(answer, dict) else None
            what = errors[0].get("detail") if errors else f"k6 did not answer within {SETUP_S:g} s"
            raise InfrastructureError(f"setup: {Path(self.script).name}: {what}", code="setup-failed")
        return answer["data"]["attributes"].get("data")

    def _is_paused(self) -> bool:
        status = self._call("GET")
        attributes = status.get("data", {}).get("attributes", {}) if isinstance(status, dict) else {}
        return attributes.get("status") in PAUSED

    def _call(self, method: str, content: Any = None, path: str = "status", within_s: float = 5.0) -> Any:
        """Returns the response of k6's API; None while it is not listening."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=within_s)
        with contextlib.closing(connection), contextlib.suppress(OSError, HTTPException, ValueError):
            body = None if content is None else json.dumps(content)
            connection.request(method, f"/v1/{path}", body, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        return None

    def cut_off(self) -> None:
        if not self._interrupted:
            self.end(0.0)

    def end(self, within_s: float) -> None:
        self._interrupted = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGINT)

    def batches(self, final: bool) -> Iterator[Batch]:
        for records in self._reader.read(final):
            yield batch_of(keep(records, self._keeper, NO_BODIES, self._debug.next_of))

    def sends(self) -> Iterator[Sends]:
        """Returns the dropped sends of the script's own arrival rates; k6 does not report lateness."""
        dropped, self._reader.dropped = self._reader.dropped, []
        for at_s, count in dropped:
            if self.context.planned.iterations:
                self._undone += count  # iterations of the fixed number that did not begin in time
            else:
                yield Sends(at_s=at_s, late_us=None, late_p90_us=None, dropped=count)

    def virtual_users(self) -> int | None:
        return self._reader.users

    def unfinished(self) -> Iterable[InFlight]:
        """Returns at most one request for each virtual user: k6 does not report the requests that it interrupts."""
        users = self._reader.users or 0
        cut = self._interrupted or self.exit_code == ABORTED or ABORTS in self._verdict
        return [InFlight(label="", count=users, waited_s=0.0)] if cut and users else []

    @cached_property
    def _verdict(self) -> str:
        """The end of k6's log, if thresholds were crossed."""
        return "" if self.exit_code != CROSSED else tail_of(getattr(self.stderr, "name", None))

    def facts(self) -> LoadFacts:
        first = self._reader.first_users_at  # k6's first count of users; they may have started since the previous one
        seen = (self._resumed_at, None if first is None else first - USERS_REPORTED_EVERY_S)
        return LoadFacts(
            begun_at=max((at for at in seen if at is not None), default=None),
            unfinished_users=math.ceil(self._undone / max(1, self.context.planned.iterations or 0)),
            script_errors=Counter(f"{name}: exception" for name in self._logged(RAISED)),
            script_failed=self._crossed(),
        )

    def _crossed(self) -> str:
        """Returns which thresholds were crossed that are no criteria of the run."""
        if not self._verdict:
            return ""
        names = match[1].split(", ") if (match := ON_METRICS.search(self._verdict)) else ["see its log"]
        aborted = ABORTS in self._verdict
        judged = thresholds_in(Path(self.script), self.context.request_tags).judged
        kept = [name for name in names if aborted or name not in judged]
        crossed = f"this worker's part of the load crossed thresholds of the k6 script: {', '.join(kept)}"
        return "" if not kept else f"{crossed}; abortOnFail ended the script" if aborted else crossed

    def _logged(self, pattern: re.Pattern[str]) -> list[str]:
        """Returns what the pattern finds in k6's log.

        k6 logs an exception that ends an iteration, which counts as complete.
        """
        with contextlib.suppress(OSError), Path(self.stderr.name).open(errors="replace") as lines:
            return [found for line in lines for found in pattern.findall(line)]
        return []

    def unreadable(self) -> int:
        return self._reader.unreadable + len(self._logged(NOT_ADDED))

    def exit_message(self) -> str:
        return (self._debug.errors() if self.context.tried else "") or super().exit_message()

    def failure(self) -> str | None:
        if self._setup_failure:
            return self._setup_failure
        return None if self.exit_code == CROSSED or self._interrupted else super().failure()


def _seconds(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"
