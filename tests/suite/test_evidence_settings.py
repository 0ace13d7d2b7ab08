"""The settings of evidence, findings, notifications and trace context, and what the plan makes of them."""

import json

import pytest

from tests.suite.reading import SIMPLE, execution, read, refuses
from toril.plan import make_plan
from toril.records import Keeping, Notice

PAGER = "https://events.pagerduty.com/v2/enqueue"


def plan(folder, toril, **options):
    return make_plan(read(folder, f"toril: {toril}\n{CRITERIA}"), run_id="r-1", workers=None, **options)


CRITERIA = """
execution: [{scenario: {requests: ["http://127.0.0.1/"]}, hold-for: 1m}]
reporting: [{module: passfail, criteria: ["p95 of cart>1s for 5s", "fail of cart>1%", "avg-rt>1s"]}]
"""


def test_workers_keep_the_first_failures_and_the_slowest_of_judged_labels_unless_it_is_off(tmp_path):
    assert plan(tmp_path, "{}").keeping == Keeping(failures=3, body_bytes=4096, slowest=("", "cart"))
    assert plan(tmp_path, "{evidence: {failures: 5, body: 1KiB}}").keeping.body_bytes == 1024
    for off in ("off", "'off'"):  # YAML reads the first one as a boolean
        assert plan(tmp_path, f"{{evidence: {{{off}: true}}}}").keeping is None
        assert plan(tmp_path, f"{{evidence: {{{off}: true}}}}", tried=True).keeping.everything


def test_a_webhook_is_an_address_or_the_name_of_a_secret(tmp_path):
    written = "[{webhook: CHAT, on: [failed]}, {webhook: 'https://hooks.slack.com/x', 'on': [regression]}]"
    assert plan(tmp_path, f"{{notify: {written}}}").notices == (
        Notice(variable="CHAT", on=("failed",)),
        Notice(webhook="https://hooks.slack.com/x", format="slack", on=("regression",)),
    )
    (notice,) = plan(tmp_path, f"{{notify: [{{webhook: '{PAGER}', secret: KEY}}]}}").notices
    assert (notice.format, notice.secret, notice.on) == ("pagerduty", "KEY", ("failed", "inconclusive"))
    smoke = plan(tmp_path, f"{{notify: [{{webhook: '{PAGER}', secret: KEY}}, {{webhook: CHAT}}]}}", smoke=True)
    assert [notice.variable for notice in smoke.notices] == ["CHAT"]  # it judges nothing, so it resolves no alert
    assert plan(tmp_path, f"{{notify: {written}}}", tried=True).notices == ()


def test_audits_are_turned_off_alone_or_together(tmp_path):
    assert plan(tmp_path, "{findings: {drift: false, errors-began: true}}").audits_off == ("drift",)
    assert len(plan(tmp_path, "{findings: false}").audits_off) == 7
    assert plan(tmp_path, "{findings: true}").audits_off == ()


def codes_of(folder, executor, toril):
    one = f"{{executor: {executor}, scenario: {{requests: ['http://127.0.0.1/']}}, hold-for: 1m, concurrency: 1}}"
    suite = read(folder, f"toril: {toril}\nexecution: [{one}]\n")
    return make_plan(suite, run_id="r-1", workers=None).warning_codes


def test_executors_that_cannot_send_a_trace_context_are_named(tmp_path):
    assert "no-traceparent" in codes_of(tmp_path, "gatling", "{traceparent: true}")
    assert "no-traceparent" not in codes_of(tmp_path, "gatling", "{}")
    assert "no-traceparent" not in codes_of(tmp_path, "locust", "{traceparent: true}")


@pytest.mark.parametrize(
    ("toril", "code", "where"),
    [
        ({"evidence": {"failures": 21}}, "out-of-range", "toril.evidence.failures"),
        ({"evidence": {"body": "4 apples"}}, "not-a-size", "toril.evidence.body"),
        ({"evidence": {"body": "65KiB"}}, "out-of-range", "toril.evidence.body: `65KiB`"),
        ({"evidence": {"fail": 1}}, "unknown-key", "toril.evidence.fail"),
        ({"findings": {"drifts": False}}, "unknown-value", "toril.findings.drifts"),
        ({"notify": [{"webhook": "http://example.com/x"}]}, "not-an-address", "toril.notify[0].webhook"),
        ({"notify": [{"webhook": "https://u:pw@example.com/x"}]}, "secret-in-suite", "toril.notify[0].webhook"),
        ({"notify": [{"webhook": "CHAT", "secret": "a key"}]}, "unusable-name", "toril.notify[0].secret"),
        ({"notify": [{"webhook": "CHAT", "secret": "TORIL_NOTIFY_SECRET"}]}, "unusable-name", "toril.notify[0].secret"),
        ({"notify": [{"webhook": "CHAT", "format": "pagerduty"}]}, "conflicting-keys", "toril.notify[0]"),
        ({"notify": [{"webhook": PAGER, "secret": "KEY", "on": ["started"]}]}, "conflicting-keys", "toril.notify[0]"),
        ({"notify": [{"webhook": "CHAT", "on": []}]}, "empty-list", "toril.notify[0].on"),
        ({"notify": [{"webhook": "CHAT", "on": ["sometimes"]}]}, "unknown-value", "toril.notify[0].on[0]"),
    ],
)
def test_a_wrong_setting_is_refused_where_it_stands(tmp_path, toril, code, where):
    refuses(tmp_path, {**execution(), "toril": toril}, code, where)


def test_a_plan_warns_of_measurements_that_no_engine_records(tmp_path):
    def warned(executor, toril):
        return "nothing-measured" in codes_of(tmp_path, executor, toril)

    assert warned("gatling", "{request-tags: [tenant]}")
    assert not warned("locust", "{request-tags: [tenant]}")
    assert warned("locust", "{metrics: {items: trend}}")
    assert not warned("jmeter", "{metrics: {items: trend}}")


@pytest.mark.parametrize(
    ("toril", "code"),
    [
        ({"request-tags": ["a", "b", "c", "d", "e", "f"]}, "unusable-value"),
        ({"request-tags": ["a b"]}, "unusable-name"),
        ({"metrics": {"items": "histogram"}}, "unknown-value"),
        ({"metrics": {"items": "trend of "}}, "unknown-value"),
    ],
)
def test_a_metric_has_a_known_kind_and_a_run_at_most_five_tags(tmp_path, toril, code):
    refuses(tmp_path, {**SIMPLE, "toril": toril}, code)


LOGS = "arn:aws:logs:us-east-1:111122223333:log-group:/ecs/shop"


def test_the_sources_of_causes_are_off_until_the_suite_names_them(tmp_path):
    off = plan(tmp_path, "{}")
    assert (off.trace_link, off.xray, off.log_groups) == ("", None, ())
    link = "https://traces.example.com/{trace_id}"
    on = plan(tmp_path, f"{{traces: '{link}', xray: true, logs: [/ecs/shop, '{LOGS}']}}")
    assert (on.trace_link, on.xray, on.log_groups) == (link, "", ("/ecs/shop", LOGS))
    assert plan(tmp_path, "{xray: eu-west-1, logs: shop}").xray == "eu-west-1"
    assert plan(tmp_path, "{xray: false}").xray is None


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("{traces: 'https://traces.example.com/'}", "not-an-address"),
        ("{traces: 'http://traces.example.com/{trace_id}'}", "not-an-address"),
        ("{xray: Ireland}", "unknown-value"),
        (f"{{logs: ['{LOGS}:*']}}", "unusable-name"),
        ("{logs: ['a group']}", "unusable-name"),
        (f"{{logs: ['{LOGS}', '{LOGS.replace('us-east-1', 'eu-west-1')}']}}", "unusable-name"),
    ],
)
def test_an_unusable_source_of_causes_is_refused(tmp_path, written, code):
    refuses(tmp_path, f"toril: {written}\n{CRITERIA}", code)


QUEUE = "arn:aws:sqs:eu-west-1:111122223333:orders"


def test_the_resources_of_the_service_are_part_of_the_plan_but_not_of_a_try(tmp_path):
    written = f"{{service: [{{kind: queue, id: '{QUEUE}', size: {{tasks: 2, arch: arm64}}}}]}}"
    (queue,) = plan(tmp_path, written).service
    assert (queue.kind, queue.id, queue.size) == ("queue", QUEUE, {"tasks": 2, "arch": "arm64"})
    assert plan(tmp_path, written, tried=True).service == plan(tmp_path, "{}").service == ()
    refuses(tmp_path, f"toril: {{service: [{{kind: table, id: '{QUEUE}'}}]}}\n{CRITERIA}", "not-an-arn")


PROMETHEUS = {"kind": "prometheus", "id": "https://prom.example.com/shop", "queries": {"waits": "sum(waits)"}}
WAITS = {"subject": "prometheus", "metric": "waits", "condition": ">", "threshold": 10}
HTTP = PROMETHEUS | {"id": "http://prometheus:9090"}


def test_a_prometheus_is_part_of_the_service_and_workers_do_not_get_its_token(tmp_path):
    written = {"service": [{**PROMETHEUS, "token": "PROM", "step": "30s"}], "secrets": {"PROM": "a", "OTHER": "b"}}
    found = plan(tmp_path, json.dumps(written))
    (prometheus,) = found.service
    assert (prometheus.queries, prometheus.step_s, prometheus.token) == ({"waits": "sum(waits)"}, 30, "PROM")
    assert found.secrets_of_workers == {"OTHER": "b"}


@pytest.mark.parametrize(
    ("toril", "code"),
    [
        ({"service": [PROMETHEUS | {"queries": {}}]}, "conflicting-keys"),
        ({"service": [{"kind": "queue", "id": QUEUE, "queries": {"a": "b"}}]}, "conflicting-keys"),
        ({"service": [{"kind": "queue", "id": QUEUE, "token": "PROM"}], "secrets": {"PROM": "a"}}, "conflicting-keys"),
        ({"service": [PROMETHEUS | {"id": "prom.example.com"}]}, "not-an-address"),
        ({"service": [PROMETHEUS | {"id": "https://u:p@prom.example.com"}]}, "not-an-address"),
        ({"service": [PROMETHEUS | {"id": "https://prom.example.com?a=b"}]}, "not-an-address"),
        ({"service": [HTTP | {"token": "PROM"}], "secrets": {"PROM": "a"}}, "not-an-address"),
        ({"service": [PROMETHEUS | {"token": "PROM"}]}, "unknown-secret"),
        ({"service": [PROMETHEUS, HTTP]}, "repeated-query"),
        ({"service": [PROMETHEUS], "criteria": [WAITS | {"metric": "wait"}]}, "unknown-query"),
        ({"service": [PROMETHEUS], "criteria": ["cost-per-million>0.40"]}, "no-service"),
        ({"service": [PROMETHEUS | {"version": "base"}], "criteria": [WAITS]}, "unknown-query"),
    ],
)
def test_an_unusable_prometheus_is_refused(tmp_path, toril, code):
    refuses(tmp_path, {**SIMPLE, "toril": toril}, code)


def test_two_versions_may_have_queries_of_one_name_and_a_private_network_plain_http(tmp_path):
    service = [HTTP | {"version": "base"}, HTTP | {"version": "head"}]
    assert len(plan(tmp_path, json.dumps({"service": service, "criteria": [WAITS]})).service) == 2
