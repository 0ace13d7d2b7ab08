"""Shared by all tests: tiers, reproducible properties, no skipped tests in CI, one embedded cloud."""

import gc
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.tiers import MARKERS, TIERS, is_lasting, is_nightly, may_hold, tier_of_test

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.cloud.embedded import Cloud
    from tests.fargate.stage import Stage
    from tests.infra.console_site import Site

ROOT = Path(__file__).resolve().parent.parent

settings.load_profile("test")  # for another one: pytest --hypothesis-profile=night

# On GitHub, the tests' programs must not use the job's files and tokens, only those that a test sets.
for name in [name for name in os.environ if name.startswith("GITHUB_")]:
    del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("toril")
    group.addoption("--tier", choices=("quick", *TIERS), help="run the tests of one tier (default: all)")
    group.addoption("--without-nightly", action="store_true", help="leave out the tests marked `nightly`")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    if config.getoption("--without-nightly"):  # JMeter's short runs cost half the CPU without the second compiler
        os.environ.setdefault("JVM_ARGS", "-XX:TieredStopAtLevel=1")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skips the import of files without a requested test."""
    if not collection_path.name.startswith("test_") or not collection_path.is_relative_to(ROOT):
        return None
    path, tier = collection_path.relative_to(ROOT).as_posix(), config.getoption("--tier")
    left = config.getoption("--without-nightly") and is_nightly(path, set())
    return True if left or (tier is not None and not may_hold(collection_path, path, tier)) else None


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Gives each test the marker of its tier, and deselects tests of other tiers."""
    asked = config.getoption("--tier")
    without_nightly = config.getoption("--without-nightly") or asked == "quick"
    left: list[pytest.Item] = []
    for item in items:
        marks = [mark.name for mark in item.iter_markers()]  # the closest marker first
        path = item.path.relative_to(ROOT).as_posix()
        tier = tier_of_test(path, marks)
        item.add_marker(tier)
        if is_lasting(path):
            item.add_marker("lasting")
        other_tier = asked is not None and tier != ("unit" if asked == "quick" else asked)
        if other_tier or (without_nightly and is_nightly(path, marks)):
            left.append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        out = set(left)
        items[:] = [item for item in items if item not in out]


def pytest_collection_finish() -> None:
    """Keeps the collector of garbage from the thousands of collected tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skipped test into a failure in CI: `make test` installs everything that the tests need."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which is a failure in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def open_cloud() -> "Iterator[Cloud]":
    """A cloud without IAM. The first test that needs it starts it."""
    from tests.cloud.embedded import embedded_cloud  # the import of boto3 is slow

    with embedded_cloud() as found:
        yield found


@pytest.fixture(scope="session")
def stage_without_iam() -> "Iterator[Stage]":
    from tests.fargate.stage import stage

    with stage() as found:
        yield found


@pytest.fixture(scope="session")
def stage_with_iam() -> "Iterator[Stage]":
    from tests.fargate.stage import stage

    with stage(auth=True) as found:
        yield found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Site]":
    """A console with a Cognito user pool, for `xdist_group("console")`."""
    from tests.infra.console_site import console_site

    with console_site(tmp_path_factory.mktemp("console")) as found:
        yield found


@pytest.fixture
def on_stage(stage_without_iam: "Stage") -> "Iterator[Stage]":
    """A hub and two regions in a cloud without IAM. All tests of `xdist_group("stage")` share them."""
    yield stage_without_iam
    stage_without_iam.tidy()


@pytest.fixture
def guarded(stage_with_iam: "Stage") -> "Iterator[Stage]":
    """The same with IAM, for `xdist_group("guarded")`. IAM's recorded decisions are only the test's own."""
    stage_with_iam.cloud.mend()
    yield stage_with_iam
    stage_with_iam.tidy()


@pytest.fixture(scope="module")  # Playwright occupies the thread's event loop, which tests of other files may need
def browser() -> Iterator["Browser"]:
    """Debian's Chromium."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium: `make test` installs it on Debian")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()
