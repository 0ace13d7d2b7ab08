"""Checks of a region by AWS calls: each missing thing is a finding with its fix, and all other checks still run."""

import re

import pytest

from tests.launchers.plans import ACCOUNT, AWAY, DIGEST, HOME, both, deployment_of, plan_of
from tests.launchers.preflight.aws import (
    CACHE,
    NOW,
    QUOTAS,
    Aws,
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
from toril.launchers.preflight import CommandContext, refuse, vcpus_in_use
from toril.records import DeployedLimits, DeployedWorker


def test_a_complete_setup_has_only_ok_findings_with_a_detail(plan, store):
    found = flight(plan, Aws(*both(caches=(CACHE,)).values()), store)
    assert {one.state for one in found.findings} == {"ok"}, found.findings
    assert all(one.detail for one in found.findings)
    refuse(found.findings)
    assert found.estimate is not None
    assert found.rates[AWAY] == Rates(100.0, 20.0)


def test_the_refusal_has_one_line_for_each_missing_thing(plan, store):
    aws = Aws(*both().values())
    aws.answers("list_service_quotas", quotas({**QUOTAS, "L-3032A538": 4.0}), AWAY)
    aws.answers("batch_get_image", {"images": [], "failures": [{"failureCode": "ImageNotFound"}]}, HOME)
    found = flight(plan, aws, store)
    with refused("preflight-failed", error=InfrastructureError) as caught:
        refuse(found.findings)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [f"{HOME} image full x86-64", f"{AWAY} on-demand vCPU"]


def test_an_image_is_checked_by_digest(plan, store):
    aws = Aws(*both().values())
    asked = []

    def answer(**request):
        asked.append(request)
        return image()

    aws.answers("batch_get_image", answer, AWAY)
    assert of(flight(plan, aws, store), "image full x86-64").state == "ok"
    assert (asked[0]["repositoryName"], asked[0]["imageIds"]) == ("toril/worker", [{"imageDigest": DIGEST}])


def test_a_region_without_an_image_for_the_plan_is_missing(tmp_path, store):
    unset = deployment_of(AWAY)
    unset = unset.model_copy(
        update={"workers": tuple(one.model_copy(update={"digest": None}) for one in unset.workers)}
    )
    found = flight(plan_of(tmp_path), Aws(deployment_of(HOME), unset), store)
    assert (AWAY, "worker") in lacking(found)
    assert of(found, "worker").code == "no-image"


def cached(region=AWAY, tag="1", **other):
    """A region that pulls its image through a cache."""
    registry = f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
    kind = DeployedWorker(
        flavour="full",
        architecture="x86-64",
        task_definition="cached:1",
        container="worker",
        image=f"{registry}/ecr-public/acme/worker@{DIGEST}",
        digest=DIGEST,
        tag=tag,
    )
    return deployment_of(region, **{"workers": (kind,), "caches": (CACHE,), **other})


@pytest.mark.parametrize(
    "answer",
    [
        refusal("RepositoryNotFoundException", "The repository does not exist"),
        {"images": [], "failures": [{"failureCode": "ImageNotFound"}]},
    ],
)
def test_an_image_that_is_not_cached_yet_is_missing_in_every_network(plan, store, answer):
    closed = deployment_of(AWAY).network.model_copy(update={"public_addresses": False, "internet": False})
    for region in (cached(), cached(network=closed), cached(fips=True)):
        aws = Aws(deployment_of(HOME), region)
        aws.answers("batch_get_image", answer, AWAY)
        found = of(flight(plan, aws, store), "image full x86-64")
        assert (found.state, found.code) == ("missing", "not-cached")
        assert "--fill-caches" in found.detail
        assert "flavours.full.image" not in found.detail


def test_an_image_without_a_tag_needs_one_before_its_cache_can_be_filled(plan, store):
    aws = Aws(deployment_of(HOME), cached(tag=None))
    aws.answers("batch_get_image", refusal("RepositoryNotFoundException"), AWAY)
    assert "`flavours.full.image`" in of(flight(plan, aws, store), "image full x86-64").detail


def test_an_image_whose_cache_is_not_ready_cannot_be_fetched(plan, store):
    empty = CACHE.model_copy(update={"ready": False, "reason": "its secret is empty"})
    aws = Aws(deployment_of(HOME), cached(caches=(empty,)))
    aws.answers("batch_get_image", refusal("RepositoryNotFoundException"), AWAY)
    found = flight(plan, aws, store)
    assert of(found, "image full x86-64").code == "cache-not-ready"
    assert "its secret is empty" in of(found, "cache ecr-public").detail


def test_the_vcpu_in_use_is_read_without_the_other_checks(store):
    aws = Aws(*both().values())
    aws.answers("get_metric_data", used(2.0), AWAY)
    aws.answers("list_service_quotas", refusal("AccessDeniedException"), HOME)
    context = CommandContext(store=store, now=lambda: NOW, environment={})
    found = vcpus_in_use(aws.deployments, aws, context)
    assert {(one.region, one.name) for one in found} == {
        (HOME, "quotas"), (AWAY, "on-demand vCPU"), (AWAY, "Spot vCPU"),
    }  # fmt: skip
    known = next(one for one in found if one.name == "on-demand vCPU")
    assert figures(known.detail) == [known.used, known.quota]


@pytest.mark.parametrize(
    ("used_vcpus", "quota", "state", "code"),
    [
        ((1.0, 6.0), 6.0, "ok", ""),  # only the latest minute counts
        ((2.0,), 6.0, "warning", "busy-quota"),
        ((2.0,), 4.0, "missing", "over-quota"),
    ],
)
def test_the_vcpu_of_the_run_must_fit_the_quota_and_others_in_use_are_a_warning(
    plan, store, used_vcpus, quota, state, code
):
    """Five workers of one vCPU in each region."""
    aws = Aws(*both().values())
    aws.answers("list_service_quotas", quotas({**QUOTAS, "L-3032A538": quota}))
    aws.answers("get_metric_data", used(*used_vcpus), AWAY)
    found = of(flight(plan, aws, store), "on-demand vCPU")
    assert (found.state, found.code) == (state, code)
    assert figures(found.detail)[:3] == [5, used_vcpus[0], quota]  # needed, in use, allowed
    assert ("--quota-code L-3032A538 --desired-value 5" in found.detail) == (state == "missing")


def figures(text):
    return [int(one) for one in re.findall(r"\b\d+\b", text)]


def test_a_spot_run_needs_the_spot_quota_and_warns_about_the_on_demand_quota(tmp_path, store):
    aws = Aws(*both().values())
    aws.answers("list_service_quotas", quotas({**QUOTAS, "L-3032A538": 1.0}))
    found = flight(plan_of(tmp_path, worker={"spot": True}), aws, store)
    assert lacking(found) == []
    assert (of(found, "Spot vCPU").state, of(found, "on-demand vCPU").state) == ("ok", "warning")
    aws.answers("list_service_quotas", quotas({**QUOTAS, "L-36FBB829": 4.0}))
    assert (AWAY, "Spot vCPU") in lacking(flight(plan_of(tmp_path, worker={"spot": True}), aws, store))


def test_quotas_are_read_from_all_pages_and_set_the_launch_rate(plan, store):
    def pages(ServiceCode, NextToken=None):  # botocore's spelling
        if NextToken is None:
            return {**quotas({"L-3032A538": 100.0}), "NextToken": "2"}
        return quotas({"L-6BAD92DD": 300.0, "L-551A4E9D": 15.0})

    aws = Aws(*both().values())
    aws.answers("list_service_quotas", pages, AWAY)
    found = flight(plan, aws, store)
    assert found.rates[AWAY] == Rates(300.0, 15.0)
    assert figures(of(found, "launch rate").detail) == [300, 15]
    assert of(found, "on-demand vCPU").state == "ok"


def test_a_region_of_another_account_is_missing(plan, store):
    aws = Aws(deployment_of(HOME), deployment_of(AWAY, account="210987654321"))
    found = flight(plan, aws, store)
    assert lacking(found) == [(AWAY, "account")]
    assert of(found, "account").code == "other-account"


def test_without_a_suite_everything_that_is_deployed_is_checked(store):
    aws = Aws(*both(caches=(CACHE,)).values())
    found = flight(None, aws, store)
    assert lacking(found) == []
    assert found.estimate is None
    names = {one.name for one in found.findings if one.region == AWAY}
    assert {"image full x86-64", "image full arm64", "cache ecr-public", "on-demand vCPU", "Spot vCPU"} <= names


def test_without_a_suite_each_worker_without_an_image_is_missing(store):
    unset = deployment_of(AWAY)
    kinds = tuple(
        one.model_copy(update={"digest": None, "image": one.image.partition("@")[0] + ":full"}) for one in unset.workers
    )
    aws = Aws(deployment_of(HOME), unset.model_copy(update={"workers": kinds}))
    found = flight(None, aws, store)
    assert lacking(found) == [(AWAY, "image full x86-64"), (AWAY, "image full arm64")]


def test_a_run_above_the_limits_is_refused_with_the_figures(tmp_path, store):
    small = both(limits=DeployedLimits(vcpus=4, cost_usd=0.01, duration_s=300))
    found = flight(plan_of(tmp_path), Aws(*small.values()), store)
    assert lacking(found) == [("", "cost"), (HOME, "limits"), (AWAY, "limits")]
    assert (of(found, "limits").code, of(found, "cost", "").code) == ("over-limits", "over-cost-limit")
    assert figures(of(found, "limits").detail)[:4] == [5, 4, 10, 5]  # vCPU, then minutes: wanted, allowed
    assert "0.01" in of(found, "cost", "").detail


def test_a_load_limited_only_by_iterations_is_a_warning_with_its_longest_duration(tmp_path, store):
    plan = plan_of(tmp_path, throughput=None, iterations=3, hold_for=None)
    found = of(flight(plan, Aws(*both().values()), store), "limits")
    assert (found.state, found.code, figures(found.detail)) == ("warning", "unbounded-load", [240])
