"""`/compare`, in process: two to five runs, the reference, runs that cannot be compared, the form."""

import json

import pytest

from tests.console.served import LIVE, NOW, client, parsed, progress, running, stored
from tests.reports import examples
from toril.desk.runs import set_baseline
from toril.runs.history import record_of, remember
from toril.runs.stored import judged
from toril.store import FolderStore

IDS = [f"2026112{day}T100000Z-shop-000{day}" for day in range(1, 7)]


@pytest.fixture
def store(tmp_path):
    made = FolderStore(tmp_path)
    for place, run_id in enumerate(IDS):
        bundle = examples.passed() if place % 2 else examples.failed()
        stored(made, bundle, run_id=run_id)
        remember(made, record_of(judged(made, run_id, NOW)))
    return made


def compared(store, *runs, **more):
    return client(store, "viewer").get("/compare", params={"run": list(runs), **more})


def letters(page: bytes) -> list[str]:
    charts = json.loads(parsed(page).get_element_by_id("data").text)["course"]
    return [line["name"] for line in charts[0]["lines"]]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_two_to_five_runs_are_drawn_over_each_other(store, count):
    answer = compared(store, *IDS[:count])

    assert answer.status_code == 200
    assert letters(answer.content) == list("ABCDE"[:count])
    titles = [one.text_content().strip() for one in parsed(answer.content).xpath("//h2[@id]")]
    assert [title for title in titles if title[1:9] == " against"] == [
        f"{name} against A" for name in "BCDE"[: count - 1]
    ]


def test_the_pinned_run_is_the_reference_of_all_others(store):
    page = parsed(compared(store, *IDS[:3], reference=IDS[1]).content)

    titles = [one.text_content().strip() for one in page.xpath("//h2[starts-with(@id, 'comparison')]")]
    assert titles == ["A against B", "C against B"]
    assert not page.xpath("//a[contains(@aria-label, 'Make B the reference')]")


def test_the_baseline_is_the_reference_or_else_the_oldest_run(store):
    def references():
        page = parsed(compared(store, *reversed(IDS[:3])).content)
        return page.xpath("//tr[.//span[@class='tag'][.='reference']]//small/text()")

    assert references() == [IDS[0]]
    set_baseline(store, "shop", IDS[1], by="Ada", at=NOW)
    assert references() == [IDS[1]]


def test_intervals_and_rare_figures_are_shown_on_demand(store):
    def columns(**more):
        page = parsed(compared(store, *IDS[:2], **more).content)
        return [one.text_content().strip() for one in page.xpath("//h2[@id='comparison']/following::thead[1]//th")]

    assert "p99" in columns()
    assert "p99.9" not in columns()
    assert "p99.9" in columns(detailed=True)


def test_the_page_says_why_runs_may_not_be_comparable(store):
    stored(store, examples.passed(), run_id=IDS[0], suite="other", toril_version="9.9")

    page = parsed(compared(store, IDS[1], IDS[0]).content)

    assert len(page.xpath("//div[@class='banner']//li")) >= 2


def test_a_sixth_run_is_left_out(store):
    answer = compared(store, *IDS)

    assert len(letters(answer.content)) == 5
    assert parsed(answer.content).xpath("//div[@class='banner'][@role='status']")


@pytest.mark.parametrize("runs", [[], IDS[:1], [IDS[0], "nothing"], [IDS[0], LIVE], [IDS[0], IDS[0]], ["../x", "<b>"]])
def test_without_two_runs_the_page_offers_runs_to_choose(store, runs):
    running(store, progress(90))

    page = parsed(compared(store, *runs).content)

    offered = page.xpath("//input[@name='run']/@value")
    assert sorted(offered) == sorted(IDS)
    assert page.xpath("//input[@name='run'][@checked]/@value") == [one for one in dict.fromkeys(runs) if one in IDS]


def test_the_form_searches(store):
    page = parsed(compared(store, q=IDS[2]).content)

    assert page.xpath("//input[@name='run']/@value") == [IDS[2]]


def test_a_store_without_runs_leads_to_the_suites(tmp_path):
    page = parsed(compared(FolderStore(tmp_path)).content)

    assert page.xpath("//div[@class='empty']//a/@href") == ["/suites"]
