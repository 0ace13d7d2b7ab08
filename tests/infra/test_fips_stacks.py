"""`fips: true` without a service's FIPS endpoint is an error before any registration, in every combination."""

from itertools import product
from typing import Any

import pytest

from infra.network.fips import CANADA, GOVCLOUD, SERVICES, US, services_used
from infra.settings import RegionSettings
from tests.infra.cases import Case
from tests.infra.configurations import CHINA, REGIONS, key_arn, secret_arn
from tests.infra.laws import broken
from tests.infra.offline import PROVIDER, texts
from tests.tiers import by_day

ALLOWED = sorted(US | GOVCLOUD)
REFUSED = sorted({*REGIONS, *CANADA, *CHINA, "eu-west-2", "ap-south-1"} - US)


def uses(region: str) -> dict[str, dict[str, Any]]:
    """Returns settings that use services which a plain stack does not call."""
    return {
        "nothing more": {},
        "a key": {"encryption": key_arn(region)},
        "DNS Firewall": {"network": {"dnsFirewall": True}, "targets": {"hosts": ["shop.example.com"]}},
        "secrets": {"secrets": [secret_arn(region)]},
        "the home": {"home": True, "schedules": [{"name": "nightly", "suite": "shop", "cron": "rate(1 day)"}]},
        "no alarm": {"idleAlarm": False},
    }


def stack(region: str, more: dict[str, Any]) -> Case:
    near = "us-gov-west-1" if region in GOVCLOUD else "cn-north-1" if region in CHINA else "us-east-1"
    own = {"architectures": ["x86-64"]} if region in GOVCLOUD else {}
    return Case(stack=region, config={"fips": True, **own, **more}, hub={"region": near})


@pytest.mark.parametrize("region", REFUSED)
def test_a_region_without_endpoints_is_an_error_before_any_registration(region):
    for more in uses(region).values():
        found = stack(region, more).found()
        assert not found.aws
        assert {one.type for one in found.resources} <= {"pulumi:providers:aws"}
        message = str(found.refusal)
        settings = RegionSettings.read({"fips": True, **more}, region)
        missing = [SERVICES[one].name for one in services_used(settings) if not SERVICES[one].in_region(region)]
        assert missing
        assert all(name in message for name in missing)
        assert f"in {region}." in message


@pytest.mark.parametrize(("what", "region"), by_day(product(uses("us-east-1"), ALLOWED), each=5))
def test_a_region_with_all_endpoints_uses_them_for_everything(region, what):
    case = stack(region, uses(region)[what])
    found = case.found()
    assert found.refusal is None
    assert broken(case, found) == []
    (provider,) = [one for one in found.resources if one.type == PROVIDER]
    assert provider.inputs["useFipsEndpoint"] in (True, "true")
    for one in found.of("TaskDefinition"):
        definition = one.inputs["containerDefinitions"]
        assert '"AWS_USE_FIPS_ENDPOINT","value":"true"' in definition.replace(" ", "")
        assert ".dkr.ecr-fips." in definition
        assert ".dkr.ecr." not in "".join(texts(definition))


@pytest.mark.parametrize("region", sorted(GOVCLOUD))
def test_govcloud_turns_on_fargates_fips_mode_which_has_x86_64_only(region):
    found = stack(region, {}).found()
    (setting,) = found.of("AccountSettingDefault")
    assert (setting.inputs["name"], setting.inputs["value"], setting.retained) == ("fargateFIPSMode", "enabled", True)
    for architectures in ({"architectures": ["arm64"]}, {"flavours": {"slim": {"architectures": ["arm64"]}}}):
        refused = stack(region, architectures).found()
        assert "architectures: In GovCloud" in str(refused.refusal)
        assert not refused.aws
    assert not stack("us-west-2", {}).found().of("AccountSettingDefault")


def test_an_image_with_a_login_is_allowed_with_a_warning():
    image = {"image": "registry.example.com/worker:1", "credentials": secret_arn("us-west-2", "login-AbCdEf")}
    found = stack("us-west-2", {"flavours": {"slim": image}}).found()
    assert found.refusal is None
    assert any("do not cover the pull of `registry.example.com/worker:1`" in one for one in found.messages)


def test_a_hub_whose_bucket_has_no_fips_endpoint_is_an_error():
    found = Case(stack="us-east-1", config={"fips": True}, hub={"region": "eu-west-1"}).found()
    assert "Amazon S3 has no FIPS endpoint in eu-west-1" in str(found.refusal)
    assert not found.aws
