"""Defects of bzt's criteria: its result and ours. docs/reference/criteria.md lists most of them."""

from dataclasses import replace

import pytest
from bzt import AutomatedShutdown, TaurusConfigError  # noqa: TID251 — the oracle

from tests.bzt_judge import Bzt, bzt_fires
from tests.measured import BROKEN, MS, SLOW, Sample, every_second, judged, plan_of, timeline_of
from tests.refusals import refused
from tests.suite.reading import read
from toril.criteria import parse_criterion
from toril.errors import CriterionError, SuiteError
from toril.verdict import exit_code
from toril.verdict.live import LiveCriteria


def test_criteria_on_server_monitoring_are_rejected():
    source = {
        "class": "bzt.modules.monitoring.MonitoringCriteria",
        "subject": "local/cpu",
        "condition": ">",
        "threshold": 90,
    }
    with refused("unsupported-class", error=CriterionError):
        parse_criterion(source, "suite.yml: reporting[0].criteria[0]")


def test_a_window_that_ends_in_the_final_flush_is_judged():
    source, samples = "avg-rt>150ms for 5s, stop as failed", every_second(range(6), SLOW)
    assert Bzt(source).exit_code(samples, checked_to=1) == 0  # the last four seconds come after `check`
    assert judged(source, timeline_of(samples)).outcome == "failed"


def test_a_stop_as_non_failed_does_not_hide_a_stop_as_failed():
    sources, samples = (
        ["hits>0 for 2s, stop as non-failed", "avg-rt>150ms for 2s, stop as failed"],
        every_second(range(6), SLOW),
    )
    assert Bzt(*sources).exit_code(samples) == 0
    assert Bzt(*reversed(sources)).exit_code(samples) == 3
    for order in (sources, sources[::-1]):
        assert [r.outcome for r in LiveCriteria(plan_of(*order)).advance(timeline_of(samples), 5)] == [
            "failed",
            "triggered",
        ]
        assert {judged(source, timeline_of(samples)).outcome for source in order} == {"failed", "triggered"}


def test_any_percentile_can_be_judged_and_an_impossible_one_is_rejected():
    samples = every_second(range(100), SLOW, 3)
    assert Bzt("p97>1ms").exit_code(samples) == 0
    assert judged("p97>1ms", timeline_of(samples)).outcome == "failed"
    with pytest.raises(CriterionError):
        parse_criterion("p105>1ms", "")


def test_a_label_without_samples_does_not_pass():
    samples = every_second(range(10), SLOW)
    assert Bzt("avg-rt of hom>1ms").exit_code(samples) == 0
    assert judged("avg-rt of hom>1ms", timeline_of(samples)).outcome == "inconclusive"
    assert Bzt("avg-rt of home >1ms").exit_code(samples) == 0  # because of the space before the operator
    assert judged("avg-rt of home >1ms", timeline_of(samples)).outcome == "failed"


def test_a_space_before_the_percent_sign_does_not_change_its_meaning():
    samples = every_second(range(10), replace(SLOW, ok=False))
    assert Bzt("fail>50 %").exit_code(samples) == 0  # more than 50 failures
    with refused("space-in-threshold", "50%", error=CriterionError):
        parse_criterion("fail>50 %", "")


def test_every_breach_is_reported_and_not_only_the_first():
    sources, timeline = ["avg-rt>1ms", "p50>1ms", "hits>1"], timeline_of(every_second(range(10), SLOW))
    bzt = Bzt(*sources).run(every_second(range(10), SLOW))
    with pytest.raises(AutomatedShutdown, match="avg-rt"):
        bzt.processor.post_process()
    assert [judged(source, timeline).outcome for source in sources] == ["failed"] * 3


def test_seconds_are_weighted_by_their_samples():
    samples = every_second([0], SLOW) + every_second([1], replace(SLOW, us=100 * MS), 99)
    assert bzt_fires("avg-rt>150ms over 2s", samples)
    result = judged("avg-rt>150ms over 2s", timeline_of(samples))
    assert (result.outcome, result.observed) == ("passed", 102 * MS)


def test_a_window_that_begins_with_a_silent_second_is_full():
    samples = every_second([0, 3, 6], SLOW)
    assert not bzt_fires("hits>=2 over 5s", samples)
    assert judged("hits>=2 over 5s", timeline_of(samples)).at_s == 4


def test_a_silent_second_has_a_count_of_zero():
    samples = every_second(range(3), SLOW, 5)
    assert not bzt_fires("hits<5 for 3s", samples)
    timeline = timeline_of([*samples, replace(SLOW, second=12, label="other")])  # other labels continue
    assert judged("hits of home<5 for 3s", timeline).at_s == 5
    samples = every_second([0, 4], replace(SLOW, ok=False))
    assert bzt_fires("fail>0 for 5s", samples)
    assert judged("fail>0 for 5s", timeline_of(samples)).outcome == "passed"


def test_operators_with_equality_are_parsed_after_a_label():
    samples = every_second(range(3), SLOW)
    assert not bzt_fires("hits of home>=1", samples)  # label `home>`, operator `=`
    assert judged("hits of home>=1", timeline_of(samples)).outcome == "failed"


def test_a_timeframe_longer_than_the_run_does_not_pass_silently():
    samples = every_second(range(10), SLOW)
    assert Bzt("avg-rt>150ms for 11s").exit_code(samples) == 0
    result = judged("avg-rt>150ms for 11s", timeline_of(samples))
    assert (result.outcome, result.code) == ("passed", "never-a-full-window")


@pytest.mark.parametrize("source", ["fail>50% for 10s please", "avg-rt>1s 10s", "avg-rt>2s 500ms"])
def test_words_after_a_criterion_are_rejected(source):
    assert Bzt(source).processor.criteria
    with refused("trailing-words", error=CriterionError):
        parse_criterion(source, "")


def test_an_unknown_status_is_rejected_instead_of_meaning_failed():
    assert Bzt("hits>0, stop as successful").exit_code([SLOW]) == 3
    with refused("wrong-action", error=CriterionError):
        parse_criterion("hits>0, stop as successful", "")


def test_an_example_of_the_documentation_that_bzt_rejects_gets_advice():
    with pytest.raises(TaurusConfigError):
        Bzt("avg-lt for my-label>2")
    with refused("missing-of", "avg-lt of my-label", error=CriterionError):
        parse_criterion("avg-lt for my-label>2", "")


@pytest.mark.parametrize("timeframe", [0, -1])
@pytest.mark.parametrize(("logic", "code"), [("for", 3), ("within", 0)])
def test_an_empty_timeframe_means_the_whole_run(timeframe, logic, code):
    source = {"subject": "hits", "condition": ">", "threshold": 5, "logic": logic, "timeframe": timeframe}
    samples = every_second(range(6))
    assert Bzt(source).exit_code(samples) == code
    assert parse_criterion(source, "").logic == "total"
    assert judged(source, timeline_of(samples)).outcome == "failed"
    with refused("wrong-timeframe", error=CriterionError):
        parse_criterion("hits>5 for 0s", "")


def test_responses_after_the_end_have_no_seconds_of_their_own():
    source = "avg-rt>150ms for 2s"
    samples = every_second(range(10), Sample(0, 5 * MS), 9) + every_second(range(10, 16), SLOW)
    assert Bzt(source).exit_code(samples) == 3
    assert judged(source, timeline_of(samples)).outcome == "passed"


def test_times_are_not_rounded_to_milliseconds():
    samples = every_second(range(80), Sample(0, 1900))
    assert Bzt("p95>1.5ms").exit_code(samples) == 0
    assert judged("p95>1.5ms", timeline_of(samples)).outcome == "failed"


def test_criteria_of_an_execution_need_no_passfail_in_reporting(tmp_path):
    document = {"execution": [{"scenario": {"requests": ["http://127.0.0.1/"]}, "criteria": ["fail>0"]}]}
    (planned,) = read(tmp_path, document).criteria
    assert planned.executions


def test_an_unknown_key_is_rejected_instead_of_ignored():
    source = {"subject": "hits", "condition": ">", "threshold": 0, "timeframes": "1h"}
    assert Bzt(source).exit_code([SLOW]) == 3
    with refused("unknown-key", "timeframe", error=CriterionError):
        parse_criterion(source, "")


def test_a_response_code_with_wildcards_of_other_languages_is_rejected():
    assert Bzt("rc5xx>0").exit_code([BROKEN] * 9) == 0
    with refused("wrong-response-code", "rc5??", error=CriterionError):
        parse_criterion("rc5xx>0", "")


def test_a_misspelt_key_of_criteria_is_rejected(tmp_path):
    reporting = [{"module": "passfail", "critera": ["hits>0"]}]
    with refused("stray-criteria", "`criteria`", error=SuiteError):
        read(tmp_path, {"execution": [{"scenario": {"requests": ["http://127.0.0.1/"]}}], "reporting": reporting})


def test_a_count_with_a_unit_of_time_is_rejected():
    assert Bzt("hits>1m").exit_code(every_second(range(61))) == 3
    with refused("wrong-threshold", error=CriterionError):
        parse_criterion("hits>1m", "")


def test_a_breach_exits_with_code_1():
    assert Bzt("hits>0").exit_code([SLOW]) == 3
    assert (exit_code("failed"), exit_code("inconclusive")) == (1, 3)
