"""Thresholds of a k6 script as criteria: the same limits where toril has the same figure, else k6 judges them."""

import pytest

from tests.suite.reading import read
from toril.criteria import parse_criterion
from toril.suite.k6 import own_metrics, thresholds_of

SCRIPT = """
import http from 'k6/http'; // thresholds: {none: []}
import { Trend, Counter } from 'k6/metrics';
import * as own from 'k6/metrics';
const items = new Trend("cart_items"), orders = new Counter('orders'), hit = new own.Rate(`cache_hit`);
const queue = new own.Gauge("queue");
export const options = {
  vus: 3,
  thresholds: { /* as agreed */
    %s
  },
};
"""


def found(line, tags=()):
    """Returns the criteria as texts, and the thresholds that k6 judges."""
    judged, kept = thresholds_of(SCRIPT % line, tags)
    rules = [parse_criterion(rule, "here", "toril").text for rules in judged.values() for rule in rules]
    return rules, list(kept)


@pytest.mark.parametrize(
    ("line", "criteria"),
    [
        ("http_req_duration: ['p(95)<200', 'med <= 1.5', 'avg<300',],", ["p95>=200ms", "p50>1.5ms", "avg-rt>=300ms"]),
        ('"http_req_failed": [{ threshold: "rate<0.01", abortOnFail: false }]', ["fail>=1%"]),
        ("http_req_failed: 'rate<=0'", ["fail>0%"]),
        ("checks: ['rate>0.995']", ["check-rate<=99.5%"]),
        ("'checks{check:has total}': ['rate>=0.9']", ["check-rate of has total<90%"]),
        ("http_reqs: ['count>100']", ["hits<=100"]),
        ("'http_req_duration{name:buy}': ['p(99.9)<=1000']", ["p99.9 of buy>1000ms"]),
        ("'http_req_duration{tenant:big}': ['max<2000']", ["p100 of {tenant=big}>=2000ms"]),
        ("'http_req_failed{tenant:big}': ['rate!=1']", ["fail of {tenant=big}=100%"]),
        ("'group_duration{group:::log in::form}': ['avg<50']", ["avg-rt of log in::form (transaction)>=50ms"]),
        ("cart_items: ['p(95)<10', 'max<20']", ["metric-p95 of cart_items>=10", "metric-max of cart_items>=20"]),
        ("orders: ['count>=0.5']", ["metric-sum of orders<0.5"]),
        ("cache_hit: [`rate>0.8`]", ["metric-rate of cache_hit<=80%"]),
    ],
)
def test_a_threshold_is_the_criterion_of_its_opposite(line, criteria):
    assert found(line, ["tenant"]) == (criteria, [])


@pytest.mark.parametrize(
    "line",
    [
        "http_reqs: ['rate>100']",  # of the time with setup and teardown
        "iteration_duration: ['avg<300']",
        "http_req_waiting: ['avg<300']",
        "'http_req_duration{scenario:buy}': ['avg<300']",
        "'http_req_duration{name:buy,tenant:big}': ['avg<300']",
        "http_req_duration: [{ threshold: 'avg<300', abortOnFail: true }]",
        "http_req_duration: ['avg<300', 'p(95)<200 || max<300']",  # k6 judges both
        "'cart_items{tenant:big}': ['avg<300']",
        "queue: ['value<5']",
        "orders: ['rate<5']",
        "group_duration: ['avg<300']",
        "other: ['avg<300']",
    ],
)
def test_a_threshold_without_the_same_figure_is_kept(line):
    rules, (kept,) = found(line, ["tenant"])
    assert rules == []
    assert line.strip("'").startswith(kept)


@pytest.mark.parametrize(
    "line", ["...others", "http_req_duration: LIMITS", "checks: ['rate>' + 1]", "checks: [`rate>${least}`]", "f(): 1"]
)
def test_thresholds_that_must_be_evaluated_are_kept_as_a_whole(line):
    assert found(line) == ([], ["?"])


def test_thresholds_in_two_places_or_without_their_text_are_kept_as_a_whole():
    assert thresholds_of("const thresholds = {}; const other = {thresholds: {}}", ()).kept == ("?",)
    assert thresholds_of("export const options = { thresholds }", ()).kept == ("?",)
    assert thresholds_of("const thresholds = {checks: ['rate>0.9']}; export const options = { thresholds }", ()).judged
    assert thresholds_of("export default function () {}", ()) == ({}, ())


def test_own_metrics_have_the_kinds_of_their_declarations():
    kinds = {"cart_items": "trend", "orders": "counter", "cache_hit": "rate", "queue": "gauge"}
    assert own_metrics(SCRIPT) == kinds


def test_a_suite_judges_the_thresholds_of_each_script_and_warns_of_others(tmp_path):
    (tmp_path / "load.js").write_text(SCRIPT % "checks: ['rate>0.9'], http_reqs: ['rate>5']")
    (tmp_path / "other.js").write_text("export const options = { thresholds: limits() };")
    (tmp_path / "none.js").write_text("export default function () {}")
    scripts = [{"executor": "k6", "scenario": name} for name in ("load.js", "other.js", "none.js")]
    suite = read(tmp_path, {"execution": scripts, "reporting": [{"module": "passfail", "criteria": ["fail>1%"]}]})
    (_, rule) = suite.criteria
    assert (rule.executions, rule.language) == (("load.js",), "toril")
    assert parse_criterion(rule.source, rule.where, rule.language).text == "check-rate<=90%"
    assert "load.js: thresholds.checks[0]" in rule.where
    kept = [note.message for note in suite.warnings if note.code == "kept-threshold"]
    assert ["http_reqs" in text for text in kept] == [True, False]
