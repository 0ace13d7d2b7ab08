"""The verdict on a terminal: all of it at any width, whatever the strings, however many labels."""

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.measured import MS, Sample
from tests.reports import examples
from tests.reports.runs import run_of, small, wavering
from toril.reports import Bundle, compare_terminal, render, selection, terminal, vouching, wording
from toril.reports.comparison import compare

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
    terminal.show(console, run)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(text: str) -> str:
    return re.sub(r"[\s┃]+", "", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", RUNS)
def test_no_line_is_longer_than_the_terminal_and_no_figure_is_cut(name, width):
    text = printed(RUNS[name], width)

    assert max(map(len, text.splitlines())) <= width
    assert width < 40 or not re.search(r"\d …(  |\s*$)", text, re.MULTILINE)


@pytest.mark.parametrize("width", WIDTHS)
def test_names_figures_and_intervals_are_there_at_any_width(width):
    run = run_of([*wavering("GET /cart, all of it", 50), *wavering("checkout", 120)], "p95 of checkout>250ms")

    text = words(printed(run, width))

    for name in ("", "checkout", "GET /cart, all of it"):
        figures = run.summary["labels"][name]
        for key in ("p50", "p95", "p99"):
            value = figures["response_us"][key]
            low, high = (wording.time(end) for end in figures["response_us"]["interval"][key])
            assert words(wording.time(value)) in text
            assert words(f"{low.removesuffix(' ms')}…{high.removesuffix(' ms')}") in text
        assert words(name or "all") in text
        assert wording.number(figures["samples"]) in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_transaction_is_never_cut_within_the_word(width):
    whole = [Sample(second, 700 * MS, label="buy", kind="transaction") for second in range(9)]
    run = run_of([*wavering("buy", 120), *wavering("GET /cart", 50, spread=30), *whole])

    assert "buy (transaction)" in run.summary["labels"]
    assert re.search(r"\btransaction\b", printed(run, width))


def test_the_order_is_verdict_criteria_labels_locations():
    text = render("terminal", examples.failed()).decode()

    places = [text.index(part) for part in ("FAILED", "fails when", " label ", " location ", "run 2026")]
    assert places == sorted(places)


def test_what_broke_stands_before_what_held():
    text = render("terminal", run_of(small(), "fail>1%", "p95>10ms")).decode()

    assert text.index("✘  p95>10ms") < text.index("✔  fail>1%")


def test_of_very_many_criteria_those_that_broke_are_shown():
    rules = [examples.criterion(f"p95 of l{place}>1s", "failed" if place == 700 else "passed") for place in range(1000)]
    run = Bundle(examples.plan(), examples.summary(), examples.verdict("failed", criteria=rules))

    for name, left_out in (("terminal", "and 900 more criteria: --format json"), ("github", "and 900 more criteria")):
        text = render(name, run).decode().replace("&#62;", ">")
        assert "p95 of l700>1s" in text
        assert left_out in text


def test_an_open_interval_says_so():
    text = render("terminal", run_of(small(seconds=1))).decode()

    assert re.search(r"\d … ∞", text)


# ── Huge runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def huge(labels: int, **special: dict) -> Bundle:
    """A summary with many labels of ten requests each."""
    figures = {f"label {number}": examples.figures(10) for number in range(labels)}
    figures |= {name: examples.figures(**change) for name, change in special.items()}
    rules = [examples.criterion("p95 of rare>1s", label="rare")]
    return Bundle(
        examples.plan(), examples.summary({"": examples.figures(10**6), **figures}), examples.verdict(criteria=rules)
    )


def test_of_very_many_labels_the_busiest_the_judged_and_the_worst_are_shown():
    run = huge(
        2000,
        rare={"samples": 1},
        busy={"samples": 5000},
        failing={"samples": 10, "failures": 9},
        slow={"samples": 10, "scale": 50.0},
    )

    text = render("terminal", run).decode()

    for name in ("rare", "busy", "failing", "slow"):
        assert re.search(rf"^ {name} ", text, re.MULTILINE)
    assert len(text.splitlines()) < 200
    assert "and 1,964 more labels: --format csv" in text


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9)),
        max_size=40,
    ),
    st.lists(st.text(min_size=1, max_size=2), max_size=5),
    st.integers(1, 20),
)
def test_as_many_labels_are_chosen_as_there_is_room_for_and_none_twice(labels, judged, most):
    figures = {
        name: {"samples": samples, "failures": failures, "response_us": {"p95": p95}}
        for name, (samples, failures, p95) in labels.items()
    }

    chosen = selection.notable(figures, judged, most)

    some = {name for name, values in labels.items() if any(values)} | {name for name in judged if name in labels}
    assert len(chosen) == len(set(chosen)) == min(most, len(some))
    assert set(chosen) <= some
    first = [name for name in dict.fromkeys(judged) if name in labels]
    assert chosen[: min(most, len(first))] == first[:most]


def test_labels_of_ten_kilobytes_can_be_told_apart_wherever_they_differ():
    long = "GET /search?q=" + "x" * 10_000
    labels = [long + "1", long + "2", "1" + long, long[:5000] + "!" + long[5000:]]

    for width in (40, 80, 200):
        text = printed(run_of([Sample(0, label=label) for label in labels for _ in range(3)]), width)
        assert len(set(re.findall(r"x…([0-9a-f]{6})…", words(text)))) == 4
        assert len(text) < 8000


@given(st.text(max_size=60), st.text(max_size=60), st.integers(10, 40))
def test_shortened_texts_are_short_and_stay_different(one, other, longest):
    short = [wording.shortened(text, longest) for text in (one, other)]

    assert all(len(text) <= max(longest, 10) for text in short)
    assert (one == other) == (short[0] == short[1])


# ── Strings from outside ──────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(st.characters(codec=None), max_size=400))
def test_nothing_that_steers_a_terminal_or_hides_is_left_of_any_text(text):
    shown = wording.plain(text)

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
def test_what_cannot_be_seen_is_written_out_and_the_rest_stays(text, shown):
    assert wording.plain(text) == shown


ATTACK = "[red]\x1b[31m\u202e\x9b2J\x07:smile:[/red]\ud800"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_hostile_run_is_printed_as_text_only(width):
    run = run_of(
        [Sample(0, label=ATTACK, ok=False, rc=ATTACK)] * 5,
        {"subject": "p95", "label": ATTACK, "condition": ">", "threshold": "1ms"},
    )

    for text in (printed(run, width), compare_terminal.report(compare(run, RUNS["passed"])).decode()):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
        assert "[red]" in words(text)
        assert ":smile:" in words(text)


# ── What vouches for the figures ──────────────────────────────────────────────────────────────────────────────────────


def test_the_worst_of_the_generators_is_told_in_a_line():
    workers = {
        "a-1": {"cpu_max": 0.5, "busiest_core_max": 0.2, "waiting_max": 0.01, "late_max_us": 1200, "dropped": 3},
        "a-2": {"cpu_max": 0.3, "busiest_core_max": 0.8, "waiting_max": 0.07, "late_max_us": 90, "dropped": 0},
    }
    run = Bundle(examples.plan(), examples.summary(generators={"workers": workers}), examples.verdict())

    assert vouching.health(run) == (
        "worst of 2 generators at most: CPU 50 % · busiest core 80 % · waiting 7 % · sends late by 1.20 ms · "
        "3 sends dropped"
    )


def test_a_saturated_generator_is_told_with_its_sign_and_the_advice():
    generators = {
        "saturated": ["a-1"],
        "advice": "use 3 workers",
        "workers": {"a-1": {"cpu_max": 0.99, "saturation": [{"what": "cpu", "message": "99 % CPU from 3 s on"}]}},
    }
    run = Bundle(examples.plan(), examples.summary(generators=generators), examples.verdict())

    assert vouching.saturated(run) == ["worker a-1 was saturated: 99 % CPU from 3 s on", "use 3 workers"]
    assert "use 3 workers" in render("terminal", run).decode()
    assert "use 3 workers" in render("github", run).decode()

    reasons = [{"code": "saturated", "message": "worker a-1: 99 % CPU from 3 s on; use 3 workers"}]
    told = Bundle(run.plan, run.summary, examples.verdict("inconclusive", reasons=reasons))
    for name in ("terminal", "github"):
        text = render(name, told).decode()
        assert (text.count("from 3 s on"), text.count("use 3 workers")) == (1, 1), text


@pytest.mark.parametrize("name", ["terminal", "github", "html", "junit", "json"])
def test_every_report_has_the_verdicts_notes(name):
    verdict = {**examples.verdict("passed"), "notes": ["these requests had no answer yet"]}
    told = render(name, Bundle(examples.plan(), examples.summary(), verdict)).decode()
    assert " ".join(told.split()).count("these requests had no answer yet") == 1


def test_a_run_without_health_says_nothing_of_it():
    assert vouching.health(examples.empty()) == ""


def test_what_was_not_judged_is_told():
    ramp = [Sample(second, label="cart", steady=second >= 2) for second in range(5)]
    steady = run_of(ramp, "p95 of home>1s", "fail>1%", plan={"ramp_up_exclude": True})

    assert vouching.not_judged(steady) == [
        "1 criterion",
        "2 requests outside of the steady load",
        "labels that no criterion names: cart",
    ]
    assert vouching.not_judged(run_of(small())) == ["anything: the suite has no criteria"]
    assert vouching.not_judged(RUNS["passed"]) == []


def test_times_never_round_to_more_digits_than_they_have():
    for us in (9_994, 9_996, 99_949, 99_951, 999_499, 999_999 * MS // MS):
        assert len(re.sub(r"\D", "", wording.time(us))) <= 4
