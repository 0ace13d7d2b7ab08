"""The report on a terminal: complete at any width, for all strings and any number of labels."""

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.github.stories import REGRESSION, comparison
from tests.github.stories import compared as compared_run
from tests.measured import MS, Sample
from tests.reports import examples, gallery
from tests.reports.exchanges import exchange, failed
from tests.reports.runs import run_of, small, wavering
from toril import text as texts
from toril.reports import Bundle, compared, render, terminal
from toril.reports.blocks import Table
from toril.reports.run_blocks import report_of
from toril.text import plain

WIDTHS = [30, 40, 60, 75, 76, 80, 100, 140, 220]
RUNS = {
    "passed": run_of(small(), "p95>250ms", "fail>1%"),
    "failed": examples.failed(),
    "slow": run_of([Sample(0, 123_456_000), *small(1234)] * 40, "p95 of checkout>1s"),
    "hostile": examples.hostile(),
    "empty": examples.empty(),
}


def printed(run: Bundle, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    terminal.show(console, report_of(run))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(text: str) -> str:
    return re.sub(r"[\s┃]+", "", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", RUNS)
def test_lines_fit_the_terminal_and_figures_stay_whole(name, width):
    text = printed(RUNS[name], width)

    assert max(map(len, text.splitlines())) <= width
    assert width < 40 or not re.search(r"\d …(  |\s*$)", text, re.MULTILINE)


@pytest.mark.parametrize("width", WIDTHS)
def test_names_figures_and_intervals_are_shown_at_any_width(width):
    run = run_of([*wavering("GET /cart, all of it", 50), *wavering("checkout", 120)], "p95 of checkout>250ms")

    text = words(printed(run, width))

    for name in ("", "checkout", "GET /cart, all of it"):
        figures = run.summary.to_dict()["labels"][name]
        for key in ("p50", "p95", "p99"):
            value = figures["response_us"][key]
            low, high = (texts.time(end) for end in figures["response_us"]["interval"][key])
            assert words(texts.time(value)) in text
            assert words(f"{low.removesuffix(' ms')}…{high.removesuffix(' ms')}") in text
        assert words(name or "all") in text
        assert texts.number(figures["samples"]) in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_transaction_is_never_cut_within_the_word(width):
    whole = [Sample(second, 700 * MS, label="buy", kind="transaction") for second in range(9)]
    run = run_of([*wavering("buy", 120), *wavering("GET /cart", 50, spread=30), *whole])

    assert "buy (transaction)" in run.summary.labels
    assert re.search(r"\btransaction\b", printed(run, width))


def test_breached_criteria_come_first():
    text = render("terminal", run_of(small(), "fail>1%", "p95>10ms")).decode()

    assert text.index("✘  p95>10ms") < text.index("✔  fail>1%")


def test_an_unbounded_interval_shows_infinity():
    text = render("terminal", run_of(small(seconds=1))).decode()

    assert re.search(r"\d … ∞", text)


def test_long_labels_stay_distinct_wherever_they_differ():
    long = "GET /search?q=" + "x" * 10_000
    labels = [long + "1", long + "2", "1" + long, long[:5000] + "!" + long[5000:]]

    for width in (40, 80, 200):
        text = printed(run_of([Sample(0, label=label) for label in labels for _ in range(3)]), width)
        assert len(set(re.findall(r"x…([0-9a-f]{6})…", words(text)))) == 4
        assert len(text) < 8000


@given(st.text(max_size=60), st.text(max_size=60), st.integers(10, 40))
def test_shortened_texts_are_short_and_stay_different(one, other, longest):
    short = [texts.shortened(text, longest) for text in (one, other)]

    assert all(len(text) <= max(longest, 10) for text in short)
    assert (one == other) == (short[0] == short[1])


# ── Strings from outside ──────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(st.characters(codec=None), max_size=400))
def test_plain_text_has_no_control_or_hidden_characters(text):
    shown = plain(text)

    assert not [one for one in shown if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
    assert not re.search(r"\w" + "\u0301" * 6, shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]8;;http://a\x07link\x1b]8;;\x07", r"\x1b]8;;http://a\x07link\x1b]8;;\x07"),
        ("\u202eevil\u202c", r"\u202eevil\u202c"),
        ("a\nb\tc\rd", "a b c d"),
        ("[red]a[/red] :smile:", "[red]a[/red] :smile:"),
        ("\u200d\ufeff\u3164", r"\u200d\ufeff\u3164"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + r"\u0301\u0301"),
        ("नमस्ते 日本 é", "नमस्ते 日本 é"),
    ],
)
def test_invisible_characters_are_escaped_and_others_stay(text, shown):
    assert plain(text) == shown


ATTACK = "[red]\x1b[31m\u202e\x9b2J\x07:smile:[/red]\ud800"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_hostile_run_is_printed_as_plain_text(width):
    run = run_of(
        [Sample(0, label=ATTACK, ok=False, rc=ATTACK)] * 5,
        {"subject": "p95", "label": ATTACK, "condition": ">", "threshold": "1ms"},
    )

    for text in (printed(run, width), compared("terminal", run, RUNS["passed"]).decode()):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
        assert "[red]" in words(text)
        assert ":smile:" in words(text)


def test_figures_on_a_narrow_terminal_are_aligned():
    labels = (("a label as long as this one", 19), ("cart", 98), ("search", 1200))
    run = run_of([sample for label, ms in labels for sample in wavering(label, ms)], "p95>1s")
    lines = [line for line in printed(run, 58).splitlines() if line.startswith("   p95 ")]

    assert len(lines) == 4
    assert len({line.index("p95") for line in lines}) == 1


def test_omitted_rows_are_counted_with_the_full_format():
    rules = [examples.criterion(f"p95 of l{place}>1s", "failed" if place == 700 else "passed") for place in range(1000)]
    text = render("terminal", examples.with_verdict(examples.failed(), criteria=rules)).decode()
    assert "p95 of l700>1s" in text
    assert "900 more criteria; see --format json" in text


def test_a_sentence_about_a_figure_uses_the_whole_width():
    nothing = dict.fromkeys(("base", "head", "change", "low", "high", "detectable"))
    why = "p95 of checkout: 3 pairs of blocks have samples in both arms, and a comparison needs 4 of them at least"
    metric = {**REGRESSION["metrics"][0], **nothing, "outcome": "inconclusive", "blocks": 3, "message": why}
    run = compared_run(examples.passed(), comparison("inconclusive", "too few", metric), "unproven")
    assert sum("3 pairs of blocks have samples in both arms" in line for line in printed(run, 80).splitlines()) == 1


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("name", ["regression", "capacity", "functional", "browsers"])
def test_every_cell_is_shown_at_any_width(name, width):
    run = gallery.run(name)
    text = words(printed(run, width))
    for block in report_of(run).blocks:
        if isinstance(block, Table) and not block.page_only and block.id in ("duet", "capacity", "cases"):
            for row in block.rows:
                cells = [cell for cell, column in zip(row.cells, block.columns, strict=True) if column.rank == 1]
                assert all(words(cell.text) in text for cell in cells)


@pytest.mark.parametrize(("label", "named"), [("h", True), ("check", True), ("checkout", False)])
def test_a_failed_request_has_its_label_unless_the_title_has_it_as_a_word(label, named):
    lines = printed(failed(exchange(label=label)), 140).splitlines()
    (title,) = [line.strip() for line in lines if "→ 503" in line]
    assert title.startswith(f"{label}: POST") == named
