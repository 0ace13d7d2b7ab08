"""What all tests share: reproducible properties, no skipped test in CI, one embedded cloud."""

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.cloud.embedded import Cloud

# The same examples in every run: a test that fails now and then is worse than one that fails.
settings.register_profile("toril", derandomize=True, deadline=None)
# For a search by hand: pytest --hypothesis-profile=search
settings.register_profile("search", max_examples=10_000, deadline=None)
settings.load_profile("toril")

# A job on GitHub is no job to the tests: what they start has the files and tokens that a test gives it, or none.
for name in [name for name in os.environ if name.startswith("GITHUB_")]:
    del os.environ[name]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failure: `make test` installs what the tests need, so nothing may be missing."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI takes for a failure: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def open_cloud() -> "Iterator[Cloud]":
    """A cloud that asks nobody's rights; it is started by the first test that wants it."""
    from tests.cloud.embedded import embedded_cloud  # boto3 takes long to import

    with embedded_cloud() as found:
        yield found
