"""The home page: runs that are going on, and what it shows when a part of the store cannot be read."""

import pytest

from tests.console import served
from toril.errors import InfrastructureError
from toril.store import FolderStore


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path)


class NoSchedules:
    """A scheduler that cannot be reached."""

    def schedules(self):
        raise InfrastructureError("us-east-1: no answer", code="aws")


def test_a_run_that_goes_on_has_its_time_rate_and_failures_on_the_home_page(store):
    run_id = served.running(store, served.progress(90))
    home = served.parsed(served.client(store).get("/").content)
    (card,) = home.xpath("//a[contains(@class, 'card')]")
    (bar,) = card.xpath(".//progress")
    assert card.get("href") == f"/runs/{run_id}"
    assert (float(bar.get("value")), float(bar.get("max"))) == (90, 300)
    assert "51.2 ms" in card.text_content()


def test_a_run_that_has_no_figures_yet_is_on_the_home_page(store):
    run_id = served.running(store, None)
    home = served.parsed(served.client(store).get("/").content)
    assert [one.get("href") for one in home.xpath("//a[contains(@class, 'card')]")] == [f"/runs/{run_id}"]


def test_the_home_page_says_why_it_has_no_schedules(store):
    answer = served.client(store, schedules=NoSchedules()).get("/")
    assert answer.status_code == 200
    assert "us-east-1: no answer" in answer.text


def test_an_address_with_a_slash_at_its_end_is_not_redirected(store):
    answer = served.client(store).get("/runs/")  # behind CloudFront, the request names the API's own host
    assert answer.status_code == 404
    assert "location" not in answer.headers
