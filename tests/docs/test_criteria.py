"""docs/reference/criteria.md: examples are planned or judged, differences from bzt have tests."""

import importlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.measured import MS, Sample, every_second, execution, judged, plan_of, timeline_of
from tests.suite.reading import read
from toril.criteria import OWN_SUBJECTS, SERVER_SUBJECTS
from toril.plan import make_plan
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict.servers import queries

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "criteria.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| `([^`]+)` \| (passed|failed|inconclusive|triggered) \| (.+) \|$", PAGE, re.MULTILINE)
OURS = PAGE.index("| criterion in `toril.criteria` |")
MORE = [  # criteria on the same minute that teach a reader nothing new
    ("avg-rt of checkout>300ms for 2m", "passed", ""),
    ("avg-lt>20ms", "passed", "10 ms"),
    ("avg-ct>100ms", "passed", "2 ms"),
    ("stdev-rt>150ms", "passed", "127 ms"),
    ("p97.5>1s", "passed", "400 ms"),
    ("hits<1000", "passed", ""),
    ("bytes>1MB", "failed", "1.14 MB"),
    ("succ<99%", "failed", "98.3 %"),
    ("rc503>10", "failed", ""),
    ("concurrency>25", "passed", ""),
    ("rc5??>2%", "passed", "1.67 %"),
    ("p95 of checkout>300ms for 10s in madrid", "failed", "400 ms"),
]
OUR_MORE = [
    ("throughput of checkout<660/min over 10s", "failed", ""),
    ("load<95%", "passed", "100 %"),
    ("generator-cpu>80% for 10s", "passed", ""),
    ("generator-core>80%", "passed", "50 %"),
    ("generator-waiting>5%", "passed", "1 %"),
    ("generator-throttled>1%", "passed", "0 %"),
    ("generator-memory>3GB", "passed", "1 GB"),
    ("generator-lateness>50ms", "passed", "5 ms"),
    ("generator-dropped>0", "passed", ""),
    ("generator-sockets>20000", "passed", ""),
    ("fail of (transaction)>1%", "passed", "0 %"),
]
JUDGED = [
    *((*row, PAGE.index(f"| `{row[0]}` | {row[1]}") > OURS) for row in ROWS),
    *((*row, False) for row in MORE),
    *((*row, True) for row in OUR_MORE),
]
UNITS = {"ms": 1000, "s": 1_000_000, "%": 1, "MB": 1 << 20, "GB": 1 << 30}
SLOW_SECONDS = range(20, 40)


def the_minute() -> Timeline:
    """The run that the page describes."""
    home = Sample(0, 50 * MS, "home", location="madrid", bytes=1000, ttfb_us=10 * MS, connect_us=2 * MS)
    checkout = replace(home, us=200 * MS, label="checkout")
    slow, broken = replace(checkout, us=400 * MS), replace(checkout, us=400 * MS, ok=False, rc="503")
    others = [second for second in range(60) if second not in SLOW_SECONDS]
    samples = [
        *every_second(range(60), home, 10),
        *every_second(others, checkout, 10),
        *every_second(SLOW_SECONDS, slow, 9),
        *every_second(SLOW_SECONDS, broken),
        *every_second(range(60), replace(checkout, us=1000 * MS, kind="transaction", ttfb_us=-1, connect_us=-1)),
    ]
    timeline = timeline_of(samples, users=dict.fromkeys(range(60), 20))
    recorder = Recorder("madrid-1", "madrid")
    for second in range(60):
        cpu = 0.85 if second in range(30, 35) else 0.4
        recorder.health(second, cpu, 0.5, 1 << 30, 0.0, waiting=0.01, throttled=0.0, sockets=40)
        recorder.sends(second, late_us=5 * MS, late_p90_us=1 * MS, dropped=0)
    timeline.add(decode(recorder.flush() or b"", "madrid-1 again"))
    return timeline


@pytest.fixture(scope="module")
def minute() -> Timeline:
    return the_minute()


PLAN = plan_of(executions=[execution(concurrency=20, throughput_rps=20.0, hold_for_s=60.0)], locations=["madrid"])


@pytest.mark.parametrize(("source", "outcome", "_", "ours"), JUDGED, ids=[source for source, *_ in JUDGED])
def test_every_criterion_of_the_tables_is_judged_as_the_page_says(minute, source, outcome, _, ours):
    assert judged(source, minute, PLAN, language="toril" if ours else "taurus").outcome == outcome


VALUES = [
    (source, float(value[1].replace(",", "")) * UNITS[value[2]], ours)
    for source, _, observed, ours in JUDGED
    if (value := re.match(r"([0-9][0-9.,]*) (ms|s|%|MB|GB)(?!\w)", observed))
]


@pytest.mark.parametrize(("source", "value", "ours"), VALUES, ids=[source for source, *_ in VALUES])
def test_and_for_the_value_that_the_page_gives(minute, source, value, ours):
    observed = judged(source, minute, PLAN, language="toril" if ours else "taurus").observed
    assert observed == pytest.approx(value, rel=0.005)


def test_the_values_of_the_page_are_found():
    assert len(VALUES) >= 17


def test_every_subject_has_its_example():
    examples = " ".join(source for source, *_ in JUDGED) + PAGE
    for subject in (
        *OWN_SUBJECTS, *SERVER_SUBJECTS, "avg-rt", "avg-lt", "avg-ct", "stdev-rt", "p95", "p97.5", "hits", "bytes",
        "succ", "fail", "rc503", "rc5??", "concurrency", " for ", " within ", " over ", " in madrid", "as non-failed",
    ):  # fmt: skip
        assert subject in examples, subject


@pytest.mark.parametrize("block", BLOCKS, ids=[block.splitlines()[0] for block in BLOCKS])
@pytest.mark.parametrize("on", ["local", "fargate"])
def test_every_suite_of_the_page_is_planned(tmp_path, block, on):
    requests = [{"url": "http://shop/", "label": "checkout"}, "http://shop/cart"]
    document = {
        "execution": [{"scenario": {"requests": requests}, "hold-for": "1m", "locations": {"madrid": 1}}],
        **yaml.safe_load(block),
    }
    plan = make_plan(read(tmp_path, document, on=on), run_id="docs", workers=None, on=on)
    assert plan.criteria
    written = document.get("toril", {}).get("criteria", [])
    of_servers = [one for one in written if isinstance(one, dict) and one["subject"] in SERVER_SUBJECTS]
    assert len(queries(plan)) == len(of_servers)


# Where toril differs from bzt

DIFFERENCES = PAGE[PAGE.index("## Differences from bzt") :]
SLIPS = DIFFERENCES[DIFFERENCES.index("\nSlips ") :].partition(": ")[2]
DEFECTS = [
    *re.findall(r"^- (.+)", DIFFERENCES, re.MULTILINE),
    *re.split(r",\s", re.sub(r" \([^)]*\)", "", SLIPS)),
]
PROOFS = {
    "skips windows": "test_bzt_defects:test_a_window_that_ends_in_the_final_flush_is_judged",
    "reports only": "test_bzt_defects:test_every_breach_is_reported_and_not_only_the_first",
    "computes 0 for": "test_bzt_defects:test_any_percentile_can_be_judged_and_an_impossible_one_is_rejected",
    "`p105`": "test_bzt_defects:test_any_percentile_can_be_judged_and_an_impossible_one_is_rejected",
    "passes a label": "test_bzt_defects:test_a_label_without_samples_does_not_pass",
    "passes a timeframe": "test_bzt_defects:test_a_timeframe_longer_than_the_run_does_not_pass_silently",
    "reads `avg-rt of cart>=1s`": "test_bzt_defects:test_operators_with_equality_are_parsed_after_a_label",
    "`fail>50 %`": "test_bzt_defects:test_a_space_before_the_percent_sign_does_not_change_its_meaning",
    "words after": "test_bzt_defects:test_words_after_a_criterion_are_rejected",
    "takes the mean": "test_bzt_defects:test_seconds_are_weighted_by_their_samples",
    "skips silent seconds": "test_bzt_defects:test_a_silent_second_has_a_count_of_zero",
    "cuts response times": "test_bzt_defects:test_times_are_not_rounded_to_milliseconds",
    "ignores `ramp-up-exclude`": "test_criteria:test_ramp_up_exclude_applies_to_windows_too",
    "ignores `criteria`": "test_bzt_defects:test_criteria_of_an_execution_need_no_passfail_in_reporting",
    "misspelled keys": "test_bzt_defects:test_a_misspelt_key_of_criteria_is_rejected",
    "`rc5xx`": "test_bzt_defects:test_a_response_code_with_wildcards_of_other_languages_is_rejected",
    "`hits>1m`": "test_bzt_defects:test_a_count_with_a_unit_of_time_is_rejected",
    "exits with 3": "test_bzt_defects:test_a_breach_exits_with_code_1",
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_difference_from_bzt_has_a_test(defect):
    (proof,) = [proof for begin, proof in PROOFS.items() if defect.startswith(begin)]
    module, name = proof.split(":")
    room = "criteria" if module == "test_own_grammar" else "verdict"
    assert callable(getattr(importlib.import_module(f"tests.{room}.{module}"), name))


def test_and_no_test_is_about_a_difference_that_the_page_does_not_name():
    assert len(DEFECTS) == len(PROOFS)


def test_the_plan_warns_of_a_timeframe_longer_than_the_load(tmp_path):
    document = {
        "execution": [{"scenario": {"requests": ["http://shop/"]}, "hold-for": "1m"}],
        "reporting": [{"module": "passfail", "criteria": ["p95>1s for 2m", "p95>1s for 1m", "p95>1s within 2m"]}],
    }
    plan = make_plan(read(tmp_path, document), run_id="docs", workers=None)
    (warning,) = [warning for warning in plan.warnings if "more seconds than the load has" in warning]
    assert "`p95>1s for 120s`" in warning
