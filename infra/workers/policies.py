"""The rights of a worker, and of ECS on its behalf. A run needs each statement."""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.permissions.statements import ANY, Document, Statement, allow, deny, document
from infra.place import Place
from infra.registry.cache_policies import IMPORT
from infra.registry.images import Image
from infra.registry.private import PULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results bucket. `key` is empty with S3's own keys."""

    bucket: str
    region: str
    key: str = ""


def worker_policy(place: Place, results: Results, secrets: Iterable[str], secret_keys: Iterable[str]) -> Document:
    """Returns the workers' rights: read runs, add new files to them, read the secrets that the stack lists.

    Only workers read `given/`, the values that a run's setup gives to all of them.
    """
    bucket = f"arn:{place.partition}:s3:::{results.bucket}"
    statements = [
        allow("ReadRuns", ["s3:GetObject"], [f"{bucket}/runs/*", f"{bucket}/given/*"]),
        # without this right, S3 answers a missing start file as forbidden
        allow("ListRuns", ["s3:ListBucket"], [bucket], condition={"StringLike": {"s3:prefix": ["given/*", "runs/*"]}}),
        # only with If-None-Match: a worker can overwrite no results, not even its own
        allow(
            "AddResults",
            ["s3:PutObject"],
            [f"{bucket}/runs/*/workers/*", f"{bucket}/given/*"],
            condition={"Null": {"s3:if-none-match": "false"}},
        ),
        # `*` also matches slashes, so the pattern above covers a suite's folder `workers/`
        deny("LeaveSuites", ["s3:PutObject"], [f"{bucket}/runs/*/suite/*"]),
        # and the announcements of agents
        deny("LeaveAgents", ["s3:PutObject"], [f"{bucket}/runs/agents/*"]),
    ]
    if results.key:
        through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{results.region}.{place.suffix}"}}
        statements.append(allow("Encrypt", ["kms:Decrypt", "kms:GenerateDataKey"], [results.key], condition=through_s3))
    return document([*statements, *secret_statements(place, secrets, secret_keys)])


def execution_policy(place: Place, images: Iterable[Image], log_group: str, secret_keys: Iterable[str]) -> Document:
    """Returns the rights of ECS to start a worker: pull these images, log in to registries, write this log group."""
    found = list(images)
    pulled = [image.repository_arn for image in found if image.repository_arn]
    cached = [image.repository_arn for image in found if image.repository_arn and image.cache]
    statements = [
        allow("LogIn", ["ecr:GetAuthorizationToken"], ANY),  # no resource-level permissions
        allow("Pull", PULL, pulled),
        allow("Import", IMPORT, cached),
        allow(
            "Log",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [place.arn("logs", f"log-group:{log_group}:log-stream:*")],
        ),
    ]
    needed = [one for one in statements if one.get("Resource")]
    logins = [one.credentials for one in found if one.credentials]
    return document([*needed, *secret_statements(place, logins, secret_keys)])


def secret_statements(place: Place, secrets: Iterable[str], keys: Iterable[str]) -> list[Statement]:
    """Returns the rights to read these secrets and, with customer keys, to decrypt only them."""
    arns = sorted(set(secrets))
    if not arns:
        return []
    read = allow("ReadSecrets", ["secretsmanager:GetSecretValue"], arns)
    used = sorted(set(keys))
    if not used:
        return [read]
    regions = sorted({arn.split(":")[3] for arn in arns})
    condition = {
        "StringEquals": {
            "kms:EncryptionContext:SecretARN": arns,
            "kms:ViaService": [f"secretsmanager.{region}.{place.suffix}" for region in regions],
        }
    }
    return [read, allow("DecryptSecrets", ["kms:Decrypt"], used, condition=condition)]
