"""Rights of the role `deploy` that no tested life of a stack uses: by reason and statement."""

READ_BY_THE_PROVIDER = "Pulumi's AWS provider reads it with the resource; the tests' provider reads less"
CHANGED_BY_HAND = "repairs manual changes, or sets a value that a later version of the program may change"
NOT_ASKED_HERE = "AWS requires it and the embedded cloud does not: for a service, or as a part of another call"
OF_CONTENT = "only for a stack with content or state that the tests do not have: images, results, Pulumi's own bucket"
OF_CHOICE = "only for a setting that the tests do not use: a credential that an operator fills later"

_READ_BUCKET = (
    "s3:GetAccelerateConfiguration s3:GetBucketAcl s3:GetBucketLocation s3:GetBucketLogging "
    "s3:GetBucketObjectLockConfiguration s3:GetBucketRequestPayment s3:GetBucketVersioning s3:GetBucketWebsite "
    "s3:GetReplicationConfiguration s3:ListTagsForResource"
)
EXCUSED: dict[str, dict[str, str]] = {
    READ_BY_THE_PROVIDER: {
        "ReadNetwork": "ec2:DescribeAddressesAttribute ec2:DescribeNetworkAcls ec2:DescribeNetworkInterfaces",
        "ReadSecrets": "secretsmanager:ListSecretVersionIds",
        "ReadRoles": "iam:ListInstanceProfilesForRole iam:ListRolePolicies",
        "ReadPolicies": "iam:GetPolicyVersion",
        "ReadBucket": _READ_BUCKET,
        "ReadConsoleBucket": f"{_READ_BUCKET} s3:GetBucketCORS s3:GetLifecycleConfiguration",
        "ReadFunction": "lambda:GetFunctionCodeSigningConfig lambda:GetFunctionConfiguration "
        "lambda:ListTags lambda:ListVersionsByFunction",
        "ReadSiteParts": "cloudfront:GetOriginAccessControlConfig cloudfront:GetResponseHeadersPolicyConfig",
        "ReadUserPools": "cognito-idp:DescribeManagedLoginBrandingByClient",
        "ReadTopic": "sns:ListSubscriptionsByTopic",
        "ReadQueue": "sqs:GetQueueUrl",
    },
    CHANGED_BY_HAND: {
        "ChangeRepositories": "ecr:PutImageScanningConfiguration ecr:PutImageTagMutability",
        "Registry": "ecr:UpdatePullThroughCacheRule",
        "Api": "apigateway:PATCH apigateway:PUT",
        "Cluster": "ecs:UpdateCluster",
        "ConsoleLogs": "logs:DeleteRetentionPolicy",
        "Function": "lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration",
        "SiteParts": "cloudfront:UpdateOriginAccessControl cloudfront:UpdateResponseHeadersPolicy",
        "UserPools": "cognito-idp:UpdateGroup cognito-idp:UpdateManagedLoginBranding cognito-idp:UpdateUserPool "
        "cognito-idp:UpdateUserPoolClient cognito-idp:UpdateUserPoolDomain",
        "Logs": "logs:AssociateKmsKey logs:DeleteRetentionPolicy logs:DisassociateKmsKey",
        "Secrets": "secretsmanager:UpdateSecret secretsmanager:UpdateSecretVersionStage",
        "Firewall": "route53resolver:UpdateFirewallRule route53resolver:UpdateFirewallRuleGroupAssociation",
        "ChangeNetwork": "ec2:ModifySecurityGroupRules ec2:ModifySubnetAttribute ec2:ModifyVpcEndpoint "
        "ec2:ReplaceRoute ec2:UpdateSecurityGroupRuleDescriptionsEgress",
        "ChangeKeys": "kms:DisableKeyRotation kms:UpdateKeyDescription",
        "Aliases": "kms:UpdateAlias",
        "AliasesOfKeys": "kms:UpdateAlias",
        "Provider": "iam:AddClientIDToOpenIDConnectProvider iam:RemoveClientIDFromOpenIDConnectProvider "
        "iam:UpdateOpenIDConnectProviderThumbprint",
        "Topic": "sns:SetTopicAttributes",
        "Queue": "sqs:SetQueueAttributes",
        "WriteRoles": "iam:UpdateAssumeRolePolicy iam:UpdateRole iam:UpdateRoleDescription",
    },
    NOT_ASKED_HERE: {
        "CreateRepositories": "ecr:TagResource",
        "CreateKeys": "kms:TagResource",
        "ApiServiceRole": "iam:CreateServiceLinkedRole",
        "Bucket": "s3:TagResource s3:UntagResource",
        "ConsoleBucket": "s3:TagResource s3:UntagResource",
        "ConsoleSchedules": "scheduler:DeleteSchedule",
        "AliasesOfKeys": "kms:DeleteAlias",
        "ChangeNetwork": "ec2:DisassociateAddress",
        "Grants": "kms:CreateGrant",
        "OldGrants": "kms:RetireGrant",
        "PrivateNames": "route53:AssociateVPCWithHostedZone",
        "ResultsKey": "kms:Decrypt kms:GenerateDataKey",
        "HandRolesToEvents": "iam:PassRole",
        "ServiceRoles": "iam:CreateServiceLinkedRole",
    },
    OF_CONTENT: {
        "ChangeRepositories": "ecr:BatchDeleteImage ecr:ListImages",
        "EmptyBucket": "s3:DeleteObject s3:DeleteObjectVersion",
        "ListState": "s3:GetBucketLocation s3:ListBucket",
        "WriteState": "s3:DeleteObject s3:GetObject s3:PutObject",
    },
    OF_CHOICE: {"ReadUnnamed": "secretsmanager:ListSecrets"},
}


def excused() -> set[tuple[str, str]]:
    """Returns pairs of statement and action."""
    return {
        (sid, action) for reason in EXCUSED.values() for sid, actions in reason.items() for action in actions.split()
    }
