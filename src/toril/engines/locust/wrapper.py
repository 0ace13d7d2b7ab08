"""Locust's own process: parks it, writes one fixed-size row a request, and ends it request by request.

Started by path (`python -P wrapper.py …` with Locust's own arguments), so that it imports nothing of toril.
TORIL_LOCUST names a JSON file: folder, duration_s, iterations, graceful_stop_s, statistics, keeping, traceparent,
turns, arms, base_host, tags, part. In the folder it writes `names` (a line of JSON for each label and each outcome,
then how the load ended), `rows` (`in_process.RowWriter`) and `exchanges` (`keeping.py`).

A sample is one `request` event of Locust, redirects included. A request without a response is not retried. The request
types `transaction` and `timing` (in any case) are no requests. An exception that leaves a task, `on_start` or `on_stop`
is a failed transaction named after the user class. Those of listeners, greenlets and threads are named after these. An
exception in a response's with-block makes the response a failed sample. Exceptions that control Locust (such as
StopUser) are neither: then the status decides about the response.

In a duet, users send within the turns of their arm only (`arms.py`).
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,method-assign,assignment,arg-type,union-attr,attr-defined"

import contextlib
import gc
import json
import logging
import os
import re
import sys
import time
import traceback
from collections import Counter
from functools import partial
from http.client import responses
from pathlib import Path
from typing import Any

import gevent
from gevent import GreenletExit, getcurrent
from gevent.hub import Hub
from geventhttpclient.connectionpool import ConnectionPool
from geventhttpclient.useragent import UserAgent
from locust import User, clients, events, main
from locust.clients import HttpSession
from locust.contrib import fasthttp
from locust.contrib.fasthttp import FastHttpSession
from locust.event import EventHook
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
from locust.user import wait_time
from locust.user.task import DefaultTaskSet, TaskSet
from urllib3.exceptions import TimeoutError as UrllibTimeout

sys.path.append(str(Path(__file__).parents[1]))
import in_process  # type: ignore[import-not-found]

sys.path.pop()
KEEPING, TURNS, ARMS, SHAPE = map(in_process.load_module, ("keeping", "turns", "locust/arms", "locust/shape"))

FLUSH_S = 0.25
ALL = (1, [(1, 1, 0)])  # of a load shape: the part of a single worker
TICK_S = 0.05
MESSAGE_CHARS = 500
FRAMES = 3  # of a script's exception that is kept
COLLECTED_S = 1.0  # within this time, code that waits for a greenlet raises its exception again
SILENT_S = 1.0  # users that began so late may not have sent anything yet
OTHER_KINDS = ("transaction", "timing")  # request types that are no requests
CONTROL = (GreenletExit, InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser)
NOISE = re.compile(r"<[^<>]*? at 0x[0-9a-f]+>(: )?|0x[0-9a-f]{6,}| for url: \S+")  # differs between equal failures


def row_value(number) -> int:
    """Returns a script's number for a row; an impossible one becomes -1, which makes the row unreadable."""
    return round(number) if 0 <= number < 1 << 62 else -1


class LocustLoad:
    """One load from its gate to its end; listeners and wrappers of Locust's functions are its methods."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.folder = Path(settings["folder"])
        self.duration_s = settings["duration_s"]
        self.iterations = settings["iterations"]
        self.graceful_stop_s: float = settings["graceful_stop_s"]
        self.statistics = settings["statistics"]
        self.records = in_process.RowWriter(self.folder, settings["tags"])
        self.keeper = KEEPING.Keeper(self.folder, settings["keeping"])
        self.traceparent = settings["traceparent"]
        self.part = settings["part"]
        self.shape: Any = None  # the part of the script's load shape
        self.sent = KEEPING.Sent()
        self.reuse = in_process.Reuse()
        self.lateness = in_process.Lateness(self.records.late)
        self.worker = os.getppid()
        self.runner: Any = None
        self.end_at = float("inf")
        self.begun = False
        self.ending: Any = None  # the greenlet that ends the load
        self.closed = False  # later events are ignored: their requests count as unfinished already
        self.in_flight: dict[object, tuple[str, float, Any]] = {}  # greenlet → label, send time, user
        self.examining: dict[object, list[Any]] = {}  # greenlet → responses in a with-block
        self.awaiting: set[object] = set()  # greenlets that wait for the load's end
        self.released: set[object] = set()  # users that are ending: their on_stop may still send requests
        self.script_errors: Counter[str] = Counter()
        self.errors_written = 0
        self.opened = False  # the gate
        self.uncollected: list[tuple[float, str, bool, BaseException, Any]] = []  # exceptions with their tracebacks
        self.silent: dict[Any, float] = {}  # users without a request → when they began
        self.unfinished_users = 0
        self.rc_of: dict[int | None, tuple[str, str, bool]] = {}
        spans = [(arm, (begin_s, end_s)) for arm, begin_s, end_s in settings["turns"]]
        turns = {arm: TURNS.Turns([span for of, span in spans if of == arm]) for arm in settings["arms"]}
        self.arms = ARMS.Arms(turns, settings["base_host"], self.check_end, self.sleep)

    def divide_shape(self, environment, **_) -> None:
        """Let the script's load shape set this worker's users only."""
        if environment.shape_class is not None:
            self.shape = SHAPE.ShapePart(*(self.part or ALL))
            shape = environment.shape_class
            shape.tick = self.shape.divided(shape.tick)
            shape.get_current_user_count = self.shape.of_all(shape.get_current_user_count)

    def park(self, environment, **_) -> None:
        """Wait at the gate: the last listener of test_start, when everything is set up and no user has been spawned."""
        self.runner = environment.runner
        if not self.statistics:
            handlers = environment.events.request._handlers
            handlers[:] = [handler for handler in handlers if handler.__module__ != LocalRunner.__module__]
        gc.collect()
        gc.freeze()
        at = in_process.wait_at_gate(self.folder, gevent.sleep, self.exit_without_the_worker)
        self.opened, self.arms.opened_at = True, at
        self.records.begin(at)
        if environment.shape_class is not None:
            environment.shape_class.reset_time()
            self.shape.begin(time.monotonic())
        if self.duration_s:
            self.end_at = at + self.duration_s
        gevent.spawn(self.watch)
        gevent.spawn(self.lateness.probe, self.sleep, lambda: self.closed)

    def watch(self) -> None:
        """Flush, and end the load: as planned, on request, or without users."""
        flush_at = 0.0
        end = self.folder / "end"
        while self.ending is None:
            gevent.sleep(max(0.0, min(TICK_S, self.end_at - time.time())))
            now = time.time()
            if now >= flush_at:
                flush_at = now + FLUSH_S
                self.records.users(now, self.runner.user_count)
                self.flush()
                self.exit_without_the_worker()
            if end.exists():
                self.finish("asked")
            elif now >= self.end_at:
                self.finish("duration")
            elif self.all_users_left():
                self.finish("iterations")
        while not self.closed:  # the script is finishing
            gevent.sleep(TICK_S)
        self.runner.environment.stop_timeout = 0
        self.arms.twins.kill(block=False)
        self.runner.quit()

    def flush(self) -> None:
        while self.opened and self.uncollected and (self.closed or self.uncollected[0][0] <= time.time() - COLLECTED_S):
            _, name, explained, error, trace = self.uncollected.pop(0)
            if error.__traceback__ is trace:  # else it was raised again, and is reported there or caught
                self.script_error(name, error, time.time(), explained=explained)
        if self.script_errors.total() != self.errors_written:
            self.errors_written = self.script_errors.total()
            self.records.note("fact", "script_errors", self.script_errors)
        self.keeper.flush()
        self.records.flush()

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep from now on: gevent counts from its loop's last clock reading, which is old in a busy loop."""
        gevent.get_hub().loop.update_now()
        gevent.sleep(seconds)

    def exit_without_the_worker(self) -> None:
        """Exit if the worker has ended, since not all kernels do so (macOS)."""
        if os.getppid() != self.worker:
            os._exit(1)

    def all_users_left(self) -> bool:
        spawning = self.runner.spawning_greenlet
        shaped = self.runner.environment.shape_class is not None
        return bool(spawning is not None and spawning.ready() and not self.users() and not shaped)

    def users(self) -> list[Any]:
        """Returns the greenlets of all users."""
        return [*self.runner.user_greenlets, *self.arms.twins]

    def check_end(self) -> None:
        """End the user of this greenlet if the load is ending."""
        if self.ending is not None:
            self.released.add(getcurrent())
            raise StopUser

    def tracking(self, original):
        """Returns a client's `request` that records requests in flight and sends none after the end."""

        def request(client, method, url, name=None, *args, catch_response=False, **kwargs):
            greenlet = getcurrent()
            for response in [examined for examined in self.examining.get(greenlet, ()) if not examined._entered]:
                self.examination_ends(response)
                self.examined(response, None)  # the script requested a with-block and has none
            user = user_of(greenlet) or getattr(client, "user", None)
            self.silent.pop(user, None)
            self.reuse.begin()
            if user is not None and self.arms.turns and self.ending is None:
                self.arms.pause(user)
            over = self.ending is not None or time.time() >= self.end_at
            if over and (self.closed or greenlet not in self.released):
                self.released.add(greenlet)
                raise StopUser
            if self.traceparent and not any(header.lower() == "traceparent" for header in kwargs.get("headers") or ()):
                kwargs["headers"] = {**(kwargs.get("headers") or {}), "traceparent": KEEPING.traceparent()}
            label = name or getattr(client, "request_name", None) or str(url)
            sent = self.in_flight[greenlet] = (label, time.time(), getattr(client, "user", None))
            try:
                response = original(client, method, url, name, *args, catch_response=catch_response, **kwargs)
            except BaseException as error:
                if isinstance(error, GreenletExit) and not self.closed:  # the script's load shape ended the user
                    self.unfinished(*sent)
                raise
            finally:
                self.in_flight.pop(greenlet, None)
            if catch_response:
                self.examining.setdefault(greenlet, []).append(response)  # sampled when its with-block ends
                if self.keeper.on:
                    response.request_meta["response"].toril_connection = self.sent.connection_since(sent[1])
            return response

        return request

    def connecting(self, original):
        """Returns a pool's `_create_socket` that notes new connections of this greenlet."""

        def create(pool):
            began = time.perf_counter()
            self.sent.unconnected_at = time.time()
            sock = original(pool)
            self.sent.unconnected_at = 0.0
            self.sent.connected(sock, time.perf_counter() - began)
            return sock

        return create

    def unfinished(self, label, sent_at, _) -> None:
        self.records.note("unfinished", label, 1, time.time() - sent_at)

    def leaving(self, original):
        """Returns a with-block's `__exit__`: Locust fires no event for a response if an exception ends the block."""

        def __exit__(response, kind, error, trace):
            self.examination_ends(response)
            if error is not None and response._manual_result is None and not isinstance(error, ResponseError):
                self.examined(response, error)
            return original(response, kind, error, trace)

        return __exit__

    def examination_ends(self, response) -> None:
        """Note that the response has left its with-block."""
        others = [examined for examined in self.examining.pop(getcurrent(), ()) if examined is not response]
        if others:
            self.examining[getcurrent()] = others

    def on_request(
        self, request_type, name, response_time, response_length=0, exception=None, start_time=None, response=None,
        **more,
    ) -> None:  # fmt: skip
        kind = request_type.lower() if isinstance(request_type, str) else ""
        kind = kind if kind in OTHER_KINDS else "request"
        transaction = kind == "transaction"
        sent = self.in_flight.pop(getcurrent(), None) if kind == "request" else None
        if isinstance(exception, GreenletExit):  # the end of the load cut off a client of another protocol
            self.unfinished(str(name), start_time or time.time(), None)
            return
        if self.closed:
            return
        if start_time is None:
            start_time = time.time() - (response_time or 0) / 1000
        user = sent[2] if sent else user_of(getcurrent())
        self.silent.pop(user, None)
        if self.arms.turns and sent is None:
            start_time, paused_s = self.arms.in_own_time(user, start_time)
            response_time = max(0.0, (response_time or 0) - transaction * paused_s * 1000)
        ttfb_us = -1
        if response is not None and not getattr(response, "history", None):
            elapsed = getattr(response, "elapsed", None)
            if elapsed is not None:
                ttfb_us = elapsed.seconds * 1_000_000 + elapsed.microseconds or -1
        response_us, size = row_value((response_time or 0) * 1000), row_value(response_length or 0)
        outcome = self.outcome(response, exception)
        if kind == "request" and not outcome[2] and user is not None:  # it explains later failures of this iteration
            user.toril_failed, user.toril_reported = True, exception
        tags = {**(more.get("context") or {}), **in_process.tags_here()} if kind == "request" else None
        self.records.sample(start_time, response_us, ttfb_us, size, str(name), kind, outcome, tags)
        if self.keeper.on and kind == "request":
            why = self.keeper.wants(str(name), *outcome, response_us)
            if why:
                asserted = [
                    KEEPING.assertion(check["subject"], check["expected"], wrong)
                    for check, wrong in (more.get("context") or {}).get("toril_asserted", ())  # a generated script's
                ]
                known = KEEPING.line(
                    why, kind, str(name), outcome, start_time, response_us, ttfb_us,
                    method=str(request_type), url=str(more.get("url") or ""), asserted=asserted,
                )  # fmt: skip
                connection = getattr(response, "toril_connection", None) or self.sent.connection_since(start_time)
                agent, most = getattr(getattr(user, "client", None), "client", None), self.keeper.most_of_body
                self.keeper.keep(why, str(name), partial(exchange, known, response, exception, agent, connection, most))

    def measured(self, *what) -> None:
        """Record what the script has measured; not in a user that the end has cut off."""
        if not (self.closed and user_of(getcurrent())):
            self.records.measured(*what)

    def outcome(self, response, exception) -> tuple[str, str, bool]:
        """Returns (rc, message, ok): rc is the status, or without a response the exception's name."""
        status: int | None = getattr(response, "status_code", None) or None
        if exception is None:
            known = self.rc_of.get(status)
            if known is None:
                known = self.rc_of[status] = (str(status or ""), "", True)
            return known
        exception = getattr(exception, "original", exception)  # FastHttpUser wraps it, with its number of attempts
        if not status and self.reuse.lost(exception):
            return in_process.IDLE_CLOSED, in_process.IDLE_CLOSED_TEXT, False
        if not status or isinstance(exception, TimeoutError):  # a timeout can occur within a response
            return name_of(exception), text_of(exception), False
        if isinstance(exception, CatchResponseError | ResponseError):
            return str(status), text_of(exception), False
        if status < 400:
            return str(status), text_with_name(exception), False
        return str(status), f"{status} {responses.get(status, '')}".strip(), False

    def examined(self, response, error) -> None:
        """Sample a response without an event of Locust: an exception ended its with-block, or it has none.

        An exception that controls Locust counts like the regular end of the block.
        """
        if error is None or isinstance(error, CONTROL):
            response.__exit__(None, None, None)
        else:
            self.on_request(**{**response.request_meta, "exception": error})

    def on_user_error(self, user_instance, exception, **_) -> None:
        user = user_instance if isinstance(user_instance, User) else user_instance.user  # of a task set
        if self.closed or isinstance(exception, CONTROL) or exception is user.toril_reported:
            return
        user.toril_reported = exception
        self.script_error(of_user(user), exception, user.toril_began, explained=user.toril_failed)

    def script_error(self, name, exception, began_s, *, explained) -> None:
        """Record an exception of the script as a failed transaction; a failed request may have caused it."""
        self.script_errors.update([] if explained else [name])
        outcome = (type(exception).__name__, text_with_name(exception), False)
        took_us = row_value((time.time() - began_s) * 1e6)
        self.records.sample(began_s, took_us, -1, 0, name, "transaction", outcome)
        if self.keeper.on and (why := self.keeper.wants(name, *outcome, -1)):
            trace = "".join(traceback.format_exception(exception, limit=-FRAMES))[-2 * MESSAGE_CHARS :]
            line = KEEPING.line(why, "transaction", name, outcome, began_s, took_us, notes=[trace])
            self.keeper.keep(why, name, lambda: line)

    def uncaught(self, name, exception, greenlet=None) -> None:
        """Record, a moment later, an exception that ended a listener, a greenlet or a thread of the script."""
        user = user_of(getcurrent() if greenlet is None else greenlet)
        if isinstance(exception, CONTROL) or exception is getattr(user, "toril_reported", None):
            return
        explained = bool(getattr(user, "toril_failed", False))
        self.uncollected.append((time.time(), name, explained, exception, exception.__traceback__))

    def firing(self, hook, *, reverse=False, **arguments) -> None:
        """Replaces Locust's `EventHook.fire`, which only logs the exceptions of listeners."""
        for listener in hook._handlers[::-1] if reverse else hook._handlers.copy():
            try:
                listener(**arguments)
            except CONTROL:
                raise
            except Exception as error:
                logging.exception("Uncaught exception in event handler")
                if not (self.closed and hook is events.request):  # a request that the end cut off
                    name = next((name for name, hook_of in vars(events).items() if hook_of is hook), "event")
                    self.uncaught(f"events.{name}: exception", error)

    def handling(self, original):
        """Returns gevent's `Hub.handle_error`, which it calls with the exceptions that end greenlets."""

        def handle_error(hub, context, kind, error, trace) -> None:
            original(hub, context, kind, error, trace)
            if isinstance(error, Exception):
                user = user_of(context)
                self.uncaught("greenlet: exception" if user is None else of_user(user), error, context)

        return handle_error

    def starting(self, original):
        """Returns `User.start` that records when the first user begins, and which users end before their iterations."""

        def start(user, group):
            if not self.begun:
                self.begun = True
                self.records.note("fact", "begun_at", time.time())
            self.iteration_begins(user)
            user.toril_iterations = 0
            self.silent[user] = time.time()
            self.arms.begins(user)
            greenlet = original(user, group)
            greenlet.link(lambda _: self.user_ended(user))
            self.arms.add_twin(user)
            return greenlet

        return start

    def user_ended(self, user) -> None:
        self.unfinished_users += self.ending is None and user.toril_iterations < self.iterations

    @staticmethod
    def iteration_begins(user) -> None:
        """Note the begin of an iteration, or of the time before the first one."""
        user.toril_began, user.toril_failed, user.toril_reported = time.time(), False, None

    def counted(self, original):
        """Returns `TaskSet.execute_task` that ends a user after its last task."""

        def run(task_set, task) -> None:
            task_set.user.toril_in_task = True  # `toril.clients` asks for it: calls of `on_stop` may follow the end
            try:
                original(task_set, task)
            finally:
                task_set.user.toril_in_task = False

        def execute_task(task_set, task):
            user = task_set.user
            if self.arms.turns:
                self.arms.pause(user)
            self.iteration_begins(user)
            if not self.iterations or (isinstance(task, type) and issubclass(task, TaskSet)):
                return run(task_set, task)
            if user.toril_iterations >= self.iterations:
                raise StopUser
            user.toril_iterations += 1
            run(task_set, task)
            if user.toril_iterations >= self.iterations:
                raise StopUser
            return None

        return execute_task

    def finish(self, why: str) -> None:
        """End the load and wait for its end. Another greenlet does the work, since users that call this end as well."""
        if self.ending is None:
            self.ending = gevent.spawn(self.wind_up, why)
        self.awaiting.add(getcurrent())
        self.ending.join()

    def wind_up(self, why: str) -> None:
        """Admit no new requests, wait for those in flight, and count the rest as unfinished."""
        begun = next_flush = time.time()
        self.records.note("fact", "ended_at", begun)
        if self.shape is not None:
            self.shape.count(time.monotonic())
            self.records.note("fact", "due_user_s", self.shape.due_user_s)
        silent = [user for user, since in self.silent.items() if begun - since >= SILENT_S and user._state != "waiting"]
        if silent:
            self.records.note("fact", "note", f"virtual users that sent no request from start to end: {len(silent)}")
        if self.runner.spawning_greenlet is not None:
            self.runner.spawning_greenlet.kill(block=False)
        while self.users_left() and time.time() < begun + self.grace_s():
            self.end_idle_users()
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
        """Record responses that the script still examines as samples, and other requests as unfinished."""
        for response in [response for theirs in self.examining.values() for response in theirs]:
            self.examined(response, None)
        self.closed = True
        for sent in self.in_flight.values():
            self.unfinished(*sent)
        self.records.note("fact", "unfinished_users", self.unfinished_users)

    def exit(self, exited) -> None:
        """Exit after the script's `sys.exit`; gevent would continue with other users at the interpreter's end."""
        self.close()
        self.flush()
        last = traceback.extract_tb(exited.__traceback__)[-1]
        sys.stderr.write(f"sys.exit({exited.code!r}) in {Path(last.filename).name}, line {last.lineno}\n")
        sys.stderr.flush()
        os._exit(exited.code if isinstance(exited.code, int) and exited.code else 1)

    def users_left(self) -> bool:  # without those that wait for the end
        return any(greenlet not in self.awaiting for greenlet in self.users())

    def grace_s(self) -> float:
        """Returns the seconds for requests in flight; to be called repeatedly, since another end may shorten them."""
        with contextlib.suppress(OSError, ValueError):
            return min(self.graceful_stop_s, float((self.folder / "end").read_text()))
        return self.graceful_stop_s

    def end_idle_users(self) -> None:
        """End the users without a request in flight; those of other protocols end after their task."""
        for greenlet in self.users():
            if greenlet in self.released or greenlet in self.awaiting or self.busy(greenlet):
                continue
            user = user_of(greenlet)
            client = getattr(user, "client", None)
            if isinstance(client, HttpSession | FastHttpSession):
                gevent.get_hub().loop.run_callback(self.kill_idle, greenlet)
            elif user is not None and user._state != "stopping":
                user.stop()

    def kill_idle(self, greenlet) -> None:
        """End a user from the hub: by then it may have begun a request or its own end."""
        if greenlet not in self.released and not self.busy(greenlet):
            self.released.add(greenlet)
            greenlet.throw(GreenletExit)

    def busy(self, greenlet) -> bool:
        return greenlet in self.in_flight or any(response._entered for response in self.examining.get(greenlet, ()))

    def on_test_stopping(self, **_) -> None:
        """End the load when the script itself, or its load shape, ends the test."""
        if self.runner is not None:
            self.finish("script")


def exchange(known, response, exception, agent, sent, most):
    """Returns a line of `keeping.py`; a client of the script's own protocol has no more than `known`.

    `agent` is the client of a FastHttpUser, `sent` its connection; it is empty if there was none.
    """
    request = getattr(response, "request", None) or getattr(exception, "request", None)
    if isinstance(response, fasthttp.ErrorResponse):
        request = getattr(getattr(exception, "original", exception), "request", request)  # with its cookies
        head = b""
        if agent is not None and sent:
            client, target = agent.clientpool.get_client(request.url_split), request.url_split.quoted_uri
            body, headers = request.payload, request.headers
            head = client._build_request(request.method.upper(), target, body=body, headers=headers).encode("latin-1")
        return KEEPING.merged(
            known, KEEPING.request_fields(head, request.url, request.payload, most, request.method), sent
        )
    if isinstance(response, fasthttp.FastResponse):
        head, body = response._sent_request.encode("latin-1"), getattr(response, "_cached_content", KEEPING.STREAMED)
        asked = KEEPING.request_fields(head, request.url, request.payload, most)
        answered = KEEPING.response_fields(response.status_code, response.headers.items(), body, most)
        hops = len(response.history) or int(request.unverifiable)  # a failed response has no history
        return KEEPING.merged(known, asked, answered, sent, hops=hops)
    if hasattr(request, "toril_sent"):
        return KEEPING.merged(known, KEEPING.requests_fields(request, response, most))
    return known


def of_user(user) -> str:
    """Returns the label of exceptions in a user's own code."""
    return f"{type(user).__name__}: exception"


def user_of(greenlet):
    """Returns the user of a greenlet; None for other greenlets."""
    user = (getattr(greenlet, "args", None) or (None,))[0]
    return user if isinstance(user, User) else None


def name_of(exception) -> str:
    """Returns an exception's name; urllib3's timeouts, within a response, get the names of those of requests.

    Exceptions of `toril.clients` have a code of their own, `rc`.
    """
    code = getattr(exception, "rc", None)  # other libraries have a number there
    name = code if isinstance(code, str) else type(exception).__name__
    return name.removesuffix("Error") if isinstance(exception, UrllibTimeout) else name


def text_of(exception: BaseException) -> str:
    """Returns an exception's text without its variable parts: addresses of objects, URLs."""
    reason = exception
    if exception.args and hasattr(exception.args[0], "reason"):  # requests wraps urllib3, which wraps the socket's
        reason = exception.args[0].reason
    text = NOISE.sub("", str(reason)).strip() or type(exception).__name__
    return text[:MESSAGE_CHARS]


def text_with_name(exception) -> str:
    """Returns a script's exception as text with its name: a KeyError's text alone is not enough."""
    name, text = type(exception).__name__, text_of(exception)
    return text if text == name else f"{name}: {text}"


def run() -> None:
    load, start = LocustLoad(json.loads(Path(os.environ["TORIL_LOCUST"]).read_text())), LocalRunner._start

    def started(runner, *args, **kwargs):
        if load.runner is None:
            load.runner = runner
            runner.environment.events.test_start.add_listener(load.park)  # after all of the script's
        return start(runner, *args, **kwargs)

    LocalRunner._start = started
    in_process.measure = load.measured
    # The library's own log of a failure reads its body, too, but raises if that is not UTF-8.
    UserAgent._conversation_str = lambda _, url, response, **more: f"{url}: {len(response.content)} bytes"
    ConnectionPool.size = property(lambda _: -1, lambda *_: None)  # no retries: Locust derives their number from it
    alive, put_back = ConnectionPool._is_socket_alive, ConnectionPool.return_socket
    load.reuse.install()

    def return_socket(pool, socket) -> None:
        load.reuse.give(socket)
        put_back(pool, socket)

    ConnectionPool.return_socket = return_socket
    ConnectionPool._is_socket_alive = lambda pool, socket: (
        socket is not None and load.reuse.take(socket, is_open=alive(pool, socket))
    )
    EventHook.fire = lambda hook, **arguments: load.firing(hook, **arguments)  # a method
    Hub.handle_error = load.handling(Hub.handle_error)
    in_process.report_uncaught(partial(load.uncaught, "thread: exception"))
    if load.keeper.on:
        load.sent.watch_requests()
        ConnectionPool._create_socket = load.connecting(ConnectionPool._create_socket)
    if load.keeper.everything:
        TaskSet._sleep = lambda *_: gevent.sleep(0)  # a try has no think times and no load shape
        events.init.add_listener(lambda environment, **_: setattr(environment, "shape_class", None))
    events.init.add_listener(load.divide_shape)
    if load.arms.turns:
        User.toril_paused_s = 0.0  # of users that the script makes itself
        TaskSet._sleep = lambda task_set, seconds: load.arms.think(task_set, seconds)  # a method
        wait_time.perf_counter = lambda: time.perf_counter() - getattr(user_of(getcurrent()), "toril_paused_s", 0.0)
    HttpSession.request = load.tracking(HttpSession.request)
    FastHttpSession.request = load.tracking(FastHttpSession.request)
    for kind in (clients.ResponseContextManager, fasthttp.ResponseContextManager):
        kind.__exit__ = load.leaving(kind.__exit__)
    User.start = load.starting(User.start)
    for kind in (TaskSet, DefaultTaskSet):  # DefaultTaskSet overrides the method
        kind.execute_task = load.counted(kind.execute_task)
    events.request.add_listener(load.on_request)
    events.user_error.add_listener(load.on_user_error)
    events.test_stopping.add_listener(load.on_test_stopping)
    try:
        main.main()
    except SystemExit as left:
        if load.begun and not load.closed:
            load.exit(left)
        code = load.runner.environment.process_exit_code if load.runner is not None else None
        if code:
            load.records.note("fact", "script_failed", f"the locustfile set process_exit_code to {code}")
        raise
    finally:
        in_process.measure = None
        load.flush()
        load.records.close()


if __name__ == "__main__":
    sys.argv[0] = "locust"
    run()
