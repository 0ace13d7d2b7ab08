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
from infra.registry.hosts import PrivateRegistry
from infra.registry.images import Image
from infra.settings import RegionSettings
from tests.infra.cases import Case
from tests.infra.regions import ACCOUNT, OTHER, place, secret, settings

NEAR, FAR = Bucket(name="results", region="us-east-1"), Bucket(name="results", region="eu-west-1")
OWN, CACHED = Image(uri="own", digest=None), Image(uri="cached", digest=None, cache="docker-hub")
BLOCKS = {"cidrs": ["203.0.113.0/24"]}


def enforced_by(found: RegionSettings, *images: Image, bucket: Bucket = NEAR) -> tuple[str, ...]:
    return enforced(found, place(), bucket, images or (OWN,))


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


def test_what_only_the_gateway_reaches_keeps_the_egress_open():
    nat = {"mode": "private", "nat": True}
    behind_nat = settings(network=nat, targets=BLOCKS)
    elsewhere = Image(uri="x", digest=None, registry=PrivateRegistry(ACCOUNT, "eu-west-1"), repository="a")
    assert enforced_by(behind_nat) == ("addresses",)
    assert enforced_by(behind_nat, OWN, CACHED) == enforced_by(behind_nat, elsewhere) == ()
    assert enforced_by(behind_nat, bucket=FAR) == ()
    assert enforced_by(settings(network=nat, targets=BLOCKS, secrets=[secret(region="eu-west-1")])) == ()
    closed = settings(network={"mode": "private"}, targets=BLOCKS)  # endpoints reach the bucket, and warmed caches
    assert enforced_by(closed, CACHED, bucket=FAR) == ("addresses",)


def test_the_group_of_enforced_addresses_lets_out_nothing_else():
    found = Case(stack="us-east-1", config={"network": {"mode": "private"}, "targets": BLOCKS}).found()
    rules = [one.inputs for one in found.of("SecurityGroupEgressRule")]
    assert [one["cidrIpv4"] for one in rules if "cidrIpv4" in one] == BLOCKS["cidrs"]
    assert all(one.keys() & {"cidrIpv4", "prefixListId", "referencedSecurityGroupId"} for one in rules)


def test_the_firewall_enforces_names():
    assert enforced_by(settings(network={"dnsFirewall": True}, targets={"hosts": ["shop.example.com"]})) == ("names",)
    assert enforced_by(settings(network={"dnsFirewall": True})) == ()


def test_private_workers_get_endpoints_of_the_services_that_they_call():
    assert interface_services(settings()) == ["ecr.api", "ecr.dkr", "logs"]
    assert interface_services(settings(secrets=[secret()])) == ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]
    assert interface_services(settings(fips=True)) == ["ecr-fips.api", "ecr-fips.dkr", "logs"]


def test_the_gateway_serves_layers_and_the_results_bucket_of_its_region():
    def resources(bucket: Bucket, home: bool = False) -> set[str]:
        statements = gateway_policy(place(), bucket, home=home)["Statement"]
        return {one for statement in statements for one in statement["Resource"]}

    layers = "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"
    assert resources(NEAR) == {layers, "arn:aws:s3:::results", "arn:aws:s3:::results/*"}
    deleted = {"arn:aws:s3:::results/index/*", "arn:aws:s3:::results/given/*"}
    assert resources(NEAR, home=True) - resources(NEAR) == deleted
    assert resources(FAR) == resources(FAR, home=True) == {layers}


def test_the_endpoint_of_a_distant_bucket_allows_only_that_bucket():
    found = results_policy(place(), FAR)["Statement"]
    assert {one for statement in found for one in statement["Resource"]} == {
        "arn:aws:s3:::results",
        "arn:aws:s3:::results/*",
    }


def test_workers_resolve_the_targets_and_complete_host_names_of_aws():
    names = resolvable(place(), settings(targets={"hosts": ["*.shop.example.com"]}), FAR, [OWN])
    assert f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com." in names
    assert "results.s3.eu-west-1.amazonaws.com." in names
    assert [name for name in names if "*" in name] == ["*.shop.example.com."]


def test_coordinators_resolve_the_services_that_they_call_in_every_region():
    alone, home = settings(otlp=None), settings(home=True, otlp="https://otlp.example.com:4318/v1")
    assert not [
        name for name in resolvable(place(), alone, FAR, [], ["eu-west-1"]) if name.startswith(("ecs.", "events."))
    ]
    names = resolvable(place(), home, FAR, [], ["eu-west-1", "us-west-2", "us-east-1"])
    for region in ("eu-west-1", "us-west-2", "us-east-1"):
        for service in ("api.ecr", "ecs", "logs", "monitoring", "servicequotas"):
            assert f"{service}.{region}.amazonaws.com." in names
    assert {f"{service}.us-east-1.amazonaws.com." for service in ("events", "scheduler", "sts")} <= set(names)
    assert {"ecs-fips.us-west-2.amazonaws.com.", "events-fips.us-east-1.amazonaws.com."} <= set(names)
    assert "ecs-fips.eu-west-1.amazonaws.com." not in names
    assert "otlp.example.com." in names
    assert not [name for name in names if "*" in name]


def test_tasks_resolve_the_regions_of_their_secrets_and_the_registries_of_their_images():
    found = settings(secrets=[secret(region="eu-west-1")])
    private = Image(uri="registry.example.com:5000/a:1", digest=None, credentials=secret(region="us-west-2"))
    elsewhere = Image(uri="x", digest=None, registry=PrivateRegistry(OTHER, "eu-central-1"), repository="a")
    names = set(resolvable(place(), found, NEAR, [private, elsewhere]))
    assert {f"secretsmanager.{region}.amazonaws.com." for region in ("us-east-1", "us-west-2", "eu-west-1")} <= names
    assert {"registry.example.com.", f"{OTHER}.dkr.ecr.eu-central-1.amazonaws.com."} <= names
    assert {
        f"{one}.eu-central-1.amazonaws.com." for one in ("api.ecr", "prod-eu-central-1-starport-layer-bucket.s3")
    } <= names
    assert not [name for name in names if "fips" in name]


def test_names_have_the_form_that_route_53_returns():
    assert qualified(["b.example.com", "*", "b.example.com"]) == ["*.", "b.example.com."]
