"""The hosts that launchers call in regions with and without FIPS."""

import pytest

from tests.launchers.plans import deployment_of
from toril.launchers.fargate import clients

ENDPOINTS = {"ecs": "ecs-fips.us-west-2.amazonaws.com"}
STACKS = {
    "us-west-2": deployment_of("us-west-2", fips=True, endpoints=ENDPOINTS),
    "us-east-2": deployment_of("us-east-2"),
    "eu-west-1": deployment_of("eu-west-1"),
}


@pytest.mark.parametrize("asked", ["true", "false"])
def test_each_region_is_called_as_its_stack_says(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", asked)  # as in a coordinator of a home region with FIPS
    make = clients(STACKS)
    hosts = {region: make("ecs", region).meta.endpoint_url.removeprefix("https://") for region in STACKS}
    assert hosts == {
        "us-west-2": ENDPOINTS["ecs"],
        "us-east-2": f"ecs{'-fips' if asked == 'true' else ''}.us-east-2.amazonaws.com",
        "eu-west-1": "ecs.eu-west-1.amazonaws.com",
    }
    quotas = make("service-quotas", "us-west-2").meta.endpoint_url
    assert quotas == "https://servicequotas.us-west-2.amazonaws.com"
