"""Region stacks as values, for tests of decisions."""

from typing import Any

from infra.hub.facts import HubFacts
from infra.names import Names
from infra.place import Place, partition_of
from infra.settings import RegionSettings

ACCOUNT, OTHER = "123456789012", "210987654321"


def place(region: str = "us-east-1", environment: str = "main") -> Place:
    return Place(
        region=region,
        account=ACCOUNT,
        partition=partition_of(region),
        names=Names(environment),
        permissions_boundary=None,
        tags={"toril:environment": environment, "toril:stack": region},
    )


def settings(**found: Any) -> RegionSettings:
    """Returns the settings of a stack's file."""
    return RegionSettings.read(found, "us-east-1")


def hub(**other: str) -> HubFacts:
    facts = {
        "version": "0.1.0",
        "environment": "main",
        "account": ACCOUNT,
        "bucket": f"toril-{ACCOUNT}-us-east-1",
        "bucket_region": "us-east-1",
        "bucket_key": "",
        "notice_bus": "",
        "run_notices": "",
        "console_role": "",
    }
    return HubFacts(**{**facts, **other})


def secret(name: str = "shop-AbCdEf", region: str = "us-east-1", account: str = ACCOUNT) -> str:
    return f"arn:aws:secretsmanager:{region}:{account}:secret:{name}"


def key(region: str = "us-east-1") -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/0a1b2c"
