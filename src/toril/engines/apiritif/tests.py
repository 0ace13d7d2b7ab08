"""Hooks into Apiritif's plugin for nose2: one for failures that Apiritif itself drops, one for test cases.

Loaded by path into Apiritif's process (`in_process.load_module`), so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import time
import traceback
from collections.abc import Callable
from typing import Any

from apiritif.utils import NormalShutdown, get_trace

OUTCOMES = {"passed": "passed", "failed": "failed", "error": "broken", "skipped": "skipped"}
UNEXPECTED = "passed, but the script expects it to fail"


def report_failures(plugin: Any, failed: Callable[[str, BaseException], None], ended: Callable[[], None]) -> None:
    """Make the plugin call `failed` with each failure that Apiritif does not record, and `ended` after each test.

    Apiritif records no failure outside of smart transactions once a thread has had one, none before a test begins, and
    no unexpected success.
    """

    def with_failure(report: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        def report_and_call(self: Any, event: Any) -> None:
            recorded = self.controller.current_sample is not None and not self.controller.tran_mode
            report(self, event)
            test, error = event.testEvent.test.id(), event.testEvent.exc_info[1]
            if not recorded and not isinstance(error, NormalShutdown):
                failed(test if "(" in test else test.rpartition(".")[2], error)  # or `setUpClass (shop.TestCart)`

        return report_and_call

    def unexpected_success(self: Any, event: Any) -> None:
        failed(event.testEvent.test.id().rpartition(".")[2], AssertionError(UNEXPECTED))

    def stop_and_call(self: Any, event: Any) -> None:
        stop(self, event)
        ended()

    stop = plugin.stopTest
    plugin.reportError, plugin.reportFailure = with_failure(plugin.reportError), with_failure(plugin.reportFailure)
    plugin.stopTest, plugin.reportUnexpectedSuccess = stop_and_call, unexpected_success


def report_cases(plugin, controller, write, failed_request) -> None:
    """Make the plugin call `write` with each test and its outcome, including tests that cannot begin.

    A failure inside a smart transaction, after which the test continues, fails its test as well: `controller` (the
    class of Apiritif's controllers) notes it. So does a status that the script did not judge: `failed_request` returns
    its message, or "".
    """
    start, stop = plugin.startTest, plugin.stopTest

    def start_test(self, event) -> None:
        self.controller.toril_case = {"started_s": time.time(), "outcome": "passed", "message": "", "trace": ""}
        start(self, event)

    def test_outcome(self, event) -> None:
        error = event.exc_info[1] if event.exc_info else None
        if event.outcome == "subtest":  # a part of a test (unittest's subTest) without an own outcome
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
            message = UNEXPECTED
        trace = get_trace(event.exc_info) if outcome in ("failed", "broken") and event.exc_info else ""
        case = getattr(self.controller, "toril_case", None)
        if isinstance(error, NormalShutdown):
            self.controller.toril_case = None
        elif case is None:  # no test has begun: such as `setUpClass (shop.TestCart)`
            name, _, suite = event.test.id().rstrip(")").partition(" (")
            write(
                name=name, suite=suite, outcome=outcome, started_s=time.time(), took_s=0, message=message, trace=trace
            )
        elif outcome != "passed" or case["outcome"] == "passed":
            case.update(outcome=outcome, message=message, trace=trace)

    def stop_test(self, event) -> None:
        case, self.controller.toril_case = getattr(self.controller, "toril_case", None), None
        if case is not None:
            if case["outcome"] == "passed" and (message := failed_request()):
                case.update(outcome="failed", message=message)
            suite, _, name = event.test.id().rpartition(".")
            write(name=name, suite=suite, took_s=time.time() - case["started_s"], **case)
        stop(self, event)

    plugin.startTest, plugin.testOutcome, plugin.stopTest = start_test, test_outcome, stop_test
    controller.addFailure = _noting(controller.addFailure, "failed")
    controller.addError = _noting(controller.addError, "broken")


def _noting(add, outcome):
    def add_and_note(self, *arguments, is_transaction=False, **named) -> None:
        case = getattr(self, "toril_case", None)
        if is_transaction and case is not None and case["outcome"] == "passed":
            message, trace = _failure_of(arguments)
            case.update(outcome=outcome, message=message, trace=trace)
        add(self, *arguments, is_transaction=is_transaction, **named)

    return add_and_note


def _failure_of(arguments):
    """Returns message and trace from the controller's arguments: an exception's triple, or name, message and trace."""
    if len(arguments) == 3:
        return f"{arguments[0]}: {arguments[1]}", arguments[2]
    kind, error, _ = arguments[0]
    return f"{kind.__name__}: {error}", "".join(traceback.format_exception(error)).rstrip()
