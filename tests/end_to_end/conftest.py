"""A finished run that several tests share and only read."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.running import Finished, check_nothing_is_left_running, run, suite_file
from tests.outcomes import passes
from tests.targets import target as serving
from toril.reports import EXPORTS

SHARED = {"passed": "passed", "journey": "journey", "done": "secrets", "worse": "worse"}  # fixture → group of tests


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets one process of xdist run all tests of a shared run."""
    for item in items:
        for shared in SHARED.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(SHARED[shared]))


@pytest.fixture(autouse=True)
def nothing_of_a_test_is_left_running(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "outcomes" not in request.fixturenames:  # the library's examples overlap, so that fixture checks at its end
        check_nothing_is_left_running()


@pytest.fixture(scope="session")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A passed run of two workers with every export, and the target's count of responses; read only."""
    folder = tmp_path_factory.mktemp("passed")
    reports = [option for name in ("json", *EXPORTS) for option in ("--report", name)]
    with serving(delay_s=0.01) as target:
        done = run(folder / "store", suite_file(folder, target.url), "--workers", "2", "--tag", "commit=abc", *reports)
    assert passes(done.json("verdict.json")), done.stdout + done.stderr
    return replace(done, answered=target.answered)


@pytest.fixture
def copied(passed: Finished, tmp_path: Path) -> Finished:
    """A copy of the passed run, which a test may change."""
    shutil.copytree(passed.store, tmp_path / "copied")
    return replace(passed, store=tmp_path / "copied")
