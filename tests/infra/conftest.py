"""One world for all tests of the roles: none of them changes its stacks."""

from collections.abc import Iterator

import pytest

from tests.infra.granted import Place, granted


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    with granted() as found:
        yield found
