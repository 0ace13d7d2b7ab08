"""The additions of `toril.criteria` to Taurus' language: one canonical form, or an error with the fix."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import refused
from tests.suite.reading import SIMPLE, codes, execution, read, refuses
from toril.criteria import OWN_SUBJECTS, SERVER_SUBJECTS, parse_criterion, samples_needed
from toril.errors import CriterionError
from toril.plan import make_plan
from toril.stats.quantiles import quantile_ranks

ARN = "arn:aws"
ALB = {"subject": "alb-response-time", "load-balancer": "app/shop/1", "condition": ">", "threshold": "300ms"}
QUEUE = {
    "subject": "cloudwatch",
    "namespace": "AWS/SQS",
    "metric": "ApproximateNumberOfMessagesVisible",
    "statistic": "Maximum",
    "dimensions": {"QueueName": "orders"},
    "condition": ">",
    "threshold": 1000,
}


def ours(source):
    return parse_criterion(source, "suite.yml: toril.criteria[0]", "toril")


@pytest.mark.parametrize(
    ("source", "text", "threshold", "unit"),
    [
        ("throughput<450/s", "throughput<450/s", 450, "/s"),
        ("throughput of checkout<30/min for 30s", "throughput of checkout<30/min for 30s", 0.5, "/s"),
        ("throughput >= 7200/h over 1m, continue", "throughput>=7200/h over 60s, continue as failed", 2, "/s"),
        ("load<95%", "load<95%", 95, "%"),
        ("load>105% in eu-west-1", "load>105% in eu-west-1", 105, "%"),
        ("generator-cpu>80% for 10s", "generator-cpu>80% for 10s", 80, "%"),
        ("generator-memory>3GB", "generator-memory>3GB", 3 * 2**30, "bytes"),
        ("generator-lateness>50ms", "generator-lateness>50ms", 50_000, "us"),
        ("generator-dropped>0", "generator-dropped>0", 0, ""),
        ("generator-sockets>20000 in madrid", "generator-sockets>20000 in madrid", 20_000, ""),
        ("p95 of checkout (transaction)>2s", "p95 of checkout (transaction)>2s", 2_000_000, "us"),
        ("fail of (transaction)>1%", "fail of (transaction)>1%", 1, "%"),
        ("p97.5 of A>B (request)>1s", "p97.5 of A>B (request)>1s", 1_000_000, "us"),
        ("Too slow: throughput<450/s", "throughput<450/s", 450, "/s"),
        ({"Too slow": "throughput<450/s"}, "throughput<450/s", 450, "/s"),
        ("avg-rt>1s", "avg-rt>1s", 1_000_000, "us"),
    ],
)
def test_torils_criteria_have_one_canonical_text(source, text, threshold, unit):
    criterion = ours(source)
    assert (criterion.text, criterion.threshold, criterion.unit) == (text, threshold, unit)
    again = ours(criterion.text)
    assert (again.text, again.threshold, again.kind, again.label) == (text, threshold, criterion.kind, criterion.label)


def test_the_kind_of_a_label_is_a_key_or_the_mark_of_the_summary():
    full = {"subject": "p95", "label": "buy", "kind": "transaction", "condition": ">", "threshold": "2s"}
    assert ours(full) == ours("p95 of buy (transaction)>2s")
    assert (ours(full).label, ours(full).kind) == ("buy", "transaction")
    assert ours("p95 of (transaction)>2s").label == ""
    taurus = parse_criterion("p95 of buy (transaction)>2s", "")  # bzt reads the mark as part of the label
    assert (taurus.label, taurus.kind) == ("buy (transaction)", None)


@pytest.mark.parametrize(
    ("source", "request_label", "tag"),
    [
        ("p95 of checkout{tenant=big}>1s", "checkout", "tenant"),
        ("fail of {tenant=big}>1%", "", "tenant"),
        ("fail of /users/{id}>1%", "/users/{id}", ""),
        ("metric-p99.9 of items>1", "", ""),
        ("check-rate of login{tenant=big}<99%", "", ""),
    ],
)
def test_a_criterion_knows_the_label_and_the_tag_of_its_requests(source, request_label, tag):
    assert (ours(source).request, ours(source).tag) == (request_label, tag)
    assert ours(source).text == source


@pytest.mark.parametrize("subject", [*OWN_SUBJECTS, *SERVER_SUBJECTS])
def test_torils_subjects_are_rejected_in_taurus_lists_with_the_right_place(subject):
    for source in (f"{subject}>5", {"subject": subject, "condition": ">", "threshold": 5}):
        with refused("misplaced-subject", "reporting[0].criteria[0]", subject, "toril: {criteria: "):
            parse_criterion(source, "suite.yml: reporting[0].criteria[0]")


@pytest.mark.parametrize("subject", ["rps", "TPS", "hits_rate"])
def test_other_names_of_torils_subjects_are_rejected_with_the_right_place(subject):
    with refused("misplaced-subject", "`throughput`", "toril: {criteria: "):
        parse_criterion(f"{subject}<100", "suite.yml: reporting[0].criteria[0]")


@pytest.mark.parametrize(
    ("source", "code", "name"),
    [
        ("throughput<450", "wrong-threshold", ""),
        ("throughput<450/d", "wrong-threshold", ""),
        ("throughput<450 /s", "space-in-threshold", "450/s"),
        ("throughput<50%", "no-percentage", ""),
        ("load<95", "wrong-threshold", ""),
        ("load of checkout<95%", "unexpected-label", "load"),
        ("load<5000%", "wrong-threshold", ""),
        ("generator-cpu>0.8", "wrong-threshold", ""),
        ("generator-cpu>180%", "wrong-threshold", ""),
        ("generator-cpu of home>80%", "unexpected-label", "generator-cpu"),
        ("generator-memory>3TB", "wrong-threshold", ""),
        ("generator-lateness>5%", "no-percentage", ""),
        ("generator-dropped>1s", "wrong-threshold", ""),
        ("generator-cpuu>80%", "unknown-subject", "generator-cpu"),
        ("troughput<5/s", "unknown-subject", "throughput"),
        ("check-rate<99", "wrong-threshold", ""),
        ("check-rate<101%", "wrong-threshold", ""),
        ("metric-p95>3", "missing-label", "metric-p95 of cart_items"),
        ("metric-p of items>3", "unknown-subject", ""),
        ("metric-p101 of items>3", "wrong-percentile", ""),
        ("metric-p95 of items>3ms", "wrong-threshold", ""),
        ("metric-p95 of items>3%", "no-percentage", ""),
        ("metric-per-s of orders<5", "wrong-threshold", ""),
        ("metric-rate of cached<5", "wrong-threshold", ""),
        ("check-rates<99%", "unknown-subject", "check-rate"),
        ({"subject": "check-rate", "kind": "request", "condition": "<", "threshold": "9%"}, "unexpected-kind", ""),
        ({**QUEUE, "label": "x"}, "unexpected-key", ""),
        ({**QUEUE, "stop": True}, "cannot-stop", ""),
        ({**QUEUE, "statistic": "p101"}, "wrong-statistic", ""),
        ({**QUEUE, "statistic": "mean"}, "wrong-statistic", ""),
        ({key: value for key, value in QUEUE.items() if key != "statistic"}, "missing-key", "statistic"),
        ({key: value for key, value in QUEUE.items() if key != "metric"}, "missing-key", "metric"),
        ({**QUEUE, "dimensions": "QueueName=orders"}, "not-a-mapping", ""),
        ({**QUEUE, "dimension": {}}, "unknown-key", "dimensions"),
        ({**QUEUE, "period": "45s"}, "wrong-period", ""),
        ({**QUEUE, "region": "Ireland"}, "wrong-region", ""),
        ({**QUEUE, "unit": "Second"}, "unknown-unit", "Seconds"),
        ({**QUEUE, "missing": "ignore"}, "wrong-missing", ""),
        ({**QUEUE, "threshold": "5s"}, "missing-unit", ""),
        ({**QUEUE, "statistic": "Average", "logic": "within", "timeframe": "3m"}, "unmergeable-statistic", ""),
        ({**ALB, "threshold": "80%"}, "wrong-threshold", ""),
        ({key: value for key, value in ALB.items() if key != "load-balancer"}, "missing-key", "load-balancer"),
        ({**ALB, "cluster": "c"}, "unknown-key", "cluster"),
        (
            {**ALB, "load-balancer": f"{ARN}:elasticloadbalancing:eu-west-1:1:loadbalancer/app/shop/1"},
            "arn-as-name",
            "app/shop/1",
        ),
        (
            {**ALB, "target-group": f"{ARN}:elasticloadbalancing:eu-west-1:1:targetgroup/w/2"},
            "arn-as-name",
            "targetgroup/w/2",
        ),
        (
            {"subject": "ecs-cpu", "cluster": f"{ARN}:ecs:eu-west-1:1:cluster/c", "condition": ">", "threshold": "80%"},
            "arn-as-name",
            "c",
        ),
        (
            {"subject": "rds-connections", "database": f"{ARN}:rds:eu-west-1:1:db:d", "condition": ">", "threshold": 5},
            "arn-as-name",
            "d",
        ),
        ({"subject": "ecs-cpu", "cluster": "c", "condition": ">", "threshold": 80}, "wrong-threshold", ""),
        ({"subject": "rds-connections", "condition": ">", "threshold": 5}, "missing-key", "database"),
        ({"subject": "rds-connections", "database": "d", "condition": ">", "threshold": "5ms"}, "wrong-threshold", ""),
        ({"subject": "p95", "kind": "page", "condition": ">", "threshold": "1s"}, "wrong-kind", ""),
        ({"subject": "p95", "namespace": "AWS/SQS", "condition": ">", "threshold": "1s"}, "unknown-key", ""),
    ],
)
def test_an_invalid_criterion_of_toril_is_rejected_with_the_fix(source, code, name):
    with refused(code, "suite.yml: toril.criteria[0]: `", name, error=CriterionError):
        ours(source)


def test_memory_without_a_unit_is_bytes():
    assert ours("generator-memory>3").threshold == 3


@pytest.mark.parametrize(
    ("source", "metric", "text"),
    [
        (ALB, ("AWS/ApplicationELB", "TargetResponseTime", "p95", {"LoadBalancer": "app/shop/1"}, 1_000_000),
         "alb-response-time p95 of app/shop/1>300ms"),
        ({**ALB, "target-group": "targetgroup/web/2", "statistic": "tm99", "region": "eu-west-1", "logic": "for",
          "timeframe": "3m"},
         ("AWS/ApplicationELB", "TargetResponseTime", "tm99",
          {"LoadBalancer": "app/shop/1", "TargetGroup": "targetgroup/web/2"}, 1_000_000),
         "alb-response-time tm99 of app/shop/1, targetgroup/web/2>300ms for 180s in eu-west-1"),
        ({"subject": "ecs-cpu", "cluster": "c", "service": "s", "condition": ">", "threshold": "80%"},
         ("AWS/ECS", "CPUUtilization", "Average", {"ClusterName": "c", "ServiceName": "s"}, 1),
         "ecs-cpu Average of c, s>80%"),
        ({"subject": "ecs-memory", "cluster": "c", "condition": ">", "threshold": "90%", "fail": False},
         ("AWS/ECS", "MemoryUtilization", "Average", {"ClusterName": "c"}, 1),
         "ecs-memory Average of c>90%, as non-failed"),
        ({"subject": "rds-connections", "database": "db1", "condition": ">=", "threshold": 90},
         ("AWS/RDS", "DatabaseConnections", "Maximum", {"DBInstanceIdentifier": "db1"}, 1),
         "rds-connections Maximum of db1>=90"),
        (QUEUE, ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", {"QueueName": "orders"}, 1),
         "AWS/SQS ApproximateNumberOfMessagesVisible Maximum of QueueName=orders>1000"),
        ({**QUEUE, "namespace": "AWS/Lambda", "metric": "Duration", "statistic": "p99", "threshold": "2s"},
         ("AWS/Lambda", "Duration", "p99", {"QueueName": "orders"}, 1000),
         "AWS/Lambda Duration p99 of QueueName=orders>2s"),
    ],
)  # fmt: skip
def test_a_criterion_on_a_server_names_its_metric(source, metric, text):
    criterion = ours(source)
    found = criterion.server
    assert found is not None
    assert (found.namespace, found.metric, found.statistic, found.dimensions, found.factor) == metric
    assert criterion.text == text
    assert not criterion.stop  # its values arrive after the end


@given(
    st.sampled_from([ALB, QUEUE, {"subject": "ecs-cpu", "cluster": "c", "condition": ">", "threshold": "80%"}]),
    st.sampled_from([*QUEUE, *ALB, "period", "unit", "region", "missing", "stop", "logic", "timeframe", "oops"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.integers()) | st.just({"a": [1]}),
)
def test_any_value_of_a_key_is_accepted_or_rejected_with_place_and_fix(source, key, value):
    try:
        ours({**source, key: value})
    except CriterionError as error:
        assert str(error).startswith("suite.yml: toril.criteria[0]: `")
        assert re.search("[.?] [A-Z]", str(error))  # the fix


# In a suite


def test_toril_criteria_accepts_a_list_one_criterion_or_messages(tmp_path):
    for written, count in (
        (["throughput<5/s", ALB], 2),
        ("load<95%", 1),
        (ALB, 1),
        ({"Too few": "throughput<5/s", "Too slow": ALB}, 2),
    ):
        planned = read(tmp_path, {**SIMPLE, "toril": {"criteria": written}}).criteria
        assert [one.language for one in planned] == ["toril"] * count


def test_references_in_criteria_are_resolved_or_rejected(tmp_path):
    document = {**SIMPLE, "toril": {"criteria": [{**ALB, "load-balancer": "${BALANCER}"}]}}
    (planned,) = read(tmp_path, document, env={"BALANCER": "app/shop/1"}).criteria
    assert planned.source["load-balancer"] == "app/shop/1"
    refuses(tmp_path, document, "unset-reference", "--env BALANCER=")


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"reporting": [{"module": "passfail", "run-at": "clud", "criteria": ["fail>0"]}]}, "unknown-value", "cloud"),
        ({"reporting": [{"module": "passfail", "criterias": ["fail>0"]}]}, "stray-criteria", "reporting[0].criterias"),
        ({"services": [{"module": "passfail", "criteria": ["fail>0"]}]}, "stray-criteria", "services[0]"),
        ({"modules": {"passfail": {"criteria": ["fail>0"]}}}, "stray-criteria", "modules.passfail.criteria"),
        ({"criteria": ["fail>0"]}, "stray-criteria", "criteria"),
        ({"reporting": [{"module": "passfail", "critera": ["fail>0"]}]}, "stray-criteria", "reporting[0].critera"),
        ({"reporting": [{"module": "passfail", "~criteria": ["fail>0"]}]}, "stray-criteria", "reporting[0].~criteria"),
        ({"reporting": [{"module": "PassFail", "criteria": ["fail>0"]}]}, "stray-criteria", "PassFail"),
        ({"reporting": [{"modul": "passfail", "criteria": ["fail>0"]}]}, "stray-criteria", "reporting[0].criteria"),
        ({"reportng": [{"module": "passfail", "criteria": ["fail>0"]}]}, "unknown-key", "`reporting`"),
        ({"reports": [{"module": "passfail", "criteria": ["fail>0"]}]}, "stray-criteria", "`reports`"),
        ({"passfail": {"criteria": ["fail>0"]}}, "stray-criteria", "passfail"),
        ({"settings": {"criteria": ["fail>0"]}}, "stray-criteria", "settings.criteria"),
        ({"Toril": {"criteria": ["load<95%"]}}, "unknown-key", "`toril`"),
        (execution(Criteria=["fail>0"]), "unknown-key", "execution[0].Criteria"),
        (execution(scenario={"requests": ["/"], "criterion": ["fail>0"]}), "stray-criteria", "scenario.criterion"),
        ({"toril": {"criteria": None}}, "not-a-list", "toril.criteria"),
        ({"toril": {"criteria": [None]}}, "not-a-list", "toril.criteria"),
    ],
)
def test_criteria_that_no_run_would_ever_judge_are_refused(tmp_path, change, code, named):
    refuses(tmp_path, {**SIMPLE, **change}, code, named)


def test_criteria_in_the_body_of_a_request_are_ignored(tmp_path):
    carried = {"criteria": ["fail>0"]}
    requests = [{"url": "/", "method": "POST", "body": carried}]
    document = {
        "execution": [{"scenario": "criteria", "iterations": 1}],
        "scenarios": {"criteria": {"requests": requests}},
    }
    assert read(tmp_path, {**document, "settings": {"env": {"criteria": "x"}}}).criteria == ()


def test_empty_or_inapplicable_criteria_are_noted_if_there_are_no_others(tmp_path):
    nothing: list[object] = [{}, [], None]
    for written in nothing:
        suite = read(tmp_path, {**SIMPLE, "reporting": [{"module": "passfail", "criteria": written}]})
        assert codes(suite.warnings) == ["no-criteria"]
    cloud = {"module": "passfail", "run-at": "cloud", "criteria": ["fail>0"]}
    suite = read(tmp_path, {**SIMPLE, "reporting": [cloud]})
    assert codes(suite.warnings) == ["no-criteria"]
    both = read(tmp_path, {**SIMPLE, "reporting": [cloud, {**cloud, "run-at": "local"}]})
    assert codes(both.warnings) == []


def test_passfail_under_another_name_is_judged_too(tmp_path):
    document = {
        **SIMPLE,
        "modules": {"sla": {"class": "bzt.modules.passfail.PassFailStatus"}},
        "reporting": [{"module": "sla", "criteria": ["fail>0"]}],
    }
    assert [one.source for one in read(tmp_path, document).criteria] == ["fail>0"]


def test_the_plan_notes_a_likely_mistake_in_a_criterion(tmp_path):
    document = {
        **SIMPLE,
        "reporting": [{"module": "passfail", "criteria": ["avg-rt>300"]}],
        "toril": {"criteria": ["fail>0.5"]},
    }
    warnings = make_plan(read(tmp_path, document), run_id="run", workers=1).warnings
    assert [warning.split(": `")[0] for warning in warnings] == [
        "suite.yml: reporting[0].criteria[0]",
        "suite.yml: toril.criteria[0]",
    ]


@given(st.one_of(st.sampled_from([50, 90, 95, 99, 99.9, 99.99, 0.1, 1.0]), st.floats(0.01, 99.99)))
def test_a_percentile_needs_the_samples_that_bound_its_interval_on_both_sides(percentile):
    needed = samples_needed(parse_criterion(f"p{percentile:.3f}>1s", ""))
    percent = float(f"{percentile:.3f}")

    assert None not in quantile_ranks(percent, needed)
    assert needed == 1 or None in quantile_ranks(percent, needed - 1)
