"""All resource types that the provider knows."""

from collections.abc import Mapping

from tests.infra.engine.kinds import Kind
from tests.infra.engine.specs import (
    buses,
    ecr,
    ecs,
    edge,
    functions,
    identity,
    managed_policies,
    messaging,
    network,
    people,
    s3,
    schedules,
    secrets,
    security_groups,
    watching,
)

KINDS: Mapping[str, Kind] = {
    token: kind
    for module in (
        buses,
        ecr,
        ecs,
        edge,
        functions,
        identity,
        managed_policies,
        messaging,
        network,
        people,
        s3,
        schedules,
        secrets,
        security_groups,
        watching,
    )
    for token, kind in module.KINDS.items()
}
