"""Playwright's browsers: a Chromium for each virtual user, and in it a new context for each iteration of a script.

Loaded by path into Apiritif's process (`in_process.load_module`), so that it imports nothing of toril. A script's
tests are its functions `test_…(page)`, in their order.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated,no-any-return"

import contextlib
import inspect
import threading
import time
import unittest

import in_process  # type: ignore[import-not-found]
from playwright.sync_api import Error, expect, sync_playwright

KEEPING = in_process.load_module("keeping")

LARGEST_TRACE = 5 << 20  # bytes
ANSWER_MS = 5000  # longest wait for a page's answer


class Driver:
    """The browser and page of each thread."""

    def __init__(self, settings, steps) -> None:
        self._settings, self._steps = settings, steps
        self._mine = threading.local()
        expect.set_options(timeout=settings["timeout_s"] * 1000)

    def page(self):
        """Returns this thread's page; None without one."""
        return getattr(self._mine, "page", None)

    def prepare(self, script) -> None:
        """Turn the script's functions into methods of a TestCase, which Apiritif runs."""
        runnable = {
            name: function
            for name, function in vars(script).items()
            if name.startswith("test_")
            and inspect.isfunction(function)
            and "page" in inspect.signature(function).parameters
        }
        if not runnable:
            raise SystemExit(f"{script.__name__}.py has no test. Write a function `def test_…(page):`")
        for name in runnable:
            delattr(script, name)
        tests = {name: self._test(name, function) for name, function in runnable.items()}
        script.TestJourney = type("TestJourney", (unittest.TestCase,), {"__module__": script.__name__, **tests})

    def _test(self, name, function):
        def test(case) -> None:
            with self._context() as page:
                self._run(name, function, page)

        return test

    def _run(self, name, function, page) -> None:
        steps, began_s = self._steps, time.time()
        steps.records.in_flight[threading.get_ident()] = (name, began_s)
        before = len(steps.user.pending)
        failed = None
        try:
            function(page)
        except Exception as error:
            failed = error
        finally:
            steps.records.in_flight.pop(threading.get_ident(), None)
        recorded = steps.user.pending[before:]
        if not recorded:  # a script without steps counts as one step
            sample = steps.sample(name, began_s)
            if failed is not None:
                sample.fail(steps.message_of(failed))
            steps.user.pending.append(sample)
            steps.ended(sample)
        elif failed is not None and all(step.ok for step in recorded):
            steps.evidence.keep(self.page(), name, steps.message_of(failed), time.time())
        if failed is not None:
            raise failed

    @contextlib.contextmanager
    def _context(self):
        browser, device, network = self._browser(), self._settings["device"], self._settings["network"]
        context = browser.new_context(
            viewport={"width": device["width"], "height": device["height"]},
            device_scale_factor=device["scale"],
            is_mobile=device["mobile"],
            has_touch=device["mobile"],
            user_agent=device["user_agent"] or None,
            base_url=self._settings["base_url"],
            ignore_https_errors=self._settings["ignore_https_errors"],
        )
        try:
            traced = self._steps.evidence.traces and self._steps.evidence.wanted
            if traced:
                context.tracing.start(title=self._settings["title"])
            context.set_default_timeout(self._settings["timeout_s"] * 1000)
            page = context.new_page()
            if self._steps.keeper.everything:
                context.on("requestfinished", self._keep)
                context.on("requestfailed", self._keep)
            if network:
                slow_down(context, page, network)
            self._mine.page = PlaywrightPage(context, page, traced)
            self._steps.seen(None)
            yield page
        finally:
            self._mine.page = None
            with contextlib.suppress(Error):  # the browser may have crashed; the next iteration starts another one
                context.close()

    def _keep(self, request) -> None:
        """Keep a request of the page and its response, for a try."""
        label, _ = self._steps.records.in_flight.get(threading.get_ident(), ("", 0.0))
        keeper = self._steps.keeper
        with contextlib.suppress(Error):  # the page has gone
            fields = exchange(request, label, keeper.most_of_body)
            keeper.keep("tried", label, lambda: fields)

    def _browser(self):
        """Returns this user's browser; starts one if there is none or if it has ended."""
        browser = getattr(self._mine, "browser", None)
        if browser is None or not browser.is_connected():
            began_s = time.time()
            if not hasattr(self._mine, "playwright"):
                self._mine.playwright = sync_playwright().start()
            browser = self._mine.browser = self._mine.playwright.chromium.launch(
                executable_path=self._settings["chromium"],
                headless=True,
                chromium_sandbox=not self._settings["no_sandbox"],
                args=["--disable-dev-shm-usage"],
            )
            self._steps.started(began_s)
        return browser


def exchange(request, label, most):
    """Returns a line of `keeping.py`."""
    response, timing = request.response(), request.timing
    failure = request.failure or ""
    status = None if response is None else response.status
    known = {"why": "tried", "label": label, "method": request.method, "url": request.url, "error": failure}
    known |= {"ok": not failure and (status or 0) < 400, "rc": str(status or ""), "status": status}
    known |= {"started_s": timing["startTime"] / 1e3, "response_us": round(max(0, timing["responseEnd"]) * 1e3)}
    known["request_headers"] = [[header["name"], header["value"]] for header in request.headers_array()]
    known["request"], known["request_bytes"] = KEEPING.capped(request.post_data_buffer, most)
    if response is not None:
        known["response_headers"] = [[header["name"], header["value"]] for header in response.headers_array()]
        with contextlib.suppress(Error):  # a redirect has no body
            known["response"], known["response_bytes"] = KEEPING.capped(response.body(), most)
    return {**KEEPING.EMPTY, **known}


def slow_down(context, page, network) -> None:
    """Limit the network as DevTools does. Pages that this page opens are not limited."""
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    limits = {"downloadThroughput": network["down_bytes_s"], "uploadThroughput": network["up_bytes_s"]}
    session.send("Network.emulateNetworkConditions", {"offline": False, "latency": network["latency_ms"], **limits})


class PlaywrightPage:
    """The page as the steps use it."""

    NoAnswer = (Error, OSError)

    def __init__(self, context, page, traced) -> None:
        self._context, self._page, self._traced = context, page, traced
        self._messages, self._crashed = [], False
        page.on("crash", self._crash)
        page.on("console", lambda line: self._messages.append(f"{line.type} {line.text}"))
        page.on("pageerror", lambda error: self._messages.append(f"uncaught {error}"))

    def _crash(self, page) -> None:
        self._crashed = True

    def ask(self, function, argument):
        """Evaluate a function by `wait_for_function`, which has a time limit, and return its result."""
        if self._crashed:
            raise Error("the page has crashed")
        code = f"async (argument) => ({{answer: await ({function})(argument)}})"
        return self._page.wait_for_function(code, arg=argument, timeout=ANSWER_MS).json_value()["answer"]

    def picture(self) -> bytes:
        if self._crashed:
            raise Error("the page has crashed")
        return self._page.screenshot(type="jpeg", quality=50, timeout=ANSWER_MS)

    def source(self) -> str:
        return self.ask("() => document.documentElement.outerHTML", None)

    def console(self):
        return self._messages

    def trace(self, path) -> None:
        if not self._traced:
            return
        self._traced = False
        self._context.tracing.stop(path=path)
        if path.stat().st_size > LARGEST_TRACE:
            path.unlink()
