"""The program: a stack's name says whether it is the hub or a region."""

import pulumi

from infra.hub import Hub
from infra.place import find_place, make_provider
from infra.region import Region
from infra.settings import HubSettings, read_stack


def main() -> None:
    """Make everything that the running stack consists of."""
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
