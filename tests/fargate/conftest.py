"""A service under load."""

from collections.abc import Iterator

import pytest

from tests.targets import Target, target


@pytest.fixture
def service() -> Iterator[Target]:
    with target(delay_s=0.005) as found:
        yield found
