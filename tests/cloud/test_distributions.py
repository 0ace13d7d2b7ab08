"""CloudFront distributions, as their visitors see them: an API, and files that only the distribution may read."""

import json

import pytest

from tests.cloud.embedded import ACCOUNT
from tests.cloud.pages import REGION, make_api, make_function
from tests.cloud.refused import refused
from tests.cloud.web import web

pytestmark = pytest.mark.live
CACHED, NOT_CACHED = "658327ea-f89d-4fab-a63d-7e88639e58f6", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
EVERY_METHOD = ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"]
BUCKET = "toril-static"


def items(found):
    return {"Quantity": len(found), "Items": found}


def behaviour(origin, methods, cache, **more):
    return {
        "TargetOriginId": origin,
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": {**items(methods), "CachedMethods": items(["HEAD", "GET"])},
        "CachePolicyId": cache,
        "Compress": True,
        **more,
    }


def make_distribution(cloud, api):
    """Makes a distribution for the API, and the files of a bucket below /static/. Returns it."""
    cloudfront = cloud.client("cloudfront")
    signed = {"SigningProtocol": "sigv4", "SigningBehavior": "always", "OriginAccessControlOriginType": "s3"}
    control = cloudfront.create_origin_access_control(OriginAccessControlConfig={"Name": "static", **signed})
    hsts = {"Override": True, "AccessControlMaxAgeSec": 31_536_000, "IncludeSubdomains": True}
    policy = cloudfront.create_response_headers_policy(
        ResponseHeadersPolicyConfig={
            "Name": "console",
            "SecurityHeadersConfig": {
                "StrictTransportSecurity": hsts,
                "ContentTypeOptions": {"Override": True},
                "FrameOptions": {"Override": True, "FrameOption": "DENY"},
                "ReferrerPolicy": {"Override": True, "ReferrerPolicy": "same-origin"},
                "ContentSecurityPolicy": {"Override": False, "ContentSecurityPolicy": "default-src 'self'"},
            },
        }
    )["ResponseHeadersPolicy"]["Id"]
    of_api = {
        "Id": "api",
        "DomainName": api.removeprefix("https://"),
        "CustomHeaders": items([{"HeaderName": "x-origin-secret", "HeaderValue": "s3cr3t"}]),
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
    }
    of_files = {
        "Id": "files",
        "DomainName": f"{BUCKET}.s3.{REGION}.amazonaws.com",
        "OriginAccessControlId": control["OriginAccessControl"]["Id"],
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    more = {"ResponseHeadersPolicyId": policy}
    return cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": "1",
            "Comment": "",
            "Enabled": True,
            "Aliases": items(["console.example.org"]),
            "Origins": items([of_api, of_files]),
            "DefaultCacheBehavior": behaviour(
                "api", EVERY_METHOD, NOT_CACHED, OriginRequestPolicyId=ALL_BUT_HOST, **more
            ),
            "CacheBehaviors": items(
                [{**behaviour("files", ["HEAD", "GET"], CACHED, **more), "PathPattern": "/static/*"}]
            ),
        }
    )["Distribution"]


def make_bucket(cloud, distribution):
    s3 = cloud.client("s3", REGION)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    immutable = "public, max-age=31536000, immutable"
    s3.put_object(
        Bucket=BUCKET, Key="static/1a/app.css", Body=b"body {}", ContentType="text/css", CacheControl=immutable
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution["ARN"]}},
    }
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


@pytest.fixture
def site(strict):
    """Returns the address of a distribution, and its API's."""
    api = make_api(strict, make_function(strict))
    distribution = make_distribution(strict, api)
    make_bucket(strict, distribution)
    return f"https://{distribution['DomainName']}", api


def test_the_api_sees_its_own_host_and_the_secret_header(strict, site):
    address, api = site
    with web(strict) as client:
        forged = {"x-origin-secret": "forged", "cookie": "session=1"}
        answer = client.post(f"{address}/a/b?q=1", headers=forged, content=b"{}")
        event = answer.json()["event"]
    assert event["headers"]["host"] == api.removeprefix("https://")
    assert event["headers"]["x-origin-secret"] == "s3cr3t"
    assert event["headers"]["via"].endswith("(CloudFront)")
    assert (event["rawPath"], event["rawQueryString"], event["cookies"]) == ("/a/b", "q=1", ["session=1"])
    assert event["body"]


def test_files_come_from_the_bucket_and_to_the_distribution_alone(strict, site):
    address, _ = site
    with web(strict) as client:
        answer = client.get(f"{address}/static/1a/app.css")
        assert (answer.status_code, answer.text) == (200, "body {}")
        assert answer.headers["content-type"] == "text/css"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert client.get(f"{address}/static/missing.css").status_code == 403
        assert client.post(f"{address}/static/1a/app.css").status_code == 403
        assert client.get(f"https://{BUCKET}.s3.{REGION}.amazonaws.com/static/1a/app.css").status_code == 403


def test_every_answer_has_the_policys_headers(strict, site):
    address, _ = site
    with web(strict) as client:
        for path in ("/", "/static/1a/app.css"):
            headers = client.get(f"{address}{path}").headers
            assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["content-security-policy"] == "default-src 'self'"
        assert client.get(f"{address}/picture").content == bytes(range(256))
        assert len(client.cookies) == 2


def test_a_distribution_answers_by_its_alias_until_it_is_disabled(strict, site):
    cloudfront = strict.client("cloudfront")
    (found,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    with web(strict) as client:
        assert client.get("https://console.example.org/").status_code == 200
        config = cloudfront.get_distribution_config(Id=found["Id"])
        with refused("DistributionNotDisabled"):
            cloudfront.delete_distribution(Id=found["Id"], IfMatch=config["ETag"])
        disabled = {**config["DistributionConfig"], "Enabled": False}
        cloudfront.update_distribution(Id=found["Id"], IfMatch=config["ETag"], DistributionConfig=disabled)
        assert client.get("https://console.example.org/").status_code == 403


def test_the_embedded_cloud_reaches_no_other_host(strict):
    distribution = make_distribution(strict, "https://example.org")
    with web(strict) as client:
        assert client.get(f"https://{distribution['DomainName']}/").status_code == 502


def test_a_distribution_belongs_to_the_account_number(strict, site):
    (found,) = strict.client("cloudfront").list_distributions()["DistributionList"]["Items"]
    assert found["ARN"] == f"arn:aws:cloudfront::{ACCOUNT}:distribution/{found['Id']}"
