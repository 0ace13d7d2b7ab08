"""Findings of the judges that stay, by reason. A pattern is of a finding's whole text; `*` stands for any text."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

VALUES = "the roles that only read read no secret, so previews leave out the resource"
NO_KEY = "this log group has no key of its own"
OLDER_HALF = "API Gateway's tags are in the half of its reference for version 1; both have the same names of actions"
AWS_EXAMPLE = "CloudWatch Logs user guide, the example of a key policy"
OF_CONSOLE = "previews read nothing of the console"
IGNORED = "the program ignores changes of a person"

REFERENCE = {
    OLDER_HALF: ("useless resource: *Api: *::/tags/[*]",),
    AWS_EXAMPLE: (
        "unsupported condition key: kms/key:Key * Logs: kms:DescribeKey has no kms:EncryptionContext:aws:logs:arn",
        "wrong operator: kms/key:Key * Logs: kms:EncryptionContext:aws:logs:arn is of type String: ArnEquals *",
    ),
}


# Calls of the provider that a role may not make.
REFUSED = {
    NO_KEY: ("deploy may not update cloudwatch/logGroup:LogGroup: logs:*ssociateKmsKey on *console",),
    VALUES: (
        "drift may not read secretsmanager/secretVersion:SecretVersion: secretsmanager:GetSecretValue *",
        "preview may not read secretsmanager/secretVersion:SecretVersion: secretsmanager:GetSecretValue *",
    ),
    OF_CONSOLE: ("preview may not read scheduler/scheduleGroup:ScheduleGroup: scheduler:* on *-console",),
    IGNORED: ("deploy may not update cognito/user:User: cognito-idp:Admin*",),
}

# What parliament and cfn-lint find.
NEWER = "the reference is newer than parliament's data, and decides it"
ONE_OF_TWO = "the statement has the resources of one side of the call, and another statement those of the other"
EXACT = "IAM's own examples compare the ARN of a boundary by StringEquals"
HYPHEN = "parliament does not read a variable with a hyphen, so it sees no object"
BY_DESIGN = "the role changes a bucket's settings and reads none of its content"
LINTED = {
    NEWER: (
        "RESOURCE_MISMATCH: *-console: *cloudfront:CreateOriginAccessControl*",
        "RESOURCE_MISMATCH: *-deploy-network: *vpce:AllowMultiRegion*",
        "RESOURCE_MISMATCH: *ecr:BatchImportUpstreamImage*",
        "RESOURCE_MISMATCH: *logs:DescribeLogGroups*",
        "UNKNOWN_ACTION: * ecr:GetImageCopyStatus",
    ),
    "BROADER in test_authorisation.py has the reasons": ("RESOURCE_STAR: *",),
    ONE_OF_TWO: (
        "RESOURCE_MISMATCH: *-coordinator: *fis:StartExperiment*",
        "RESOURCE_MISMATCH: *-deploy-hub: *kms:CreateAlias*",
        "RESOURCE_MISMATCH: *-deploy-network: *ec2:CreateNatGateway*",
        "RESOURCE_MISMATCH: *-run: *fis:StartExperiment*",
    ),
    EXACT: ("MISMATCHED_TYPE_BUT_USABLE: *-deploy-identity: *given Arn",),
    HYPHEN: ("RESOURCE_MISMATCH: *-agent-*: *s3:PutObject*",),
    BY_DESIGN: ("RESOURCE_POLICY_PRIVILEGE_ESCALATION: *",),
}

# Rights that no call of the provider uses: by reason and statement.
EARLIER = "earlier versions of the provider read it, and it reads what other rights read too"
PART = "AWS asks for it as a part of another call"
CONTENT = "only for content or state: images, objects, deployments, Pulumi's own bucket"
OTHER_WAY = "the older way to tag an API"
UNCALLED = {
    EARLIER: {
        "ReadBucket": "s3:GetBucketLocation",
        "ReadCluster": "ecs:ListTagsForResource",
        "ReadConsoleBucket": "s3:GetBucketLocation",
        "ReadDistributions": "cloudfront:GetDistributionConfig",
        "ReadFunction": "lambda:GetFunctionConcurrency lambda:ListTags",
        "ReadPolicies": "iam:ListPolicyTags",
        "ReadQueue": "sqs:GetQueueUrl",
        "ReadRoles": "iam:ListRoleTags",
        "ReadSiteParts": "cloudfront:GetOriginAccessControlConfig cloudfront:GetResponseHeadersPolicyConfig",
        "ReadTopic": "sns:ListSubscriptionsByTopic",
        "ReadUserPools": "cognito-idp:DescribeManagedLoginBrandingByClient cognito-idp:ListTagsForResource",
    },
    PART: {
        "ApiServiceRole": "iam:CreateServiceLinkedRole",
        "ConsoleSchedules": "scheduler:DeleteSchedule",
        "Grants": "kms:CreateGrant",
        "OldGrants": "kms:RetireGrant",
        "PrivateNames": "route53:AssociateVPCWithHostedZone",
        "ReachOtherRegions": "vpce:AllowMultiRegion",
        "ServiceRoles": "iam:CreateServiceLinkedRole",
    },
    CONTENT: {
        "ChangeRepositories": "ecr:BatchDeleteImage ecr:ListImages",
        "EmptyBucket": "s3:DeleteObjectVersion",
        "ListState": "s3:GetBucketLocation s3:ListBucket",
        "ListVersions": "s3:ListBucketVersions",
        "ReadState": "s3:GetObject",
        "ResultsKey": "kms:Decrypt kms:GenerateDataKey",
        "StateKey": "kms:Decrypt kms:Encrypt",
        "WriteState": "s3:DeleteObject s3:GetObject s3:PutObject",
    },
    OTHER_WAY: {"Api": "apigateway:PUT"},
}

# Actions that the reference names as parts of a call, and that the role `deploy` lacks.
DEPENDENT = {
    "billing:GetBillingViewData": "of budgets of a billing view",
    "cloudfront:CreateConnectionGroup": "of distributions with several tenants",
    "lambda:PassCapacityProvider": "of functions with a capacity provider",
}


def remaining(findings: Iterable[object], excuses: dict[str, tuple[str, ...]]) -> list[str]:
    """Returns the findings without an excuse, and the excuses without a finding."""
    texts = sorted({str(one) for one in findings})
    patterns = [pattern for one in excuses.values() for pattern in one]
    return [
        *(text for text in texts if not any(fnmatchcase(text, pattern) for pattern in patterns)),
        *(f"obsolete excuse: {one}" for one in patterns if not any(fnmatchcase(text, one) for text in texts)),
    ]
