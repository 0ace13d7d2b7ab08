"""The evidence for causes: which questions a run asks AWS, and what its record keeps."""

from dataclasses import replace

from tests.clocks import SteppedClock
from tests.measured import START
from tests.verdict.findings.services import Service, run_of
from toril.aws.errors import AwsError, fault
from toril.records import ServiceResource, Verdict
from toril.records.evidence import Exchange, Exchanges
from toril.reports import Bundle
from toril.runs.causes import cause_of
from toril.verdict.findings import findings_of

ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def bundle_of(simulated, **settings):
    plan, summary, timeline = run_of(simulated, 0)
    plan = plan.model_copy(update=settings)
    summary = replace(summary, standouts=findings_of(plan, summary, timeline))
    slow = Exchange(why="slowest", trace_id=ID, at_s=200.0, response_us=400_000)
    return Bundle(plan, summary, Verdict(outcome="failed"), timeline, evidence=Exchanges(exchanges=(slow,)))


def refusing(asked):
    def clients(service, region):
        asked.append((service, region))
        raise AwsError(fault("access-denied", f"{service}:Any"))

    return clients


def test_a_suite_without_sources_has_no_cause():
    bundle = bundle_of(Service(seconds=300, failing=0.002, fails_from_s=150.0))
    assert cause_of(bundle, bundle.plan, START, SteppedClock(), aws=refusing([])) is None


def test_a_clean_run_asks_nothing():
    asked: list[tuple[str, str]] = []
    bundle = bundle_of(Service(seconds=60), xray="eu-west-1", log_groups=("/ecs/shop",))
    cause = cause_of(bundle, bundle.plan, START, SteppedClock(), aws=refusing(asked))
    assert cause is not None
    assert (asked, cause.troubles, cause.problems) == ([], (), ())


def test_refused_questions_are_problems_and_change_nothing_else():
    asked: list[tuple[str, str]] = []
    service = Service(seconds=300, failing=0.002, fails_from_s=150.0)
    arn = "arn:aws:logs:us-east-1:111122223333:log-group:/ecs/shop"
    bundle = bundle_of(service, xray="eu-west-1", log_groups=("/ecs/web", arn))
    cause = cause_of(bundle, bundle.plan, START, SteppedClock(), aws=refusing(asked))
    assert cause is not None
    assert len(cause.troubles) == 1
    assert len(cause.problems) == 2
    assert asked == [("xray", "eu-west-1"), ("cloudwatch", "us-east-1")]


def test_a_missing_region_is_a_problem_too(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    bundle = bundle_of(Service(seconds=300, failing=0.002, fails_from_s=150.0), xray="", log_groups=("/ecs/shop",))
    cause = cause_of(bundle, bundle.plan, START, SteppedClock())
    assert cause is not None
    assert len(cause.problems) == 2
    assert all("no AWS region is set" in problem for problem in cause.problems)


def test_a_service_is_a_source_of_its_own():
    bundle = bundle_of(Service(seconds=60), service=(ServiceResource(kind="database", id="arn:aws:rds:::db:shop"),))
    cause = cause_of(bundle, bundle.plan, None)
    assert cause is not None
    assert cause.troubles == ()
