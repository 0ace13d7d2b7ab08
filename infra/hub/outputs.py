"""What the hub stack exports and region stacks read: an interface between stacks, so names here are only added."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOutputs:
    """The hub as a region sees it. `bucket_key` and the roles' ARNs are empty texts where there is none."""

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

    def export(self) -> None:
        """As outputs of the running stack, under the names of the fields."""
        for name in self.__slots__:
            pulumi.export(name, getattr(self, name))


def read_hub(reference: str) -> HubOutputs:
    """The outputs of the hub stack called `reference`; empty texts for those that an older hub does not have."""
    hub = pulumi.StackReference(reference)
    return HubOutputs(**{name: hub.get_output(name).apply(lambda value: value or "") for name in HubOutputs.__slots__})
