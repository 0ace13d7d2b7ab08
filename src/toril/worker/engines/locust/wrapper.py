"""Locust's own process: parks it, writes one fixed-size row a request, and ends it request by request.

Started by path (`python -P wrapper.py …` with Locust's own arguments), so that it imports nothing of toril.
TORIL_LOCUST names a JSON file: folder, duration_s, iterations, graceful_stop_s, statistics. In the folder it writes
`names` (a line of JSON for each label and each outcome, then how the load ended) and `rows` (`in_process.RowWriter`).

What is a sample: one firing of Locust's `request` event, redirects included, and one sending: without an answer there
is no second one. The request type `transaction` (in any case) is no request. An exception that a task or `on_start`
lets through is none: it is a failed transaction named after the user class, but one raised with a response at hand is a
failed sample. What only steers Locust (StopUser and the like) is neither: a response at hand is judged by its status.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,method-assign,assignment,arg-type,union-attr"

import contextlib
import gc
import importlib.util
import json
import os
import re
import sys
import time
import traceback
from collections import Counter
from http.client import responses
from pathlib import Path
from typing import Any

import gevent
from gevent import GreenletExit, getcurrent
from geventhttpclient.connectionpool import ConnectionPool
from locust import User, clients, events, main
from locust.clients import HttpSession
from locust.contrib import fasthttp
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import (
    CatchResponseError,
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    ResponseError,
    StopTest,
    StopUser,
)
from locust.runners import LocalRunner
from locust.user.task import DefaultTaskSet, TaskSet
from urllib3.exceptions import TimeoutError as UrllibTimeout

FLUSH_S = 0.25
TICK_S = 0.05
GATE_POLL_S = 0.005
SPIN_S = 0.002  # sleeping is not exact: the last of it is spent looking at the clock
MESSAGE_CHARS = 500
STEERING = (GreenletExit, InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser)
NOISE = re.compile(r"<[^<>]*? at 0x[0-9a-f]+>(: )?|0x[0-9a-f]{6,}| for url: \S+")  # what makes equal failures differ


def beside(name: str) -> Any:
    """A module of this folder, which must not be on the path: it has a locust.py."""
    spec = importlib.util.spec_from_file_location(f"toril_{Path(name).name}", Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


IN_PROCESS = beside("../in_process")


def whole(number) -> int:
    """A script's own figure as a row holds it; what is none becomes -1, and the row one that cannot be read."""
    return round(number) if 0 <= number < 1 << 62 else -1


class Load:
    """One load from its gate to its end; the listeners and wrappers below are its methods."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.folder = Path(settings["folder"])
        self.duration_s = settings["duration_s"]
        self.iterations = settings["iterations"]
        self.graceful_stop_s: float = settings["graceful_stop_s"]
        self.statistics = settings["statistics"]
        self.records = IN_PROCESS.RowWriter(self.folder)
        self.lateness = IN_PROCESS.Lateness(self.records.late)
        self.worker = os.getppid()
        self.runner: Any = None
        self.end_at = float("inf")
        self.begun = False
        self.ending: Any = None  # the greenlet that ends the load
        self.closed = False  # what happens now is counted as unfinished already
        self.in_flight: dict[object, tuple[str, float, Any]] = {}  # greenlet → label, when it was sent, user
        self.examining: dict[object, list[Any]] = {}  # greenlet → responses that Locust has not heard the outcome of
        self.awaiting: set[object] = set()  # greenlets that wait for the load's end
        self.released: set[object] = set()  # users that are leaving: their on_stop may still send requests
        self.script_errors: Counter[str] = Counter()
        self.errors_told = 0
        self.unfinished_users = 0
        self.rc_of: dict[int | None, tuple[str, str, bool]] = {}

    # ── the start

    def park(self, environment, **_) -> None:
        """The last listener of test_start: everything is set up, no user has been spawned."""
        self.runner = environment.runner
        if not self.statistics:
            handlers = environment.events.request._handlers
            handlers[:] = [one for one in handlers if one.__module__ != LocalRunner.__module__]
        gc.collect()
        gc.freeze()
        (self.folder / "parked").touch()
        gate = self.folder / "gate"
        while not gate.exists():
            self.leave_with_the_worker()
            gevent.sleep(GATE_POLL_S)
        at = float(gate.read_text())
        gevent.sleep(max(0.0, at - time.time() - SPIN_S))
        while time.time() < at:
            pass
        if environment.shape_class is not None:
            environment.shape_class.reset_time()
        if self.duration_s:
            self.end_at = at + self.duration_s
        gevent.spawn(self.watch)
        gevent.spawn(self.lateness.probe, self.sleep, lambda: self.closed)

    def watch(self) -> None:
        """Flushes, and notices the end: planned, asked for, or no user left."""
        flush_at = 0.0
        end = self.folder / "end"
        while self.ending is None:
            gevent.sleep(max(0.0, min(TICK_S, self.end_at - time.time())))
            now = time.time()
            if now >= flush_at:
                flush_at = now + FLUSH_S
                self.records.users(now, self.runner.user_count)
                self.flush()
                self.leave_with_the_worker()
            if end.exists():
                self.finish("asked")
            elif now >= self.end_at:
                self.finish("duration")
            elif self.all_users_left():
                self.finish("iterations")
        while not self.closed:  # the script is finishing
            gevent.sleep(TICK_S)
        self.runner.environment.stop_timeout = 0
        self.runner.quit()

    def flush(self) -> None:
        """A load whose records are lost must not look like a short one: it ends here."""
        if self.script_errors.total() != self.errors_told:
            self.errors_told = self.script_errors.total()
            self.records.note("fact", "script_errors", self.script_errors)
        try:
            self.records.flush()
        except OSError as error:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"its records cannot be written: {error}\n")
                sys.stderr.flush()
            os._exit(IN_PROCESS.UNWRITTEN)

    @staticmethod
    def sleep(seconds: float) -> None:
        """gevent counts from when its loop last looked at the clock, which a busy one has not done for long."""
        gevent.get_hub().loop.update_now()
        gevent.sleep(seconds)

    def leave_with_the_worker(self) -> None:
        """Where the kernel does not end a process with its parent (macOS)."""
        if os.getppid() != self.worker:
            os._exit(1)

    def all_users_left(self) -> bool:
        spawning = self.runner.spawning_greenlet
        shaped = self.runner.environment.shape_class is not None
        return bool(spawning is not None and spawning.ready() and not self.runner.user_count and not shaped)

    # ── requests

    def guarded(self, original):
        """A client's `request` that knows what is in flight and starts nothing after the end."""

        def request(client, method, url, name=None, *args, catch_response=False, **kwargs):
            greenlet = getcurrent()
            for response in [one for one in self.examining.get(greenlet, ()) if not one._entered]:
                self.forget(response)
                self.examined(response, None)  # asked for a with-block that there is none of
            over = self.ending is not None or time.time() >= self.end_at
            if over and (self.closed or greenlet not in self.released):
                self.released.add(greenlet)
                raise StopUser
            label = name or getattr(client, "request_name", None) or str(url)
            sent = self.in_flight[greenlet] = (label, time.time(), getattr(client, "user", None))
            try:
                response = original(client, method, url, name, *args, catch_response=catch_response, **kwargs)
            except BaseException as error:
                if isinstance(error, GreenletExit) and not self.closed:  # the script's load shape takes the user away
                    self.unfinished(*sent)
                raise
            finally:
                self.in_flight.pop(greenlet, None)
            if catch_response:
                self.examining.setdefault(greenlet, []).append(response)  # reported when its with-block ends
            return response

        return request

    def unfinished(self, label, sent_at, _) -> None:
        self.records.note("unfinished", label, 1, time.time() - sent_at)

    def leaving(self, original):
        """The end of such a with-block: Locust does not tell of a response if an exception ends it."""

        def __exit__(response, kind, error, trace):
            self.forget(response)
            if error is not None and response._manual_result is None and not isinstance(error, ResponseError):
                self.examined(response, error)
            return original(response, kind, error, trace)

        return __exit__

    def forget(self, response) -> None:
        """It is not examined any more."""
        others = [one for one in self.examining.pop(getcurrent(), ()) if one is not response]
        if others:
            self.examining[getcurrent()] = others

    def on_request(
        self, request_type, name, response_time, response_length=0, exception=None, start_time=None, response=None, **_
    ) -> None:
        transaction = isinstance(request_type, str) and request_type.lower() == "transaction"
        sent = None if transaction else self.in_flight.pop(getcurrent(), None)
        if self.closed:
            return
        if start_time is None:
            start_time = time.time() - (response_time or 0) / 1000
        ttfb_us = -1
        if response is not None and not getattr(response, "history", None):
            elapsed = getattr(response, "elapsed", None)
            if elapsed is not None:
                ttfb_us = elapsed.seconds * 1_000_000 + elapsed.microseconds or -1
        response_us, size = whole((response_time or 0) * 1000), whole(response_length or 0)
        outcome = self.outcome(response, exception)
        user = sent[2] if sent else user_of(getcurrent())
        if not (transaction or outcome[2] or user is None):  # that explains what follows from it in this iteration
            user.toril_failed, user.toril_told = True, exception
        self.records.sample(start_time, response_us, ttfb_us, size, str(name), transaction, outcome)

    def outcome(self, response, exception) -> tuple[str, str, bool]:
        """(rc, message, ok): rc is the status, or what was raised when there is no response."""
        status: int | None = getattr(response, "status_code", None) or None
        if exception is None:
            known = self.rc_of.get(status)
            if known is None:
                known = self.rc_of[status] = (str(status or ""), "", True)
            return known
        exception = getattr(exception, "original", exception)  # FastHttpUser's, which says how often it has tried
        if not status or isinstance(exception, TimeoutError):  # it may run out in the midst of an answer
            return name_of(exception), wording(exception), False
        if isinstance(exception, CatchResponseError | ResponseError):
            return str(status), wording(exception), False
        if status < 400:
            return str(status), named(exception), False
        return str(status), f"{status} {responses.get(status, '')}".strip(), False

    def examined(self, response, error) -> None:
        """A response of which Locust does not tell, as an exception has ended its with-block, or nothing has.

        What only steers Locust says nothing of it: that is as if the block had ended there.
        """
        if error is None or isinstance(error, STEERING):
            response.__exit__(None, None, None)
        else:
            self.on_request(**{**response.request_meta, "exception": error})

    def on_user_error(self, user_instance, exception, **_) -> None:
        user = user_instance if isinstance(user_instance, User) else user_instance.user  # of a task set
        if self.closed or isinstance(exception, STEERING) or exception is user.toril_told:
            return
        name = f"{type(user).__name__}: exception"
        if not user.toril_failed:
            self.script_errors[name] += 1
        outcome, took_s = (type(exception).__name__, named(exception), False), time.time() - user.toril_began
        self.records.sample(user.toril_began, whole(took_s * 1e6), -1, 0, name, True, outcome)

    # ── users and their iterations

    def starting(self, original):
        """`User.start` that knows when the first one began, and whether each did what it was to do."""

        def start(user, group):
            if not self.begun:
                self.begun = True
                self.records.note("fact", "begun_at", time.time())
            self.iteration(user)
            user.toril_iterations = 0
            greenlet = original(user, group)
            greenlet.link(lambda _: self.left(user))
            return greenlet

        return start

    def left(self, user) -> None:
        self.unfinished_users += self.ending is None and user.toril_iterations < self.iterations

    @staticmethod
    def iteration(user) -> None:
        """One begins, or what comes before the first."""
        user.toril_began, user.toril_failed, user.toril_told = time.time(), False, None

    def counted(self, original):
        """`TaskSet.execute_task` that lets a user go after its last task."""

        def execute_task(task_set, task):
            user = task_set.user
            self.iteration(user)
            if not self.iterations or (isinstance(task, type) and issubclass(task, TaskSet)):
                return original(task_set, task)
            if user.toril_iterations >= self.iterations:
                raise StopUser
            user.toril_iterations += 1
            original(task_set, task)
            if user.toril_iterations >= self.iterations:
                raise StopUser
            return None

        return execute_task

    # ── the end

    def finish(self, why: str) -> None:
        """Returns when all is over. A greenlet of its own sees to it, since users that ask for it are ended, too."""
        if self.ending is None:
            self.ending = gevent.spawn(self.wind_up, why)
        self.awaiting.add(getcurrent())
        self.ending.join()

    def wind_up(self, why: str) -> None:
        """No new requests; wait for those in flight; count the rest as unfinished."""
        begun = next_flush = time.time()
        self.records.note("fact", "ended_at", begun)
        if self.runner.spawning_greenlet is not None:
            self.runner.spawning_greenlet.kill(block=False)
        while self.others() and time.time() < begun + self.patience():
            self.let_go()
            gevent.sleep(0.01)
            if time.time() >= next_flush:
                next_flush = time.time() + FLUSH_S
                self.records.users(time.time(), self.runner.user_count)
                self.flush()
        self.lateness.flush()
        self.records.users(time.time(), 0)
        self.records.note("end", why)
        self.close()
        self.flush()

    def close(self) -> None:
        """What was answered is a sample, whatever the script was about to make of it; the rest is unfinished."""
        for response in [one for theirs in self.examining.values() for one in theirs]:
            self.examined(response, None)
        self.closed = True
        for sent in self.in_flight.values():
            self.unfinished(*sent)
        self.records.note("fact", "unfinished_users", self.unfinished_users)

    def leave(self, exited) -> None:
        """The script has called `sys.exit`: gevent would go on with other users, at the interpreter's end."""
        self.close()
        self.flush()
        last = traceback.extract_tb(exited.__traceback__)[-1]
        sys.stderr.write(f"sys.exit({exited.code!r}) in {Path(last.filename).name}, line {last.lineno}\n")
        sys.stderr.flush()
        os._exit(exited.code if isinstance(exited.code, int) and exited.code else 1)

    def others(self) -> bool:  # who are left, but for those who wait for the end
        return any(greenlet not in self.awaiting for greenlet in self.runner.user_greenlets)

    def patience(self) -> float:
        """Seconds from the end's beginning; asked again and again, since a second request may shorten it."""
        with contextlib.suppress(OSError, ValueError):
            return min(self.graceful_stop_s, float((self.folder / "end").read_text()))
        return self.graceful_stop_s

    def let_go(self) -> None:
        """End the users without a request in flight; those of other protocols end after their task."""
        for greenlet in list(self.runner.user_greenlets):
            if greenlet in self.released or greenlet in self.awaiting or self.busy(greenlet):
                continue
            user = user_of(greenlet)
            client = getattr(user, "client", None)
            if isinstance(client, HttpSession | FastHttpSession):
                gevent.get_hub().loop.run_callback(self.send_home, greenlet)
            elif user is not None and user._state != "stopping":
                user.stop()

    def send_home(self, greenlet) -> None:
        """In the hub: until its turn comes a user may have begun to leave by itself."""
        if greenlet not in self.released and not self.busy(greenlet):
            self.released.add(greenlet)
            greenlet.throw(GreenletExit)

    def busy(self, greenlet) -> bool:
        return greenlet in self.in_flight or any(one._entered for one in self.examining.get(greenlet, ()))

    def on_test_stopping(self, **_) -> None:
        """The script itself, or its load shape, ends the test."""
        if self.runner is not None:
            self.finish("script")


def user_of(greenlet):
    """The user whose greenlet it is, if it is one's."""
    user = (getattr(greenlet, "args", None) or (None,))[0]
    return user if isinstance(user, User) else None


def name_of(exception) -> str:
    """Timeouts have the same name wherever they strike: urllib3's, in the midst of an answer, as those of requests."""
    name = type(exception).__name__
    return name.removesuffix("Error") if isinstance(exception, UrllibTimeout) else name


def wording(exception: BaseException) -> str:
    """An exception's text without what differs each time: addresses of objects, URLs."""
    reason = exception
    if exception.args and hasattr(exception.args[0], "reason"):  # requests wraps urllib3, which wraps the socket's
        reason = exception.args[0].reason
    text = NOISE.sub("", str(reason)).strip() or type(exception).__name__
    return text[:MESSAGE_CHARS]


def named(exception) -> str:
    """The script's own exception: a KeyError's text alone says little."""
    name, text = type(exception).__name__, wording(exception)
    return text if text == name else f"{name}: {text}"


def run() -> None:
    load, start = Load(json.loads(Path(os.environ["TORIL_LOCUST"]).read_text())), LocalRunner._start

    def started(runner, *args, **kwargs):
        if load.runner is None:
            load.runner = runner
            runner.environment.events.test_start.add_listener(load.park)  # after all of the script's
        return start(runner, *args, **kwargs)

    LocalRunner._start = started
    ConnectionPool.size = property(lambda _: -1, lambda *_: None)  # of it, how often a request is sent again: never
    reuse, alive = IN_PROCESS.Reuse(), ConnectionPool._is_socket_alive
    reuse.install()
    ConnectionPool._is_socket_alive = lambda pool, one: alive(pool, one) and reuse.allows(one)
    HttpSession.request = load.guarded(HttpSession.request)
    FastHttpSession.request = load.guarded(FastHttpSession.request)
    for kind in (clients.ResponseContextManager, fasthttp.ResponseContextManager):
        kind.__exit__ = load.leaving(kind.__exit__)
    User.start = load.starting(User.start)
    for kind in (TaskSet, DefaultTaskSet):  # the latter has one of its own
        kind.execute_task = load.counted(kind.execute_task)
    events.request.add_listener(load.on_request)
    events.user_error.add_listener(load.on_user_error)
    events.test_stopping.add_listener(load.on_test_stopping)
    try:
        main.main()
    except SystemExit as left:
        if load.begun and not load.closed:
            load.leave(left)
        code = load.runner.environment.process_exit_code if load.runner is not None else None
        if code:
            load.records.note("fact", "script_failed", f"the locustfile set process_exit_code to {code}")
        raise
    finally:
        load.flush()
        load.records.close()


if __name__ == "__main__":
    sys.argv[0] = "locust"
    run()
