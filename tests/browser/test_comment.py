"""Comments in a browser, similar to GitHub: readable on a phone, with no active content."""

import pytest

from tests.browser.conftest import PHONE
from tests.github.pictures import page
from tests.github.stories import STORIES
from toril.reports import render


@pytest.fixture
def shown(opened, tmp_path):
    def show(story: str, width: int = PHONE):
        file = tmp_path / f"{story}.html"
        file.write_text(page(render("github", STORIES[story]()).decode()))
        return opened(file, width=width)

    return show


@pytest.mark.live
@pytest.mark.parametrize(
    "story", [one if one == "failed" else pytest.param(one, marks=pytest.mark.nightly) for one in STORIES]
)
def test_only_tables_and_code_scroll_on_a_phone(story, shown):
    one = shown(story)

    assert one.evaluate("document.documentElement.scrollWidth") <= PHONE
    one.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
    assert one.evaluate("document.documentElement.scrollWidth") <= PHONE


@pytest.mark.live
@pytest.mark.parametrize("story", ["regression", "passed"])
def test_outcomes_are_visible_without_scrolling(story, shown):
    """The cells with icons are the first of their rows."""
    ends = shown(story).evaluate(
        "[...document.querySelectorAll('body > div > table td:first-child')].map(c => c.getBoundingClientRect().right)"
    )

    assert ends
    assert max(ends) <= PHONE


@pytest.mark.live
def test_hostile_texts_load_and_run_nothing(shown):
    one = shown("hostile", 900)

    assert [request for request in one.requests if not request.startswith("file:")] == []
    assert len(one.requests) == 1
    assert one.complaints == []
    assert one.dialogs == []
    assert one.evaluate("document.querySelectorAll('img, script, a, iframe, form, style:not(head style)').length") == 0
