"""An example of each resource type."""

from collections.abc import Mapping

from tests.infra.engine.examples import buses, console, identity, network, registry, watching
from tests.infra.engine.examples.common import Example

EXAMPLES: Mapping[str, Example] = {
    **registry.REGISTRY,
    **identity.SECRETS,
    **identity.IDENTITY,
    **identity.STORAGE,
    **watching.WATCHING,
    **network.CONTAINERS,
    **network.NETWORK,
    **buses.BUSES,
    **console.CONSOLE,
}
