"""API Gateway's HTTP APIs: their addresses, limits and access logs, and the right to invoke a function."""

import asyncio
import fnmatch
import json
import time
import uuid
from typing import Any

from ministack import app as gateway
from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway, lambda_svc

from tests.cloud.server import lambdas
from tests.cloud.server.gateway import Answer, Service
from tests.cloud.server.requests import Query

Record = dict[str, Any]
PRINCIPAL = "apigateway.amazonaws.com"
MOST_BYTES = 10 * 1024 * 1024  # of a request's body
MOST_HEADER_BYTES = 10240  # of a request's line and headers
MOST_S = 30  # an integration's default and maximum
_proxy, _execute = apigateway._invoke_lambda_proxy, lambda_svc._execute_function_with_config_scope
_response = lambda_svc.lambda_execute_result_to_api_proxy_response


def install() -> None:
    apigateway._invoke_lambda_proxy = invoke
    lambda_svc._execute_function_with_config_scope = execute
    lambda_svc.lambda_execute_result_to_api_proxy_response = response_of


def say(status: int, message: str) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps({"message": message}).encode()


async def answer(
    api_id: str, method: str, raw: str, headers: dict[str, str], body: bytes, parameters: Query, query: str
) -> Answer:
    """Answers a request to an API: by the stage that its path names, otherwise by the default one."""
    if len(body) > MOST_BYTES:
        return say(413, "Request Entity Too Large")
    if len(raw) + len(query) + sum(len(name) + len(value) for name, value in headers.items()) > MOST_HEADER_BYTES:
        return say(431, "Request Header Fields Too Large")
    path, stage = apigateway.decode_http_api_path(raw), "$default"
    first, _, rest = path.removeprefix("/").partition("/")
    if apigateway.find_api_scope(api_id) and first in apigateway.stages_for_api(api_id):
        path, stage = f"/{rest}", first
    asked = (api_id, stage, path, method, headers, body, parameters)
    found: Answer = await apigateway.handle_execute(*asked, raw_query_string=query)
    found[1].setdefault("apigw-requestid", uuid.uuid4().hex[:16])
    return found


async def invoke(
    integration: Record, api_id: str, stage: str, path: str, method: str, headers: Any, *more: Any, **named: Any
) -> Answer:
    """Invokes the function if its policy allows it."""
    route = str(more[2])
    _, _, pattern = route.partition(" ")
    source = f"{api_id}/{stage}/{method + pattern if pattern else route}"
    function = apigateway._extract_lambda_ref_from_integration_uri(integration["integrationUri"])
    if gateway.AUTH and not _may_invoke(function, source):
        return say(500, "Internal Server Error")
    within_s = min(integration["timeoutInMillis"] / 1000, MOST_S)
    try:
        found: Answer = await asyncio.wait_for(
            _proxy(integration, api_id, stage, path, method, headers, *more, **named), within_s
        )
    except TimeoutError:
        return say(503, "Service Unavailable")
    return found


def _may_invoke(function: str, source: str) -> bool:
    """Whether the function's own policy lets this route of an API invoke it."""
    found = lambda_svc._functions.get(lambda_svc._resolve_name(function)) or {"policy": {"Statement": []}}
    arn = f"arn:aws:execute-api:{get_region()}:{get_account_id()}:{source}"
    for statement in found["policy"]["Statement"]:
        wanted = ((statement.get("Condition") or {}).get("ArnLike") or {}).get("AWS:SourceArn", "*")
        if statement["Principal"] == {"Service": PRINCIPAL} and fnmatch.fnmatchcase(arn, wanted):
            return True
    return False


def execute(func: Record, event: Any) -> Any:
    """Executes a function with API Gateway's own form of the event: names, cookies, and who forwarded it."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    if context and event.get("version") == "2.0" and context.get("apiId") in apigateway._apis:
        headers = dict(event["headers"])
        cookies = [one.strip() for one in headers.pop("cookie", "").split(";") if one.strip()]
        more = {"x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}", "x-forwarded-port": "443"}
        forwarded = ", ".join(filter(None, [headers.get("x-forwarded-for"), "127.0.0.1"]))
        host = f"{context['apiId']}.execute-api.{get_region()}.amazonaws.com"
        named = {"domainName": host, "domainPrefix": context["apiId"]}
        event = {
            **event,
            "headers": {**headers, **more, "x-forwarded-for": forwarded},
            "requestContext": {**context, **named},
            **({"cookies": cookies} if cookies else {}),
        }
    return _execute(func, event)


def response_of(result: Record) -> Any:
    """Returns what API Gateway answers: a failed or throttled function shows no details."""
    if result.get("throttle"):
        answer = say(503, "Service Unavailable")
    elif result.get("error"):
        too_long = result["body"]["errorMessage"] == lambdas.TOO_LONG
        answer = say(413, "Request Too Long") if too_long else say(500, "Internal Server Error")
    else:
        return _response(result)
    return {"statusCode": answer[0], "headers": answer[1], "body": answer[2].decode()}, None


def _named(request: Record, answer: Record) -> Record:
    """Adds the API's address by AWS' name, and its tags."""
    for one in answer.get("items", [answer]):
        one["apiEndpoint"] = f"https://{one['apiId']}.execute-api.{get_region()}.amazonaws.com"
        one["tags"] = apigateway._api_tags.get(apigateway._api_arn(one["apiId"])) or {}
    return answer


def _tagged(request: Record, answer: Record) -> Record:
    for one in answer.get("items", [answer]):
        arn = apigateway._api_resource_arn(request["ApiId"], "stages", one["stageName"])
        one["tags"] = apigateway._api_tags.get(arn) or {}
    return answer


SERVICE = Service(
    name="apigateway",
    model="apigatewayv2",
    invalid="BadRequestException",
    amends={
        **dict.fromkeys(("CreateApi", "GetApi", "GetApis", "UpdateApi"), _named),
        **dict.fromkeys(("CreateStage", "GetStage", "GetStages", "UpdateStage"), _tagged),
    },
)
