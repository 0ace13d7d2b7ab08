"""The Pulumi program. The stack's name decides between hub and region."""

import pulumi

from infra.hub import Hub
from infra.place import find_place, make_provider
from infra.region import Region
from infra.settings import HubSettings, read_stack


def main() -> None:
    """Makes all resources of the running stack."""
    stack = read_stack()
    settings = stack.settings
    if isinstance(settings, HubSettings):
        provider = make_provider(stack, fips=False)
        place = find_place(stack, provider)
        Hub("hub", settings, place, opts=pulumi.ResourceOptions(providers={"aws": provider}))
    else:
        provider = make_provider(stack, fips=settings.fips)
        place = find_place(stack, provider)
        Region(
            place.region, settings, place, stack.credentials, opts=pulumi.ResourceOptions(providers={"aws": provider})
        )
