"""The rights to deploy and to read a hub's console; absent from roles of a hub without one.

| statement | purpose |
|---|---|
| Function, HandRoleToFunction | the function, its code and its role |
| ReadFunction | the function's settings and policy, without its log |
| Api, ReadApi | HTTP APIs: their names are ids, and only the API itself has tags |
| NewDistributions, TagDistributions, Distributions, ReadDistributions | the distribution, by the environment's tag |
| SiteParts, ReadSiteParts | access to the bucket and response headers, which have no tags |
| NewUserPools, TagUserPools, UserPools, ReadUserPools | the user pool, its client, groups and first administrator |
| ReadLoginDomains | its login pages |
| ConsoleBucket, ConsoleFiles, ReadConsoleBucket, ReadConsoleFiles | the bucket of static files |
| ConsoleCors | the address from which browsers may upload |
| ConsoleLogs, ReadConsoleLogs | the function's log group |
| ConsoleAlarms, ReadConsoleAlarms | the two alarms |
| ConsoleSchedules, ReadConsoleSchedules | the home region's group of the console's schedules |
| ApiServiceRole | API Gateway's service-linked role of a new account |
"""

from infra.permissions.console import LAMBDA_SERVICE
from infra.permissions.reading import READ_BUCKET
from infra.permissions.scope import Scope, pass_roles
from infra.permissions.statements import ANY, Document, Statement, allow, calls, document


def console_deploying_policy(scope: Scope) -> Document:
    """Returns the rights to make, change and delete a console."""
    bucket = _bucket(scope)
    logs, pools = _logs(scope), scope.arn("cognito-idp", "userpool/*", scope.region)
    return document(
        [
            allow(
                "Function",
                calls(
                    "lambda",
                    "AddPermission",
                    "CreateFunction",
                    "DeleteFunction",
                    "RemovePermission",
                    "TagResource",
                    "UntagResource",
                    "UpdateFunctionCode",
                    "UpdateFunctionConfiguration",
                ),
                [_function(scope)],
            ),
            pass_roles("HandRoleToFunction", [scope.role("console")], LAMBDA_SERVICE),
            allow("Api", [f"apigateway:{verb}" for verb in ("DELETE", "PATCH", "POST", "PUT")], _apis(scope)),
            allow("NewDistributions", ["cloudfront:CreateDistribution"], [_cloudfront(scope, "distribution")]),
            allow(
                "TagDistributions", ["cloudfront:TagResource"], [_cloudfront(scope, "distribution")], scope.unclaimed
            ),
            allow(
                "Distributions",
                calls("cloudfront", "DeleteDistribution", "TagResource", "UntagResource", "UpdateDistribution"),
                [_cloudfront(scope, "distribution")],
                scope.ours,
            ),
            allow(
                "SiteParts",
                [
                    f"cloudfront:{verb}{part}"
                    for verb in ("Create", "Delete", "Update")
                    for part in ("OriginAccessControl", "ResponseHeadersPolicy")
                ],
                [_cloudfront(scope, "origin-access-control"), _cloudfront(scope, "response-headers-policy")],
            ),
            allow("NewUserPools", ["cognito-idp:CreateUserPool"], ANY, scope.new),  # it has no name yet
            allow("TagUserPools", ["cognito-idp:TagResource"], [pools], scope.unclaimed),
            allow(
                "UserPools",
                calls(
                    "cognito-idp",
                    "AdminAddUserToGroup",
                    "AdminCreateUser",
                    "AdminDeleteUser",
                    "AdminRemoveUserFromGroup",
                    "CreateGroup",
                    "CreateManagedLoginBranding",
                    "CreateUserPoolClient",
                    "CreateUserPoolDomain",
                    "DeleteGroup",
                    "DeleteManagedLoginBranding",
                    "DeleteUserPool",
                    "DeleteUserPoolClient",
                    "DeleteUserPoolDomain",
                    "SetUserPoolMfaConfig",
                    "TagResource",
                    "UntagResource",
                    "UpdateGroup",
                    "UpdateManagedLoginBranding",
                    "UpdateUserPool",
                    "UpdateUserPoolClient",
                    "UpdateUserPoolDomain",
                ),
                [pools],
                scope.ours,
            ),
            allow(
                "ConsoleBucket",
                calls(
                    "s3",
                    "CreateBucket",
                    "DeleteBucket",
                    "DeleteBucketPolicy",
                    "PutBucketOwnershipControls",
                    "PutBucketPolicy",
                    "PutBucketPublicAccessBlock",
                    "PutBucketTagging",
                    "PutEncryptionConfiguration",
                    "TagResource",
                    "UntagResource",
                ),
                [bucket],
            ),
            allow(
                "ConsoleFiles",
                calls("s3", "DeleteObject", "PutObject", "PutObjectTagging"),
                [f"{bucket}/*"],
            ),
            allow("ConsoleCors", ["s3:PutBucketCORS"], [scope.bucket_arn]),
            allow(
                "ConsoleLogs",
                calls(
                    "logs",
                    "CreateLogGroup",
                    "DeleteLogGroup",
                    "DeleteRetentionPolicy",
                    "PutRetentionPolicy",
                    "TagResource",
                    "UntagResource",
                ),
                [logs, f"{logs}:*"],
            ),
            allow(
                "ConsoleAlarms",
                calls("cloudwatch", "DeleteAlarms", "PutMetricAlarm", "TagResource", "UntagResource"),
                _alarms(scope),
            ),
            allow(
                "ConsoleSchedules",
                calls(
                    "scheduler",
                    "CreateScheduleGroup",
                    "DeleteSchedule",  # those in a deleted group
                    "DeleteScheduleGroup",
                    "TagResource",
                    "UntagResource",
                ),
                [_schedule_group(scope), scope.arn("scheduler", f"schedule/{scope.names.console}/*")],
            ),
            allow(
                "ApiServiceRole",
                ["iam:CreateServiceLinkedRole"],
                [f"arn:{scope.partition}:iam::{scope.account}:role/aws-service-role/*"],
                {"StringEquals": {"iam:AWSServiceName": "ops.apigateway.amazonaws.com"}},
            ),
        ]
    )


def console_reading_policy(scope: Scope) -> Document:
    """Returns the rights to refresh a console, for code of the default branch only.

    They read CloudFront's secret header, but neither the session key nor a person's token. A preview without a refresh
    reads nothing of a console.
    """
    return document(_reads(scope))


def _reads(scope: Scope) -> list[Statement]:
    bucket = _bucket(scope)
    return [
        allow(
            "ReadFunction",
            calls(
                "lambda",
                "GetFunction",
                "GetFunctionCodeSigningConfig",
                "GetFunctionConcurrency",
                "GetFunctionConfiguration",
                "GetPolicy",
                "ListTags",
                "ListVersionsByFunction",
            ),
            [_function(scope)],
        ),
        allow("ReadApi", ["apigateway:GET"], _apis(scope)),
        allow(
            "ReadDistributions",
            calls("cloudfront", "GetDistribution", "GetDistributionConfig", "ListTagsForResource"),
            [_cloudfront(scope, "distribution")],
        ),
        allow(
            "ReadSiteParts",
            calls(
                "cloudfront",
                "GetOriginAccessControl",
                "GetOriginAccessControlConfig",
                "GetResponseHeadersPolicy",
                "GetResponseHeadersPolicyConfig",
            ),
            [_cloudfront(scope, "origin-access-control"), _cloudfront(scope, "response-headers-policy")],
        ),
        allow(
            "ReadUserPools",
            calls(
                "cognito-idp",
                "AdminGetUser",
                "AdminListGroupsForUser",
                "DescribeManagedLoginBranding",
                "DescribeManagedLoginBrandingByClient",
                "DescribeUserPool",
                "DescribeUserPoolClient",
                "GetGroup",
                "GetUserPoolMfaConfig",
                "ListTagsForResource",
            ),
            [scope.arn("cognito-idp", "userpool/*", scope.region)],
            scope.ours,
        ),
        allow("ReadLoginDomains", ["cognito-idp:DescribeUserPoolDomain"], ANY),  # no resource-level permissions
        allow("ReadConsoleBucket", calls("s3", *READ_BUCKET), [bucket]),
        allow("ReadConsoleFiles", ["s3:GetObject", "s3:GetObjectTagging"], [f"{bucket}/*"]),
        allow("ReadConsoleLogs", ["logs:ListTagsForResource"], [_logs(scope)]),
        allow("ReadConsoleAlarms", ["cloudwatch:ListTagsForResource"], _alarms(scope)),
        allow(
            "ReadConsoleSchedules",
            calls("scheduler", "GetScheduleGroup", "ListTagsForResource"),
            [_schedule_group(scope)],
        ),
    ]


def _schedule_group(scope: Scope) -> str:
    return scope.arn("scheduler", f"schedule-group/{scope.names.console}")


def _function(scope: Scope) -> str:
    return scope.arn("lambda", f"function:{scope.names.console}", scope.region)


def _bucket(scope: Scope) -> str:
    return f"arn:{scope.partition}:s3:::{scope.names.console_bucket(scope.account, scope.region)}"


def _logs(scope: Scope) -> str:
    return scope.arn("logs", f"log-group:{scope.names.console_log_group()}", scope.region)


def _alarms(scope: Scope) -> list[str]:
    return [scope.arn("cloudwatch", f"alarm:{one}", scope.region) for one in scope.names.console_alarms().values()]


def _apis(scope: Scope) -> list[str]:
    """Returns the ARNs of HTTP APIs, their parts and their tags; they have neither an account nor a name."""
    start = f"arn:{scope.partition}:apigateway:{scope.region}::"
    return [f"{start}/apis", f"{start}/apis/*", f"{start}/tags/*"]


def _cloudfront(scope: Scope, kind: str) -> str:
    return f"arn:{scope.partition}:cloudfront::{scope.account}:{kind}/*"
