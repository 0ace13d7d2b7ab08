"""IAM's decisions on functions, APIs, distributions, user pools and parameters."""

import pytest

from tests.cloud.embedded import ACCOUNT
from tests.cloud.pages import CODE, REGION, make_api, make_function
from tests.cloud.refused import refused
from tests.cloud.tasks import role

pytestmark = pytest.mark.live
DENIED = "AccessDeniedException"
PLACE = f"{REGION}:{ACCOUNT}"


def allow(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def acting(cloud, name, *statements):
    return cloud.assume(role(cloud, name, statements, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))


def test_a_function_is_made_with_rights_on_its_name_and_its_role(strict):
    own = role(strict, "runs", [], {"Service": "lambda.amazonaws.com"})
    create = allow("lambda:CreateFunction", f"arn:aws:lambda:{PLACE}:function:console")
    asked = {"Runtime": "python3.11", "Handler": "app.handler", "Role": own, "Code": {"ZipFile": CODE}}
    half = strict.client("lambda", REGION, acting(strict, "half", create))
    with refused(DENIED, "iam:PassRole"):
        half.create_function(FunctionName="console", **asked)
    maker = strict.client("lambda", REGION, acting(strict, "maker", create, allow("iam:PassRole", own)))
    with refused(DENIED):
        maker.create_function(FunctionName="other", **asked)
    with refused(DENIED, "lambda:TagResource"):
        maker.create_function(FunctionName="console", Tags={"a": "b"}, **asked)
    maker.create_function(FunctionName="console", **asked)
    with refused(DENIED):
        maker.invoke(FunctionName="console")
    with refused(DENIED, "lambda:GetFunctionConcurrency"):
        maker.get_function_concurrency(FunctionName="console")


def test_rights_on_an_api_depend_on_its_path(strict):
    make_api(strict, make_function(strict))
    (api,) = strict.client("apigatewayv2", REGION).get_apis()["Items"]
    (stage,) = strict.client("apigatewayv2", REGION).get_stages(ApiId=api["ApiId"])["Items"]
    of_api = f"arn:aws:apigateway:{REGION}::/apis/{api['ApiId']}"
    aws = strict.client("apigatewayv2", REGION, acting(strict, "one", allow("apigateway:*", f"{of_api}/stages/*")))
    where = {"ApiId": api["ApiId"], "StageName": stage["StageName"]}
    aws.update_stage(**where, Description="the console's")
    with refused(DENIED):
        aws.get_api(ApiId=api["ApiId"])
    settings = {"DestinationArn": f"arn:aws:logs:{PLACE}:log-group:/toril/access", "Format": "$context.status"}
    with refused(DENIED, "logs:CreateLogDelivery"):
        aws.update_stage(**where, AccessLogSettings=settings)


def test_rights_on_parameters_depend_on_all_names(strict):
    root = strict.client("ssm", REGION)
    for name in ("/toril/a", "/toril/b"):
        root.put_parameter(Name=name, Type="SecureString", Value="v")
    of = f"arn:aws:ssm:{PLACE}:parameter/toril/a"
    ssm = strict.client("ssm", REGION, acting(strict, "reader", allow(["ssm:GetParameter", "ssm:GetParameters"], of)))
    assert ssm.get_parameter(Name="/toril/a", WithDecryption=True)["Parameter"]["Value"] == "v"
    with refused(DENIED):
        ssm.get_parameter(Name="/toril/b")
    with refused(DENIED):
        ssm.get_parameters(Names=["/toril/a", "/toril/b"])
    with refused(DENIED):
        ssm.get_parameters_by_path(Path="/toril")


def test_rights_on_user_pools_depend_on_the_pool(strict):
    root = strict.client("cognito-idp", REGION)
    one, other = (root.create_user_pool(PoolName=name)["UserPool"] for name in ("one", "other"))
    aws = strict.client("cognito-idp", REGION, acting(strict, "admin", allow("cognito-idp:*", one["Arn"])))
    aws.create_group(UserPoolId=one["Id"], GroupName="admin")
    with refused(DENIED):
        aws.create_group(UserPoolId=other["Id"], GroupName="admin")
    aws.tag_resource(ResourceArn=one["Arn"], Tags={"a": "b"})
    with refused(DENIED):
        aws.tag_resource(ResourceArn=other["Arn"], Tags={"a": "b"})


def test_rights_on_cloudfront_depend_on_the_resource(strict):
    root = strict.client("cloudfront")
    signed = {"SigningProtocol": "sigv4", "SigningBehavior": "always", "OriginAccessControlOriginType": "s3"}
    one, other = (
        root.create_origin_access_control(OriginAccessControlConfig={"Name": name, **signed})["OriginAccessControl"][
            "Id"
        ]
        for name in ("one", "other")
    )
    of = f"arn:aws:cloudfront::{ACCOUNT}:origin-access-control/{one}"
    aws = strict.client("cloudfront", "us-east-1", acting(strict, "reader", allow("cloudfront:*", of)))
    aws.get_origin_access_control(Id=one)
    with refused("AccessDenied"):
        aws.get_origin_access_control(Id=other)
    with refused("AccessDenied"):
        aws.create_origin_access_control(OriginAccessControlConfig={"Name": "third", **signed})
