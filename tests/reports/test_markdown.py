"""Markdown for GitHub, parsed by a CommonMark parser with GitHub's tables."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.measured import Sample
from tests.reports import examples
from tests.reports.runs import run_of, small
from toril.reports import Bundle, compared, markdown, render
from toril.text import plain

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {"details", "summary", "sub", "code", "pre", "br"}  # the only elements that toril writes
# Texts outside code that GitHub links: mentions, references, addresses.
LINKED = re.compile(r"(?<![\w`])@\w|(?<!\w)#\d|(?i:\bGH-\d)|https?://|www\.")


def written(run: Bundle) -> str:
    return render("github", run).decode()


def shown(text: str) -> str:
    """Returns the visible text."""
    page = PARSER.render(text)
    return html.unescape(re.sub(r"<[^>]*>", "", page)).replace(markdown.UNSEEN, "")


def outside_of_code(text: str) -> str:
    page = re.sub(r"<(code|pre)>.*?</\1>", "", PARSER.render(text), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def elements(text: str) -> set[str]:
    """Returns the raw HTML elements of a document."""
    raw = []
    for token in PARSER.parse(text):
        for one in (token, *(token.children or ())):
            if one.type in ("html_block", "html_inline"):
                raw += re.findall(r"</?([A-Za-z!][^\s>/]*)", one.content)
    return set(raw)


ALL = {
    "passed": run_of(small(), "p95>250ms", "fail>1%"),
    "failed": examples.failed(),
    "inconclusive": run_of(small(), "p95>250ms", lost=(("local-1", "killed by signal 9"),)),
    "hostile": examples.hostile(),
    "empty": examples.empty(),
}


@pytest.mark.parametrize("name", ALL)
def test_the_verdict_comes_first_and_all_tables_are_valid(name):
    text = written(ALL[name])

    assert text.startswith("## ")
    assert ALL[name].outcome in text.splitlines()[0]
    assert PARSER.render(text).count("<table>") == len(re.findall(r"^\|[-:|]+\|$", text, re.MULTILINE))
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


@pytest.mark.parametrize("name", ALL)
def test_the_text_has_only_known_closed_elements(name):
    text = written(ALL[name])

    assert elements(text) <= OURS
    for element in OURS - {"br"}:
        assert len(re.findall(f"<{element}[ >]", text)) == text.count(f"</{element}>")


@pytest.mark.parametrize("name", ALL)
def test_the_text_has_no_mentions_and_no_links(name):
    assert not LINKED.search(outside_of_code(written(ALL[name])))


@given(st.text(st.characters(codec=None), max_size=80))
def test_any_text_is_shown_literally(text):
    page = PARSER.parse(markdown.escaped(text) + "\n")

    assert [token.type for token in page] in ([], ["paragraph_open", "inline", "paragraph_close"])
    inline = page[1].children if page else []
    assert {child.type for child in inline or ()} <= {"text", "text_special", "softbreak"}
    read = "".join(child.content for child in inline or ()).replace(markdown.UNSEEN, "")
    assert read.split() == plain(text, 1000).replace(markdown.UNSEEN, "").split()


@pytest.mark.parametrize(
    "text",
    [
        "@octocat",
        "a &lt; b &#64; c",
        "see #123",
        "GH-7",
        "gh-7",
        "octo/cat#9",
        "https://example.org",
        "www.example.org",
        "a@b.example",
    ],
)
def test_references_and_addresses_are_only_text(text):
    assert not LINKED.search(outside_of_code(markdown.escaped(text)))
    assert shown(markdown.escaped(text)).strip() == text


@pytest.mark.parametrize(
    "text", ["- a", "+ a", "1. a", "12) a", "# a", "> a", "---", "===", "    a", "* a", "| a | b |"]
)
def test_no_text_becomes_a_list_heading_or_quotation(text):
    assert PARSER.parse(f"- {markdown.escaped(text)}\n")[2].type == "paragraph_open"
    assert len(PARSER.parse(markdown.escaped(text))) == 3


def test_a_huge_run_fits_into_a_comment_and_counts_omitted_labels():
    text = written(examples.hostile(labels=5000))

    assert len(text) <= markdown.COMMENT
    assert re.search(r"… and 4,\d{3} more labels", text)
    assert elements(text) <= OURS
    assert text.count("<details") == text.count("</details>")


def test_a_cut_text_keeps_whole_paragraphs():
    parts = ["first", "x" * 40_000, "<details><summary>a</summary>\n\n" + "y" * 40_000 + "\n\n</details>", "last"]

    text = markdown.limited(lambda most: iter(parts)).decode()

    assert len(text) <= markdown.LIMIT
    assert text.startswith("first\n\nxxx")
    assert text.endswith("last\n\n… the rest is too long for a comment\n")
    assert "yyy" not in text


def test_transactions_are_marked():
    run = run_of([Sample(0, label="buy", kind="transaction"), Sample(0, label="cart")])

    assert "<code>buy</code> (transaction) |" in written(run)
    assert "buy (transaction) |" in compared("github", run, run).decode()
    assert "<code>cart</code> |" in written(run)


def test_a_comparison_is_harmless_and_fits_into_a_comment():
    hostile = examples.hostile(labels=3000)
    text = compared("github", hostile, ALL["failed"]).decode()

    assert len(text) <= markdown.COMMENT
    assert elements(text) <= OURS
    assert not LINKED.search(outside_of_code(text))
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1
