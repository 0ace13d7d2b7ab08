"""The account's regions."""

from typing import Any

from ministack.services import ec2

from tests.cloud.server.errors import Refusal


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """Returns the account's regions, all of them enabled."""
    known = dict(ec2._AWS_REGIONS)
    named = request.get("RegionNames") or list(known)
    unknown = [name for name in named if name not in known]
    if unknown:
        raise Refusal("InvalidParameterValue", f"Invalid region names provided: {', '.join(unknown)}")
    return {"Regions": [_region(name, opt_in) for name, opt_in in known.items() if name in named]}


def partition_of(region: str) -> str:
    return "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"


def _region(name: str, opt_in: str) -> dict[str, str]:
    return {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": opt_in}
