"""A console in the embedded cloud: the hub, one home region, and the function's real zip. IAM decides on every request.

with console_site(folder) as site:
    site.browser().get(site.address)
"""

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cloud.embedded import Decision
from tests.cloud.proxy import Proxy, aws_proxy
from tests.cloud.stand_in import DIGEST, push_stand_in
from tests.fargate.stage import HOME, LATER, REPOSITORY, Stage
from tests.infra.granted import BUCKET, Place
from tests.infra.world import World, world
from tools.console_zip import build

ADMIN = "ada@example.com"
ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86-64")
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
FUNCTION = "toril-console"  # and its role


@dataclass(frozen=True, kw_only=True)
class Site:
    """A deployed console, and its home region. `proxy`: the way of commands and the function to AWS' own names."""

    world: World
    hub: Any
    address: str
    stage: Stage
    proxy: Proxy

    @property
    def place(self) -> Place:
        return Place(self.stage, listed="", unlisted="")

    def decisions(self) -> list[Decision]:
        """Returns IAM's decisions on the function itself, without those on tests that act with its role."""
        return [one for one in self.world.cloud.decisions() if one.principal.endswith(f"/{FUNCTION}/{FUNCTION}")]


@contextmanager
def console_site(folder: Path, **settings: Any) -> Iterator[Site]:
    """Deploys the console. `settings`: those of `console`, instead of an administrator in Cognito."""
    package = folder / "console.zip"
    build(ARCHITECTURE, PYTHON, package)
    asked = {"architecture": ARCHITECTURE, "package": str(package), "maxCost": 20, **(settings or {"admin": ADMIN})}
    with world(auth=True) as found, aws_proxy(found.cloud) as proxy:
        hub = found.stack("hub", console=asked)
        assert set(hub.up()) == {"create"}
        more = {"caches": ["ecr-public"], "schedules": [LATER], "idleAlarm": False}
        found.stack(HOME, home=True, flavours={"slim": {"digest": DIGEST}}, **more).up()
        push_stand_in(found.cloud, REPOSITORY, [HOME])
        found.cloud.set_functions(**proxy.settings())
        stage = Stage(world=found, bucket=BUCKET, regions=(HOME, HOME))
        stage.set_image()
        yield Site(world=found, hub=hub, address=hub.outputs()["console"], stage=stage, proxy=proxy)
