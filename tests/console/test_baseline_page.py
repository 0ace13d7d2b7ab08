"""The baseline of a suite in the console: chosen, changed, cleared, undone, and deleted with its run."""

from datetime import timedelta

import pytest

from tests.console.served import NOW, client, parsed, stored
from tests.reports import examples
from toril.desk.runs import add_note, prune, set_baseline
from toril.records import run_key
from toril.runs import suites
from toril.runs.history import record_of, remember
from toril.runs.notes import baseline_of
from toril.runs.stored import judged
from toril.store import FolderStore

PASSED, OTHER, FAILED, BUSIER = (f"2026112{day}T100000Z-shop-000{day}" for day in range(1, 5))


@pytest.fixture
def store(tmp_path):
    made = FolderStore(tmp_path)
    busier = examples.plan().executions[0].model_copy(update={"concurrency": 20})
    stored(made, examples.passed(), run_id=PASSED)
    stored(made, examples.passed(), run_id=OTHER)
    stored(made, examples.failed(), run_id=FAILED)
    stored(made, examples.passed(), run_id=BUSIER, executions=(busier,))
    for run_id in (PASSED, OTHER, FAILED, BUSIER):
        remember(made, record_of(judged(made, run_id, NOW)))
    return made


def baseline(store) -> str:
    kept = baseline_of(store, "shop")
    return kept.run_id if kept else ""


def post(browser, form):
    """Sends a form of a page. Returns the page that follows."""
    fields = {one.get("name"): one.get("value") for one in form.xpath(".//input")}
    return browser.get(browser.post(form.get("action"), data=fields).headers["location"])


def forms(page, action: str):
    return parsed(page.content).xpath(f"//form[contains(@action, '{action}')]")


@pytest.mark.parametrize("address", ["/runs/{}/baseline", "/runs/baseline"])
@pytest.mark.parametrize(("run_id", "why"), [(FAILED, "Its outcome is failed"), (BUSIER, "20 users")])
def test_a_doubtful_run_becomes_the_baseline_only_after_a_question(store, run_id, why, address):
    set_baseline(store, "shop", PASSED, by="Ada", at=NOW)
    browser = client(store, "operator")

    asked = browser.get(browser.post(address.format(run_id), data={"run": run_id}).headers["location"])
    before = baseline(store)
    (form,) = parsed(asked.content).xpath("//form[.//input[@name='sure']]")
    post(browser, form)

    assert why in asked.text
    assert (before, baseline(store)) == (PASSED, run_id)


def test_a_run_with_another_load_than_the_suites_version_is_doubtful(store):
    suite = b"execution: [{concurrency: 3, hold-for: 1s, scenario: {requests: ['http://s/']}}]"
    suites.save(store, "shop", {"suite.yml": suite}, by="Ada", comment="", at=NOW, expected=None)

    asked = client(store, "operator").post(f"/runs/{PASSED}/baseline").headers["location"]

    assert asked == f"/runs/{PASSED}/baseline"
    assert "3 users, 1 s" in client(store, "operator").get(asked).text


def test_the_present_baseline_chosen_again_stays_and_the_page_says_so(store):
    set_baseline(store, "shop", PASSED, by="Ada", at=NOW)
    browser = client(store, "operator")

    shown = browser.get(browser.post("/runs/baseline", data={"run": PASSED}).headers["location"])

    assert baseline(store) == PASSED
    assert "already is the baseline" in parsed(shown.content).xpath("string(//div[@role='status'])")
    assert not list(store.keys("audit/"))


@pytest.mark.parametrize("page", [f"/runs/{OTHER}", "/suites/shop/baseline"])
def test_a_change_and_a_clearance_are_undone(store, page):
    set_baseline(store, "shop", PASSED, by="Ada", at=NOW - 5)
    browser = client(store, "operator")

    changed = browser.get(browser.post(f"/runs/{OTHER}/baseline").headers["location"])
    of_change = baseline(store)
    (undo,) = forms(changed, "/baseline/undo")
    post(browser, undo)
    of_undo = baseline(store)
    (clear,) = forms(browser.get(page), "/baseline/clear")
    cleared = post(browser, clear)
    of_clearance = baseline(store)
    post(browser, *forms(cleared, "/baseline/undo"))

    assert (of_change, of_undo, of_clearance, baseline(store)) == (OTHER, PASSED, "", PASSED)
    assert browser.post(undo.get("action"), data={"at": str(NOW - 5)}).status_code == 422  # another change followed
    rows = parsed(browser.get("/suites/shop/baseline").content).xpath("//h2[@id='changes']/following::tbody[1]/tr")
    assert [row.xpath("string(td[4])") for row in rows] == [PASSED, "none", PASSED, OTHER, PASSED]


def test_the_chip_names_run_outcome_load_and_person(store):
    set_baseline(store, "shop", PASSED, by="Grace", at=NOW)

    for page in (f"/runs/{OTHER}", "/suites/shop/baseline"):
        chip = parsed(client(store, "viewer").get(page).content).get_element_by_id("chip")
        assert " ".join(chip.text_content().split()).startswith(
            "Baseline: 2026-11-21 10:00 UTC, passed, 10 users, 30 s, by Grace"
        )
        assert not chip.xpath(".//form")


def test_only_passed_runs_with_files_are_offered(store):
    store.delete(run_key(OTHER) + "/")

    offered = parsed(client(store, "operator").get("/suites/shop/baseline").content).xpath("//td//form/@action")

    assert sorted(offered) == [f"/runs/{run_id}/baseline" for run_id in (PASSED, BUSIER)]


@pytest.mark.parametrize("page", [f"/runs/{PASSED}/delete", f"/delete?run={PASSED}&run={OTHER}"])
def test_a_deletion_names_what_it_takes_along_and_clears_the_baseline(store, page):
    set_baseline(store, "shop", PASSED, by="Ada", at=NOW)
    for _ in range(2):
        add_note(store, PASSED, "slow", by="Ada", at=NOW)
    store.put(f"shares/{PASSED}/{'0' * 64}.json", b"{}")
    browser = client(store, "admin")

    asked = browser.get(page)
    lines = [one.text_content() for one in parsed(asked.content).xpath("//li[code]")]
    (form,) = parsed(asked.content).xpath("//main//form")
    browser.post(form.get("action"), data={"run": form.xpath(".//input[@name='run']/@value")})

    assert f"{PASSED}, with the baseline of shop, 2 notes, 1 shared link" in lines
    assert baseline(store) == ""
    kept = baseline_of(store, "shop", cleared=True)
    assert kept is not None and kept.changes[0].before == PASSED


def by_api(store):
    client(store, "admin", by="token").delete(f"/api/v1/runs/{PASSED}")


def by_age(store):
    prune(store, timedelta(), NOW, "Ada")


def with_the_suite(store):
    suite = b"execution: [{concurrency: 3, hold-for: 1s, scenario: {requests: ['http://s/']}}]"
    suites.save(store, "shop", {"suite.yml": suite}, by="Ada", comment="", at=NOW, expected=None)
    client(store, "operator").post("/suites/shop/delete")


@pytest.mark.parametrize("delete", [by_api, by_age, with_the_suite])
def test_no_way_to_delete_leaves_a_dangling_baseline(store, delete):
    set_baseline(store, "shop", PASSED, by="Ada", at=NOW)

    delete(store)

    assert baseline(store) == ""
    kept = baseline_of(store, "shop", cleared=True)
    assert kept is not None and [one.before for one in kept.changes] == [PASSED, ""]
