"""The image's targets, each built once for all tests."""

import pytest

from tests.image.contained import built, trouble


@pytest.fixture(scope="session")
def slim() -> str:
    return _built("slim")


@pytest.fixture(scope="session")
def full() -> str:
    return _built("full")


def _built(target: str) -> str:
    if why := trouble():
        pytest.skip(f"podman cannot run containers on this machine: {why}")
    return built(target)
