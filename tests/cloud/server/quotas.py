"""Service Quotas: Fargate's, which a test can set."""

from typing import Any

from ministack.core.responses import get_account_id, get_region

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.paging import page
from tests.cloud.server.state import Regional

NAMES = {
    "L-3032A538": "Fargate On-Demand vCPU resource count",
    "L-36FBB829": "Fargate Spot vCPU resource count",
}
DEFAULT_VCPUS = 6.0  # of an account that AWS doesn't know yet
VALUES: Regional[dict[str, float]] = Regional(lambda: dict.fromkeys(NAMES, DEFAULT_VCPUS))


def get(request: dict[str, Any]) -> dict[str, Any]:
    _fargate(request["ServiceCode"])
    if request["QuotaCode"] not in NAMES:
        raise Refusal(
            "NoSuchResourceException",
            f"The request failed because the specified quota does not exist: {request['QuotaCode']}",
        )
    return {"Quota": _quota(request["QuotaCode"], VALUES.here()[request["QuotaCode"]])}


def get_default(request: dict[str, Any]) -> dict[str, Any]:
    return {"Quota": {**get(request)["Quota"], "Value": DEFAULT_VCPUS}}


def list_all(request: dict[str, Any]) -> dict[str, Any]:
    _fargate(request["ServiceCode"])
    asked = {"nextToken": request.get("NextToken"), "maxResults": request.get("MaxResults")}
    shown, more = page([_quota(code, value) for code, value in sorted(VALUES.here().items())], asked)
    return {"Quotas": list(shown), **({"NextToken": more["nextToken"]} if more else {})}


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
    operations={"GetServiceQuota": get, "GetAWSDefaultServiceQuota": get_default, "ListServiceQuotas": list_all},
)
