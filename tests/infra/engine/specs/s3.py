"""S3: buckets, their settings, and objects."""

from typing import Any
from urllib.parse import urlencode

from tests.infra.engine.assets import content
from tests.infra.engine.cloud import HOME
from tests.infra.engine.kinds import ID, From, Kind, Tagging, View, call, derived, given, look


def _empty(client: Any, view: View) -> None:
    """Deletes all versions of all objects, for `forceDestroy`."""
    if not view["forceDestroy"]:
        return
    for page in client.get_paginator("list_object_versions").paginate(Bucket=view.id):
        for found in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            client.delete_object(Bucket=view.id, Key=found["Key"], VersionId=found["VersionId"])


def _place(view: View) -> dict[str, str] | None:
    return None if view.region == HOME else {"LocationConstraint": view.region}


def _setting(
    put: str, get: str, member: str, takes: str, value: From, at: str = "@", *, delete: str, **more: Any
) -> Kind:
    """Returns the kind of a bucket's setting, which one call makes and changes."""
    write = call(put, Bucket=given("bucket"), **{member: value})
    return Kind(
        service="s3",
        create=(write,),
        id=given("bucket"),
        read=(look(get, at, Bucket=ID),),
        delete=(call(delete, Bucket=ID),),
        replaces="bucket",
        updates={takes: (write,)},
        **more,
    )


def _public_access(view: View) -> dict[str, bool]:
    flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    return {flag: view.inputs.get(flag, False) for flag in flags}


def _with_filter(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns rules with an explicit filter, which rules for the whole bucket require."""
    whole = {"filter": {"prefix": ""}}
    return {"rules": [rule if rule.get("filter") or rule.get("prefix") else rule | whole for rule in rules]}


BODIES = (derived("content", str.encode), derived("source", content))
PUT_OBJECT = call(
    "PutObject",
    "bucket key contentType cacheControl",
    Body=lambda view: next((found for found in (one(view) for one in BODIES) if found is not None), None),
    Tagging=lambda view: urlencode(sorted(view.tags.items())) or None,
)
OBJECT = {"Bucket": given("bucket"), "Key": given("key")}

OBJECT_KIND = Kind(
    service="s3",
    create=(PUT_OBJECT,),
    id=given("key"),
    read=(look("HeadObject", "@", **OBJECT),),
    delete=(call("DeleteObject", **OBJECT),),
    replaces="bucket key",
    updates={"content source contentType cacheControl": (PUT_OBJECT,)},
    seen_as={"source": "null"},
    outputs={
        "arn": lambda view, seen: f"arn:{view.partition}:s3:::{view['bucket']}/{view.id}",
        "etag": lambda view, seen: seen["ETag"].strip('"'),
        "versionId": "VersionId",
    },
    tagging=Tagging(
        add=call("PutObjectTagging", **OBJECT, Tagging=lambda view: {"TagSet": view.inputs["tagsAll"]}),
        remove=call("DeleteObjectTagging", **OBJECT),
        look=look("GetObjectTagging", "TagSet", **OBJECT),
        at="@",
        whole=True,
    ),
)

KINDS = {
    "aws:s3/bucket:Bucket": Kind(
        service="s3",
        create=(
            call(
                "CreateBucket",
                "bucket",
                CreateBucketConfiguration=_place,
            ),
            call(
                "PutBucketTagging",
                Bucket=ID,
                Tagging=lambda view: {"TagSet": view.tags},
                when=lambda view: bool(view.tags),
            ),
        ),
        id=given("bucket"),
        read=(look("HeadBucket", "@", Bucket=ID),),
        delete=(call("DeleteBucket", Bucket=ID),),
        replaces="bucket",
        local="forceDestroy",
        outputs={
            "arn": lambda view, seen: f"arn:{view.partition}:s3:::{view.id}",
            "bucketDomainName": lambda view, seen: f"{view.id}.s3.amazonaws.com",
            "bucketRegionalDomainName": lambda view, seen: f"{view.id}.s3.{view.region}.amazonaws.com",
        },
        auto_name="bucket",
        lower_case=True,
        empties=_empty,
        tagging=Tagging(
            add=call("PutBucketTagging", Bucket=ID, Tagging=lambda view: {"TagSet": view.inputs["tagsAll"]}),
            remove=call("DeleteBucketTagging", Bucket=ID),
            look=look("GetBucketTagging", "TagSet", Bucket=ID),
            at="@",
            whole=True,
        ),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _setting(
        "PutBucketPolicy", "GetBucketPolicy", "Policy", "policy", given("policy"), delete="DeleteBucketPolicy"
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _setting(
        "PutPublicAccessBlock",
        "GetPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets",
        _public_access,
        at="PublicAccessBlockConfiguration",
        delete="DeletePublicAccessBlock",
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _setting(
        "PutBucketEncryption",
        "GetBucketEncryption",
        "ServerSideEncryptionConfiguration",
        "rules",
        derived("rules", lambda rules: {"rules": rules}),
        at="ServerSideEncryptionConfiguration",
        delete="DeleteBucketEncryption",
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _setting(
        "PutBucketLifecycleConfiguration",
        "GetBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        "rules",
        derived("rules", _with_filter),
        delete="DeleteBucketLifecycle",
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _setting(
        "PutBucketOwnershipControls",
        "GetBucketOwnershipControls",
        "OwnershipControls",
        "rule",
        derived("rule", lambda rule: {"rules": [rule]}),
        at="OwnershipControls",
        delete="DeleteBucketOwnershipControls",
        seen_as={"rule": "Rules[0]"},
    ),
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": _setting(
        "PutBucketCors",
        "GetBucketCors",
        "CORSConfiguration",
        "corsRules",
        derived("corsRules", lambda rules: {"CORSRules": rules}),
        delete="DeleteBucketCors",
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": OBJECT_KIND,
}
