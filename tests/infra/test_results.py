"""The results bucket: rights, retention and encryption."""

from typing import Any

import pytest

from infra.hub.results import bucket_policy, encryption_rule, key_policy, lifecycle_rules
from infra.permissions.statements import render
from infra.rules import reasons
from infra.settings.hub import Retention
from tests.infra.scopes import ACCOUNT, KEY

BUCKET = "toril-123456789012-us-east-1"


def policy():
    return {one["Sid"]: one for one in bucket_policy(BUCKET, "aws")["Statement"]}


def test_requests_without_tls_are_denied_for_the_bucket_and_its_objects():
    assert policy()["TlsOnly"]["Resource"] == [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    text = render(bucket_policy(BUCKET, "aws"))
    assert reasons("aws:s3/bucketPolicy:BucketPolicy", {"policy": text, "region": "us-east-1"}) == []


def test_the_buckets_policy_allows_nothing():
    assert {one["Effect"] for one in policy().values()} == {"Deny"}


def test_workers_files_cannot_be_overwritten_but_the_lease_can():
    denied = policy()["WorkersWriteOnce"]
    assert denied["Resource"] == [f"arn:aws:s3:::{BUCKET}/runs/*/workers/*/*/*"]
    assert denied["Principal"] == {"AWS": "*"}
    assert denied["Condition"]["Null"] == {"s3:if-none-match": "true"}


def test_a_multipart_upload_is_checked_at_its_completion():
    assert policy()["WorkersWriteOnce"]["Condition"]["BoolIfExists"] == {"s3:ObjectCreationOperation": "true"}


def test_uploads_expire_first_then_runs_then_their_history_but_deployments_and_suites_never():
    found: list[Any] = [*lifecycle_rules(Retention(runs=30, history=400))]
    assert {one["filter"]["prefix"]: one["expiration"]["days"] for one in found if "expiration" in one} == {
        "given/": 1,
        "uploads/": 1,
        "requests/": 30,
        "runs/": 30,
        "audit/": 400,
        "bisect/": 400,
        "events/": 400,
        "history/": 400,
        "index/": 400,
        "notes/": 400,
    }


def test_interrupted_uploads_expire_everywhere():
    (one,) = [rule for rule in lifecycle_rules(Retention()) if "abort_incomplete_multipart_upload" in rule]
    assert one["filter"] == {"prefix": ""}
    assert one["abort_incomplete_multipart_upload"] == {"days_after_initiation": 1}


@pytest.mark.parametrize(("key", "algorithm"), [("", "AES256"), (KEY, "aws:kms")])
def test_encryption_uses_a_bucket_key(key, algorithm):
    rule = encryption_rule(key)
    by_default = {"sse_algorithm": algorithm, **({"kms_master_key_id": key} if key else {})}
    assert rule == {"apply_server_side_encryption_by_default": by_default, "bucket_key_enabled": bool(key)}


def test_the_keys_policy_lists_actions_for_roles_of_the_account():
    found = key_policy("aws", ACCOUNT)
    assert reasons("aws:kms/key:Key", {"policy": render(found), "region": "us-east-1"}) == []
    assert [one["Principal"] for one in found["Statement"]] == [{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}]
