"""Checks of the plan and of the command's environment: locations, versions, credentials, store, targets."""

import json
from datetime import UTC, datetime

import pytest

from tests.launchers.plans import AWAY, HOME, both, deployment_of, plan_of
from tests.launchers.preflight.aws import NOW, Aws, Keys, flight, lacking, of
from toril.errors import StoreError
from toril.records import DeployedTargets
from toril.store import FolderStore

SECRET = f"arn:aws:secretsmanager:{HOME}:123456789012:secret:shop-token-AbCdEf"
EXPIRATION = "AWS_CREDENTIAL_EXPIRATION"


def code_and_detail(found, name, region=""):
    """Returns the code of a finding, or its state if it has none; and its text."""
    return code_and_detail_of(of(found, name, region))


def code_and_detail_of(one):
    assert (one.code == "") == (one.state == "ok")
    return one.code or one.state, one.detail


# ── cost and traffic


def test_a_region_without_a_price_is_a_warning(tmp_path, store):
    plan = plan_of(tmp_path, locations={"ap-southeast-7": 1})
    code, detail = code_and_detail(flight(plan, Aws(deployment_of("ap-southeast-7")), store), "cost")
    assert code == "unknown-price"
    assert "ap-southeast-7" in detail
    assert "TORIL_PRICES" in detail


def test_traffic_above_25_gbit_s_from_a_region_is_a_warning_with_the_policy(tmp_path, store):
    surge = plan_of(tmp_path, executor="vegeta", concurrency=None, throughput=600_000, locations={HOME: 1, AWAY: 9})
    found = flight(surge, Aws(*both().values()), store)
    code, detail = code_and_detail(found, "traffic", AWAY)
    assert code == "stress-test-policy"
    assert "48 Gbit/s" in detail
    assert "https://aws.amazon.com/ec2/testing/" in detail
    assert [one.region for one in found.findings if one.name == "traffic"] == [AWAY]


# ── locations, versions, stores


def test_a_location_without_a_stack_is_missing_with_the_nearest_name(tmp_path, store):
    plan = plan_of(tmp_path, locations={"eu-west-2": 1, HOME: 1})
    code, detail = code_and_detail(flight(plan, Aws(*both().values()), store), "locations")
    assert code == "not-deployed"
    assert all(one in detail for one in ("eu-west-2", "did you mean eu-west-1", "us-east-1"))


def test_a_suite_without_locations_is_refused(tmp_path, store):
    plan = plan_of(tmp_path, locations=None)
    assert code_and_detail(flight(plan, Aws(*both().values()), store), "locations")[0] == "no-locations"


@pytest.mark.parametrize(
    ("version", "state", "code"),
    [
        ("0.1.7", "ok", ""),
        ("0.2.0", "ok", ""),
        ("0.3.0", "warning", "other-minor-version"),
        ("1.1.0", "missing", "other-major-version"),
        ("", "missing", "other-major-version"),
    ],
)
def test_the_version_of_the_stack_must_be_compatible(plan, store, version, state, code):
    aws = Aws(deployment_of(HOME), deployment_of(AWAY, toril_version=version))
    found = of(flight(plan, aws, store), "version", AWAY)
    assert (found.state, found.code) == (state, code)


class Bucket(FolderStore):
    """A folder with the address of a bucket."""

    def address(self, key):
        return f"s3://toril-results/{key}"


def test_a_region_that_writes_to_another_store_is_refused(plan, tmp_path):
    aws = Aws(deployment_of(HOME), deployment_of(AWAY, store="s3://toril-other"))
    found = flight(plan, aws, Bucket(tmp_path / "store"))
    assert lacking(found) == [(AWAY, "store")]
    assert code_and_detail(found, "store", AWAY)[0] == "other-store"
    assert "--store s3://toril-other" in code_and_detail(found, "store", AWAY)[1]


def test_a_missing_home_region_is_a_warning(plan, store):
    aws = Aws(*both(home=None).values())
    found = of(flight(plan, aws, store), "sweeper", "")
    assert (found.state, found.code) == ("warning", "no-home-region")
    assert of(flight(plan, Aws(*both().values()), store), "sweeper", "").state == "ok"


# ── credentials


def credentials(plan, store, keys, **environment):
    return code_and_detail(
        flight(plan, Aws(*both().values()), store, credentials=lambda: keys, environment=environment), "credentials"
    )


def at(after_s):
    return datetime.fromtimestamp(NOW + after_s, UTC).isoformat()


def test_renewed_and_permanent_credentials_are_ok(plan, store):
    assert credentials(plan, store, Keys("assume-role-with-web-identity"))[0] == "ok"
    assert credentials(plan, store, Keys("shared-credentials-file", None))[0] == "ok"


def test_credentials_must_outlast_the_run(plan, store):
    """The load takes ten minutes, and the run one or two minutes more."""
    session = Keys("env")
    assert credentials(plan, store, session, **{EXPIRATION: at(3600)})[0] == "ok"
    code, detail = credentials(plan, store, session, **{EXPIRATION: at(610)})
    assert code == "credentials-expire"
    assert "10 min" in detail
    assert "role-duration-seconds" in detail
    assert credentials(plan, store, session, **{EXPIRATION: at(-5)})[0] == "credentials-expire"


@pytest.mark.parametrize("written", ["", "soon"])
def test_credentials_with_an_unknown_expiry_are_a_warning(plan, store, written):
    code, detail = credentials(plan, store, Keys("env"), **{EXPIRATION: written})
    assert code == "unknown-expiry"
    assert "export-credentials" in detail


def test_the_expiry_in_the_environment_does_not_apply_to_credentials_of_a_file(plan, store):
    assert credentials(plan, store, Keys("shared-credentials-file"), **{EXPIRATION: at(9999)})[0] == "unknown-expiry"


def test_missing_credentials_are_reported(plan, store):
    assert credentials(plan, store, None)[0] == "no-credentials"


# ── store


class ReadOnly(FolderStore):
    def put(self, key, data):
        raise StoreError(f"s3://b/{key}: s3:PutObject was refused; allow it", code="access-denied")


def test_an_unwritable_store_is_missing_and_names_the_permission(plan, tmp_path):
    code, detail = code_and_detail(flight(plan, Aws(*both().values()), ReadOnly(tmp_path)), "store")
    assert code == "access-denied"
    assert "s3:PutObject" in detail


def test_the_preflight_always_writes_the_same_key(plan, store):
    for _ in range(2):
        flight(plan, Aws(*both().values()), store)
    assert list(store.keys("")) == ["runs/preflight/probe"]


# ── secrets


def test_each_region_must_allow_the_secrets(tmp_path, store):
    plan = plan_of(tmp_path, toril={"secrets": {"SHOP_TOKEN": "shop-token"}})
    aws = Aws(deployment_of(HOME, secrets=(SECRET,)), deployment_of(AWAY, secrets=(SECRET,)))
    found = flight(plan, aws, store)
    assert code_and_detail(found, "secrets", HOME)[0] == "ok"
    code, detail = code_and_detail(found, "secrets", AWAY)  # a secret's name refers to the worker's own region
    assert code == "secret-not-allowed"
    assert "SHOP_TOKEN" in detail


# ── targets


def targets(tmp_path, store, allowed, *, resolve=lambda host: (), env=None, **execution):
    plan = plan_of(tmp_path, env=env, **execution)
    aws = Aws(*both(targets=DeployedTargets(**allowed)).values())
    found = flight(plan, aws, store, resolve=resolve)
    return [code_and_detail_of(one) for one in found.findings if (one.name, one.region) == ("targets", HOME)]


@pytest.mark.parametrize(
    ("allowed", "code"),
    [
        ({}, "ok"),
        ({"hosts": ("shop.example.com",)}, "ok"),
        ({"hosts": ("*.example.com",)}, "ok"),
        ({"hosts": ("*.shop.example.com",)}, "target-not-allowed"),
        ({"hosts": ("example.com",)}, "target-not-allowed"),
        ({"cidrs": ("192.0.2.0/24",)}, "ok"),
        ({"cidrs": ("198.51.100.0/24",)}, "target-not-allowed"),
        ({"hosts": ("other.example.com",), "cidrs": ("192.0.2.0/24",)}, "ok"),
    ],
)
def test_a_host_is_allowed_by_name_wildcard_or_all_of_its_addresses(tmp_path, store, allowed, code):
    ((found, _),) = targets(tmp_path, store, allowed, resolve=lambda host: ("192.0.2.7",))
    assert found == code


def test_one_address_outside_the_blocks_is_refused_and_named(tmp_path, store):
    blocks = {"cidrs": ("192.0.2.0/24",)}
    ((code, detail),) = targets(
        tmp_path, store, blocks, resolve=lambda host: ("192.0.2.7", "198.51.100.3", "2001:db8::1")
    )
    assert code == "target-not-allowed"
    assert "198.51.100.3, 2001:db8::1" in detail
    assert "192.0.2.7" not in detail


def test_a_host_without_an_address_is_refused_by_cidr_blocks(tmp_path, store):
    ((code, detail),) = targets(tmp_path, store, {"cidrs": ("192.0.2.0/24",)})
    assert code == "target-not-allowed"
    assert "shop.example.com" in detail


NESTED = {
    "default-address": "https://Shop.Example.com:8443/base",
    "requests": [
        "/relative",
        {
            "if": "1",
            "then": ["http://a.example.net/"],
            "else": [{"url": "http://b.example.net/x?to=http://not.example"}],
        },
        {"loop": 2, "do": [{"transaction": "t", "do": [{"url": "http://192.0.2.9:81/"}]}]},
        {"url": "http://[2001:db8::5]:8080/"},
    ],
}


def test_hosts_are_read_from_addresses_blocks_and_requests(tmp_path, store):
    ((code, detail),) = targets(tmp_path, store, {"hosts": ("none.example",)}, scenario=NESTED)
    assert code == "target-not-allowed"
    for host in ("shop.example.com", "a.example.net", "b.example.net", "192.0.2.9", "2001:db8::5"):
        assert host in detail.partition("(allowed")[0]
    assert "not.example " not in detail


def test_hosts_of_included_scenarios_are_checked(tmp_path, store):
    scenarios = {"login": {"requests": ["http://login.example.net/"]}}
    plan = plan_of(tmp_path, scenario={"requests": [{"include-scenario": "login"}]}, more={"scenarios": scenarios})
    aws = Aws(*both(targets=DeployedTargets(hosts=("shop.example.com",))).values())
    code, detail = code_and_detail(flight(plan, aws, store), "targets", HOME)
    assert code == "target-not-allowed"
    assert "login.example.net" in detail


def test_references_are_resolved_with_env_and_unknown_ones_are_a_warning(tmp_path, store):
    scenario = {"default-address": "${SHOP}", "requests": ["/", "${path}", "http://${host}/x"]}
    allowed = {"hosts": ("shop.example.com",)}
    env = {"SHOP": "https://shop.example.com"}
    on_list, unread = targets(tmp_path, store, allowed, env=env, scenario=scenario)
    assert on_list[0] == "ok"
    assert unread[0] == "unreadable-targets"
    assert "http://${host}/x" in unread[1]
    assert "${path}" in unread[1]


def test_a_script_is_a_warning_that_names_the_enforcement(tmp_path, store):
    (tmp_path / "load.jmx").write_text("<jmeterTestPlan/>")
    allowed = {"hosts": ("shop.example.com",), "enforced": ("names",)}
    ((code, detail),) = targets(tmp_path, store, allowed, scenario="load.jmx")
    assert code == "unreadable-targets"
    assert "load.jmx" in detail
    assert "enforces names" in detail


def test_a_region_must_allow_only_the_hosts_of_its_own_executions(tmp_path, store):
    file = tmp_path / "two.json"
    one = {"executor": "jmeter", "concurrency": 1, "hold-for": "1m"}
    executions = [
        {**one, "scenario": {"requests": ["http://a.example/"]}, "locations": {HOME: 1}},
        {**one, "scenario": {"requests": ["http://b.example/"]}, "locations": {AWAY: 1}},
    ]
    arch = {"toril": {"worker": {"arch": "x86_64", "cpu": 1024, "memory": 2048}}}
    file.write_text(json.dumps({"execution": executions, **arch}))
    from toril.plan import make_plan
    from toril.suite import read_suite

    plan = make_plan(read_suite([file], on="fargate", system={}), run_id="r", workers=2, on="fargate")
    aws = Aws(*both(targets=DeployedTargets(hosts=("a.example",))).values())
    found = flight(plan, aws, store)
    assert [code_and_detail(found, "targets", region)[0] for region in (HOME, AWAY)] == ["ok", "target-not-allowed"]


# ── FIPS

FIPS = {"fips": True, "endpoints": {"ecs": "ecs-fips.us-east-1.amazonaws.com", "s3": "s3-fips.us-east-1.amazonaws.com"}}


def test_fips_hosts_must_be_resolvable(plan, store):
    aws = Aws(*both(**FIPS).values())
    found = flight(plan, aws, store, resolve=lambda host: () if host.startswith("ecs") else ("192.0.2.1",))
    code, detail = code_and_detail(found, "FIPS", AWAY)
    assert code == "unresolved-host"
    assert "ecs-fips.us-east-1.amazonaws.com" in detail
    assert "s3-fips.us-east-1.amazonaws.com" not in detail
    assert code_and_detail(flight(plan, aws, store), "FIPS", AWAY)[0] == "ok"


def test_behind_a_proxy_fips_hosts_need_no_local_dns(plan, store):
    aws = Aws(*both(**FIPS).values())
    found = flight(plan, aws, store, resolve=lambda host: (), environment={"HTTPS_PROXY": "http://proxy:3128"})
    assert code_and_detail(found, "FIPS", AWAY)[0] == "ok"


def test_without_fips_no_host_is_resolved(plan, store):
    found = flight(plan, Aws(*both().values()), store)
    assert not [one for one in found.findings if one.name == "FIPS"]
