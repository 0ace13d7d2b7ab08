"""Apiritif's own process: parks it, times each request itself, writes a row for each, and ends it request by request.

Started by path (`python -P wrapper.py FILE`), so that it imports nothing of toril. FILE is JSON: folder, test,
generated, any_status, cases, concurrency, iterations, ramp_up_s, hold_for_s, steps, length_s, graceful_stop_s, keeping,
traceparent, tags. In the folder it writes `names` and `rows` (`in_process.RowWriter`), `exchanges` (`keeping.py`), and
test cases into `cases` if required.

A sample is a request made through Apiritif, redirects included, from its sending to the end of its body. A later
assertion about its response can still fail it, so its row is written when its test or smart transaction ends. A status
from 400 fails it unless the script has read the status by then, as assertions about it do. A transaction with requests
inside is a sample of its own kind. A transaction or test without any is measured itself, as in Taurus. An exception
that no request explains is a failed transaction named after its test. A skipped test is no sample.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated,assignment,method-assign,arg-type,union-attr"

import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections import Counter
from functools import lru_cache, partial
from http.client import responses as reasons
from pathlib import Path
from urllib.parse import unquote

import apiritif
import requests
from apiritif import csv, loadgen, store, thread
from apiritif.http import HTTPResponse
from apiritif.utils import NormalShutdown, graceful
from urllib3.exceptions import ReadTimeoutError

sys.path.append(str(Path(__file__).parents[1]))
import in_process  # type: ignore[import-not-found]

sys.path.pop()
KEEPING = in_process.load_module("keeping")
SAMPLES, TESTS = in_process.load_module("apiritif/samples"), in_process.load_module("apiritif/tests")
Sample, Frame = SAMPLES.Sample, SAMPLES.Frame
REQUEST_MARK, GROUP_MARK = SAMPLES.REQUEST_MARK, SAMPLES.GROUP_MARK

MISSING_VALUE = "missing-value"  # code of a request that was not sent
FLUSH_S = 0.1
EXIT_MARGIN_S = 0.5  # before the time to end is over
OVER = "the load is over"
ASSERTED_CHARS = 2000


class User(threading.local):
    """The state of one thread."""

    def __init__(self) -> None:
        self.pending = []  # samples whose test has not ended
        self.responses = {}  # id of a response → (the response, its sample)
        self.frames = []
        self.sent = None  # (started_s, took_s, ttfb_s) of the last request
        self.depth = 0
        self.recording = False  # whether Apiritif makes the request, and so records it
        self.measured = False  # whether the running test has samples yet
        self.failed = False  # whether a request of this iteration has failed
        self.unjudged = ""  # the running test's first response whose status the script did not judge
        self.iterations = 0  # begun
        self.without_row = False  # whether the last one found no row of its data
        self.began_s = time.time()  # the running test, or the time before the first one
        with RECORDS.lock:
            RECORDS.users.append(self.__dict__)


class SampleRecords:
    """Writes rows and facts of all threads under a lock; Apiritif's `writer` (`add`, `concurrency`)."""

    def __init__(self, folder) -> None:
        self.lock = threading.Lock()
        self.users = []  # the namespaces of all threads' `User`
        self.in_flight = {}  # thread → (label, started_s) of its request, until it is recorded
        self.concurrency = 0  # Apiritif's own count; unsynchronised threads change it, so it is not exact
        self.active = self._written_users = 0
        self.script_errors = Counter()
        self.missing_values = Counter()  # (label, variable) → successful responses without it
        self.begun_at = None
        self.unfinished_users = 0
        self._writer = in_process.RowWriter(folder, SETTINGS["tags"])

    def add(self, sample, test_count, success_count) -> None:
        """Record the samples of an ended test or smart transaction (Apiritif's `writer` interface)."""
        judge(USER.__dict__)
        unsent = not USER.pending and sample.status != "PASSED" and LOAD.over()
        if unsent or str(sample.error_msg or "").startswith(OVER):
            pass  # the end of the load cut it short: no failure
        elif sample.status == "SKIPPED":
            pass
        elif not USER.pending or (sample.status != "PASSED" and all(sample.ok for sample in USER.pending)):
            kind = "transaction" if USER.pending else "request"
            USER.pending.append(Sample(kind, sample.test_case, sample.start_time, sample.duration or 0))
            if sample.status != "PASSED":
                kind = sample.assertions[-1].name if sample.assertions else "AssertionError"
                words = sample.error_msg or ""
                USER.pending[-1].fail(words if kind == "AssertionError" and words else f"{kind}: {words}")
        self.settle(USER.__dict__)

    def settle(self, user) -> None:
        """Write the pending samples of a thread."""
        judge(user)
        with self.lock:
            user["measured"] |= bool(user["pending"])
            settled = list(user["pending"])
            user["failed"] |= any(sample.kind == "request" and not sample.ok for sample in settled)
            for sample in settled:
                own = sample.kind == "transaction" and not (sample.ok or user["failed"])
                self.script_errors[sample.label] += own and not SETTINGS["cases"]  # there it fails its test case
                self.missing_values.update((sample.label, name) for name in sample.missing if sample.ok)
            user["pending"].clear()
            user["responses"].clear()
        for sample in settled:
            self.write(sample)

    def test_failed(self, name, error, *, generated) -> None:
        """Record a failure that Apiritif does not: outside of smart transactions, or before the test began."""
        judge(USER.__dict__)
        if all(sample.ok for sample in USER.pending):
            began = "(" not in name  # else it is a fixture of a class or module, which is no request
            kind = "transaction" if not began or ((USER.measured or USER.pending) and not generated) else "request"
            rc, began_s = type(error).__name__ if generated else "", USER.began_s
            USER.pending.append(Sample(kind, name, began_s, time.time() - began_s, rc=rc))
            USER.pending[-1].fail(f"{type(error).__name__}: {error}")
        self.settle(USER.__dict__)

    def thread_failed(self, error) -> None:
        """Record an exception that a thread of the script left uncaught."""
        if isinstance(error, NormalShutdown):
            return
        sample = Sample("transaction", "thread: exception", time.time(), 0)
        sample.fail(f"{type(error).__name__}: {error}")
        with self.lock:
            self.script_errors[sample.label] += 1
        self.write(sample)

    def test_ended(self) -> None:
        """A test of this thread has ended."""
        USER.measured, USER.unjudged, USER.began_s = False, "", time.time()

    def iteration_begins(self) -> None:
        """This thread's user begins an iteration."""
        USER.failed, USER.began_s = False, time.time()
        USER.iterations += 1
        if USER.iterations == 1:
            with self.lock:
                self.active += 1
                self.begun_at = self.begun_at or USER.began_s

    def user_ends(self, wanted) -> None:
        """This thread's user ends; it counts as unfinished below `wanted` iterations, unless the load is over."""
        with self.lock:
            self.active -= bool(USER.iterations)
            self.unfinished_users += not LOAD.over() and USER.iterations - USER.without_row < wanted

    def write(self, row) -> None:
        """Write a final row."""
        with self.lock:
            outcome = (row.rc, row.message, row.ok)
            self._writer.sample(
                row.started_s, row.response_us, row.ttfb_us, row.bytes, row.label, row.kind, outcome, row.tags
            )
            step = KEEPER.everything and row.kind == "request"  # of a browser
            if KEEPER.on and (row.exchange is not None or not row.ok or step):
                why = KEEPER.wants(row.label, *outcome, row.response_us if row.kind == "request" else -1)
                if why:
                    KEEPER.keep(why, row.label, partial(exchange, row, why))

    def begin(self, at) -> None:
        with self.lock:
            self._writer.begin(at)

    def measured(self, kind, name, value, ok) -> None:
        """Record what the script has measured (`toril.metrics`)."""
        with self.lock:
            self._writer.measured(kind, SAMPLES.without_surrogates(name), value, ok)

    def late(self, second, max_us, p90_us) -> None:
        with self.lock:
            self._writer.late(second, max_us, p90_us)

    def flush(self) -> None:
        with self.lock:
            if self._written_users != self.active:
                self._written_users = self.active
                self._writer.users(time.time(), self.active)
            KEEPER.flush()
            self._writer.flush()

    def finish(self, ended_at, *, complete) -> None:
        """Write everything while threads may still run: requests without a response are unfinished."""
        in_flight = list(self.in_flight.values())  # before the samples: rather counted twice than lost
        for user in list(self.users):
            self.settle(user)
        facts = {
            "begun_at": self.begun_at,
            "ended_at": ended_at,
            "unfinished_users": self.unfinished_users,
            "script_errors": +self.script_errors,
            "missing_values": [(*key, count) for key, count in self.missing_values.most_common()],
        }
        with self.lock:
            for label, started_s in in_flight:
                self._writer.note("unfinished", label, 1, round(time.time() - started_s, 6))
            for name, value in facts.items():
                self._writer.note("fact", name, value)
            if complete:
                self._writer.note("end", "over")
        self.flush()


def judge(user) -> None:
    """Fail a thread's pending responses whose status from 400 the script has not read, and transactions around them."""
    for sample in user["pending"]:
        if sample.unjudged:
            sample.fail(sample.unjudged)
            user["unjudged"] = user["unjudged"] or f"{sample.label}: {sample.unjudged}"
            sample.unjudged = ""  # after a smart transaction, Apiritif ends no sample with its test
        elif not all(inner.ok for inner in sample.within):
            sample.fail("a request of the transaction failed")


def failed_request() -> str:
    """Returns the message of the running test's first response whose status the script did not judge; or ""."""
    judge(USER.__dict__)
    return USER.unjudged


def read_status(response) -> int:
    """Returns a response's status. The script judges the status itself, since it reads it."""
    known = USER.responses.get(id(response))
    if known is not None:
        known[1].unjudged = ""
    return int(response.__dict__["status_code"])


class SampleRecorder:
    """Replaces Apiritif's recorder: builds samples from its calls instead of a list of events."""

    def __init__(self, *, generated) -> None:
        self.generated = generated

    def record_http_request(self, method, address, request, response, session) -> None:
        size = len(response.content) + sum(len(name) + len(value) + 4 for name, value in response.headers.items())
        status = response.status_code
        sample = self._request(address, str(status), size, response)
        if status >= 400 and not SETTINGS["any_status"]:
            sample.unjudged = f"{status} {reasons.get(status, '')}".strip()
        if KEEPER.on:
            sample.exchange = response._request, response._response

    def record_http_request_failure(self, method, address, request, exception, session) -> None:
        if not isinstance(exception, NormalShutdown):
            in_body = bool(exception.args) and isinstance(exception.args[0], ReadTimeoutError)
            rc = "ReadTimeout" if in_body else type(exception).__name__
            sample = self._request(address, rc, 0, None)
            sample.fail(exception)
            if REUSE.lost(exception):
                sample.rc, sample.message = in_process.IDLE_CLOSED, in_process.IDLE_CLOSED_TEXT
            if KEEPER.on:
                sample.exchange = getattr(exception, "request", None) or request, None

    def _request(self, address, rc, size, response):
        started_s, took_s, ttfb_s = USER.sent or (time.time(), 0, -1e-6)
        USER.sent = None
        sample = Sample("request", label_of(address), started_s, took_s, rc=rc, ttfb_s=ttfb_s, size=size)
        sample.tags = in_process.tags_here()
        USER.pending.append(sample)
        for frame in USER.frames:
            frame.samples.append(sample)
        if response is not None:
            USER.responses[id(response)] = (response, sample)
        return sample

    def record_assertion(self, assertion_name, target_response, extras) -> None:
        known = USER.responses.get(id(target_response))
        if known is not None and KEEPER.on:
            known[1].asserted = (*known[1].asserted, (assertion_name, extras, ""))

    def record_assertion_failure(self, assertion_name, target_response, failure_message) -> None:
        known = USER.responses.get(id(target_response))
        if known is not None:
            known[1].fail(failure_message)
            if KEEPER.on:
                name, extras, _ = known[1].asserted[-1]
                known[1].asserted = (*known[1].asserted[:-1], (name, extras, failure_message))

    def record_transaction_start(self, tran) -> None:
        USER.frames.append(Frame(tran.name))

    def record_transaction_end(self, tran) -> None:
        frame = USER.frames.pop() if USER.frames else Frame(tran.name)
        if KEEPER.everything and frame.samples:
            frame.samples[-1].variables = variables_of(sys._getframe(1))
        message = str(tran.error_message or "")
        if self.generated and message.startswith("KeyError: "):  # of the script's variables
            message = f"{MISSING_VALUE}: no earlier response has brought {message.removeprefix('KeyError: ')}"
        if message.startswith(NormalShutdown.__name__):
            return  # cut short by the end of the load
        failed = tran.success is False
        if failed and not frame.samples and LOAD.over():
            return  # it needs the response of an earlier request, which the end of the load prevented
        if self.generated and frame.name.startswith((REQUEST_MARK, GROUP_MARK)):
            if failed and frame.name.startswith(REQUEST_MARK):
                self._failed_request(frame, tran, message)
            return
        kind = "transaction" if frame.samples else "request"
        timed_out = "TimeoutError" if message.startswith("Timeout") else ""  # a browser's step
        rc = str(tran.response_code() or timed_out)
        sample = Sample(kind, frame.name, tran.start_time(), tran.duration(), rc=rc)
        sample.within = tuple(frame.samples)
        if failed:
            sample.fail(message)
        USER.pending.append(sample)

    def _failed_request(self, frame, tran, message) -> None:
        """Record a failure of the code around a request: before its sending, or after its response (an extractor)."""
        if not frame.samples:
            label = frame.name[len(REQUEST_MARK) :]
            unsent = Sample("request", label, tran.start_time(), 0, rc=message.split(":")[0])
            for samples in (USER.pending, *(part.samples for part in (frame, *USER.frames))):
                samples.append(unsent)
        if all(sample.ok for sample in frame.samples):
            frame.samples[-1].fail(message)


def exchange(sample, why):
    """Returns a line of `keeping.py`."""
    outcome = (sample.rc, sample.message, sample.ok)
    asserted = [
        KEEPING.assertion(name, arguments_of(extras)[:ASSERTED_CHARS], wrong[:ASSERTED_CHARS])
        for name, extras, wrong in sample.asserted
    ]
    known = KEEPING.line(
        why, sample.kind, sample.label, outcome, sample.started_s, sample.response_us, sample.ttfb_us,
        asserted=asserted, variables=sample.variables,
    )  # fmt: skip
    if sample.exchange is None:
        return known
    return KEEPING.merged(known, KEEPING.requests_fields(*sample.exchange, KEEPER.most_of_body))


def arguments_of(extras):
    named = (f"{name}={value}" for name, value in extras.get("kwargs", {}).items())
    return ", ".join([*map(str, extras.get("args", ())), *named])


def variables_of(frame):
    """Returns the variables of the running test, `self.vars` as in generated scripts."""
    while frame is not None:
        variables = getattr(frame.f_locals.get("self"), "vars", None)
        if isinstance(variables, dict):
            return [(str(name), str(value)) for name, value in variables.items()]
        frame = frame.f_back
    return ()


def label_of(address):
    """Returns the suite's label in a generated script, the address in others."""
    if USER.frames and USER.frames[-1].name.startswith(REQUEST_MARK):
        return USER.frames[-1].name[len(REQUEST_MARK) :]
    return address


class ApiritifLoad:
    """When requests may be sent: until the end of the load."""

    def __init__(self, settings) -> None:
        self.length_s = settings["length_s"]
        self.ends_at = float("inf")
        self.kill_at = float("inf")
        self.ending = False
        self._graceful_stop_s = settings["graceful_stop_s"]

    def begin(self, at) -> None:
        if self.length_s:
            self.ends_at = at + self.length_s
            self.kill_at = self.ends_at + self._graceful_stop_s

    def admit(self) -> None:
        """Raise NormalShutdown, with which Apiritif ends a test, if the load is over."""
        if self.over():
            raise NormalShutdown(OVER)

    def over(self) -> bool:
        return self.ending or time.time() >= self.ends_at

    def watch(self) -> bool:
        """Check for a request to end early; returns True when the process should stop waiting."""
        if not self.ending and graceful():
            self.ending, self.ends_at = True, min(self.ends_at, time.time())
            within_s = float(Path(os.environ["GRACEFUL"]).read_text() or 0)
            self.kill_at = min(self.kill_at, time.time() + within_s - EXIT_MARGIN_S)
        return (self.over() and not RECORDS.in_flight) or time.time() >= self.kill_at


def timed(send):
    """Returns `requests.Session.send` with timing of the whole chain of redirects."""

    def send_and_time(session, request, **kwargs):
        if USER.depth:
            return send(session, request, **kwargs)
        started_s, clock = time.time(), time.perf_counter()
        ttfb_s = -1e-6
        ident = threading.get_ident()
        RECORDS.in_flight[ident] = (label_of(request.url), started_s)
        USER.depth += 1
        try:
            LOAD.admit()  # while in flight, or the process could end between this and the sending
            REUSE.begin()
            if SETTINGS["traceparent"]:
                request.headers.setdefault("traceparent", KEEPING.traceparent())
            response = send(session, request, **kwargs)
            ttfb_s = sum(answer.elapsed.total_seconds() for answer in (*response.history, response))
            return response
        finally:
            USER.sent = (started_s, time.perf_counter() - clock, ttfb_s)
            USER.depth -= 1
            if not USER.recording:
                del RECORDS.in_flight[ident]

    return send_and_time


def recorded(request):
    """Returns Apiritif's `request`. It is in flight until it is recorded: first, Apiritif decodes the body."""

    def request_and_record(*arguments, **named):
        USER.recording = True
        try:
            return request(*arguments, **named)
        finally:
            USER.recording = False
            RECORDS.in_flight.pop(threading.get_ident(), None)

    return request_and_record


def need(response, name, is_there) -> None:
    """Note, or let fail, a response without a value that another request needs."""
    if not is_there and SETTINGS["require_values"]:
        raise AssertionError(f"extractor {name} found nothing")
    if not is_there and id(response) in USER.responses:
        sample = USER.responses[id(response)][1]
        sample.missing = (*sample.missing, name)


def extend_apiritif() -> None:
    """Add what generated scripts call and Apiritif lacks; parse each JSONPath once, which takes longer than its use."""
    apiritif.decode_url = unquote
    apiritif.need = need
    apiritif.file_content = lru_cache(maxsize=64)(lambda path: Path(path).read_bytes())
    HTTPResponse.extract_from_headers = lambda response, regexp: re.search(
        regexp, apiritif.headers_as_text(response.headers)
    )
    HTTPResponse.status_code = property(read_status, lambda reply, status: reply.__dict__.update(status_code=status))
    names = vars(sys.modules[HTTPResponse.__module__])
    names["jsonpath_parse"] = lru_cache(maxsize=1024)(names["jsonpath_parse"])


def main() -> int:
    folder, test = Path(SETTINGS["folder"]), Path(SETTINGS["test"]).absolute()
    os.environ["GRACEFUL"] = str(folder / "end")  # the file that Apiritif itself checks as well
    sys.path[:0] = [str(Path.cwd()), str(test.parent)]
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    recorder = SampleRecorder(generated=SETTINGS["generated"])
    browsers = (
        in_process.load_module("browser/steps").begin(SETTINGS, recorder, USER, RECORDS, LOAD, KEEPER)
        if "browser" in SETTINGS
        else None
    )
    for name in dir(recorder):
        if name.startswith("record_"):
            setattr(apiritif.recorder, name, getattr(recorder, name))
    if KEEPER.on:
        KEEPING.Sent().watch_requests()
    if SETTINGS["sign"]:
        in_process.load_module("signing").sign_sent(SETTINGS["sign"])
    requests.Session.send = timed(requests.Session.send)
    apiritif.http.request = recorded(apiritif.http.request)
    REUSE.install()
    in_process.report_uncaught(RECORDS.thread_failed)
    extend_apiritif()
    TESTS.report_failures(
        loadgen.ApiritifPlugin, partial(RECORDS.test_failed, generated=SETTINGS["generated"]), RECORDS.test_ended
    )
    if SETTINGS["cases"]:
        write = in_process.CaseWriter(folder / "cases").write
        TESTS.report_cases(loadgen.ApiritifPlugin, store.SampleController, write, failed_request)
    in_process.measure = RECORDS.measured
    script = __import__(test.stem)  # an error in the script fails here, before the worker is ready
    if browsers is not None:
        browsers.driver.prepare(script)
    failed = []
    users = threading.Thread(target=run_users, args=(str(test), failed), daemon=True)
    at = in_process.wait_at_gate(folder)
    LOAD.begin(at)
    RECORDS.begin(at)
    users.start()
    lateness = in_process.Lateness(RECORDS.late)
    threading.Thread(target=lateness.probe, args=(time.sleep, lambda: not users.is_alive()), daemon=True).start()
    while users.is_alive() and not LOAD.watch():
        users.join(FLUSH_S)
        RECORDS.flush()
    lateness.flush()
    RECORDS.finish(min(time.time(), LOAD.ends_at), complete=not failed)
    if browsers is not None:
        browsers.end()
    if failed:
        sys.stderr.write(failed[0])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if failed else 0)  # other threads may still sleep or wait for responses


def run_users(test, failed) -> None:
    """Run Apiritif's own worker with its threads in this process, with our records."""
    params = loadgen.Params()
    for name in ("concurrency", "iterations", "steps"):
        setattr(params, name, SETTINGS[name])
    params.ramp_up, params.hold_for, params.tests = SETTINGS["ramp_up_s"], SETTINGS["hold_for_s"], [test]
    params.report = os.devnull
    thread.set_total(params.concurrency)
    set_iteration = thread.set_iteration

    def iterate(number) -> None:
        RECORDS.iteration_begins()
        set_iteration(number)

    def run_user(own) -> None:
        try:
            worker.run_nose(own)
        finally:
            RECORDS.user_ends(own.iterations)

    def read_row(reader) -> None:
        try:
            read_vars(reader)
        except NormalShutdown:
            USER.without_row = True
            raise

    read_vars, csv.CSVReader.read_vars = csv.CSVReader.read_vars, read_row
    thread.set_iteration = iterate
    try:
        worker = loadgen.Worker(params)
        store.writer = RECORDS
        loadgen.import_plugins()
        worker.map(run_user, list(worker._get_thread_params()))
    except BaseException:
        failed.append(traceback.format_exc())


if __name__ == "__main__":
    SETTINGS = json.loads(Path(sys.argv[1]).read_text())
    RECORDS = SampleRecords(Path(SETTINGS["folder"]))
    KEEPING_OF_RUN = SETTINGS["keeping"] or {}
    if "browser" in SETTINGS and not KEEPING_OF_RUN.get("everything"):
        KEEPING_OF_RUN = {}  # browsers have evidence of their own
    KEEPER = KEEPING.Keeper(Path(SETTINGS["folder"]), KEEPING_OF_RUN or None)
    USER, REUSE = User(), in_process.Reuse()
    LOAD = ApiritifLoad(SETTINGS)
    sys.exit(main())
