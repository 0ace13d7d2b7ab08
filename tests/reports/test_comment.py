"""The comment on a pull request: complete, harmless with hostile texts, never too long."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests import tiers
from tests.github.stories import REGRESSION, compared
from tests.reports import examples
from tests.reports.test_markdown import LINKED, OURS, PARSER, elements, outside_of_code
from toril.github import comments
from toril.records import Verdict
from toril.records.summary import Summary
from toril.reports import Bundle, markdown
from toril.reports.markdown import Links
from toril.reports.run_blocks import report_of

LINKS = Links(report="https://ci.example/report", run="https://ci.example/run")
NASTY = [
    "@octocat", "#12", "acme/shop#12", "GH-7", "https://evil.example", "www.evil.example", "a@evil.example",
    "4e5f6a7b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f", "4e5f6a7", "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "<img src=x onerror=alert(1)>", "<!-- toril:shop -->", "-->", "</details>", "</sub>", "|", "||", "\n", "\r\n\r\n",
    "\n## ", "\n- ", "_x_", "*x*", "~~x~~", "<div open", "<!--", "&amp;",
    "```", "`", "**", "_", "~~", "\\", "\\|", "&lt;", "&#60;b&#62;", "<b>", "$x$", ":tada:", "<https://x>",
    "\n\n    code", "\u202e", "\u200b", "\x1b[31m", "\x00", "[x]: https://evil.example", "| --- |", "1. ",
    "> ", "<details>",
]  # fmt: skip
TEXT = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=8)), max_size=6).map("".join)


def written(run: Bundle, duet: Bundle | None = None) -> str:
    return markdown.render(report_of(run, duet=duet), LINKS).decode()


def replaced(content: Any, text: str) -> Any:
    """Returns the document with hostile texts, including labels; fixed values of the schema stay."""
    fixed = {"kind", "outcome", "unit", "counted", "schema", "cause", "code"}
    if isinstance(content, dict):
        names = any(isinstance(value, dict) and "samples" in value for value in content.values())
        return {
            (f"{key}{text}" if names and key else key): value if key in fixed else replaced(value, text)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [replaced(item, text) for item in content]
    return content + text if isinstance(content, str) else content


def attacked(run: Bundle, text: str) -> Bundle:
    changed = {"suite": text, "run_id": text, "toril_version": text, "warnings": (text,), "tags": {text: text}}
    verdict = Verdict.from_dict({**replaced(run.verdict.to_dict(), text), "notes": [text]})
    summary = Summary.from_dict(replaced(run.summary.to_dict(), text))
    return replace(run, plan=run.plan.model_copy(update=changed), summary=summary, verdict=verdict)


def tables(text: str) -> list[int]:
    """Returns the number of columns per table; a row with another number of cells does not count."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        (columns,) = {line.count("|") for line in block.splitlines()}
        found.append(columns - 1)
    return found


def kinds(text: str) -> set[str]:
    return {child.type for token in PARSER.parse(text) for child in (token, *(token.children or ()))}


REGRESSED = compared(examples.failed(), REGRESSION, "regression")
MORE = [
    *REGRESSED.verdict.to_dict()["reasons"],
    {"code": "c", "message": ""},
]  # an empty text at the start of a list item
TARGET = examples.with_verdict(REGRESSED, reasons=MORE)
HARMLESS = written(attacked(TARGET, ""))


def each_nasty_text(test):
    for text in NASTY:
        test = example(text)(test)
    return test


@pytest.mark.live
@each_nasty_text
@tiers.examples(150)
@given(TEXT)
def test_no_untrusted_text_acts_as_markdown(text):
    harmless, hostile = HARMLESS, written(attacked(TARGET, text))

    assert elements(hostile) <= OURS
    assert kinds(hostile) <= kinds(harmless) | {"text_special"}
    assert tables(hostile) == tables(harmless)
    assert hostile.count("](") == 2  # links of toril
    assert "$" not in hostile  # GitHub's mathematics
    assert not LINKED.search(outside_of_code(hostile).replace("https://ci.example", ""))
    assert not re.search(r"(?<![0-9a-zA-Z])[0-9a-f]{7,40}(?![0-9a-zA-Z])", outside_of_code(hostile))
    assert hostile.splitlines()[0].startswith("## ❌")


def test_a_huge_comment_is_cut_and_links_to_the_full_report():
    run = examples.hostile(labels=10_000)
    endless = [{"code": "x" * 900, "message": f"{number}{'<&|' * 5_000}"} for number in range(200)]
    text = written(examples.with_verdict(run, outcome="inconclusive", reasons=endless))

    assert len(text) <= markdown.COMMENT - 1_000
    assert "[full report](<https://ci.example/report>)" in text or "more reasons" in text
    assert elements(text) <= OURS


def test_a_cut_text_links_to_the_full_report():
    text = markdown.limited(lambda most: iter(["first", "x" * 70_000]), "https://ci.example/report").decode()

    assert text == "first\n\n… the rest is too long for a comment: [full report](<https://ci.example/report>)\n"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://a.example/)",
        "https://a.example/>",
        "https://a b",
        "//x",
        "https://a\n",
        "https://",
    ],
)
def test_an_invalid_address_is_not_linked(url):
    assert not markdown.is_address(url)
    with pytest.raises(ValueError, match="not an address"):
        markdown.link("Report", url)


def test_each_suite_has_a_comment_for_its_newest_run():
    def run(suite: str, run_id: str, of: Bundle) -> Bundle:
        return replace(of, plan=of.plan.model_copy(update={"suite": suite, "run_id": run_id}))

    texts = comments(
        [run("b", "2", examples.passed()), run("a", "1", examples.passed()), run("b", "1", examples.failed())], Links()
    )

    assert list(texts) == ["a", "b"]
    assert "run <code>2</code>" in texts["b"]


def test_runs_on_fargate_have_their_own_comment():
    def run(on: str, run_id: str, of: Bundle) -> Bundle:
        return replace(of, plan=of.plan.model_copy(update={"suite": "b", "on": on, "run_id": run_id}))

    texts = comments([run("local", "2", examples.passed()), run("fargate", "1", examples.failed())], Links())

    assert texts["b"].startswith("## ✅ b: passed")
    assert texts["b:fargate"].startswith("## ❌ b on Fargate: failed")
