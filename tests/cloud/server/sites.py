"""What AWS serves by host name beside its APIs: HTTP APIs, distributions, and the login pages of user pools."""

import os
import re
from typing import Any
from urllib.parse import parse_qs

from ministack import app as gateway
from ministack.core.iam_evaluator import pin_request_origin
from ministack.services import cloudfront

from tests.cloud.server import apis, cognito
from tests.cloud.server.asgi import Receive, Scope, Send, body_of
from tests.cloud.server.gateway import Answer

API = re.compile(r"([a-f0-9]{8})\.execute-api\.[a-z0-9-]+\.amazonaws\.com")
LOCAL = re.compile(r"127\.0\.0\.1|localhost|.*\.amazonaws\.com(\.cn)?|.*\.api\.aws|.*\.on\.aws|public\.ecr\.aws|")
AWS_HOSTS = cloudfront._AWS_OWNED_HOST_SUFFIXES


def install() -> None:
    cloudfront._is_aws_owned_host = lambda host: False
    cloudfront._origin_connect_target = _origin


def _origin(origin: dict[str, Any], viewer_is_https: bool) -> tuple[str, int, bool]:
    """Returns the address of a distribution's origin: this cloud for AWS' names; no other host may be reached."""
    host = origin["domain_name"].lower()
    if host.endswith(AWS_HOSTS):
        return "127.0.0.1", int(os.environ["GATEWAY_PORT"]), False
    if host not in ("127.0.0.1", "localhost"):
        raise cloudfront.OriginUnreachable(f"the embedded cloud reaches no {host}")
    return host, origin["http_port"], False


def host_of(headers: dict[str, str]) -> str:
    return headers.get("host", "").partition(":")[0].lower()


def serves(host: str) -> bool:
    return API.fullmatch(host) is not None or LOCAL.fullmatch(host) is None


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request to a site. It has passed TLS, as far as the site can tell."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        before = f"{headers[name]}{'; ' if name == 'cookie' else ', '}" if name in headers else ""
        headers[name] = before + value.decode("latin-1")
    headers["x-forwarded-proto"] = "https"
    pin_request_origin(scope["client"][0], secure_transport=True)  # also of an origin's fetch from a bucket
    headers["host"] = host = host_of(headers)
    query, body = scope["query_string"].decode(), await body_of(receive)
    answer = await _answer(scope, host, headers, query, body)
    await gateway._send_response(send, *answer, head=scope["method"] == "HEAD")


async def _answer(scope: Scope, host: str, headers: dict[str, str], query: str, body: bytes) -> Answer:
    method, path, raw = scope["method"], scope["path"], scope["raw_path"].decode("ascii")
    parameters = parse_qs(query, keep_blank_values=True)
    if api := API.fullmatch(host):
        return await apis.answer(api[1], method, raw, headers, body, parameters, query)
    if login := cognito.LOGIN.fullmatch(host):
        return await cognito.login(login[1], login[2], method, path, headers, body, query)
    distribution = _distribution(host)
    if distribution is None:
        return 403, {"Content-Type": "text/plain"}, f"The embedded cloud has no site {host}".encode()
    found: Answer = await cloudfront.handle_viewer_request(
        distribution, method, path, raw, query, headers, body, parameters
    )
    return found


def _distribution(host: str) -> dict[str, Any] | None:
    """Returns the enabled distribution of a host: its own name, or one of its aliases."""
    for one in cloudfront._distributions.values():
        if one["enabled"] and (one["DomainName"] == host or host in cloudfront._get_distribution_aliases(one)):
            return dict(one)
    return None
