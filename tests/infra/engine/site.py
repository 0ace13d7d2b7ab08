"""A small site with every resource type that the console needs: API, function, distribution, users, files, key."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from tests.infra.engine.examples.common import trust

REGION = "eu-west-1"
KEY = "a made-up key that no output may show"
CACHED, NOT_CACHED = "658327ea-f89d-4fab-a63d-7e88639e58f6", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"  # AWS' managed policies
APP = """
import json, os
import boto3

def handler(event, context):
    key = boto3.client("ssm").get_parameter(Name=os.environ["KEY"], WithDecryption=True)["Parameter"]["Value"]
    shown = {"path": event["rawPath"], "secret": event["headers"].get("x-origin-secret"), "key": len(key)}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(shown)}
"""


def main() -> None:
    """The order has no circle: API, distribution, client, function, integration."""
    options = pulumi.ResourceOptions(provider=aws.Provider("aws", region=REGION))
    key = aws.ssm.Parameter(
        "key", name="/toril/site/key", type="SecureString", value=pulumi.Output.secret(KEY), region=REGION, opts=options
    )
    api = aws.apigatewayv2.Api("site", protocol_type="HTTP", region=REGION, opts=options)
    distribution = _distribution(api, _files(options), options)
    address = pulumi.Output.concat("https://", distribution.domain_name)
    pool, client = _people(address, options)
    role = aws.iam.Role("site", assume_role_policy=trust("lambda.amazonaws.com"), opts=options)
    statement = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": key.arn}
    document = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})
    rights = aws.iam.RolePolicy("site", role=role.name, policy=document, opts=options)
    logs = aws.cloudwatch.LogGroup("site", name="/toril/site", region=REGION, opts=options)
    function = aws.lambda_.Function(
        "site",
        name="site",
        code=pulumi.AssetArchive({"app.py": pulumi.StringAsset(APP)}),
        handler="app.handler",
        runtime="python3.13",
        architectures=["arm64"],
        role=role.arn,
        memory_size=1024,
        timeout=29,
        reserved_concurrent_executions=10,
        environment={"variables": {"KEY": key.name, "ISSUER": pulumi.Output.concat("https://", pool.endpoint)}},
        logging_config={"log_format": "JSON", "log_group": logs.name},
        region=REGION,
        opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[rights])),
    )
    _route(api, function, logs, options)
    pulumi.export("address", address)
    pulumi.export("endpoint", api.api_endpoint)
    pulumi.export("issuer", pulumi.Output.concat("https://", pool.endpoint))
    pulumi.export("client", client.id)


def _route(
    api: aws.apigatewayv2.Api, function: aws.lambda_.Function, logs: Any, options: pulumi.ResourceOptions
) -> None:
    integration = aws.apigatewayv2.Integration(
        "site",
        api_id=api.id,
        integration_type="AWS_PROXY",
        integration_uri=function.invoke_arn,
        payload_format_version="2.0",
        region=REGION,
        opts=options,
    )
    target = pulumi.Output.concat("integrations/", integration.id)
    aws.apigatewayv2.Route("site", api_id=api.id, route_key="$default", target=target, region=REGION, opts=options)
    aws.apigatewayv2.Stage(
        "site",
        api_id=api.id,
        name="$default",
        auto_deploy=True,
        default_route_settings={"throttling_burst_limit": 100, "throttling_rate_limit": 50},
        access_log_settings={"destination_arn": logs.arn, "format": "$context.requestId $context.status"},
        region=REGION,
        opts=options,
    )
    aws.lambda_.Permission(
        "site",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="apigateway.amazonaws.com",
        source_arn=pulumi.Output.concat(api.execution_arn, "/*"),
        region=REGION,
        opts=options,
    )


def _files(options: pulumi.ResourceOptions) -> aws.s3.Bucket:
    bucket = aws.s3.Bucket("site", bucket="toril-site", region=REGION, opts=options)
    aws.s3.BucketObjectv2(
        "css",
        bucket=bucket.bucket,
        key="static/1a/app.css",
        source=pulumi.StringAsset("body {}"),
        content_type="text/css",
        cache_control="public, max-age=31536000, immutable",
        region=REGION,
        opts=options,
    )
    rule: Any = {"allowed_origins": ["https://example.org"], "allowed_methods": ["POST"], "allowed_headers": ["*"]}
    aws.s3.BucketCorsConfiguration("site", bucket=bucket.bucket, cors_rules=[rule], region=REGION, opts=options)
    return bucket


def _distribution(
    api: aws.apigatewayv2.Api, bucket: aws.s3.Bucket, options: pulumi.ResourceOptions
) -> aws.cloudfront.Distribution:
    control = aws.cloudfront.OriginAccessControl(
        "site",
        origin_access_control_origin_type="s3",
        signing_behavior="always",
        signing_protocol="sigv4",
        opts=options,
    )
    policy = aws.cloudfront.ResponseHeadersPolicy(
        "site",
        security_headers_config={
            "strict_transport_security": {"access_control_max_age_sec": 31_536_000, "override": True},
            "content_type_options": {"override": True},
        },
        opts=options,
    )

    def behaviour(origin: str, methods: list[str], cache: str, **more: Any) -> Any:
        return {
            "target_origin_id": origin,
            "viewer_protocol_policy": "redirect-to-https",
            "allowed_methods": methods,
            "cached_methods": ["GET", "HEAD"],
            "cache_policy_id": cache,
            "response_headers_policy_id": policy.id,
            "compress": True,
            **more,
        }

    every = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    made = aws.cloudfront.Distribution(
        "site",
        enabled=True,
        origins=[
            {
                "origin_id": "api",
                "domain_name": api.api_endpoint.apply(lambda url: url.removeprefix("https://")),
                "custom_headers": [{"name": "x-origin-secret", "value": "s3cr3t"}],
                "custom_origin_config": {
                    "http_port": 80,
                    "https_port": 443,
                    "origin_protocol_policy": "https-only",
                    "origin_ssl_protocols": ["TLSv1.2"],
                },
            },
            {
                "origin_id": "files",
                "domain_name": bucket.bucket_regional_domain_name,
                "origin_access_control_id": control.id,
            },
        ],
        default_cache_behavior=behaviour("api", every, NOT_CACHED, origin_request_policy_id=ALL_BUT_HOST),
        ordered_cache_behaviors=[behaviour("files", ["GET", "HEAD"], CACHED, path_pattern="/static/*")],
        restrictions={"geo_restriction": {"restriction_type": "none"}},
        viewer_certificate={"cloudfront_default_certificate": True, "minimum_protocol_version": "TLSv1.2_2021"},
        tags={"owner": "tests"},
        opts=options,
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": pulumi.Output.concat(bucket.arn, "/static/*"),
        "Condition": {"StringEquals": {"AWS:SourceArn": made.arn}},
    }
    document = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.s3.BucketPolicy("site", bucket=bucket.bucket, policy=document, region=REGION, opts=options)
    return made


def _people(
    address: pulumi.Output[str], options: pulumi.ResourceOptions
) -> tuple[aws.cognito.UserPool, aws.cognito.UserPoolClient]:
    pool = aws.cognito.UserPool(
        "site",
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration={"enabled": True},
        username_attributes=["email"],
        admin_create_user_config={"allow_admin_create_user_only": True},
        password_policy={"minimum_length": 12, "temporary_password_validity_days": 7},
        region=REGION,
        opts=options,
    )
    client = aws.cognito.UserPoolClient(
        "site",
        user_pool_id=pool.id,
        generate_secret=True,
        allowed_oauth_flows=["code"],
        allowed_oauth_flows_user_pool_client=True,
        allowed_oauth_scopes=["openid", "email"],
        callback_urls=[pulumi.Output.concat(address, "/callback")],
        logout_urls=[pulumi.Output.concat(address, "/")],
        supported_identity_providers=["COGNITO"],
        region=REGION,
        opts=options,
    )
    aws.cognito.UserPoolDomain(
        "site", domain="toril-site", user_pool_id=pool.id, managed_login_version=2, region=REGION, opts=options
    )
    aws.cognito.ManagedLoginBranding(
        "site",
        user_pool_id=pool.id,
        client_id=client.id,
        settings=json.dumps({"categories": {"global": {"colorSchemeMode": "DYNAMIC"}}}),
        region=REGION,
        opts=options,
    )
    group = aws.cognito.UserGroup("admin", name="admin", user_pool_id=pool.id, region=REGION, opts=options)
    user = aws.cognito.User(
        "admin",
        user_pool_id=pool.id,
        username="ada@example.org",
        attributes={"email": "ada@example.org", "email_verified": "true"},
        desired_delivery_mediums=["EMAIL"],
        region=REGION,
        opts=options,
    )
    aws.cognito.UserInGroup(
        "admin",
        user_pool_id=pool.id,
        group_name=group.name,
        username=user.username,
        region=REGION,
        opts=options,
    )
    return pool, client


RESOURCES = 26  # with the stack and the provider
