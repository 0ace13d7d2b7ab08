"""What tests of Lambda, API Gateway and CloudFront share: a function, an HTTP API before it, and a distribution."""

import io
import json
import time
import zipfile
from collections.abc import Mapping
from typing import Any

from tests.cloud.embedded import ACCOUNT, Cloud

REGION = "eu-west-1"
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
ECHO = """
import base64, json, os
import colour

def handler(event, context):
    print("asked", event["rawPath"])
    if event["rawPath"] == "/fails":
        raise ValueError("a secret")
    shown = {"event": event, "environment": dict(os.environ), "colour": colour.NAME, "id": context.aws_request_id}
    if event["rawPath"] == "/picture":
        return {"statusCode": 200, "headers": {"content-type": "image/png"}, "isBase64Encoded": True,
                "body": base64.b64encode(bytes(range(256))).decode(), "cookies": ["a=1; Path=/", "b=2; Path=/"]}
    if event["rawPath"] == "/object":
        import boto3
        body = boto3.client("s3").get_object(Bucket="toril-store", Key="secret")["Body"].read().decode()
        return {"statusCode": 200, "body": body}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(shown)}
"""


def zipped(files: Mapping[str, str]) -> bytes:
    with io.BytesIO() as made:
        with zipfile.ZipFile(made, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return made.getvalue()


CODE = zipped({"app.py": ECHO, "colour.py": "NAME = 'green'\n"})


def function_role(cloud: Cloud, *statements: Mapping[str, Any]) -> str:
    """Makes the function's role. Returns its ARN."""
    iam, version = cloud.client("iam"), {"Version": "2012-10-17"}
    role = iam.create_role(RoleName="console", AssumeRolePolicyDocument=json.dumps({**version, "Statement": [TRUST]}))
    if statements:
        policy = json.dumps({**version, "Statement": list(statements)})
        iam.put_role_policy(RoleName="console", PolicyName="console", PolicyDocument=policy)
    return str(role["Role"]["Arn"])


def make_function(cloud: Cloud, *statements: Mapping[str, Any], code: bytes = CODE, **more: Any) -> str:
    """Makes the function `console`. Returns its ARN."""
    aws = cloud.client("lambda", REGION)
    made = aws.create_function(
        **{
            "FunctionName": "console",
            "Runtime": "python3.11",
            "Architectures": ["arm64"],
            "Handler": "app.handler",
            "Role": function_role(cloud, *statements),
            "Code": {"ZipFile": code},
            "Timeout": 29,
            "MemorySize": 1024,
            **more,
        }
    )
    until = time.monotonic() + 20
    while aws.get_function(FunctionName="console")["Configuration"]["State"] != "Active":
        assert time.monotonic() < until
        time.sleep(0.05)
    return str(made["FunctionArn"])


def make_api(cloud: Cloud, function: str, *, route: str = "$default", permitted: bool = True, **stage: Any) -> str:
    """Makes an HTTP API for the function, with one route. Returns its address."""
    aws = cloud.client("apigatewayv2", REGION)
    api = aws.create_api(Name="console", ProtocolType="HTTP")
    integration = aws.create_integration(
        ApiId=api["ApiId"],
        IntegrationType="AWS_PROXY",
        IntegrationUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations",
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    aws.create_route(ApiId=api["ApiId"], RouteKey=route, Target=f"integrations/{integration}")
    aws.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True, **stage)
    if permitted:
        cloud.client("lambda", REGION).add_permission(
            FunctionName="console",
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api['ApiId']}/*/*",
        )
    return str(api["ApiEndpoint"])
