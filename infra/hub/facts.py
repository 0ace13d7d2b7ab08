"""The hub's outputs as plain values, known before a region stack makes any resource."""

from dataclasses import dataclass

from pulumi.runtime.sync_await import _sync_await  # Pulumi's own invokes wait so; it has no public API

from infra.hub.outputs import HubOutputs
from infra.settings import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """Values that decide which resources a region has. An empty text means that the hub has none."""

    version: str
    environment: str
    account: str
    bucket: str
    bucket_region: str
    bucket_key: str
    notice_bus: str
    console_role: str
    run_notices: str


def resolve_facts(hub: HubOutputs, reference: str) -> HubFacts:
    """Returns the facts. Raises SettingError if the hub is not deployed."""
    facts = HubFacts(**{name: _sync_await(getattr(hub, name).future()) or "" for name in HubFacts.__slots__})
    if not (facts.version and facts.bucket):
        raise SettingError(f"toril:hub: Stack `{reference}` has no results bucket yet. Run `pulumi up` for it first.")
    return facts
