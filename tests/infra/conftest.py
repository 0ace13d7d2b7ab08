"""One place for all tests of the roles, which do not change its stacks."""

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fargate.stage import Stage
    from tests.infra.granted import Place


@pytest.fixture(scope="session")
def place_on_stage(stage_with_iam: "Stage") -> "Place":
    from tests.infra.granted import granted

    return granted(stage_with_iam)


@pytest.fixture
def place(place_on_stage: "Place", guarded: "Stage") -> "Place":
    """A place whose tasks only wait."""
    guarded.set_image([sys.executable, "-c", "import time; time.sleep(60)"])
    return place_on_stage
