"""Uploads and downloads that somebody without credentials does with a signed request, and rules of other origins."""

import boto3
import pytest
from botocore.config import Config

from tests.cloud.tasks import role
from tests.cloud.web import web

pytestmark = pytest.mark.live
REGION, BUCKET = "eu-west-1", "toril-store"
ORIGIN = "https://console.example.org"
CONDITIONS = [["content-length-range", 1, 10], ["starts-with", "$key", "uploads/n0nce/"]]


@pytest.fixture
def signing(strict):
    """Returns a client of a role that may write uploads and read results, with AWS' own address in its signatures."""
    s3 = strict.client("s3", REGION)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="runs/1/report.html", Body=b"<p>")
    arn = f"arn:aws:s3:::{BUCKET}"
    statements = [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{arn}/uploads/*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/runs/*"},
    ]
    granted = strict.assume(role(strict, "signer", statements, {"AWS": f"arn:aws:iam::{strict.account}:root"}))
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=f"https://s3.{REGION}.amazonaws.com",
        aws_access_key_id=granted.access_key,
        aws_secret_access_key=granted.secret_key,
        aws_session_token=granted.token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    )


def upload(browser, signed, key="uploads/n0nce/a.zip", content=b"12345", **more):
    fields = {**signed["fields"], "key": key, **more}
    return browser.post(signed["url"], data=fields, files={"file": ("a.zip", content)})


def test_an_upload_keeps_the_signed_conditions(strict, signing):
    signed = signing.generate_presigned_post(BUCKET, "uploads/n0nce/${filename}", Conditions=CONDITIONS, ExpiresIn=60)
    assert signed["url"] == f"https://{BUCKET}.s3.{REGION}.amazonaws.com/"
    with web(strict) as browser:
        assert upload(browser, signed).status_code == 204
        for wrong in (
            {"content": b"x" * 11},
            {"content": b""},
            {"key": "uploads/other/a"},
            {"x-amz-signature": "0" * 64},
        ):
            assert upload(browser, signed, **wrong).status_code in (400, 403), wrong
        assert upload(browser, signed, acl="public-read").status_code == 403  # an unsigned field
    found = strict.client("s3", REGION).list_objects_v2(Bucket=BUCKET, Prefix="uploads/")["Contents"]
    assert [one["Key"] for one in found] == ["uploads/n0nce/a.zip"]


def test_an_upload_has_no_more_rights_than_who_signed_it(strict, signing):
    signed = signing.generate_presigned_post(BUCKET, "runs/1/x", ExpiresIn=60)
    with web(strict) as browser:
        assert upload(browser, signed, key="runs/1/x").status_code == 403


def test_signatures_expire(strict, signing):
    signed = signing.generate_presigned_post(BUCKET, "uploads/a", ExpiresIn=-1)
    address = {"Bucket": BUCKET, "Key": "runs/1/report.html"}
    with web(strict) as browser:
        assert upload(browser, signed, key="uploads/a").status_code == 403
        link = signing.generate_presigned_url("get_object", Params=address, ExpiresIn=60)
        assert browser.get(link).text == "<p>"
        assert browser.get(link.replace("report.html", "other.html")).status_code == 403
        assert browser.get(link.partition("?")[0]).status_code == 403
        assert browser.put(link, content=b"x").status_code == 403
        old = link.replace("X-Amz-Expires=60", "X-Amz-Expires=600000000")
        assert browser.get(old).status_code in (400, 403)


def test_only_allowed_origins_may_upload_from_a_page(strict, signing):
    s3 = strict.client("s3", REGION)
    rule = {"AllowedOrigins": [ORIGIN], "AllowedMethods": ["POST"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 60}
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    signed = signing.generate_presigned_post(BUCKET, "uploads/n0nce/${filename}", Conditions=CONDITIONS, ExpiresIn=60)
    asking = {"access-control-request-method": "POST"}
    with web(strict) as browser:
        allowed = browser.options(signed["url"], headers={"origin": ORIGIN, **asking})
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert browser.options(signed["url"], headers={"origin": "https://example.com", **asking}).status_code == 403
        put = {"origin": ORIGIN, "access-control-request-method": "PUT"}
        assert browser.options(signed["url"], headers=put).status_code == 403
    assert s3.get_bucket_cors(Bucket=BUCKET)["CORSRules"] == [rule]
