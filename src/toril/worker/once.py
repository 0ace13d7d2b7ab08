"""Setup and teardown: scripts of the suite that run once in a run, in one worker, and the values that setup gives.

The begin of a step is written once, so that no take-over, replaced worker or doubled task repeats it. The other workers
wait for its end during their preparation.
"""

import csv
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from toril.clock import Clock, retry
from toril.engines import tail_of
from toril.errors import InfrastructureError, StoreError, UserError
from toril.records import OnceScript, Plan, Step, StepRecord, given_key, step_key
from toril.secrets.masking import names_a_secret
from toril.secrets.redaction import SHORTEST
from toril.store import Store
from toril.store.records import find_record
from toril.suite.fetch import inside
from toril.suite.reader import mapping_at
from toril.suite.settings import RESERVED, VARIABLE
from toril.worker.hiding import may_be_secret
from toril.worker.processes import kill_group, lead_a_group_and_die_with_parent

MOST_BYTES = 1 << 20
MOST_VARIABLES = 200
PATIENCE_S = 60.0  # for one write to a bucket
RETRY_S = 1.0
Value = TypeVar("Value")
Given = dict[str, Any]  # variables, and lists of rows by the names of data files


@dataclass(frozen=True, slots=True)
class Once:
    """The steps of a run, for one attempt of one worker. `hidden` removes secrets from messages."""

    store: Store
    plan: Plan
    worker: str
    attempt: str
    clock: Clock
    hidden: Callable[[str], str] = str

    def given(self, set_up: Callable[[], Any]) -> Given:
        """Returns the values of the run's setup, which runs first if this is its worker; {} without setup.

        InfrastructureError if it failed, or its worker was lost.
        """
        if self.plan.setup is None:
            return {}
        return dict(self.shared("setup", self.plan.step_worker, lambda: checked(set_up(), self.plan.files)))

    def shared(self, step: str, worker: str, make: Callable[[], Any]) -> Any:
        """Returns what `make` returned in `worker`, the only one that calls it, and once only.

        InfrastructureError if it failed there, or that worker was lost.
        """
        if self.worker == worker and self._begins(step, worker):
            key = given_key(self.plan.run_id, f"{worker}/{step}.json")
            self._run(step, worker, lambda: self._write(key, json.dumps(make()).encode()))
        ended = self._await(step, worker, self.plan.pace.ready_timeout_s)
        if ended is None or ended.failure:
            lost = f"worker {worker} was lost before the end of its script"
            raise failed("setup", lost if ended is None else ended.failure.removeprefix("setup: "))
        return self._stored(step, worker)

    def tear_down(self, run: Callable[[Given], None]) -> None:
        """Runs teardown with the values of setup, unless another process of this attempt does: then awaits its end."""
        worker = self.plan.step_worker
        if self.plan.teardown is None:
            return
        if self._begins("teardown", worker):
            self._run("teardown", worker, lambda: run(self._stored("setup", worker) or {}))
        else:
            self._await("teardown", worker, self.plan.teardown.limit_s + PATIENCE_S)

    def _begins(self, step: str, worker: str) -> bool:
        """Returns whether this process is the first to begin the step."""
        begin = StepRecord(worker=self.worker, attempt=self.attempt, at=self.clock.now(), instance=secrets.token_hex(8))
        return self._write(step_key(self.plan.run_id, worker, step, "begun"), begin.to_json())

    def _run(self, step: str, worker: str, act: Callable[[], object]) -> None:
        failure = ""
        try:
            act()
        except Exception as error:  # whatever it is, others wait for the end
            failure = self.hidden(str(error) if isinstance(error, UserError) else f"{step}: {error!r}")
        end = StepRecord(worker=self.worker, attempt=self.attempt, at=self.clock.now(), failure=failure)
        self._write(step_key(self.plan.run_id, worker, step, "ended"), end.to_json())

    def _stored(self, step: str, worker: str) -> Any:
        """Returns what a step gave; None if it gave nothing."""
        key = given_key(self.plan.run_id, f"{worker}/{step}.json")
        data = self._patiently(lambda: self.store.find(key))
        return None if data is None else json.loads(data)

    def _await(self, step: str, worker: str, within_s: float) -> StepRecord | None:
        """Returns the end of a step; None if it does not come in time, or its worker has another attempt by now."""
        begun, ended = (step_key(self.plan.run_id, worker, step, name) for name in ("begun", "ended"))
        give_up_at = self.clock.now() + within_s
        while (record := self._find(ended)) is None and self.clock.now() <= give_up_at:
            by = self._find(begun) if self.worker == worker else None
            if by is not None and by.attempt != self.attempt:
                return self._find(ended)
            self.clock.sleep(max(self.plan.pace.poll_s, 0.1))
        return record

    def _find(self, key: str) -> StepRecord | None:
        return self._patiently(lambda: find_record(self.store, StepRecord, key))

    def _write(self, key: str, data: bytes) -> bool:
        """Writes once; returns False if another process was faster."""
        return self._patiently(lambda: self.store.put_once(key, data) or self.store.find(key, len(data)) == data)

    def _patiently(self, act: Callable[[], Value]) -> Value:
        until = self.clock.now() + PATIENCE_S

        def after(error: Exception, _failures: int) -> float | None:
            again = isinstance(error, StoreError) and self.plan.on != "local" and self.clock.now() < until
            return RETRY_S if again else None

        return retry(act, after, self.clock)


def call(
    script: OnceScript, step: Step, argument: Given | None, suite: Path, scratch: Path, env: Mapping[str, str]
) -> Any:
    """Returns what the function `step` of a script returns, in a process of its own in the suite's folder.

    Its output goes into `<step>.log` in `scratch`. InfrastructureError if it fails, exceeds its limit, or ends without
    a result.
    """
    log, result, given = scratch / f"{step}.log", scratch / f"{step}.json", scratch / "given.json"
    scratch.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-m", "toril.worker.call", script.script, step, str(result)]
    if argument is not None:
        given.write_text(json.dumps(argument), encoding="utf-8")
        command.append(str(given))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=suite,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lead_a_group_and_die_with_parent,
        )
        try:
            code = process.wait(script.limit_s)
        except subprocess.TimeoutExpired:
            text = f"{script.script}: it did not end within its time limit of {script.limit_s:g} s"
            raise failed(step, f"{text}; raise `time-limit`") from None
        finally:
            kill_group(process.pid)
            process.wait()
    if code or not result.is_file():
        said = tail_of(log, 1).strip() if code else "it ended without a result"
        raise failed(step, f"{script.script}: {said or f'exit code {code}'}")
    if result.stat().st_size > MOST_BYTES:
        raise failed(step, f"{script.script}: it returned more than {MOST_BYTES:,} bytes")
    return json.loads(result.read_text(encoding="utf-8"))


def checked(values: Any, files: Container[str]) -> Given:
    """Returns what setup returned; InfrastructureError unless all workers can use it. `files`: those of the suite."""
    if not isinstance(values, dict):
        raise failed("setup", 'it returned no dict; return one such as {"id": 7}')
    if len(values) > MOST_VARIABLES:
        raise failed("setup", f"it returned {len(values):,} values, and {MOST_VARIABLES} at most; use a list of rows")
    for name, value in values.items():
        if not isinstance(value, list):
            if not VARIABLE.fullmatch(name) or RESERVED.fullmatch(name):
                raise failed("setup", f"`{name[:60]}` is no usable name of a variable; choose another one")
            if not _is_text(value):
                raise failed("setup", f"`{name}` is no text, number or boolean without NUL characters")
        elif name not in files:
            raise failed("setup", f"`{name[:60]}` is a list, but no file of the suite; add a CSV file with its header")
        elif not value or not all(isinstance(row, dict) and row.keys() == value[0].keys() for row in value):
            raise failed("setup", f"`{name}` needs rows as dicts with the same keys, at least one")
        elif not value[0] or not all(_is_text(cell) for row in value for cell in row.values()):
            raise failed("setup", f"`{name}` has a cell that is no text, number or boolean")
    return values


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and "\0" not in str(value)


def failed(step: Step, text: str) -> InfrastructureError:
    """Returns the error of a step."""
    return InfrastructureError(f"{step}: {text}", code="setup-failed" if step == "setup" else "teardown-failed")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def variables_of(given: Given) -> dict[str, str]:
    """Returns the variables among the values that setup gave."""
    return {name: _shown(value) for name, value in given.items() if not isinstance(value, list)}


def write_rows(given: Given, suite: Path) -> None:
    """Writes each list of rows as a CSV file in the place of the suite's."""
    for name, rows in given.items():
        if isinstance(rows, list):
            with inside(suite, name).open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0], lineterminator="\n")
                writer.writeheader()
                writer.writerows({key: _shown(cell) for key, cell in row.items()} for row in rows)


def hidden_of(given: Given) -> tuple[list[str], list[str]]:
    """Returns values that people must not see: of variables (but words, addresses and short ones), and of rows."""

    def hidden(name: str, value: str) -> bool:
        return len(value) >= SHORTEST if names_a_secret(name) else may_be_secret(value)

    rows = [row for rows in given.values() if isinstance(rows, list) for row in rows]
    cells = {_shown(cell) for row in rows for key, cell in row.items() if names_a_secret(key)}
    variables = [value for name, value in variables_of(given).items() if hidden(name, value)]
    return variables, sorted(cell for cell in cells if len(cell) >= SHORTEST)


def texts_in(value: Any, name: str = "") -> Given:
    """Returns the texts in a JSON value, by the names of their places."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {place: text for key, part in inner for place, text in texts_in(part, f"{name}_{key}").items()}
    return found | ({name: value} if isinstance(value, str) else {})


def environment_of(plan: Plan, environment: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Returns a script's environment: the worker's, `settings.env` of the suite, and `values`."""
    known = {**environment, **values}
    for name, value in mapping_at(plan.common, "settings", "env").items():
        if value is not None:
            known[str(name)] = re.sub(r"\$\{(\w+)\}", lambda match: known.get(match[1], match[0]), str(value))
    return known
