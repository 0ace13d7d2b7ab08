"""An executor that has no engine module of ours is read through bzt's own reader: here Molotov."""

import pytest

from tests.targets import target
from tests.worker.driver import plan_of, planned, workers

pytestmark = pytest.mark.slow

SCRIPT = """
from molotov import scenario

@scenario(weight=100)
async def visit(session):
    async with session.get("URL/delay/0.05") as response:
        assert response.status == 200
"""


def test_an_executor_that_we_do_not_know_is_recorded_too(tmp_path):
    with target() as service:
        plan = plan_of([planned("molotov", "own", concurrency=2, hold_for_s=1.5)], {"own": {"script": "molo.py"}})
        with workers(plan, tmp_path, {"molo.py": SCRIPT.replace("URL", service.url)}) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished"
    assert found.samples == found.total("visit").samples == service.answered > 5
    assert found.total().failures == 0
