"""`/compare`, in process: two to five runs, the reference, runs that cannot be compared, the form."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from tests.console.served import LIVE, NOW, client, parsed, progress, running, stored
from tests.reports import examples
from tests.reports.runs import small, store_run
from toril.desk.runs import set_baseline
from toril.runs.conclude import judge_again
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


def nights(store, count: int, scatter: float = 0.01) -> None:
    """Adds the history of that many ordinary nights, whose times scatter by about this share."""
    pattern = record_of(examples.passed())
    for place in range(count):
        factor = 1 + scatter * math.sin(5 * place)

        def scaled(figures, factor=factor):
            times = {
                name: replace(kept, value_us=round(factor * kept.value_us))
                for name, kept in figures.percentiles.items()
            }
            return replace(figures, percentiles=times)

        labels = {name: scaled(figures) for name, figures in pattern.labels.items()}
        at = pattern.started_at - 86_400 * (1 + place)
        night = replace(pattern, run_id=f"night-{place}", started_at=at, total=scaled(pattern.total), labels=labels)
        remember(store, night)


def slower(factor: float, label: str = "checkout", **changes):
    """Returns a passed run whose label is slower."""
    labels = {"": examples.figures(), "products": examples.figures(2000, scale=0.8)}
    labels[label] = examples.figures(1000, scale=1.4 * factor)
    return replace(examples.passed(), summary=examples.summary(labels, **changes))


def cells(page: bytes, kind: str) -> dict[str, list[int]]:
    """Returns the columns of the coloured cells, by row."""
    rows = parsed(page).xpath("//div[contains(@class, 'matrix')]//tbody/tr")
    marked = {}
    for row in rows:
        found = [place for place, cell in enumerate(row.findall("td")) if cell.get("class") == kind]
        if found:
            marked[" ".join(row.find("th").text_content().split())] = found
    return marked


def told(page: bytes) -> str:
    return str(parsed(page).get_element_by_id("told").text_content())


@pytest.mark.parametrize("count", [2, 3, 5])
def test_two_to_five_runs_are_one_matrix_and_drawn_over_each_other(store, count):
    answer = compared(store, *IDS[:count])

    assert answer.status_code == 200
    assert letters(answer.content) == list("ABCDE"[:count])
    columns = parsed(answer.content).xpath("//div[contains(@class, 'matrix')]/table/thead//th/b/text()")
    assert columns == list("ABCDE"[:count])


def test_only_a_difference_beyond_that_of_ordinary_runs_is_coloured(tmp_path):
    made = FolderStore(tmp_path)
    nights(made, 20)
    for run_id, bundle in zip(IDS, (slower(1), slower(1.03), slower(1.6), slower(0.5)), strict=False):
        stored(made, bundle, run_id=run_id)

    page = compared(made, *IDS[:4]).content

    assert cells(page, "worse") == {"checkout p50": [2], "checkout p95": [2], "checkout p99": [2]}
    assert cells(page, "better") == {"checkout p50": [3], "checkout p95": [3], "checkout p99": [3]}
    assert told(page).startswith("B: ordinary. C: p95 of checkout +60 %, beyond the ordinary ±")
    words = parsed(page).xpath("//td[@class='worse']//span[@class='hidden']/text()")
    assert words == ["worse, beyond the ordinary range:"] * 3  # colour and marks are never alone


def test_ordinary_labels_are_folded(tmp_path):
    made = FolderStore(tmp_path)
    nights(made, 20)
    labels = {name: examples.figures() for name in ("", "products", "checkout", *"abcdef")}
    for run_id, factor in zip(IDS, (1, 2), strict=False):
        own = labels | {"checkout": examples.figures(1000, scale=1.4 * factor)}
        stored(made, replace(examples.passed(), summary=examples.summary(own)), run_id=run_id)

    page = parsed(compared(made, *IDS[:2]).content)

    folded = page.xpath("//details//tbody/tr[1]/th/span[not(@class)]/text()")
    assert "checkout" not in folded and set("abcdef") < set(folded)


def test_with_few_comparable_runs_no_cell_is_coloured(tmp_path):
    made = FolderStore(tmp_path)
    nights(made, 7)
    for run_id, bundle in zip(IDS, (slower(1), slower(3)), strict=False):
        stored(made, bundle, run_id=run_id)

    page = compared(made, *IDS[:2]).content

    assert told(page) == "Too few comparable runs (7 of 8): no cell is coloured."
    assert not cells(page, "worse")
    assert "+200 %" in page.decode()


@pytest.mark.parametrize(("changed", "title"), [("load", "Load"), ("suite", "Suite"), ("toril", "Image")])
def test_what_else_differs_comes_first_and_such_a_run_is_not_coloured(tmp_path, changed, title):
    made = FolderStore(tmp_path)
    nights(made, 20)
    stored(made, slower(1), run_id=IDS[0])
    plan = examples.plan()
    busier = plan.executions[0].model_copy(update={"concurrency": 20})
    changes: dict[str, dict[str, Any]] = {
        "load": {"executions": (busier,)},
        "suite": {"suite": "other"},
        "toril": {"toril_version": "9.9"},
    }
    stored(made, slower(3), run_id=IDS[1], **changes[changed])

    page = compared(made, *IDS[:2]).content

    (conditions,) = parsed(page).xpath("//table/tbody[1][@class='conditions']")
    assert title in [row.findtext("th") for row in conditions]
    assert not cells(page, "worse")
    assert told(page).startswith("B: not comparable, ")


def test_the_chosen_run_is_the_reference_of_all_others(store):
    page = parsed(compared(store, *IDS[:3], reference=IDS[1]).content)

    assert len(page.xpath("//th[b='B']//span[@class='tag'][.='reference']")) == 1
    assert [one.get("aria-label") for one in page.xpath("//a[starts-with(@aria-label, 'Make reference')]")] == [
        "Make reference: A",
        "Make reference: C",
    ]


def test_the_baseline_is_the_reference_or_else_the_oldest_run(store):
    def references():
        page = parsed(compared(store, *reversed(IDS[:3])).content)
        return page.xpath("//th[.//span[@class='tag'][.='reference']]//a/@title")[:1]

    assert references() == [IDS[0]]
    set_baseline(store, "shop", IDS[1], by="Ada", at=NOW)
    assert references() == [IDS[1]]


def test_intervals_and_rare_figures_are_shown_on_demand(store):
    def titles(**more):
        page = parsed(compared(store, *IDS[:2], **more).content)
        return page.xpath("//div[contains(@class, 'matrix')]/table/tbody[last()]//th/b/text()")

    assert "p99" in titles()
    assert "p99.9" not in titles()
    assert "p99.9" in titles(detailed=True)


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


def test_a_window_has_its_own_figures_in_the_table_and_is_marked_in_the_charts(tmp_path):
    for run_id in IDS[:2]:
        store_run(tmp_path, run_id, small(), "p95>250ms")
        judge_again(FolderStore(tmp_path), run_id)
    store = FolderStore(tmp_path)
    whole, part = compared(store, *IDS[:2]), compared(store, *IDS[:2], **{"from": "2s", "to": "4s"})
    assert json.loads(parsed(part.content).get_element_by_id("data").text)["span"] == [2, 4]
    assert letters(part.content) == letters(whole.content) == ["A", "B"]
    assert "Figures of a window" in parsed(part.content).get_element_by_id("told").text
    assert not parsed(part.content).cssselect("td.worse, td.better")
    assert compared(store, *IDS[:2], **{"from": "90s"}).status_code == 422
