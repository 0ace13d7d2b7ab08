"""EventBridge: stores the complete policy of a bus, which MiniStack reduces to one permission for everyone."""

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Request, Service
from tests.cloud.server.policies import resource_policy

DEFAULT = "default"


def _put_permission(request: Request) -> dict[str, Any]:
    """Sets a complete policy, or adds a statement."""
    bus = request.get("EventBusName", DEFAULT)
    _known(bus)
    if "Policy" in request:
        eventbridge._event_bus_policies[bus] = resource_policy(request["Policy"], "Policy")
        return {}
    statement = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": request["Principal"],
        "Action": request["Action"],
        "Resource": f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{bus}",
        **({"Condition": request["Condition"]} if "Condition" in request else {}),
    }
    policy = eventbridge._event_bus_policies.get(bus) or {"Version": "2012-10-17", "Statement": []}
    others = [one for one in policy["Statement"] if one.get("Sid") != request["StatementId"]]
    eventbridge._event_bus_policies[bus] = {**policy, "Statement": [*others, statement]}
    return {}


def _known(bus: str) -> None:
    if bus != DEFAULT and bus not in eventbridge._event_buses:
        raise Refusal("ResourceNotFoundException", f"Event bus {bus} does not exist.")


SERVICE = Service(name="events", model="events", operations={"PutPermission": _put_permission})
