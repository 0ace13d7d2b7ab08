"""Lambda functions and the HTTP APIs before them, as their clients see them."""

import time

import pytest

from tests.cloud.embedded import ACCOUNT
from tests.cloud.pages import REGION, make_api, make_function, zipped
from tests.cloud.proxy import aws_proxy
from tests.cloud.refused import refused
from tests.cloud.web import web

pytestmark = pytest.mark.live
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::toril-store/*"}
LOG = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}


def test_a_request_reaches_the_function_in_payload_format_2(cloud):
    api = make_api(cloud, make_function(cloud))
    with web(cloud) as client:
        asked = {"x-one": "1", "cookie": "session=s; other=o"}
        body = client.post(f"{api}/logout/a%20b?q=1&q=2&e=", headers=asked, json={"a": 1}).json()
        event = body["event"]
        assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/logout/a b")
        assert (event["rawQueryString"], event["queryStringParameters"]) == ("q=1&q=2&e=", {"q": "1,2", "e": ""})
        assert event["cookies"] == ["session=s", "other=o"]
        assert "cookie" not in event["headers"]
        assert event["headers"]["x-one"] == "1"
        assert event["headers"]["host"] == event["requestContext"]["domainName"] == api.removeprefix("https://")
        assert event["headers"]["x-forwarded-proto"] == "https"
        assert (event["body"], event["isBase64Encoded"]) == ('{"a":1}', False)
        assert body["colour"] == "green"
        posted = client.post(f"{api}/", content=b"\x00\xff", headers={"content-type": "application/zip"}).json()
        assert (posted["event"]["body"], posted["event"]["isBase64Encoded"]) == ("AP8=", True)


def test_a_function_has_its_own_environment_and_nothing_of_the_machines(cloud):
    variables = {"TORIL_STORE": "s3://toril-store"}
    api = make_api(cloud, make_function(cloud, Environment={"Variables": variables}))
    with web(cloud) as client:
        seen = client.get(api).json()["environment"]
    wanted = {
        "AWS_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": "console",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "TZ": ":UTC",
        **variables,
    }
    assert wanted.items() <= seen.items()
    assert not {"AUTH", "GATEWAY_PORT", "MINISTACK_HOST", "HOME"} & seen.keys()


def test_binary_answers_and_several_cookies_arrive(cloud):
    api = make_api(cloud, make_function(cloud))
    with web(cloud) as client:
        answer = client.get(f"{api}/picture")
        assert answer.content == bytes(range(256))
        assert answer.headers["content-type"] == "image/png"
        assert dict(client.cookies) == {"a": "1", "b": "2"}


def test_a_failure_shows_no_details_and_limits_have_their_status(cloud):
    api = make_api(cloud, make_function(cloud))
    with web(cloud) as client:
        failed = client.get(f"{api}/fails")
        assert (failed.status_code, failed.json()) == (500, {"message": "Internal Server Error"})
        assert "ValueError: a secret" in cloud.function_failures()[0]
        assert client.post(api, content=b"x" * (10 * 1024 * 1024 + 1)).status_code == 413
        zipped_up = client.post(api, content=b"x" * 5_000_000, headers={"content-type": "application/zip"})
        assert zipped_up.status_code == 413  # as base64, it is more than a function takes
        assert client.get(api, headers={"x-long": "x" * 11_000}).status_code == 431
        assert client.get(f"https://00000000.execute-api.{REGION}.amazonaws.com/").status_code == 404


def test_a_function_that_does_not_start_shows_why_to_its_owner_alone(cloud):
    api = make_api(cloud, make_function(cloud, code=zipped({"app.py": "import missing\n"})))
    with web(cloud) as client:
        assert client.get(api).json() == {"message": "Internal Server Error"}
    assert "No module named 'missing'" in cloud.function_failures()[0]
    logged = cloud.client("logs", REGION).filter_log_events(logGroupName="/aws/lambda/console")["events"]
    assert any("No module named 'missing'" in event["message"] for event in logged)


def test_a_function_that_takes_too_long_or_is_at_its_limit_is_unavailable(cloud):
    slow = zipped({"app.py": "import time\ndef handler(event, context):\n    time.sleep(2)\n"})
    api = make_api(cloud, make_function(cloud, code=slow))
    aws = cloud.client("apigatewayv2", REGION)
    (found,) = aws.get_apis()["Items"]
    (integration,) = aws.get_integrations(ApiId=found["ApiId"])["Items"]
    aws.update_integration(ApiId=found["ApiId"], IntegrationId=integration["IntegrationId"], TimeoutInMillis=200)
    with web(cloud) as client:
        assert client.get(api).status_code == 503
    cloud.client("lambda", REGION).put_function_concurrency(FunctionName="console", ReservedConcurrentExecutions=0)
    with web(cloud) as client:
        assert client.get(api).json() == {"message": "Service Unavailable"}


def test_a_stage_throttles_and_writes_its_access_log(cloud):
    logs = cloud.client("logs", REGION)
    logs.create_log_group(logGroupName="/toril/access")
    where = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/toril/access"
    api = make_api(
        cloud,
        make_function(cloud),
        DefaultRouteSettings={"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 2},
        AccessLogSettings={"DestinationArn": where, "Format": "$context.httpMethod $context.path $context.status"},
    )
    with web(cloud) as client:
        assert [client.get(f"{api}/a?b=c").status_code for _ in range(3)] == [200, 200, 429]
    events = logs.filter_log_events(logGroupName="/toril/access")["events"]
    assert [event["message"] for event in events] == ["GET /a 200", "GET /a 200", "GET /a 429"]


def test_new_code_and_variables_are_used_at_once(cloud):
    api, aws = make_api(cloud, make_function(cloud)), cloud.client("lambda", REGION)
    with web(cloud) as client:
        assert client.get(api).json()["colour"] == "green"
        code = zipped({"app.py": "def handler(event, context):\n    return {'statusCode': 201, 'body': 'new'}\n"})
        aws.update_function_code(FunctionName="console", ZipFile=code)
        assert (client.get(api).status_code, client.get(api).text) == (201, "new")


def test_a_function_acts_as_its_role_and_writes_its_log_if_that_may(strict):
    s3, logs = strict.client("s3", REGION), strict.client("logs", REGION)
    s3.create_bucket(Bucket="toril-store", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="toril-store", Key="secret", Body=b"42")
    logs.create_log_group(logGroupName="/toril/console")
    settings = {"LogFormat": "JSON", "LogGroup": "/toril/console"}
    api = make_api(strict, make_function(strict, READ, LOG, LoggingConfig=settings))
    with web(strict) as client:
        assert client.get(f"{api}/object").text == "42"
        strict.client("iam").delete_role_policy(RoleName="console", PolicyName="console")
        assert client.get(f"{api}/object").status_code == 500
    lines = [event["message"] for event in logs.filter_log_events(logGroupName="/toril/console")["events"]]
    assert lines.count("asked /object") == 1


def test_an_api_needs_the_functions_permission(strict):
    api = make_api(strict, make_function(strict), permitted=False)
    with web(strict) as client:
        assert client.get(api).status_code == 500


def test_a_function_reaches_aws_by_its_own_names_through_the_proxy(cloud):
    ask = (
        "import boto3\ndef handler(event, context):\n    return boto3.client('sts').get_caller_identity()['Account']\n"
    )
    api = make_api(cloud, make_function(cloud, code=zipped({"app.py": ask})))
    with aws_proxy(cloud) as proxy, web(cloud) as client:
        cloud.set_functions(**proxy.settings())
        assert client.get(api).text == ACCOUNT
        assert proxy.hosts == [f"sts.{REGION}.amazonaws.com"]


def test_a_function_needs_a_role_that_trusts_lambda_and_no_reserved_variables(strict):
    with refused("InvalidParameterValueException", "reserved keys: AWS_REGION"):
        make_function(strict, Environment={"Variables": {"AWS_REGION": "eu-west-1"}})
    strict.reset()
    with refused("InvalidParameterValueException"):
        make_function(strict, Role=f"arn:aws:iam::{ACCOUNT}:role/nobody")


def test_a_route_may_name_a_method_and_the_rest_of_a_path(strict):
    api = make_api(strict, make_function(strict), route="ANY /api/{proxy+}")
    with web(strict) as client:
        event = client.put(f"{api}/api/v1/runs").json()["event"]
        assert (event["routeKey"], event["pathParameters"]) == ("ANY /api/{proxy+}", {"proxy": "v1/runs"})
        assert client.get(f"{api}/other").status_code == 404


@pytest.mark.parametrize("path", ["/login", "/logout", "/oauth2/authorize", "/v2/", "/_ministack/health", "/health"])
def test_every_path_of_an_api_is_the_functions(cloud, path):
    api = make_api(cloud, make_function(cloud))
    with web(cloud) as client:
        assert client.get(f"{api}{path}").json()["event"]["rawPath"] == path


def test_a_warm_function_answers_quickly(cloud):
    api = make_api(cloud, make_function(cloud))
    with web(cloud) as client:
        client.get(api)
        ids = {client.get(api).json()["id"] for _ in range(3)}
        started = time.monotonic()
        client.get(api)
        assert time.monotonic() - started < 5  # seconds, on a crowded machine
    assert len(ids) == 3
