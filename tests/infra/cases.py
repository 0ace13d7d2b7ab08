"""Test cases: a stack, its settings and its environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.infra.invented import ACCOUNT, World
from tests.infra.offline import ORGANISATION, PROJECT, Found, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A stack, its settings, its hub's settings and its world."""

    stack: str
    config: Mapping[str, Any]
    hub: Mapping[str, Any] = field(default_factory=lambda: {"region": "us-east-1"})
    world: World = field(default_factory=World)

    @property
    def region(self) -> str:
        kind = self.stack.rpartition(".")[2]
        return str(self.config.get("region", "us-east-1")) if kind == "hub" else kind

    @property
    def environment(self) -> str:
        return self.stack.rpartition(".")[0]

    def found(self, *, preview: bool = False) -> Found:
        """Runs the program. A region reads the real outputs of its hub."""
        if self.stack.endswith("hub"):
            return run(self.stack, self.config, self.world, preview=preview)
        hub = f"{self.environment}.hub" if self.environment else "hub"
        outputs = hub_outputs(hub, json.dumps(self.hub, sort_keys=True), self.hub_account)
        name = str(self.config.get("hub") or f"{ORGANISATION}/{PROJECT}/{hub}")
        world = World(account=self.world.account, filled_secrets=self.world.filled_secrets, stacks={name: outputs})
        return run(self.stack, self.config, world, preview=preview)

    @property
    def hub_account(self) -> str:
        return str(self.hub.get("account") or ACCOUNT)


@lru_cache(maxsize=512)
def hub_outputs(stack: str, config: str, account: str = ACCOUNT) -> Mapping[str, Any]:
    """Returns the outputs of a hub. `config` is JSON."""
    found = run(stack, json.loads(config), World(account=account))
    if found.refusal:
        raise found.refusal
    return found.exports
