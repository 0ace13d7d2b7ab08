"""The network's egress, and its statements about enforced targets."""

import pytest

from infra.network.egress import (
    Bucket,
    enforced,
    gateway_policy,
    interface_services,
    qualified,
    resolvable,
    results_policy,
)
from infra.registry.images import Image
from infra.settings import RegionSettings
from tests.infra.regions import ACCOUNT, place, secret, settings

NEAR, FAR = Bucket(name="results", region="us-east-1"), Bucket(name="results", region="eu-west-1")
OWN, CACHED = Image(uri="own", digest=None), Image(uri="cached", digest=None, cache="docker-hub")
BLOCKS = {"cidrs": ["203.0.113.0/24"]}


def enforced_by(found: RegionSettings, *images: Image) -> tuple[str, ...]:
    return enforced(found, images or (OWN,))


def test_a_private_network_enforces_target_addresses():
    assert enforced_by(settings(network={"mode": "private"}, targets=BLOCKS)) == ("addresses",)


@pytest.mark.parametrize(
    "found",
    [
        {"targets": BLOCKS},
        {"network": {"mode": "private"}},
        {"network": {"mode": "private"}, "targets": {**BLOCKS, "hosts": ["shop.example.com"]}},
        {"network": {"mode": "existing", "vpc": "vpc-12345678", "subnets": ["subnet-12345678"]}, "targets": BLOCKS},
        {"network": {"mode": "private", "nat": True}, "targets": BLOCKS, "home": True},
    ],
    ids=["public", "no targets", "a name may be any address", "existing", "home"],
)
def test_other_networks_enforce_no_targets(found):
    assert enforced_by(settings(**found)) == ()


def test_a_cached_image_keeps_the_egress_open():
    assert enforced_by(settings(network={"mode": "private", "nat": True}, targets=BLOCKS), OWN, CACHED) == ()


def test_the_firewall_enforces_names():
    assert enforced_by(settings(network={"dnsFirewall": True}, targets={"hosts": ["shop.example.com"]})) == ("names",)
    assert enforced_by(settings(network={"dnsFirewall": True})) == ()


def test_private_workers_get_endpoints_of_the_services_that_they_call():
    assert interface_services(settings()) == ["ecr.api", "ecr.dkr", "logs"]
    assert interface_services(settings(secrets=[secret()])) == ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]
    assert interface_services(settings(fips=True)) == ["ecr-fips.api", "ecr-fips.dkr", "logs"]


def test_the_gateway_serves_layers_and_the_results_bucket_of_its_region():
    def resources(bucket: Bucket) -> set[str]:
        return {one for statement in gateway_policy(place(), bucket)["Statement"] for one in statement["Resource"]}

    layers = "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"
    assert resources(NEAR) == {layers, "arn:aws:s3:::results", "arn:aws:s3:::results/*"}
    assert resources(FAR) == {layers}


def test_the_endpoint_of_a_distant_bucket_allows_only_that_bucket():
    found = results_policy(place(), FAR)["Statement"]
    assert {one for statement in found for one in statement["Resource"]} == {
        "arn:aws:s3:::results",
        "arn:aws:s3:::results/*",
    }


def test_workers_resolve_the_targets_and_complete_host_names_of_aws():
    names = resolvable(place(), settings(targets={"hosts": ["*.shop.example.com"]}), FAR)
    assert f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com." in names
    assert "results.s3.eu-west-1.amazonaws.com." in names
    assert [name for name in names if "*" in name] == ["*.shop.example.com."]


def test_names_have_the_form_that_route_53_returns():
    assert qualified(["b.example.com", "*", "b.example.com"]) == ["*.", "b.example.com."]
