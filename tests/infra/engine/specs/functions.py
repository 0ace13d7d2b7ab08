"""Lambda and API Gateway's HTTP APIs."""

from typing import Any

from tests.infra.engine.assets import packed
from tests.infra.engine.kinds import ARN, ID, TAGS, Kind, Tagging, View, call, given, look
from tests.infra.engine.shapes import UNKNOWN, is_unknown

# ---- functions ----------------------------------------------------------------------------------------------------

SETTINGS = "handler runtime role memorySize timeout environment loggingConfig description"
RESERVED = "reservedConcurrentExecutions"


def _zip(view: View) -> Any:
    code = view["code"]
    return None if code is None else UNKNOWN if is_unknown(code) else packed(code)


def _code(view: View) -> dict[str, Any]:
    return {"ZipFile": _zip(view)}


def _limited(view: View) -> bool:
    return view[RESERVED] is not None and view[RESERVED] >= 0


LIMIT = call("PutFunctionConcurrency", RESERVED, FunctionName=given("name"), when=_limited)
FUNCTION = {"FunctionName": given("name")}


def _invoked_by(view: View, seen: Any) -> str:
    path = "lambda:path/2015-03-31/functions"
    return f"arn:{view.partition}:apigateway:{view.region}:{path}/{seen['FunctionArn']}/invocations"


# ---- HTTP APIs ----------------------------------------------------------------------------------------------------

API = "description"
STAGE = "autoDeploy defaultRouteSettings"
INTEGRATION = "integrationUri payloadFormatVersion timeoutMilliseconds:TimeoutInMillis"
IN_API = {"ApiId": given("apiId")}
API_TAGS = {"ResourceArn": lambda view: view.state.get("arn", UNKNOWN)}


def _tagging(at: str) -> Tagging:
    return Tagging(
        add=call("TagResource", **API_TAGS, Tags=TAGS),
        remove=call("UntagResource", **API_TAGS, TagKeys=lambda view: sorted(view.tags)),
        at=at,
    )


def _properties(takes: str) -> str:
    return " ".join(name.partition(":")[0] for name in takes.split())


def _api_arn(view: View, *more: str) -> str:
    return "/".join((f"arn:{view.partition}:apigateway:{view.region}::/apis", *more))


def _execution_arn(view: View, *more: str) -> str:
    return "/".join((f"arn:{view.partition}:execute-api:{view.region}:{view.account}:{more[0]}", *more[1:]))


def _policy_has(view: View) -> str:
    return f"contains(Policy, '\"{view['statementId']}\"') && @ || null"


def _statement_id(view: View) -> Any:
    return view["statementId"]


KINDS = {
    "aws:lambda/function:Function": Kind(
        service="lambda",
        create=(
            call(
                "CreateFunction",
                f"name:FunctionName {SETTINGS} architectures packageType",
                Code=_code,
                Tags=TAGS,
            ),
            LIMIT,
        ),
        id="FunctionName",
        read=(
            look("GetFunction", "merge(Configuration, {Tags: Tags})", **FUNCTION),
            look("GetFunctionConcurrency", "{reserved: ReservedConcurrentExecutions}", **FUNCTION),
        ),
        delete=(call("DeleteFunction", FunctionName=ID),),
        replaces="name packageType",
        updates={
            "code architectures": (call("UpdateFunctionCode", "architectures", FunctionName=ID, ZipFile=_zip),),
            SETTINGS: (call("UpdateFunctionConfiguration", SETTINGS, FunctionName=ID),),
            RESERVED: (LIMIT, call("DeleteFunctionConcurrency", FunctionName=ID, when=lambda view: not _limited(view))),
        },
        outputs={
            "arn": "FunctionArn",
            "invokeArn": _invoked_by,
            "qualifiedArn": lambda view, seen: f"{seen['FunctionArn']}:{seen['Version']}",
            "version": "Version",
            "codeSha256": "CodeSha256",
            "lastModified": "LastModified",
            "sourceCodeSize": "CodeSize",
        },
        seen_as={"code": "null", RESERVED: "reserved"},
        auto_name="name",
        tagging=Tagging(
            add=call("TagResource", Resource=ARN, Tags=TAGS),
            remove=call("UntagResource", Resource=ARN, TagKeys=lambda view: sorted(view.tags)),
            at="Tags",
        ),
        defaults={"memorySize": 128, "timeout": 3, "packageType": "Zip", RESERVED: -1},
    ),
    "aws:lambda/permission:Permission": Kind(
        service="lambda",
        create=(call("AddPermission", "statementId action function:FunctionName principal sourceArn"),),
        id=_statement_id,
        read=(look("GetPolicy", _policy_has, FunctionName=given("function")),),
        delete=(call("RemovePermission", "statementId function:FunctionName"),),
        replaces="statementId action function principal sourceArn",
        auto_name="statementId",
    ),
    "aws:apigatewayv2/api:Api": Kind(
        service="apigatewayv2",
        create=(call("CreateApi", f"name protocolType {API}", Tags=TAGS),),
        id="ApiId",
        read=(look("GetApi", "@", ApiId=ID),),
        delete=(call("DeleteApi", ApiId=ID),),
        replaces="protocolType",
        updates={f"name {API}": (call("UpdateApi", f"name {API}", ApiId=ID),)},
        outputs={
            "apiEndpoint": "ApiEndpoint",
            "arn": lambda view, seen: _api_arn(view, view.id),
            "executionArn": lambda view, seen: _execution_arn(view, view.id),
        },
        auto_name="name",
        tagging=_tagging("Tags"),
    ),
    "aws:apigatewayv2/stage:Stage": Kind(
        service="apigatewayv2",
        create=(call("CreateStage", f"apiId name:StageName {STAGE}", Tags=TAGS),),
        id="StageName",
        read=(look("GetStage", "@", **IN_API, StageName=ID),),
        delete=(call("DeleteStage", **IN_API, StageName=ID),),
        replaces="apiId name",
        updates={STAGE: (call("UpdateStage", STAGE, **IN_API, StageName=ID),)},
        outputs={
            "arn": lambda view, seen: _api_arn(view, view["apiId"], "stages", view.id),
            "executionArn": lambda view, seen: _execution_arn(view, view["apiId"], view.id),
            "invokeUrl": lambda view, seen: (
                f"https://{view['apiId']}.execute-api.{view.region}.amazonaws.com/"
                + ("" if view.id == "$default" else view.id)
            ),
        },
        auto_name="name",
        tagging=_tagging("Tags"),
    ),
    "aws:apigatewayv2/integration:Integration": Kind(
        service="apigatewayv2",
        create=(call("CreateIntegration", f"integrationType {INTEGRATION}", **IN_API),),
        id="IntegrationId",
        read=(look("GetIntegration", "@", **IN_API, IntegrationId=ID),),
        delete=(call("DeleteIntegration", **IN_API, IntegrationId=ID),),
        replaces="apiId integrationType",
        updates={_properties(INTEGRATION): (call("UpdateIntegration", INTEGRATION, **IN_API, IntegrationId=ID),)},
        names={"timeoutMilliseconds": "TimeoutInMillis"},
        seen_as={"timeoutMilliseconds": "TimeoutInMillis"},
    ),
    "aws:apigatewayv2/route:Route": Kind(
        service="apigatewayv2",
        create=(call("CreateRoute", "routeKey target", **IN_API),),
        id="RouteId",
        read=(look("GetRoute", "@", **IN_API, RouteId=ID),),
        delete=(call("DeleteRoute", **IN_API, RouteId=ID),),
        replaces="apiId",
        updates={"routeKey target": (call("UpdateRoute", "routeKey target", **IN_API, RouteId=ID),)},
    ),
}
