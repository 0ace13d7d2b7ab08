"""An executor without an engine module is read through bzt's own reader; the example is Molotov."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.targets import target
from tests.worker.driver import outcome, plan_of, planned
from toril.engines import EngineContext
from toril.engines.generic import GenericEngine
from toril.records import ExecutionShare

pytestmark = pytest.mark.live

SCRIPT = """
from molotov import scenario

@scenario(weight=100)
async def visit(session):
    async with session.get("URL/delay/0.05") as response:
        assert response.status == 200
"""


def test_an_executor_without_an_engine_module_is_recorded(tmp_path):
    with target() as service:
        plan = plan_of([planned("molotov", "own", concurrency=2, hold_for_s=1.5)], {"own": {"script": "molo.py"}})
        found = outcome(plan, tmp_path, {"molo.py": SCRIPT.replace("URL", service.url)})
    assert found.exits[0].outcome == "finished"
    assert found.samples == found.total("visit").samples == service.answered > 5
    assert found.total().failures == 0


class Reader:
    """Returns rows like bzt's readers: second, label, users, times, code, error, …"""

    def __init__(self, users: int) -> None:
        self.users = users

    def _read(self, final: bool) -> Iterator[tuple[Any, ...]]:
        yield (1, "home", self.users, 0.1, 0.0, 0.0, "200", None, "", 2)


@pytest.mark.parametrize(("given", "users"), [(3, 3), (0, None)])
def test_users_are_unknown_and_not_zero_if_the_reader_has_none(given, users, tmp_path):
    context = EngineContext(
        planned=planned("molotov", "own"), share=ExecutionShare(execution="own", config={}),
        graceful_stop_s=1.0, folder=tmp_path, suite=tmp_path,
    )  # fmt: skip
    engine = GenericEngine(None, context, [Reader(given)])
    assert [len(batch) for batch in engine.batches(True)] == [1]
    assert engine.virtual_users() == users
