"""Each refused or unanswered AWS call is a finding, and does not prevent other checks."""

import pytest

from tests.launchers.plans import AWAY, HOME, both
from tests.launchers.preflight.aws import CACHE, Aws, flight, lacking, of, refusal, silence
from toril.launchers.fargate import Rates

RIGHTS = {
    "batch_get_image": "ecr:BatchGetImage",
    "list_service_quotas": "servicequotas:ListServiceQuotas",
    "get_metric_data": "cloudwatch:GetMetricData",
}


@pytest.mark.parametrize(("operation", "right"), RIGHTS.items())
def test_a_missing_permission_is_named_and_all_other_checks_run(plan, store, operation, right):
    aws = Aws(*both(caches=(CACHE,)).values())
    aws.denies(operation)
    found = flight(plan, aws, store)
    refused = [one for one in found.findings if one.state != "ok" and right in one.detail]
    assert {one.region for one in refused} == {HOME, AWAY}
    others = {name for _, name in aws.asked}
    assert others >= set(RIGHTS) - {"get_metric_data"}  # which depends on the others


def test_rejected_credentials_are_one_finding_and_no_region_is_asked(plan, store):
    aws = Aws(*both().values())
    aws.answers("get_caller_identity", refusal("ExpiredToken", "The security token is expired"))
    found = flight(plan, aws, store)
    assert ("", "credentials") in lacking(found)
    assert not {name for _, name in aws.asked} & set(RIGHTS)


def test_a_temporary_aws_error_is_a_warning(plan, store):
    aws = Aws(*both().values())
    aws.answers("batch_get_image", silence(), AWAY)
    aws.answers("list_service_quotas", refusal("ThrottlingException"), AWAY)
    found = flight(plan, aws, store)
    assert lacking(found) == []
    assert (of(found, "image").state, of(found, "image").code) == ("warning", "unreachable")
    assert (of(found, "quotas").state, of(found, "quotas").code) == ("warning", "busy")
    assert found.rates[AWAY] == Rates(100.0, 20.0)
