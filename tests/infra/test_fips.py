"""A stack with `fips` uses FIPS endpoints, and a region without them is an error."""

import json
from pathlib import Path

import botocore
import pytest

from infra.network import fips
from infra.settings import SettingError
from tests.infra.regions import ACCOUNT, key, secret, settings

# Our names beside those of botocore, whose list is partly older than the AWS documentation.
AS_BOTOCORE_CALLS_THEM = {"ecr": "api.ecr"}
NOT_IN_BOTOCORE = {  # General Reference, November 2026
    "ec2": fips.GOVCLOUD,
    "events": fips.CANADA,
    "scheduler": fips.NORTH_AMERICA,
    "sts": fips.CANADA,
}


def listed(service: str) -> dict[str, str | None]:
    """Returns the FIPS host by region from botocore's endpoints.json, None if the variant has none."""
    text = (Path(botocore.__file__).parent / "data/endpoints.json").read_text()
    found: dict[str, str | None] = {}
    ours = [one for one in json.loads(text)["partitions"] if one["partition"] in ("aws", "aws-us-gov")]
    for partition in ours:
        endpoints = partition["services"].get(AS_BOTOCORE_CALLS_THEM.get(service, service), {}).get("endpoints", {})
        for region, endpoint in endpoints.items():
            for variant in endpoint.get("variants", ()):
                if variant["tags"] == ["fips"] and region in partition["regions"]:
                    found[region] = variant.get("hostname")
    return found


@pytest.mark.parametrize("service", sorted(fips.SERVICES.keys() - {"iam", "kms"}))
def test_the_table_equals_botocores_except_for_known_differences(service):
    ours, theirs = fips.SERVICES[service], listed(service)
    regions = set(ours.regions or ())
    assert regions - set(theirs) == NOT_IN_BOTOCORE.get(service, frozenset()) & regions
    assert not {region for region in theirs if region in fips.NORTH_AMERICA} - regions
    named = {region: host for region, host in theirs.items() if host}
    assert named == {region: ours.host_in(region) for region in named}


def test_a_default_stack_with_fips_is_possible_only_in_the_united_states_and_govcloud():
    services = fips.services_used(settings(fips=True))
    assert set(fips.full_regions(services)) == fips.US | fips.GOVCLOUD
    fips.check("us-east-1", services)


def test_the_error_names_services_region_and_possible_regions():
    with pytest.raises(SettingError) as refused:
        fips.check("ca-central-1", fips.services_used(settings(fips=True)))
    message = str(refused.value)
    assert "Amazon ECR, Amazon ECS, CloudWatch have no FIPS endpoint in ca-central-1" in message
    assert "us-east-1" in message
    with pytest.raises(SettingError, match=r"Amazon S3 has no FIPS endpoint in eu-west-1"):
        fips.check("eu-west-1", ["s3", "kms"])


def test_services_without_any_fips_endpoint_are_not_an_error():
    fips.check("us-west-2", ["ecs", *fips.EXEMPT])
    assert not fips.EXEMPT.keys() & fips.endpoints("us-west-2", "us-west-2", ["ecs", *fips.EXEMPT]).keys()


@pytest.mark.parametrize(
    ("more", "services"),
    [
        ({"secrets": [secret()]}, {"secretsmanager"}),
        ({"encryption": "KMS"}, {"kms"}),
        ({"logs": {"encryption": key()}}, {"kms"}),
        ({"home": True}, {"scheduler", "sqs"}),
        ({"network": {"dnsFirewall": True}}, {"route53resolver"}),
    ],
)
def test_each_setting_adds_the_services_that_it_uses(more, services):
    bare = set(fips.services_used(settings(idleAlarm=False)))
    assert set(fips.services_used(settings(idleAlarm=False, **more))) - bare >= services
    assert not services & bare


def test_hosts_are_the_regions_and_that_of_s3_is_the_buckets():
    assert fips.endpoints("us-gov-west-1", "us-gov-east-1", ["ecs", "logs", "s3", "iam"]) == {
        "ecs": "ecs-fips.us-gov-west-1.amazonaws.com",
        "iam": "iam.us-gov.amazonaws.com",
        "logs": "logs.us-gov-west-1.amazonaws.com",
        "s3": "s3-fips.us-gov-east-1.amazonaws.com",
    }
    assert fips.registry_host(ACCOUNT, "us-east-2") == f"{ACCOUNT}.dkr.ecr-fips.us-east-2.amazonaws.com"
