"""Journeys in real Chromium through `toril run`: steps, page timings, and evidence of failures."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import Finished, run
from tests.pages import FIRST_BYTE_S, PICTURE_S, Pages, pages
from toril.programs import chromedriver, chromium

ANY_MACHINE = ("--fail-on", "failed")  # holds on a busy machine, too, whose generators are saturated
DRIVERS = ["playwright", "selenium"]
MOSTLY_PLAYWRIGHT = ["playwright", pytest.param("selenium", marks=pytest.mark.nightly)]
US = 1e6


@pytest.fixture(scope="module")
def shop():
    with pages() as found:
        yield found


def needed(driver: str) -> None:
    """Skip the test without the programs that `make test` installs."""
    if chromium() is None or (driver == "selenium" and chromedriver() is None):
        pytest.skip("needs Debian's chromium and chromium-driver")


def suite_of(driver: str, requests: Any, load: dict[str, Any], *criteria: str, **toril: Any) -> dict[str, Any]:
    scenario = {"requests": requests, "timeout": "3s"} if isinstance(requests, list) else requests
    return {
        "execution": [{"executor": driver, "concurrency": 1, "scenario": "buying", **load}],
        "scenarios": {"buying": scenario},
        "reporting": [{"module": "passfail", "criteria": list(criteria)}],
        "toril": {"workers": 1, **toril},
    }


def written(folder: Path, suite: dict[str, Any], **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"suite.yml": json.dumps(suite), **files}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module", params=MOSTLY_PLAYWRIGHT)
def journey(request: pytest.FixtureRequest, shop: Pages, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two iterations of one user: two steps that pass, and a transaction of one that passes and one that fails."""
    needed(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    steps = [
        {"label": "Open", "url": f"{shop.url}/"},
        {"label": "Search", "actions": [{"typeByID(q)": "lamp"}, "clickByID(go)", "waitForByCSS(.hit, visible)"]},
        {
            "transaction": "Buy",
            "do": [
                {"label": "Cart", "url": f"{shop.url}/hits"},
                {"label": "Pay", "actions": ["clickByID(pay-now)"]},
            ],
        },
    ]
    criteria = ("p50 of Open (LCP)>100ms", "fail of Search>0%")
    suite = suite_of(request.param, steps, {"iterations": 2}, *criteria)
    return run(folder / "store", written(folder / "suite", suite), *ANY_MACHINE)


def test_each_step_is_a_label_and_a_transaction_contains_its_steps(journey):
    labels = journey.json("summary.json")["labels"]
    steps = {name: (one["samples"], one["failures"]) for name, one in labels.items() if one["kind"] == "request"}
    assert steps == {"": (8, 2), "Open": (2, 0), "Search": (2, 0), "Cart": (2, 0), "Pay": (2, 2)}
    assert (labels["Buy"]["kind"], labels["Buy"]["samples"], labels["Buy"]["failures"]) == ("transaction", 2, 2)
    (error,) = labels["Pay"]["errors"]
    assert "pay-now" in error["message"]


def test_page_timings_match_the_delays_of_the_server(journey):
    labels = journey.json("summary.json")["labels"]
    lowest_s = {name: one["response_us"]["min"] / US for name, one in labels.items() if one["samples"]}
    assert lowest_s["Open (TTFB)"] >= FIRST_BYTE_S
    assert lowest_s["Open (DOM ready)"] >= FIRST_BYTE_S
    assert lowest_s["Open (LCP)"] >= FIRST_BYTE_S + PICTURE_S
    assert lowest_s["Open"] >= FIRST_BYTE_S + PICTURE_S
    timings = {name: one["samples"] for name, one in labels.items() if one["kind"] == "timing"}
    assert timings.keys() >= {"Open (TTFB)", "Search (TTFB)", "Cart (DOM ready)", "browser start"}
    assert not any(name.startswith("Pay (") for name in timings)  # it stayed on its page
    assert labels["Open"]["ttfb_us"]["mean"] / US >= FIRST_BYTE_S
    assert labels["Open"]["bytes"] > 2 * 200_000  # the picture
    assert labels["Open"]["rc"] == {"200": 2}


def test_a_criterion_on_a_timing_is_judged(journey):
    timing, steps = journey.json("verdict.json")["criteria"]
    assert (timing["label"], timing["samples"], steps["outcome"]) == ("Open (LCP)", 2, "passed")
    assert timing["observed"] / US >= FIRST_BYTE_S + PICTURE_S
    assert timing["outcome"] != "passed"  # two samples are too few for a verdict


def test_the_first_failures_have_evidence(journey):
    kept = journey.json("summary.json")["first_failures"]
    assert [one["label"] for one in kept] == ["Pay", "Pay"]
    files = {file.partition("-1.")[2].rpartition(".")[2]: journey.folder / file for file in kept[0]["files"]}
    assert files["jpg"].read_bytes()[:3] == b"\xff\xd8\xff"
    (source,) = [journey.folder / file for file in kept[0]["files"] if file.endswith(".source.txt")]
    assert "A hit" in source.read_text()
    if "zip" in files:
        assert zipfile.ZipFile(files["zip"]).testzip() is None
    page = (journey.folder / "report.html").read_text()
    assert 'src="data:image/jpeg;base64,' in page
    assert all(f'href="{file}"' in page for one in kept for file in one["files"])


def test_playwright_keeps_a_trace(journey):
    executor = journey.json("plan.json")["executions"][0]["executor"]
    names = {file.rpartition("/")[2] for one in journey.json("summary.json")["first_failures"] for file in one["files"]}
    assert ("0-1.trace.zip" in names) == (executor == "playwright")


@pytest.mark.parametrize("driver", MOSTLY_PLAYWRIGHT)
def test_the_target_sees_device_and_network_and_each_iteration_is_a_new_visitor(driver, tmp_path):
    needed(driver)
    with pages(first_byte_s=0) as shop:
        steps = [{"label": "Look", "url": f"{shop.url}/echo"}]
        wanted = {"buying": {"device": "iphone 13", "network": "slow-4g"}}
        suite = suite_of(driver, steps, {"iterations": 2}, browsers=wanted)
        done = run(tmp_path / "store", written(tmp_path / "suite", suite), *ANY_MACHINE)
    assert [one["width"] for one in shop.seen] == ["390", "390"]
    assert all(int(one["touch"]) > 0 and one["cookie"] == "" for one in shop.seen)
    assert any("iPhone OS 15_0" in agent for agent in shop.agents)
    labels = done.json("summary.json")["labels"]
    assert labels["Look (TTFB)"]["response_us"]["min"] / US >= 0.5625


@pytest.mark.nightly
def test_protocol_load_and_browsers_are_judged_together(shop, tmp_path):
    needed("playwright")
    suite = {
        "execution": [
            {"executor": "locust", "scenario": "reading", "concurrency": 3, "hold-for": "6s"},
            {"executor": "playwright", "scenario": "buying", "concurrency": 2, "hold-for": "6s"},
        ],
        "scenarios": {
            "reading": {"requests": [{"url": f"{shop.url}/hits", "label": "read"}], "think-time": "200ms"},
            "buying": {"requests": [{"url": f"{shop.url}/", "label": "Open"}]},
        },
        "reporting": [{"module": "passfail", "criteria": ["fail of read>0%", "p50 of Open (LCP)>30s", "fail>0%"]}],
        "toril": {"workers": 1},
    }
    done = run(tmp_path / "store", written(tmp_path / "suite", suite), *ANY_MACHINE)
    assert done.code == 0, done.stdout + done.stderr
    summary = done.json("summary.json")
    parts = {name: part["labels"] for name, part in summary["executions"].items()}
    assert parts["reading"]["read"]["samples"] and parts["buying"]["Open"]["samples"]
    both = parts["reading"]["read"]["samples"] + parts["buying"]["Open"]["samples"]
    assert summary["labels"][""]["samples"] == both
    assert len(done.json("verdict.json")["criteria"]) == 3


@pytest.mark.nightly
def test_a_smoke_run_opens_one_browser(shop, tmp_path):
    needed("playwright")
    suite = suite_of(
        "playwright", [{"url": f"{shop.url}/hits", "label": "Hits"}], {"concurrency": 20, "hold-for": "1h"}
    )
    del suite["toril"]
    done = run(tmp_path / "store", written(tmp_path / "suite", suite), "--smoke", *ANY_MACHINE)
    assert done.code == 0, done.stdout + done.stderr
    labels = done.json("summary.json")["labels"]
    assert (labels["browser start"]["samples"], labels["Hits"]["failures"]) == (1, 0)


TEST_CASE = """
import os
import unittest

from apiritif import transaction
from selenium import webdriver
from selenium.webdriver.common.by import By


class TestBuying(unittest.TestCase):
    def setUp(self):
        self.driver = webdriver.Chrome()
        self.driver.implicitly_wait(20)
        self.addCleanup(self.driver.quit)

    def test_buying(self):
        with transaction("Open"):
            self.driver.get(os.environ["SHOP"] + "/")
        with transaction("Search"):
            self.driver.find_element(By.ID, "go").click()
            assert self.driver.find_element(By.CLASS_NAME, "hit").text == "A hit"
"""


def test_the_suites_own_test_case_needs_no_code_of_toril(shop, tmp_path):
    needed("selenium")
    suite = suite_of("selenium", {"script": "buying.py"}, {"iterations": 1}, browsers={"buying": {"device": "Pixel 7"}})
    suite["settings"] = {"env": {"SHOP": shop.url}}
    done = run(tmp_path / "store", written(tmp_path / "suite", suite, **{"buying.py": TEST_CASE}), *ANY_MACHINE)
    labels = done.json("summary.json")["labels"]
    steps = {name: (one["samples"], one["failures"]) for name, one in labels.items() if one["kind"] == "request"}
    assert steps == {"": (2, 0), "Open": (1, 0), "Search": (1, 0)}
    assert labels["Open (LCP)"]["samples"] == 1
    assert any("Pixel 7" in agent for agent in shop.agents)
