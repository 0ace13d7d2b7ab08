"""An embedded cloud for all tests of this folder, empty before each, and an engine for it."""

from collections.abc import Iterator

import pytest

from tests.cloud.embedded import Cloud, embedded_cloud
from tests.infra.engine.stacks import Engine, engine


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Cloud]:
    with embedded_cloud() as found:
        yield found


@pytest.fixture
def cloud(running_cloud: Cloud) -> Cloud:
    running_cloud.reset()
    return running_cloud


@pytest.fixture
def pulumi(cloud: Cloud) -> Iterator[Engine]:
    with engine(cloud.url) as found:
        yield found
