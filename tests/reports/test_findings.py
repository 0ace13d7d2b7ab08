"""Findings of a run, as blocks and in each format."""

from dataclasses import replace

from tests.reports.runs import run_of, small
from toril.records.summary import RunFinding
from toril.reports import Bundle, render
from toril.reports.run_blocks import findings

STALL = RunFinding(
    code="periodic-stall",
    message="The service <stalled> every 10 s.",
    label="GET /*",
    from_s=13.0,
    to_s=18.0,
    evidence={"period_s": 10.02, "p99_us": 412_345, "throughput_rps": 130.0, "failed_share": 0.036788, "stalls": 12}
    | {"cause": "GC"},
)
LATER = RunFinding(code="dominant-label", message="One label dominates.")


def run(*found: RunFinding) -> Bundle:
    bundle = run_of(small())
    return replace(bundle, summary=replace(bundle.summary, standouts=found))


def test_a_run_without_findings_has_no_such_block():
    assert findings(run()) is None
    assert b"Findings" not in render("html", run())


def test_the_figures_of_a_finding_have_the_units_of_their_names():
    block = findings(run(STALL))
    assert block is not None
    (shown,) = block.findings
    assert [(fact.name, fact.value) for fact in shown.facts] == [
        ("period", "10 s"),
        ("p99", "412 ms"),
        ("throughput", "130/s"),
        ("failed", "3.68 %"),
        ("stalls", "12"),
        ("cause", "GC"),
    ]
    assert (shown.code, shown.window, shown.label) == ("periodic-stall", (13.0, 18.0), "GET /*")


def test_each_text_format_names_all_findings_in_their_order_under_the_verdict():
    for format in ("terminal", "github"):
        text = render(format, run(STALL, LATER)).decode()
        assert 0 < text.index("Findings") < text.index("periodic-stall") < text.index("dominant-label")
    assert "<stalled>" not in text


def test_the_page_links_the_seconds_of_a_finding():
    page = render("html", run(STALL, LATER)).decode()
    assert page.count('href="#window=13-18"') == 1
    assert 'href="#findings"' in page
    assert "&lt;stalled&gt;" in page
    assert page.index('id="findings"') < page.index('id="about"')
