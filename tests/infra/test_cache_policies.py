"""The roles by which ECR fills caches, and the policies of other accounts."""

from infra.registry.cache_policies import crosses_accounts, template_policy, upstream_role_policy, wanted_upstream
from infra.settings import CacheSettings
from tests.infra.regions import ACCOUNT, OTHER, key, place


def ecr(**more: str) -> CacheSettings:
    return CacheSettings.model_validate({"upstream": "ecr", "account": OTHER, "region": "eu-west-1", **more})


def repository(path: str, region: str = "us-east-1", account: str = ACCOUNT) -> str:
    return f"arn:aws:ecr:{region}:{account}:repository/{path}"


def test_ecr_makes_repositories_only_below_the_caches_prefixes():
    (made,) = template_policy(place(), ["docker-hub", "quay"], None)["Statement"]
    assert made["Action"] == ["ecr:CreateRepository", "ecr:TagResource"]
    assert made["Resource"] == [repository("docker-hub/*"), repository("quay/*")]
    (made,) = template_policy(place(), ["ROOT"], None)["Statement"]
    assert made["Resource"] == [repository("*")]


def test_with_a_customers_key_ecr_may_create_a_grant():
    encrypt = template_policy(place(), ["quay"], key())["Statement"][1]
    assert (encrypt["Action"], encrypt["Resource"]) == (
        ["kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"],
        [key()],
    )


def test_another_region_of_the_same_account_needs_no_role():
    assert not crosses_accounts(ecr(account=ACCOUNT), place())
    assert crosses_accounts(ecr(), place())


def test_the_upstreams_role_reads_there_and_writes_into_the_own_registry():
    found = {
        one["Sid"]: one["Resource"] for one in upstream_role_policy(place(), [ecr(upstreamPrefix="team")])["Statement"]
    }
    assert found == {
        "LogIn": ["*"],
        "Read": [repository("team/*", "eu-west-1", OTHER)],
        "Fill": [repository("ecr/*")],
    }


def test_the_policy_for_the_other_account_names_the_role_and_its_rights():
    (policy,) = wanted_upstream(place(), [ecr(), CacheSettings(upstream="quay")]).values()
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/toril/main/toril-us-east-1-cache-upstreams"}
    assert statement["Resource"] == [repository("*", "eu-west-1", OTHER)]
    assert "ecr:BatchImportUpstreamImage" in statement["Action"]
