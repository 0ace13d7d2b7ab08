"""A store for what looks at it."""

import pytest

from toril.store import FolderStore


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")
