"""The hub's outputs, which region stacks read. Names are only added, never changed or removed."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOutputs:
    """The hub's outputs. The key, the console's address and role, and ARNs of roles are empty texts if it has none."""

    version: pulumi.Output[str]
    environment: pulumi.Output[str]
    account: pulumi.Output[str]
    bucket: pulumi.Output[str]
    bucket_region: pulumi.Output[str]
    bucket_key: pulumi.Output[str]
    coordinator_role: pulumi.Output[str]
    scheduler_role: pulumi.Output[str]
    sweeper_role: pulumi.Output[str]
    alarm_topic: pulumi.Output[str]
    notice_bus: pulumi.Output[str]
    console_role: pulumi.Output[str]  # the name of the role of the console's function
    console: pulumi.Output[str]  # the address of the console
    run_notices: pulumi.Output[str]  # the events of runs to forward, with commas; empty: a hub that cannot mail them

    def export(self) -> None:
        """Exports the fields as outputs of the running stack."""
        for name in self.__slots__:
            pulumi.export(name, getattr(self, name))


def read_hub(reference: str) -> HubOutputs:
    """Returns the outputs of the hub stack `reference`. Outputs that an older hub lacks are empty texts."""
    hub = pulumi.StackReference(reference)
    return HubOutputs(**{name: hub.get_output(name).apply(lambda value: value or "") for name in HubOutputs.__slots__})
