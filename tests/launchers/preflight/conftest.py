"""A store whose clock stands where the tests' does."""

import pytest

from tests.launchers.preflight.aws import NOW
from toril.store import FolderStore


class Told(FolderStore):
    """A folder with a clock of its own."""

    at = NOW

    def time(self) -> tuple[float, float]:
        return self.at, 0.1


@pytest.fixture
def store(tmp_path):
    return Told(tmp_path / "store")
