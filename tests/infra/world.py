"""The real program's stacks under the real engine, in an embedded cloud of their own.

with world() as one:
    hub = one.stack("hub", protect=False)
    assert hub.up() == {"create": 21}
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pulumi.automation import ConfigValue

from tests.cloud.embedded import Cloud, Credentials, embedded_cloud
from tests.infra.engine.cloud import Access
from tests.infra.engine.stacks import Engine, Stack, engine
from toril.records import Deployment

ROOT = Path(__file__).parents[2]
REGIONS = ("eu-west-1", "us-east-1")
SECRET = "credentials"  # the only setting that is one


def committed(stack: str) -> dict[str, Any]:
    """The settings in the repository's file of a stack."""
    found = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key.removeprefix("toril:"): value for key, value in found.items()}


def values(settings: Mapping[str, Any]) -> dict[str, ConfigValue]:
    """Settings as Pulumi keeps them: texts, of which lists and objects are JSON; None takes one back."""
    texts = {
        key: value if isinstance(value, str) else "" if value is None else json.dumps(value)
        for key, value in settings.items()
    }
    return {key: ConfigValue(text, secret=key == SECRET) for key, text in texts.items()}


@dataclass(frozen=True, slots=True)
class World:
    """A cloud, and the engine that deploys into it."""

    cloud: Cloud
    pulumi: Engine

    def stack(self, name: str, /, **settings: Any) -> Stack:
        """The stack of that name, with these settings beside those that it has."""
        from infra.program import main  # pulumi_aws takes seconds to import, and all workers of pytest import this file

        return self.pulumi.stack(name, program=main, config=values(settings))

    def committed(self, name: str, /, **settings: Any) -> Stack:
        """The stack as the repository has it, but for these settings."""
        return self.stack(name, **committed(name), **settings)

    def deployment(self, region: str, bucket: str | None = None) -> Deployment:
        """What a region publishes."""
        bucket = bucket or f"toril-{self.cloud.account}-us-east-1"
        answer = self.cloud.client("s3").get_object(Bucket=bucket, Key=f"deployments/{region}.json")
        return Deployment.from_json(answer["Body"].read(), f"deployments/{region}.json")


@contextmanager
def world(*, auth: bool = False, containers: bool = False) -> Iterator[World]:
    """An empty one; with `auth`, IAM decides on every request, and the engine acts as the account's root.

    Tasks are processes, or `containers`.
    """
    with embedded_cloud(auth=auth, containers=containers) as cloud, engine(cloud.url) as pulumi:
        yield World(cloud, pulumi)


@contextmanager
def acting(found: World, role: Credentials) -> Iterator[World]:
    """The same cloud, with an engine that has nothing in its state and a provider that acts as a role."""
    access = Access(url=found.cloud.url, key=role.access_key, secret=role.secret_key, token=role.token)
    with engine(found.cloud.url, access=access) as pulumi:
        yield World(found.cloud, pulumi)
