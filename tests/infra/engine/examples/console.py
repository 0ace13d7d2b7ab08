"""The console's: a function with its API, a distribution, users, parameters, and files in a bucket."""

import json
from typing import Any

from tests.infra.engine.examples.common import BUCKET, RETAGGED, ROLE, TAGS, Example, Of
from tests.infra.engine.wire import ARCHIVE, ASSET, SIGNATURE

FUNCTION, API = "aws:lambda/function:Function", "aws:apigatewayv2/api:Api"
INTEGRATION, STAGE = "aws:apigatewayv2/integration:Integration", "aws:apigatewayv2/stage:Stage"
CONTROL = "aws:cloudfront/originAccessControl:OriginAccessControl"
HEADERS = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy"
POOL, CLIENT = "aws:cognito/userPool:UserPool", "aws:cognito/userPoolClient:UserPoolClient"
GROUP, USER = "aws:cognito/userGroup:UserGroup", "aws:cognito/user:User"
CACHED, NOT_CACHED = "658327ea-f89d-4fab-a63d-7e88639e58f6", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"  # AWS' managed policies


def text(content: str) -> dict[str, Any]:
    return {SIGNATURE: ASSET, "hash": content, "text": content}


def archive(**files: str) -> dict[str, Any]:
    assets = {name.replace("_", "."): text(content) for name, content in files.items()}
    return {SIGNATURE: ARCHIVE, "hash": json.dumps(files), "assets": assets}


ECHO = "def handler(event, context):\n    return {'statusCode': 200, 'body': event['rawPath']}\n"
RULE = {
    "allowedOrigins": ["https://console.example.org"],
    "allowedMethods": ["POST", "GET"],
    "allowedHeaders": ["*"],
    "maxAgeSeconds": 300,
}
OBJECT = {
    "bucket": Of(BUCKET, "bucket"),
    "key": "static/1a/app.css",
    "source": text("body {}"),
    "contentType": "text/css",
    "cacheControl": "public, max-age=31536000, immutable",
}
OF_API = {
    "originId": "api",
    "domainName": "0a1b2c3d.execute-api.eu-west-1.amazonaws.com",
    "customHeaders": [{"name": "x-origin-secret", "value": "s3cr3t"}],
    "customOriginConfig": {
        "httpPort": 80,
        "httpsPort": 443,
        "originProtocolPolicy": "https-only",
        "originSslProtocols": ["TLSv1.2"],
    },
}
OF_FILES = {
    "originId": "files",
    "domainName": Of(BUCKET, "bucketRegionalDomainName"),
    "originAccessControlId": Of(CONTROL),
}


def behaviour(origin: str, methods: list[str], cache: str, **more: Any) -> dict[str, Any]:
    return {
        "targetOriginId": origin,
        "viewerProtocolPolicy": "redirect-to-https",
        "allowedMethods": methods,
        "cachedMethods": ["GET", "HEAD"],
        "cachePolicyId": cache,
        "responseHeadersPolicyId": Of(HEADERS),
        "compress": True,
        **more,
    }


EVERY_METHOD = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
CONSOLE = {
    FUNCTION: Example(
        inputs={
            "name": "console",
            "code": archive(app_py=ECHO),
            "handler": "app.handler",
            "runtime": "python3.13",
            "architectures": ["arm64"],
            "role": Of(ROLE, "arn"),
            "memorySize": 1024,
            "timeout": 29,
            "reservedConcurrentExecutions": 20,
            "environment": {"variables": {"TORIL_STORE": "s3://results"}},
            "loggingConfig": {"logFormat": "JSON", "logGroup": "/toril/console"},
            **TAGS,
        },
        change={
            "code": archive(app_py=ECHO + "\n"),
            "memorySize": 2048,
            "reservedConcurrentExecutions": 10,
            "environment": {"variables": {"TORIL_STORE": "s3://others"}},
            **RETAGGED,
        },
    ),
    "aws:lambda/permission:Permission": Example(
        inputs={
            "statementId": "api",
            "action": "lambda:InvokeFunction",
            "function": Of(FUNCTION, "name"),
            "principal": "apigateway.amazonaws.com",
            "sourceArn": "arn:aws:execute-api:eu-west-1:123456789012:0a1b2c3d/*",
        },
    ),
    API: Example(
        inputs={"name": "console", "protocolType": "HTTP", **TAGS}, change={"description": "the console", **RETAGGED}
    ),
    STAGE: Example(
        inputs={
            "apiId": Of(API),
            "name": "$default",
            "autoDeploy": True,
            "defaultRouteSettings": {"throttlingBurstLimit": 100, "throttlingRateLimit": 50},
            "accessLogSettings": {
                "destinationArn": "arn:aws:logs:eu-west-1:123456789012:log-group:/toril/access",
                "format": "$context.requestId $context.status",
            },
            **TAGS,
        },
        change={"defaultRouteSettings": {"throttlingBurstLimit": 10, "throttlingRateLimit": 5}, **RETAGGED},
    ),
    INTEGRATION: Example(
        inputs={
            "apiId": Of(API),
            "integrationType": "AWS_PROXY",
            "integrationUri": Of(FUNCTION, "invokeArn"),
            "payloadFormatVersion": "2.0",
        },
        change={"timeoutMilliseconds": 29_500},
    ),
    "aws:apigatewayv2/route:Route": Example(
        inputs={"apiId": Of(API), "routeKey": "$default", "target": "integrations/0a1b2c3d"},
        change={"target": "integrations/3d2c1b0a"},
    ),
    CONTROL: Example(
        inputs={
            "name": "static",
            "originAccessControlOriginType": "s3",
            "signingBehavior": "always",
            "signingProtocol": "sigv4",
        },
        change={"description": "static files"},
    ),
    HEADERS: Example(
        inputs={
            "name": "console",
            "securityHeadersConfig": {
                "strictTransportSecurity": {
                    "accessControlMaxAgeSec": 31_536_000,
                    "includeSubdomains": True,
                    "override": True,
                },
                "contentTypeOptions": {"override": True},
                "frameOptions": {"frameOption": "DENY", "override": True},
                "referrerPolicy": {"referrerPolicy": "same-origin", "override": True},
                "contentSecurityPolicy": {"contentSecurityPolicy": "default-src 'self'", "override": False},
            },
            "customHeadersConfig": {
                "items": [{"header": "cross-origin-opener-policy", "value": "same-origin", "override": True}]
            },
        },
        change={"securityHeadersConfig": {"frameOptions": {"frameOption": "SAMEORIGIN", "override": True}}},
    ),
    "aws:cloudfront/distribution:Distribution": Example(
        inputs={
            "enabled": True,
            "comment": "console",
            "httpVersion": "http2and3",
            "isIpv6Enabled": True,
            "priceClass": "PriceClass_100",
            "origins": [OF_API, OF_FILES],
            "defaultCacheBehavior": behaviour("api", EVERY_METHOD, NOT_CACHED, originRequestPolicyId=ALL_BUT_HOST),
            "orderedCacheBehaviors": [behaviour("files", ["GET", "HEAD"], CACHED, pathPattern="/static/*")],
            "restrictions": {"geoRestriction": {"restrictionType": "none"}},
            "viewerCertificate": {"cloudfrontDefaultCertificate": True, "minimumProtocolVersion": "TLSv1.2_2021"},
            **TAGS,
        },
        change={"comment": "toril's console", "origins": [OF_FILES, {**OF_API, "customHeaders": []}], **RETAGGED},
    ),
    POOL: Example(
        inputs={
            "name": "console",
            "mfaConfiguration": "OPTIONAL",
            "softwareTokenMfaConfiguration": {"enabled": True},
            "usernameAttributes": ["email"],
            "autoVerifiedAttributes": ["email"],
            "adminCreateUserConfig": {"allowAdminCreateUserOnly": True},
            "accountRecoverySetting": {"recoveryMechanisms": [{"name": "verified_email", "priority": 1}]},
            "passwordPolicy": {
                "minimumLength": 12,
                "requireLowercase": True,
                "requireNumbers": True,
                "requireSymbols": False,
                "requireUppercase": True,
                "temporaryPasswordValidityDays": 7,
            },
            **TAGS,
        },
        change={
            "passwordPolicy": {"minimumLength": 16, "temporaryPasswordValidityDays": 3},
            "mfaConfiguration": "ON",
            **RETAGGED,
        },
    ),
    "aws:cognito/userPoolDomain:UserPoolDomain": Example(
        inputs={"userPoolId": Of(POOL), "domain": "toril-1", "managedLoginVersion": 1},
        change={"managedLoginVersion": 2},
    ),
    CLIENT: Example(
        inputs={
            "userPoolId": Of(POOL),
            "name": "console",
            "generateSecret": True,
            "allowedOauthFlowsUserPoolClient": True,
            "allowedOauthFlows": ["code"],
            "allowedOauthScopes": ["openid", "email"],
            "callbackUrls": ["https://console.example.org/callback"],
            "logoutUrls": ["https://console.example.org/"],
            "supportedIdentityProviders": ["COGNITO"],
            "explicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"],
            "preventUserExistenceErrors": "ENABLED",
            "accessTokenValidity": 60,
            "tokenValidityUnits": {"accessToken": "minutes"},
        },
        change={"callbackUrls": ["https://console.example.com/callback"]},
    ),
    GROUP: Example(
        inputs={"userPoolId": Of(POOL), "name": "admin", "precedence": 1}, change={"description": "administrators"}
    ),
    USER: Example(
        inputs={
            "userPoolId": Of(POOL),
            "username": "ada@example.org",
            "desiredDeliveryMediums": ["EMAIL"],
            "attributes": {"email": "ada@example.org", "email_verified": "true"},
        },
        change={"enabled": False},
    ),
    "aws:cognito/userInGroup:UserInGroup": Example(
        inputs={"userPoolId": Of(POOL), "groupName": Of(GROUP, "name"), "username": Of(USER, "username")}
    ),
    "aws:cognito/managedLoginBranding:ManagedLoginBranding": Example(
        inputs={"userPoolId": Of(POOL), "clientId": Of(CLIENT), "useCognitoProvidedValues": True},
        change={"useCognitoProvidedValues": False, "settings": json.dumps({"categories": {}})},
    ),
    "aws:ssm/parameter:Parameter": Example(
        inputs={"name": "/toril/console/key", "type": "SecureString", "value": "k3y", **TAGS},
        change={"value": "another", **RETAGGED},
    ),
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": Example(
        inputs={"bucket": Of(BUCKET, "bucket"), "corsRules": [RULE]},
        change={"corsRules": [{**RULE, "maxAgeSeconds": 600}]},
    ),
    "aws:s3/bucketObject:BucketObject": Example(inputs=OBJECT, change={"source": text("body { color: red }")}),
}
