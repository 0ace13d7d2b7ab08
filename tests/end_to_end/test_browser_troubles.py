"""Browser failures: a labelled failure, or an error with its fix, and no leftover browser."""

import os
import signal

import psutil
import pytest

from tests.end_to_end.running import descendants, finish, run, running, until, worker_pids
from tests.end_to_end.test_browsers import ANY_MACHINE, DRIVERS, MOSTLY_PLAYWRIGHT, needed, suite_of, written
from tests.pages import pages

SCRIPT = """
import os
from apiritif import transaction


def test_steps_that_fail_in_their_own_ways(page):
    page.set_default_timeout(1000)

    for label, do in (
        ("gone", lambda: page.goto(os.environ["SHOP"] + "/gone")),
        ("never", lambda: page.goto(os.environ["SHOP"] + "/never")),
        ("nowhere", lambda: page.goto("http://127.0.0.1:9/")),
        ("missing", lambda: page.locator("#missing").click()),
    ):

        try:
            with transaction(label):
                do()
        except Exception:
            pass


def test_a_page_that_crashes(page):
    with transaction("crash"):
        page.goto("chrome://crash", timeout=2000)


def test_that_has_no_steps(page):
    page.goto("/hits")


def test_what_comes_after_all_steps(page):
    with transaction("fine"):
        page.goto(os.environ["SHOP"] + "/hits")
    raise ValueError("the cart is empty")
"""


@pytest.mark.nightly
def test_every_browser_failure_has_its_label_and_does_not_affect_the_next_page(tmp_path):
    needed("playwright")
    with pages() as shop:
        scenario = {"script": "journey.py", "timeout": "3s", "default-address": shop.url}
        suite = suite_of("playwright", scenario, {"iterations": 1})
        suite["settings"] = {"env": {"SHOP": shop.url}}
        done = run(tmp_path / "store", written(tmp_path / "suite", suite, **{"journey.py": SCRIPT}), *ANY_MACHINE)
    labels = done.json("summary.json")["labels"]
    messages = {name: " ".join(error["message"] for error in one["errors"]) for name, one in labels.items()}
    assert labels["gone"]["rc"] == {"404": 1} and messages["gone"] == "the page answered with 404"
    assert "Timeout 1000ms exceeded" in messages["never"]
    assert "ERR_CONNECTION_REFUSED" in messages["nowhere"] or "ERR_UNSAFE_PORT" in messages["nowhere"]
    assert "waiting for locator" in messages["missing"] and labels["missing"]["rc"] == {"TimeoutError": 1}
    assert labels["crash"]["failures"] == labels["crash"]["samples"] == 1
    assert (labels["test_that_has_no_steps"]["samples"], labels["test_that_has_no_steps"]["failures"]) == (1, 0)
    assert labels["fine"]["failures"] == 0
    broken = next(name for name in labels if "test_what_comes_after_all_steps" in name)
    assert "the cart is empty" in messages[broken]
    assert len(done.json("summary.json")["first_failures"]) == 3


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param("def test_buying(page)\n", "SyntaxError", marks=pytest.mark.nightly),
        pytest.param("x = 1\n", "journey.py has no test", marks=pytest.mark.nightly),
    ],
)
def test_a_script_that_cannot_be_run_ends_the_run_before_its_load(tmp_path, script, error):
    needed("playwright")
    suite = suite_of("playwright", {"script": "journey.py"}, {"iterations": 1})
    done = run(tmp_path / "store", written(tmp_path / "suite", suite, **{"journey.py": script}))
    assert done.code == 4
    assert error in done.stderr


def test_a_missing_chromium_is_an_error_with_the_fix(tmp_path, monkeypatch):
    monkeypatch.setenv("TORIL_CHROMIUM", str(tmp_path / "nowhere"))
    suite = suite_of("playwright", [{"url": "http://127.0.0.1:9/"}], {"iterations": 1})
    done = run(tmp_path / "store", written(tmp_path / "suite", suite))
    assert done.code == 4
    assert "Chromium is not installed. Install Debian's `chromium`" in done.stderr


def browsers_of(pid: int) -> list[psutil.Process]:
    """Returns the browsers and drivers below a process."""
    return [one for one in descendants(pid) if "chrom" in one.name()]


def all_gone(found: list[psutil.Process], within_s: float) -> bool:
    _, alive = psutil.wait_procs(found, timeout=within_s)
    return not alive


@pytest.mark.nightly
@pytest.mark.parametrize("driver", MOSTLY_PLAYWRIGHT)
def test_an_interrupted_run_keeps_its_steps_and_leaves_no_browser(driver, tmp_path):
    needed(driver)
    with pages() as shop:
        suite = suite_of(driver, [{"url": f"{shop.url}/", "label": "Open"}], {"concurrency": 2, "hold-for": "60s"})
        with running(tmp_path / "store", written(tmp_path / "suite", suite), *ANY_MACHINE) as process:
            until(lambda: shop.hits.get("/picture", 0) > 2, "pictures")
            found = browsers_of(process.pid)
            process.send_signal(signal.SIGINT)
            done = finish(process, tmp_path / "store")
    assert len(found) > 4
    assert all_gone(found, 5)
    labels = done.json("summary.json")["labels"]
    assert labels["Open"]["samples"] and not labels["Open"]["failures"]
    assert labels["Open"]["samples"] <= shop.hits["/"] <= labels["Open"]["samples"] + labels["Open"]["unfinished"]


@pytest.mark.nightly
def test_a_browser_that_dies_is_a_failed_step_and_its_user_gets_a_new_one(tmp_path):
    needed("playwright")
    with pages() as shop:
        suite = suite_of("playwright", [{"url": f"{shop.url}/", "label": "Open"}], {"hold-for": "60s"})
        with running(tmp_path / "store", written(tmp_path / "suite", suite), *ANY_MACHINE) as process:
            until(lambda: shop.hits.get("/picture", 0) > 0, "a picture")
            for one in browsers_of(process.pid):
                one.kill()
            before = shop.hits["/picture"]
            until(lambda: shop.hits["/picture"] > before + 1, "pictures again")
            process.send_signal(signal.SIGINT)
            done = finish(process, tmp_path / "store")
    labels = done.json("summary.json")["labels"]
    assert labels["browser start"]["samples"] == 2
    assert labels[""]["failures"] == 1


@pytest.mark.nightly
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_killed_worker_leaves_no_browser(driver, tmp_path):
    needed(driver)
    with pages() as shop:
        suite = suite_of(driver, [{"url": f"{shop.url}/", "label": "Open"}], {"hold-for": "60s"})
        with running(tmp_path / "store", written(tmp_path / "suite", suite), *ANY_MACHINE) as process:
            until(lambda: shop.hits.get("/picture", 0) > 0, "a picture")
            (worker,) = worker_pids(tmp_path / "store").values()
            found = browsers_of(worker)
            os.kill(worker, signal.SIGKILL)
            assert found
            assert all_gone(found, 10)
            finish(process, tmp_path / "store")


@pytest.mark.nightly
def test_a_page_that_is_still_loading_at_the_end_is_unfinished(tmp_path):
    needed("playwright")
    with pages() as shop:
        suite = suite_of("playwright", [{"url": f"{shop.url}/never", "label": "Wait"}], {"hold-for": "4s"})
        suite["scenarios"]["buying"]["timeout"] = "60s"
        suite["toril"]["graceful-stop"] = "1s"
        done = run(tmp_path / "store", written(tmp_path / "suite", suite), *ANY_MACHINE)
    labels = done.json("summary.json")["labels"]
    assert (labels["Wait"]["samples"], labels["Wait"]["unfinished"], labels[""]["failures"]) == (0, 1, 0)
