"""Service Quotas of Fargate, which a test can set. Nothing here enforces them."""

from typing import Any

from ministack.core.responses import get_account_id, get_region

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.paging import page
from tests.cloud.server.state import Regional

NAMES = {
    "L-3032A538": "Fargate On-Demand vCPU resource count",
    "L-36FBB829": "Fargate Spot vCPU resource count",
    "L-6BAD92DD": "Fargate On-Demand resource launch burst rate",
    "L-551A4E9D": "Fargate On-Demand resource launch sustained rate",
    "L-F6E37E82": "Fargate Spot resource launch burst rate",
    "L-FAA52651": "Fargate Spot resource launch sustained rate",
}
VCPUS = 6.0  # quota of a new account
LARGE = {  # regions with higher launch rates
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-northeast-1", "ap-northeast-2", "ap-south-1"),
    *("ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2"),
    *("eu-west-3", "sa-east-1"),
}
VALUES: Regional[dict[str, float]] = Regional(lambda: {code: _default(code) for code in NAMES})


def get(request: dict[str, Any]) -> dict[str, Any]:
    _fargate(request["ServiceCode"])
    if request["QuotaCode"] not in NAMES:
        raise Refusal(
            "NoSuchResourceException",
            f"The request failed because the specified quota does not exist: {request['QuotaCode']}",
        )
    return {"Quota": _quota(request["QuotaCode"], VALUES.here()[request["QuotaCode"]])}


def list_all(request: dict[str, Any]) -> dict[str, Any]:
    _fargate(request["ServiceCode"])
    asked = {"nextToken": request.get("NextToken"), "maxResults": request.get("MaxResults")}
    shown, more = page([_quota(code, value) for code, value in sorted(VALUES.here().items())], asked)
    return {"Quotas": list(shown), **({"NextToken": more["nextToken"]} if more else {})}


def _default(code: str) -> float:
    large = get_region() in LARGE
    if code in ("L-6BAD92DD", "L-F6E37E82"):
        return 100.0 if large else 25.0
    if code in ("L-551A4E9D", "L-FAA52651"):
        return 20.0 if large else 5.0
    return VCPUS


def _fargate(code: str) -> None:
    if code != "fargate":
        raise Refusal("NoSuchResourceException", f"The embedded cloud has quotas of fargate, not of {code}")


def _quota(code: str, value: float) -> dict[str, Any]:
    return {
        "ServiceCode": "fargate",
        "ServiceName": "AWS Fargate",
        "QuotaArn": f"arn:aws:servicequotas:{get_region()}:{get_account_id()}:fargate/{code}",
        "QuotaCode": code,
        "QuotaName": NAMES[code],
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


SERVICE = Service(
    name="servicequotas",
    model="service-quotas",
    invalid="IllegalArgumentException",
    operations={"GetServiceQuota": get, "ListServiceQuotas": list_all},
)
