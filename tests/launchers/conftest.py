"""Fleets that are closed after their test."""

from collections.abc import Iterator

import pytest

from tests.launchers.stage import Make, One, one_fleet


@pytest.fixture
def fleet() -> Iterator[Make]:
    """Makes fleets over fakes."""
    made: list[One] = []

    def make(*workers, **settings) -> One:
        made.append(one_fleet(*workers, **settings))
        return made[-1]

    yield make
    for one in made:
        one.ecs.heal()
        one.fleet.close()
