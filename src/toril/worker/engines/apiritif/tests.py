"""Hears of every test that fails in Apiritif's process, also where Apiritif itself keeps nothing of it.

Loaded by path into that process (`beside` in `apiritif/wrapper.py`), so that it imports nothing of toril.
"""

from collections.abc import Callable
from typing import Any

from apiritif.utils import NormalShutdown


def hear_all(plugin: Any, broke: Callable[[str, BaseException], None], ended: Callable[[], None]) -> None:
    """Have Apiritif's plugin call `broke` with each failure that it does not keep, and `ended` after each test.

    It keeps none beside smart transactions, once a thread has had one, and none from before a test has begun.
    """

    def heard(report: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        def report_and_tell(self: Any, event: Any) -> None:
            kept = self.controller.current_sample is not None and not self.controller.tran_mode
            report(self, event)
            test, error = event.testEvent.test.id(), event.testEvent.exc_info[1]
            if not kept and not isinstance(error, NormalShutdown):
                broke(test if "(" in test else test.rpartition(".")[2], error)  # or `setUpClass (shop.TestCart)`

        return report_and_tell

    def stop_and_tell(self: Any, event: Any) -> None:
        stop(self, event)
        ended()

    stop = plugin.stopTest
    plugin.reportError, plugin.reportFailure = heard(plugin.reportError), heard(plugin.reportFailure)
    plugin.stopTest = stop_and_tell
