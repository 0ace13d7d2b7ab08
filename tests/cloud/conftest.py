"""Embedded clouds, empty before each test: without IAM, with IAM, and with containers."""

from collections.abc import Iterator

import pytest

from tests.cloud.embedded import Cloud, embedded_cloud


@pytest.fixture(scope="session")
def guarded_cloud() -> Iterator[Cloud]:
    with embedded_cloud(auth=True) as found:
        yield found


@pytest.fixture(scope="session")
def container_cloud() -> Iterator[Cloud]:
    with embedded_cloud(auth=True, containers=True) as found:
        yield found


@pytest.fixture
def cloud(open_cloud: Cloud) -> Cloud:
    open_cloud.reset()
    return open_cloud


@pytest.fixture
def strict(guarded_cloud: Cloud) -> Cloud:
    """A cloud with IAM."""
    guarded_cloud.reset()
    return guarded_cloud


@pytest.fixture
def real(container_cloud: Cloud) -> Cloud:
    """A cloud with IAM that runs tasks as containers."""
    container_cloud.reset()
    return container_cloud
