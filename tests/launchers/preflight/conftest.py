"""A store and a plan for the preflight."""

import pytest

from tests.launchers.plans import plan_of
from toril.store import FolderStore


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path)
