"""The real program's stacks under the real engine, in their own embedded cloud.

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
SECRET = "credentials"  # the only secret setting


def committed(stack: str) -> dict[str, Any]:
    """Returns the settings of the repository's file of a stack."""
    found = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key.removeprefix("toril:"): value for key, value in found.items()}


def values(settings: Mapping[str, Any]) -> dict[str, ConfigValue]:
    """Returns settings in Pulumi's form: texts, with lists and objects as JSON. None removes a setting."""
    texts = {
        key: value if isinstance(value, str) else "" if value is None else json.dumps(value)
        for key, value in settings.items()
    }
    return {key: ConfigValue(text, secret=key == SECRET) for key, text in texts.items()}


@dataclass(frozen=True, slots=True)
class World:
    """A cloud and an engine that deploys into it."""

    cloud: Cloud
    pulumi: Engine

    def stack(self, name: str, /, **settings: Any) -> Stack:
        """Returns the stack of that name, with these additional settings."""
        from infra.program import main  # its import takes seconds, and every pytest worker imports this file

        return self.pulumi.stack(name, program=main, config=values(settings))

    def committed(self, name: str, /, **settings: Any) -> Stack:
        """Returns the repository's stack, with these settings changed."""
        return self.stack(name, **committed(name), **settings)

    def deployment(self, region: str, bucket: str | None = None) -> Deployment:
        """Returns a region's record."""
        bucket = bucket or f"toril-{self.cloud.account}-us-east-1"
        answer = self.cloud.client("s3").get_object(Bucket=bucket, Key=f"deployments/{region}.json")
        return Deployment.from_json(answer["Body"].read(), f"deployments/{region}.json")


@contextmanager
def world(*, auth: bool = False, containers: bool = False) -> Iterator[World]:
    """Yields an empty world. With `auth`, IAM decides on every request, and the engine acts as the account's root.

    Tasks are processes, or containers with `containers`.
    """
    with embedded_cloud(auth=auth, containers=containers) as cloud, engine(cloud.url) as pulumi:
        yield World(cloud, pulumi)


@contextmanager
def acting(found: World, role: Credentials) -> Iterator[World]:
    """Yields the same cloud with an engine that has an empty state and a provider that acts as a role."""
    access = Access(url=found.cloud.url, key=role.access_key, secret=role.secret_key, token=role.token)
    with engine(found.cloud.url, access=access) as pulumi:
        yield World(found.cloud, pulumi)
