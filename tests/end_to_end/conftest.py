"""One run to its end for all tests that only read what it left behind."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.running import Finished, run, suite_file
from tests.targets import target as serving
from toril.reports import EXPORTS


@pytest.fixture(scope="session")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of two workers that passed, with every export, and what the target answered; to be read only."""
    folder = tmp_path_factory.mktemp("passed")
    reports = [option for name in ("json", *EXPORTS) for option in ("--report", name)]
    with serving(delay_s=0.01) as target:
        done = run(folder / "store", suite_file(folder, target.url), "--workers", "2", "--tag", "commit=abc", *reports)
    assert done.code == 0, done.stdout + done.stderr
    return replace(done, answered=target.answered)


@pytest.fixture
def copied(passed: Finished, tmp_path: Path) -> Finished:
    """The same in a store of the test's own, to be changed."""
    shutil.copytree(passed.store, tmp_path / "copied")
    return replace(passed, store=tmp_path / "copied")
