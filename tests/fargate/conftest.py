"""What the tests of a file share: everything deployed, with tasks as processes, and a service to be loaded."""

from collections.abc import Iterator

import pytest

from tests.fargate.stage import Stage, stage
from tests.targets import Target, target


@pytest.fixture(scope="module")
def on_stage() -> Iterator[Stage]:
    with stage() as found:
        yield found


@pytest.fixture(scope="module")
def service() -> Iterator[Target]:
    with target(delay_s=0.005) as found:
        yield found
