"""The hub's outputs as plain values, known before a region stack makes anything."""

from dataclasses import dataclass

import pulumi
from pulumi.runtime.sync_await import _sync_await  # as pulumi's own invokes wait; there is no public way

from infra.hub_outputs import HubOutputs
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
    alarm_topic: str


def settle(hub: HubOutputs, reference: str) -> HubFacts:
    """The facts; SettingError if the hub is not deployed."""
    return HubFacts(**{name: _settled(getattr(hub, name), name, reference) for name in HubFacts.__slots__})


def _settled(output: pulumi.Output[str], name: str, reference: str) -> str:
    try:
        value = _sync_await(output.future(with_unknowns=False))
    except KeyError as error:
        raise SettingError(f"toril:hub: stack {reference} has no output {name}; `pulumi up` the hub first") from error
    if not isinstance(value, str):
        raise SettingError(f"toril:hub: stack {reference} does not know its {name} yet; `pulumi up` the hub first")
    return value
