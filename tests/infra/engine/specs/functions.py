"""Lambda, API Gateway's HTTP APIs, and parameters of Systems Manager."""

from typing import Any

from tests.infra.engine.assets import packed
from tests.infra.engine.kinds import ARN, ID, TAGS, From, Kind, Tagging, View, call, given, lacks, look
from tests.infra.engine.shapes import UNKNOWN, is_unknown

# ---- functions ----------------------------------------------------------------------------------------------------

SETTINGS = (
    "handler runtime role memorySize timeout environment loggingConfig description ephemeralStorage tracingConfig "
    "layers kmsKeyArn:KMSKeyArn vpcConfig"
)
PROPERTIES = " ".join(name.partition(":")[0] for name in SETTINGS.split())
CODE = "s3Bucket:S3Bucket s3Key:S3Key s3ObjectVersion:S3ObjectVersion"
CODE_PROPERTIES = "code s3Bucket s3Key s3ObjectVersion sourceCodeHash architectures"
RESERVED = "reservedConcurrentExecutions"


def _zip(view: View) -> Any:
    code = view["code"]
    return None if code is None else UNKNOWN if is_unknown(code) else packed(code)


def _code(view: View) -> dict[str, Any]:
    members = (part.split(":") for part in CODE.split())
    return {"ZipFile": _zip(view), **{member: view[name] for name, member in members}}


def _limited(view: View) -> bool:
    return view[RESERVED] is not None and view[RESERVED] >= 0


LIMIT = call("PutFunctionConcurrency", RESERVED, FunctionName=given("name"), when=_limited)
FUNCTION = {"FunctionName": given("name")}


def _invoked_by(view: View, seen: Any) -> str:
    path = "lambda:path/2015-03-31/functions"
    return f"arn:{view.partition}:apigateway:{view.region}:{path}/{seen['FunctionArn']}/invocations"


# ---- HTTP APIs ----------------------------------------------------------------------------------------------------

API = "description version corsConfiguration disableExecuteApiEndpoint routeSelectionExpression"
STAGE = "accessLogSettings autoDeploy defaultRouteSettings routeSettings stageVariables description"
INTEGRATION = (
    "integrationMethod integrationUri payloadFormatVersion timeoutMilliseconds:TimeoutInMillis connectionType "
    "description credentialsArn requestParameters"
)
ROUTE = "target authorizationType authorizerId authorizationScopes apiKeyRequired operationName"
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


# ---- parameters ---------------------------------------------------------------------------------------------------

PARAMETER = "type description keyId allowedPattern tier dataType"
VALUE: From = lambda view: view["value"] if view["value"] is not None else view["insecureValue"]  # noqa: E731
WRITE = call("PutParameter", f"name {PARAMETER}", Value=VALUE, Overwrite=True)

KINDS = {
    "aws:lambda/function:Function": Kind(
        service="lambda",
        create=(
            call(
                "CreateFunction",
                f"name:FunctionName {SETTINGS} architectures packageType publish",
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
            CODE_PROPERTIES: (
                call("UpdateFunctionCode", f"{CODE} architectures publish", FunctionName=ID, ZipFile=_zip),
            ),
            PROPERTIES: (call("UpdateFunctionConfiguration", SETTINGS, FunctionName=ID),),
            RESERVED: (LIMIT, call("DeleteFunctionConcurrency", FunctionName=ID, when=lambda view: not _limited(view))),
        },
        local="publish skipDestroy",
        outputs={
            "arn": "FunctionArn",
            "invokeArn": _invoked_by,
            "qualifiedArn": lambda view, seen: f"{seen['FunctionArn']}:{seen['Version']}",
            "version": "Version",
            "codeSha256": "CodeSha256",
            "lastModified": "LastModified",
            "sourceCodeSize": "CodeSize",
        },
        seen_as={"code": "null", "sourceCodeHash": "null", RESERVED: "reserved"},
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
        create=(
            call(
                "AddPermission", "statementId action function:FunctionName principal sourceArn sourceAccount qualifier"
            ),
        ),
        id=_statement_id,
        read=(look("GetPolicy", _policy_has, FunctionName=given("function"), Qualifier=given("qualifier")),),
        delete=(call("RemovePermission", "statementId function:FunctionName qualifier"),),
        replaces="statementId action function principal sourceArn sourceAccount qualifier",
        auto_name="statementId",
    ),
    "aws:apigatewayv2/api:Api": Kind(
        service="apigatewayv2",
        create=(call("CreateApi", f"name protocolType {API}", Tags=TAGS),),
        id="ApiId",
        read=(look("GetApi", "@", ApiId=ID),),
        delete=(call("DeleteApi", ApiId=ID),),
        replaces="protocolType",
        updates={
            f"name {API}": (
                call("UpdateApi", f"name {API}", ApiId=ID),
                call("DeleteCorsConfiguration", ApiId=ID, when=lacks("corsConfiguration")),
            )
        },
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
        create=(call("CreateRoute", f"routeKey {ROUTE}", **IN_API),),
        id="RouteId",
        read=(look("GetRoute", "@", **IN_API, RouteId=ID),),
        delete=(call("DeleteRoute", **IN_API, RouteId=ID),),
        replaces="apiId",
        updates={f"routeKey {ROUTE}": (call("UpdateRoute", f"routeKey {ROUTE}", **IN_API, RouteId=ID),)},
    ),
    "aws:ssm/parameter:Parameter": Kind(
        service="ssm",
        create=(call("PutParameter", f"name {PARAMETER}", Value=VALUE, Overwrite=given("overwrite"), Tags=TAGS),),
        id=given("name"),
        read=(
            look("GetParameter", "Parameter", Name=ID, WithDecryption=True),
            look(
                "DescribeParameters",
                "Parameters[0]",
                ParameterFilters=lambda view: [{"Key": "Name", "Option": "Equals", "Values": [view.id]}],
            ),
        ),
        delete=(call("DeleteParameter", Name=ID),),
        replaces="name dataType",
        updates={"value insecureValue type description keyId allowedPattern tier": (WRITE,)},
        local="overwrite",
        outputs={
            "arn": lambda view, seen: (
                f"arn:{view.partition}:ssm:{view.region}:{view.account}:parameter/{view.id.lstrip('/')}"
            ),
            "version": "Version",
        },
        seen_as={"insecureValue": "Value"},
        auto_name="name",
        tagging=Tagging(
            add=call("AddTagsToResource", ResourceType="Parameter", ResourceId=ID, Tags=TAGS),
            remove=call(
                "RemoveTagsFromResource",
                ResourceType="Parameter",
                ResourceId=ID,
                TagKeys=lambda view: sorted(view.tags),
            ),
            look=look("ListTagsForResource", "TagList", ResourceType="Parameter", ResourceId=ID),
            at="@",
        ),
    ),
}
