"""Findings of the judges that stay, by reason. A pattern is of a finding's whole text; `*` stands for any text."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

AUTHORISED_SO = (
    "the reference has no resource type, and the service authorises the call on this one, as its errors show"
)
OLDER_HALF = "API Gateway's tags are in the half of its reference for version 1; both have the same names of actions"
AWS_EXAMPLE = "CloudWatch Logs user guide, the example of a key policy"
MENDED_SOON = "wrong, and not mended yet"

REFERENCE = {
    AUTHORISED_SO: (
        "no such resource: *-console NewDistributions: cloudfront:CreateDistribution *",
        "no such resource: *-console SiteParts: cloudfront:CreateOriginAccessControl *",
        "no such resource: *-console SiteParts: cloudfront:CreateResponseHeadersPolicy *",
        "no such resource: * ListLogs: logs:DescribeLogGroups *",
    ),
    OLDER_HALF: ("useless resource: *Api: *::/tags/[*]",),
    AWS_EXAMPLE: (
        "unsupported condition key: kms/key:Key * Logs: kms:DescribeKey has no kms:EncryptionContext:aws:logs:arn",
        "wrong operator: kms/key:Key * Logs: kms:EncryptionContext:aws:logs:arn is of type String: ArnEquals *",
    ),
    MENDED_SOON: (
        "no such resource: *-deploy-hub Rules: events:PutPermission *",
        "no such resource: *-deploy-hub Rules: events:RemovePermission *",
        "unsupported condition key: *-deploy-hub Grants: kms:RetireGrant *",
        "wrong operator: * SendEvents: events:source is of type ArrayOfString: StringEquals *",
    ),
}


def remaining(findings: Iterable[object], excuses: dict[str, tuple[str, ...]]) -> list[str]:
    """Returns the findings without an excuse, and the excuses without a finding."""
    texts = sorted({str(one) for one in findings})
    patterns = [pattern for one in excuses.values() for pattern in one]
    return [
        *(text for text in texts if not any(fnmatchcase(text, pattern) for pattern in patterns)),
        *(f"obsolete excuse: {one}" for one in patterns if not any(fnmatchcase(text, one) for text in texts)),
    ]
