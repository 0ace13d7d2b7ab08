"""What a region lacks is found, with the fix; the rest of it, and the other regions, are looked at all the same."""

import re
from datetime import UTC, datetime

import pytest

from tests.launchers.plans import ACCOUNT, AWAY, DIGEST, HOME, both, deployment_of, plan_of
from tests.launchers.preflight.aws import (
    CACHE,
    INDEX,
    NOW,
    QUOTAS,
    Aws,
    definition,
    flight,
    image,
    lacking,
    of,
    quotas,
    refusal,
    used,
)
from tests.refusals import refused
from toril.errors import InfrastructureError
from toril.launchers.fargate import Rates
from toril.launchers.preflight import refuse
from toril.records import DeployedLimits, DeployedWorker


def test_when_all_is_there_nothing_is_missing_and_every_finding_says_something(plan, store):
    found = flight(plan, Aws(*both(caches=(CACHE,)).values()), store)
    assert {one.state for one in found.findings} == {"ok"}, found.findings
    assert all(one.detail for one in found.findings)
    refuse(found.findings)
    assert found.estimate is not None
    assert found.rates[AWAY] == Rates(100.0, 20.0)


def test_every_thing_that_is_missing_is_in_the_refusal_one_a_line(plan, store):
    aws = Aws(*both().values())
    aws.answers("describe_clusters", {"clusters": [], "failures": [{"reason": "MISSING"}]}, AWAY)
    aws.answers("batch_get_image", {"images": [], "failures": [{"failureCode": "ImageNotFound"}]}, HOME)
    found = flight(plan, aws, store)
    with refused("preflight-failed", error=InfrastructureError) as caught:
        refuse(found.findings)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [f"{HOME} image full x86-64", f"{AWAY} cluster"]


def test_a_region_that_is_not_enabled_is_not_asked_any_further(plan, store):
    aws = Aws(*both().values())
    regions = [{"RegionName": HOME, "OptInStatus": "opted-in"}, {"RegionName": AWAY, "OptInStatus": "not-opted-in"}]
    aws.answers("describe_regions", {"Regions": regions})
    found = flight(plan, aws, store)
    assert lacking(found) == [(AWAY, "region")]
    assert of(found, "region").code == "disabled-region"
    assert "enable-region" in of(found, "region").detail
    assert {region for region, _ in aws.asked} == {HOME}


def test_a_region_that_aws_does_not_know_is_missing(plan, store):
    aws = Aws(*both().values())
    aws.answers("describe_regions", {"Regions": [{"RegionName": HOME, "OptInStatus": "opted-in"}]})
    found = flight(plan, aws, store)
    assert lacking(found) == [(AWAY, "region")]
    assert of(found, "region").code == "no-such-region"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"clusters": [], "failures": [{"reason": "MISSING"}]}, "missing"),
        ({"clusters": [{"status": "INACTIVE"}]}, "INACTIVE"),
    ],
)
def test_a_cluster_that_is_not_active_is_missing(plan, store, answer, said):
    aws = Aws(*both().values())
    aws.answers("describe_clusters", answer, AWAY)
    found = of(flight(plan, aws, store), "cluster")
    assert (found.state, found.code) == ("missing", "no-active-cluster")
    assert said in found.detail
    assert f"pulumi up --stack {AWAY}" in found.detail


def test_spot_needs_its_capacity_provider(tmp_path, store):
    aws = Aws(*both().values())
    aws.answers("describe_clusters", {"clusters": [{"status": "ACTIVE", "capacityProviders": ["FARGATE"]}]})
    assert of(flight(plan_of(tmp_path), aws, store), "cluster").state == "ok"
    assert of(flight(plan_of(tmp_path, worker={"spot": True}), aws, store), "cluster").code == "no-spot"


IMAGE = deployment_of(AWAY).workers[0].image


@pytest.mark.parametrize(
    ("answer", "code", "names"),
    [
        (refusal("ClientException", "Unable to describe task definition."), "no-task-definition", []),
        ({"taskDefinition": definition(IMAGE, "x86-64", status="INACTIVE")}, "inactive-task-definition", ["INACTIVE"]),
        ({"taskDefinition": definition(IMAGE, "arm64")}, "other-processor", ["ARM64", "X86_64"]),
        ({"taskDefinition": definition(IMAGE, "x86-64", container="other")}, "no-container", ["worker"]),
        ({"taskDefinition": definition("other@sha256:1", "x86-64")}, "other-image", ["other@sha256:1"]),
    ],
)
def test_a_task_definition_has_to_be_as_the_stacks_record_has_it(plan, store, answer, code, names):
    aws = Aws(*both().values())
    aws.answers("describe_task_definition", answer, AWAY)
    found = of(flight(plan, aws, store), "task definition full x86-64")
    assert (found.state, found.code) == ("missing", code)
    assert all(name in found.detail for name in (":task-definition/toril-full-x86-64:3", *names))


def test_an_image_is_looked_for_by_digest_and_its_processor_in_the_index(plan, store):
    aws = Aws(*both().values())
    asked = []

    def answer(**request):
        asked.append(request)
        return image()

    aws.answers("batch_get_image", answer, AWAY)
    assert of(flight(plan, aws, store), "image full x86-64").state == "ok"
    assert (asked[0]["repositoryName"], asked[0]["imageIds"]) == ("toril/worker", [{"imageDigest": DIGEST}])
    aws.answers("batch_get_image", image({"manifests": INDEX["manifests"][1:]}), AWAY)
    found = of(flight(plan, aws, store), "image full x86-64")
    assert (found.state, found.code, "arm64" in found.detail) == ("missing", "other-processor", True)
    aws.answers("batch_get_image", image({"config": {}, "layers": []}), AWAY)
    assert of(flight(plan, aws, store), "image full x86-64").state == "ok"


def test_a_region_without_an_image_for_the_plan_is_missing(tmp_path, store):
    unset = deployment_of(AWAY)
    unset = unset.model_copy(
        update={"workers": tuple(one.model_copy(update={"digest": None}) for one in unset.workers)}
    )
    found = flight(plan_of(tmp_path), Aws(deployment_of(HOME), unset), store)
    assert (AWAY, "worker") in lacking(found)
    assert of(found, "worker").code == "no-image"


def cached(region=AWAY, **other):
    """A region whose image comes through a cache."""
    registry = f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
    kind = DeployedWorker(
        flavour="full",
        architecture="x86-64",
        task_definition="cached:1",
        container="worker",
        image=f"{registry}/ecr-public/acme/worker@{DIGEST}",
        digest=DIGEST,
    )
    return deployment_of(region, **{"workers": (kind,), "caches": (CACHE,), **other})


@pytest.mark.parametrize(
    "answer",
    [
        refusal("RepositoryNotFoundException", "The repository does not exist"),
        {"images": [], "failures": [{"failureCode": "ImageNotFound"}]},
    ],
)
def test_an_image_that_its_cache_has_not_fetched_yet_is_only_told(plan, store, answer):
    aws = Aws(deployment_of(HOME), cached())
    aws.answers("batch_get_image", answer, AWAY)
    found = of(flight(plan, aws, store), "image full x86-64")
    assert (found.state, found.code) == ("warning", "not-cached")
    assert "public.ecr.aws" in found.detail


def test_over_fips_and_from_a_cache_that_is_not_ready_a_first_pull_cannot_come(plan, store):
    gone = refusal("RepositoryNotFoundException")
    aws = Aws(deployment_of(HOME), cached(fips=True))
    aws.answers("batch_get_image", gone, AWAY)
    over_fips = of(flight(plan, aws, store), "image full x86-64")
    assert (over_fips.state, over_fips.code) == ("missing", "not-cached")
    empty = CACHE.model_copy(update={"ready": False, "reason": "its secret is empty"})
    aws = Aws(deployment_of(HOME), cached(caches=(empty,)))
    aws.answers("batch_get_image", gone, AWAY)
    found = flight(plan, aws, store)
    assert of(found, "image full x86-64").code == "cache-not-ready"
    assert "its secret is empty" in of(found, "cache ecr-public").detail


@pytest.mark.parametrize(
    ("operation", "answer", "code", "said"),
    [
        ("describe_pull_through_cache_rules", refusal("PullThroughCacheRuleNotFoundException"), "no-cache-rule", ""),
        (
            "describe_pull_through_cache_rules",
            {"pullThroughCacheRules": [{"upstreamRegistryUrl": "quay.io"}]},
            "other-upstream",
            "quay.io",
        ),
        (
            "validate_pull_through_cache_rule",
            {"isValid": False, "failure": "the secret does not exist"},
            "invalid-cache-rule",
            "the secret does not exist",
        ),
    ],
)
def test_a_rule_that_ecr_cannot_use_stops_the_run_that_needs_it(plan, store, operation, answer, code, said):
    needed, other = Aws(deployment_of(HOME), cached()), Aws(*both(caches=(CACHE,)).values())
    needed.answers(operation, answer, AWAY)
    other.answers(operation, answer, AWAY)
    found = of(flight(plan, needed, store), "cache ecr-public")
    assert (found.state, found.code, said in found.detail) == ("missing", code, True)
    unneeded = of(flight(plan, other, store), "cache ecr-public")
    assert (unneeded.state, unneeded.code) == ("warning", code)


def test_vcpu_in_use_and_those_of_the_run_have_to_fit_into_the_quota(plan, store):
    """Five workers of one vCPU in each region."""
    aws = Aws(*both().values())
    aws.answers("list_service_quotas", quotas({**QUOTAS, "L-3032A538": 6.0}))
    aws.answers("get_metric_data", used(1.0, 6.0), AWAY)
    assert lacking(flight(plan, aws, store)) == []
    aws.answers("get_metric_data", used(2.0), AWAY)
    found = flight(plan, aws, store)
    assert lacking(found) == [(AWAY, "on-demand vCPU")]
    assert of(found, "on-demand vCPU").code == "over-quota"
    assert figures(of(found, "on-demand vCPU").detail)[:3] == [5, 2, 6]  # needed, in use, allowed
    assert "--quota-code L-3032A538 --desired-value 7" in of(found, "on-demand vCPU").detail


def figures(text):
    return [int(one) for one in re.findall(r"\b\d+\b", text)]


def task(cpu, ended_s=None, capacity="FARGATE"):
    """One of the cluster; `ended_s`: so long ago."""
    ended = {} if ended_s is None else {"stoppedAt": datetime.fromtimestamp(NOW - ended_s, UTC)}
    return {"cpu": str(cpu * 1024), "capacityProviderName": capacity, **ended}


@pytest.mark.parametrize(
    ("running", "stopped", "in_use"),
    [
        ([], [task(5, 30)], 0),  # a run that has just ended
        ([], [task(5, 300)], 5),  # the count is later, and of somebody else
        ([], [task(5, 30, "FARGATE_SPOT")], 5),
        ([task(4)], [task(5, 30)], 4),
        ([task(3)], [task(1, 30)], 4),
        ([task(5)], [], 5),
    ],
)
def test_what_has_ended_since_aws_counted_is_in_use_no_longer(plan, store, running, stopped, in_use):
    """Five vCPU are needed, five were counted in the last minute, and six are allowed."""
    there = {"RUNNING": running, "STOPPED": stopped}
    aws = Aws(*both().values())
    aws.answers("list_service_quotas", quotas({**QUOTAS, "L-3032A538": 6.0}), AWAY)
    aws.answers("get_metric_data", used(5.0), AWAY)
    aws.answers("list_tasks", lambda desiredStatus, **asked: {"taskArns": [desiredStatus]}, AWAY)
    aws.answers("describe_tasks", lambda tasks, **asked: {"tasks": there[tasks[0]]}, AWAY)
    found = of(flight(plan, aws, store), "on-demand vCPU")
    assert figures(found.detail)[:3] == [5, in_use, 6]
    assert found.state == ("ok" if in_use <= 1 else "missing")


def test_spot_has_a_quota_of_its_own_and_on_demand_is_its_reserve(tmp_path, store):
    aws = Aws(*both().values())
    aws.answers("list_service_quotas", quotas({**QUOTAS, "L-3032A538": 1.0}))
    found = flight(plan_of(tmp_path, worker={"spot": True}), aws, store)
    assert lacking(found) == []
    assert (of(found, "Spot vCPU").state, of(found, "on-demand vCPU").state) == ("ok", "warning")
    aws.answers("list_service_quotas", quotas({**QUOTAS, "L-36FBB829": 4.0}))
    assert (AWAY, "Spot vCPU") in lacking(flight(plan_of(tmp_path, worker={"spot": True}), aws, store))


def test_quotas_come_in_pages_and_say_how_fast_tasks_start(plan, store):
    def pages(ServiceCode, NextToken=None):  # as botocore spells them
        if NextToken is None:
            return {**quotas({"L-3032A538": 100.0}), "NextToken": "2"}
        return quotas({"L-6BAD92DD": 300.0, "L-551A4E9D": 15.0})

    aws = Aws(*both().values())
    aws.answers("list_service_quotas", pages, AWAY)
    found = flight(plan, aws, store)
    assert found.rates[AWAY] == Rates(300.0, 15.0)
    assert figures(of(found, "launch rate").detail) == [300, 15]
    assert of(found, "on-demand vCPU").state == "ok"


def test_a_region_of_another_account_is_not_reached(plan, store):
    aws = Aws(deployment_of(HOME), deployment_of(AWAY, account="210987654321"))
    found = flight(plan, aws, store)
    assert lacking(found) == [(AWAY, "account")]
    assert of(found, "account").code == "other-account"


def test_without_a_suite_everything_that_is_deployed_is_looked_at(store):
    aws = Aws(*both(caches=(CACHE,)).values())
    found = flight(None, aws, store)
    assert lacking(found) == []
    assert found.estimate is None
    names = {one.name for one in found.findings if one.region == AWAY}
    assert {"image full x86-64", "image full arm64", "cache ecr-public", "on-demand vCPU", "Spot vCPU"} <= names
    aws.answers("validate_pull_through_cache_rule", {"isValid": False, "failure": "gone"}, AWAY)
    assert lacking(flight(None, aws, store)) == [(AWAY, "cache ecr-public")]


def test_a_kind_of_worker_without_an_image_is_told_where_no_suite_asks_for_it(store):
    unset = deployment_of(AWAY)
    kinds = tuple(
        one.model_copy(update={"digest": None, "image": one.image.partition("@")[0] + ":full"}) for one in unset.workers
    )
    aws = Aws(deployment_of(HOME), unset.model_copy(update={"workers": kinds}))
    found = flight(None, aws, store)
    assert lacking(found) == [(AWAY, "image full x86-64"), (AWAY, "image full arm64")]


def test_a_run_beyond_the_limits_of_a_region_says_which_and_by_how_much(tmp_path, store):
    small = both(limits=DeployedLimits(vcpus=4, cost_usd=0.01, duration_s=300))
    found = flight(plan_of(tmp_path), Aws(*small.values()), store)
    assert lacking(found) == [("", "cost"), (HOME, "limits"), (AWAY, "limits")]
    assert (of(found, "limits").code, of(found, "cost", "").code) == ("over-limits", "over-cost-limit")
    assert figures(of(found, "limits").detail)[:4] == [5, 4, 10, 5]  # vCPU, then minutes: wanted, allowed
    assert "0.01" in of(found, "cost", "").detail


def test_a_load_that_only_iterations_bound_is_told_when_it_ends(tmp_path, store):
    plan = plan_of(tmp_path, throughput=None, iterations=3, hold_for=None)
    found = of(flight(plan, Aws(*both().values()), store), "limits")
    assert (found.state, found.code, figures(found.detail)) == ("warning", "unbounded-load", [240])
