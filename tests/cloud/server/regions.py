"""The account's regions."""

from typing import Any

from ministack.services import ec2

from tests.cloud.server.errors import Refusal
from tests.cloud.server.state import on_reset

DISABLED: set[str] = set()  # opt-in regions that the account has not enabled
on_reset(DISABLED.clear)


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """Returns the account's enabled regions, or all regions on request."""
    known = dict(ec2._AWS_REGIONS)
    named = request.get("RegionNames") or list(known)
    unknown = [name for name in named if name not in known]
    if unknown:
        raise Refusal("InvalidParameterValue", f"Invalid region names provided: {', '.join(unknown)}")
    shown = [name for name in known if name in named and (name not in DISABLED or request.get("AllRegions"))]
    return {"Regions": [_region(name, "not-opted-in" if name in DISABLED else known[name]) for name in shown]}


def partition_of(region: str) -> str:
    return "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"


def disable(name: str) -> None:
    if dict(ec2._AWS_REGIONS)[name] == "opt-in-not-required":
        raise ValueError(f"{name} is not an opt-in region")
    DISABLED.add(name)


def _region(name: str, opt_in: str) -> dict[str, str]:
    return {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": opt_in}
