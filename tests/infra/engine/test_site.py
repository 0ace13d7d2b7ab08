"""A site under the real engine: made, served, unchanged by a second update, and gone."""

import json

import pytest

from tests.cloud.web import web
from tests.infra.engine.site import KEY, REGION, RESOURCES, main

pytestmark = pytest.mark.live


def test_a_site_is_served_changes_nothing_twice_and_leaves_nothing(pulumi, cloud):
    stack = pulumi.stack("site", program=main)
    assert stack.preview() == {"create": RESOURCES}
    assert stack.up() == {"create": RESOURCES}
    assert stack.up() == {"same": RESOURCES}
    assert stack.refresh() == {"same": RESOURCES}
    outputs = stack.outputs()
    with web(cloud) as browser:
        seen = browser.get(f"{outputs['address']}/a")
        assert seen.json() == {"path": "/a", "secret": "s3cr3t", "key": len(KEY)}
        assert seen.headers["x-content-type-options"] == "nosniff"
        assert browser.get(f"{outputs['address']}/static/1a/app.css").text == "body {}"
        assert browser.get(f"{outputs['endpoint']}/a").json()["secret"] is None
        found = browser.get(f"{outputs['issuer']}/.well-known/openid-configuration").json()
        asked = {
            "client_id": outputs["client"],
            "response_type": "code",
            "redirect_uri": f"{outputs['address']}/callback",
        }
        assert browser.get(found["authorization_endpoint"], params=asked, follow_redirects=True).status_code == 200
    assert_no_secret(stack, pulumi, cloud)
    assert stack.destroy() == {"delete": RESOURCES}
    assert cloud.client("apigatewayv2", REGION).get_apis()["Items"] == []
    assert cloud.client("lambda", REGION).list_functions()["Functions"] == []
    assert cloud.client("cloudfront").list_distributions()["DistributionList"]["Quantity"] == 0
    assert cloud.client("cognito-idp", REGION).list_user_pools(MaxResults=10)["UserPools"] == []
    assert cloud.client("ssm", REGION).describe_parameters()["Parameters"] == []
    assert cloud.client("s3", REGION).list_buckets()["Buckets"] == []


def assert_no_secret(stack, pulumi, cloud):
    """Neither the parameter's value nor the client's secret is readable in the state."""
    (pool,) = cloud.client("cognito-idp", REGION).list_user_pools(MaxResults=10)["UserPools"]
    client = cloud.client("cognito-idp", REGION).describe_user_pool_client(
        UserPoolId=pool["Id"], ClientId=stack.outputs()["client"]
    )
    state = "".join(path.read_text() for path in (pulumi.home / "state").rglob("*.json"))
    assert "/toril/site/key" in state
    for secret in (KEY, client["UserPoolClient"]["ClientSecret"]):
        assert secret not in state
        assert secret not in json.dumps(stack.export())
