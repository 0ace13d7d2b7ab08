"""Tells each test of a script that Apiritif runs as a test case: what became of it, how long it took, and why.

Loaded by path into that process (`beside` in `apiritif/wrapper.py`), so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import time
import traceback

from apiritif.utils import NormalShutdown, get_trace

OUTCOMES = {"passed": "passed", "failed": "failed", "error": "broken", "skipped": "skipped"}


def tell_all(plugin, controller, write) -> None:
    """Have Apiritif's plugin (of nose2, one a thread) call `write` with each test, also those that cannot begin.

    What a smart transaction swallows, so that the test goes on, fails its test all the same: `controller` hears of it.
    """
    start, stop = plugin.startTest, plugin.stopTest

    def start_test(self, event) -> None:
        self.controller.toril_case = {"started_s": time.time(), "outcome": "passed", "message": "", "trace": ""}
        start(self, event)

    def test_outcome(self, event) -> None:
        error = event.exc_info[1] if event.exc_info else None
        if event.outcome == "subtest":  # a part of a test (unittest's subTest), which has no outcome of its own
            if error is None:
                return
            outcome = "failed" if isinstance(error, AssertionError) else "broken"
        else:
            outcome = OUTCOMES.get(event.outcome, "broken")
        message = event.reason or (f"{type(error).__name__}: {error}" if error is not None else "")
        if event.expected and outcome in ("failed", "broken"):  # unittest.expectedFailure
            outcome, message = "passed", ""
        elif not event.expected and outcome == "passed":
            outcome = "failed"
        if outcome == "failed" and not message:
            message = "it passed, which the script did not expect"
        trace = get_trace(event.exc_info) if outcome in ("failed", "broken") and event.exc_info else ""
        found = getattr(self.controller, "toril_case", None)
        if isinstance(error, NormalShutdown):
            self.controller.toril_case = None
        elif found is None:  # no test has begun: such as `setUpClass (shop.TestCart)`
            name, _, suite = event.test.id().rstrip(")").partition(" (")
            write(
                name=name, suite=suite, outcome=outcome, started_s=time.time(), took_s=0, message=message, trace=trace
            )
        elif outcome != "passed" or found["outcome"] == "passed":
            found.update(outcome=outcome, message=message, trace=trace)

    def stop_test(self, event) -> None:
        found, self.controller.toril_case = getattr(self.controller, "toril_case", None), None
        if found is not None:
            suite, _, name = event.test.id().rpartition(".")
            write(name=name, suite=suite, took_s=time.time() - found["started_s"], **found)
        stop(self, event)

    plugin.startTest, plugin.testOutcome, plugin.stopTest = start_test, test_outcome, stop_test
    controller.addFailure = _noted(controller.addFailure, "failed")
    controller.addError = _noted(controller.addError, "broken")


def _noted(add, outcome):
    def add_and_note(self, *arguments, is_transaction=False, **named) -> None:
        found = getattr(self, "toril_case", None)
        if is_transaction and found is not None and found["outcome"] == "passed":
            message, trace = _told(arguments)
            found.update(outcome=outcome, message=message, trace=trace)
        add(self, *arguments, is_transaction=is_transaction, **named)

    return add_and_note


def _told(arguments):
    """Message and trace of what Apiritif's controller is told: an exception's triple, or name, message and trace."""
    if len(arguments) == 3:
        return f"{arguments[0]}: {arguments[1]}", arguments[2]
    kind, error, _ = arguments[0]
    return f"{kind.__name__}: {error}", "".join(traceback.format_exception(error)).rstrip()
