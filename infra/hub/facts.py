"""The hub's outputs as plain values, known before a region stack makes anything."""

from dataclasses import dataclass

from pulumi.runtime.sync_await import _sync_await  # as pulumi's own invokes wait; there is no public way

from infra.hub.outputs import HubOutputs
from infra.settings import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """What decides which resources a region has. Empty texts: there is none."""

    version: str
    environment: str
    account: str
    bucket: str
    bucket_region: str
    bucket_key: str
    notice_bus: str


def settle(hub: HubOutputs, reference: str) -> HubFacts:
    """The facts; SettingError if the hub is not deployed."""
    facts = HubFacts(**{name: _sync_await(getattr(hub, name).future()) or "" for name in HubFacts.__slots__})
    if not (facts.version and facts.bucket):
        raise SettingError(f"toril:hub: stack {reference} has no results bucket yet; `pulumi up` the hub first")
    return facts
