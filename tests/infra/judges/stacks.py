"""The stacks that the judges see: every option once, and the extremes of names, lists, partitions and networks."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from infra.names import MAIN
from tests.infra import full
from tests.infra.configurations import OTHER, REGIONS, key_arn, secret_arn
from tests.infra.invented import ACCOUNT, World
from tests.infra.offline import ORGANISATION, PROJECT, Found, run
from tests.infra.packages import package
from tests.infra.snapshots import RICH_HUB, RICH_REGION
from tests.infra.stack_files import committed

REPOSITORY = {"name": "acme/load-tests", "ownerId": "1000", "repositoryId": "2000"}
GITHUB = {"home": REPOSITORY}
LOGIN = {"username": "acme", "accessToken": "t"}
LONGEST = "production12"  # characters of an environment: 12
FAR = "ap-northeast-1"  # a region with a name of the longest form
ACCOUNTS = [f"{number}10987654321" for number in range(1, 10)] + [f"{number}20987654321" for number in range(1, 10)]
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{'boundaries/' * 5}toril"
FIPS = {"fips": True, "architectures": ["x86-64"]}  # Fargate's FIPS mode has no other
CONSOLE = {"admin": "ada@example.com", "package": package()}
CACHES = [
    {"upstream": "docker-hub", "prefix": "d" * 30},
    {"upstream": "ghcr", "secret": "later"},
    {"upstream": "acr", "registry": "acmeregistry.azurecr.io", "secret": "later"},
    {"upstream": "gitlab", "secret": secret_arn(FAR, "ecr-pullthroughcache/gitlab-AbCdEf")},
    "ecr-public",
    "k8s",
    "quay",
    {"upstream": "ecr", "account": OTHER, "region": "us-east-1"},
]


def _longest_hub() -> dict[str, Any]:
    repositories = [
        {"name": f"acme/{'s' * 80}-{one}", "ownerId": "1000", "repositoryId": str(3000 + one)} for one in range(3)
    ]
    return {
        "access": [
            {
                "roles": [role],
                "issuer": f"https://{role}.{'i' * 50}.example.com",
                "audiences": ["sts.amazonaws.com"],
                "subjects": ["project_path:acme/shop:ref_type:branch:ref:main"],
            }
            for role in ("deploy", "drift", "preview", "publish", "run")
        ],
        "region": FAR,
        "bucket": "b" * 63,
        "agents": [f"{'location' * 3}_{one:02}" for one in range(2)],
        "budget": {"monthlyUsd": 1_000_000, "emails": [f"costs-{one}@example.com" for one in range(10)]},
        "console": {
            **CONSOLE,
            "roles": {f"group-{one:02}-{'g' * 11}": "viewer" for one in range(19)} | {"admins": "admin"},
        },
        "emails": [f"operators-{one}@example.com" for one in range(10)],
        "encryption": "KMS",
        "github": {
            "home": REPOSITORY,
            "branch": "b" * 200,
            "nightly": "night",
            "preview": "preview",
            "repositories": repositories,
        },
        "notices": {"runs": ["started", "finished", "passed", "failed", "inconclusive", "regression"]},
        "permissionsBoundary": BOUNDARY,
        "protect": False,
        "publicRepository": {
            "name": "w" * 100,
            "pushers": [f"arn:aws:iam::{OTHER}:role/ci/{n}" for n in range(20)],
        },
        "faults": True,
        "service": True,
        "serviceLogs": [f"/{'s' * 254}{one}" for one in range(10)],
        "stateBucket": "s" * 63,
        "stateKey": key_arn(FAR),
        "tags": {f"key-{one}-{'k' * 80}": "v" * 200 for one in range(8)},
    }


def _longest_region() -> dict[str, Any]:
    return {
        "home": True,
        "caches": CACHES,
        "credentials": {"d" * 30: LOGIN},
        "encryption": "KMS",
        "flavours": {f"flavour-{one}-{'f' * 11}": {} for one in range(4)},
        "logs": {"days": 1827, "blocking": True},
        "network": {"mode": "private", "nat": True, "zones": 3},
        "permissionsBoundary": BOUNDARY,
        "protect": True,
        "registry": {
            "scanning": "ENHANCED",
            "policy": [{"principal": OTHER, "rights": ["pull", "push"]}],
            "replicateTo": [one for one in REGIONS if one != FAR],
        },
        "repositories": [{"name": "r" * 256, "grants": [{"principal": one} for one in ACCOUNTS]}],
        "schedules": [{"name": "s" * 63, "suite": "t" * 63, "cron": "cron(17 2 * * ? *)"}],
        "secrets": [secret_arn(FAR, f"team/{one}-AbCdEf") for one in range(10)],
        "secretKeys": [key_arn(FAR)],
        "tags": {f"key-{one}-{'k' * 80}": "v" * 200 for one in range(8)},
        "targets": {"cidrs": [f"203.0.113.{one}/32" for one in range(20)]},
        "worker": {"cpu": 32768, "memory": 249856, "storage": 200},
    }


def _committed() -> dict[str, Mapping[str, Any]]:
    return {case.stack: case.config for case in committed()}


def _planned() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Returns the settings of environments: by stack, the hub first. `main` is the committed one, with every role."""
    own = _committed()
    return {
        "main": {**own, "hub": {**own["hub"], "github": GITHUB, "console": CONSOLE}},
        "everything": {"hub": {**full.HUB, "region": "us-east-1"}, "us-east-1": full.HOME},
        "prod": {"hub": RICH_HUB.config, "eu-west-1": RICH_REGION.config},
        LONGEST: {"hub": _longest_hub(), FAR: _longest_region()},
        "private": {
            "hub": {"region": "us-east-1", "github": GITHUB},
            "eu-west-1": {
                "network": {"mode": "private"},
                "secrets": [secret_arn("eu-west-1")],
                "targets": {"cidrs": ["10.20.0.0/16"]},
            },
        },
        "fips": {
            "hub": {"region": "us-gov-west-1", "github": GITHUB, "encryption": "KMS"},
            "us-gov-west-1": {**FIPS, "home": True, "schedules": full.HOME["schedules"]},
            "us-gov-east-1": {**FIPS, "network": {"mode": "private", "nat": True}},
        },
        "china": {
            "hub": {"region": "cn-north-1", "github": GITHUB, "emails": ["ops@example.cn"]},
            "cn-north-1": {"home": True},
            "cn-northwest-1": {"network": {"mode": "private", "nat": True, "dnsFirewall": True}},
        },
    }


@cache
def environments() -> Mapping[str, tuple[Found, ...]]:
    """Returns the planned stacks of each environment, the hub first."""
    return {name: tuple(_stacks(name, settings)) for name, settings in _planned().items()}


def _stacks(environment: str, settings: Mapping[str, Mapping[str, Any]]) -> Iterator[Found]:
    prefix = "" if environment == MAIN else f"{environment}."
    world = World()
    for stack, config in sorted(settings.items(), key=lambda one: one[0] != "hub"):
        found = run(f"{prefix}{stack}", config, world)
        assert not found.refusal, f"{environment} {stack}: {found.refusal}"
        if stack == "hub":
            world = World(stacks={f"{ORGANISATION}/{PROJECT}/{prefix}hub": found.exports})
        yield found


def stacks() -> list[Found]:
    return [found for environment in environments().values() for found in environment]
