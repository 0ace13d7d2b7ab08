"""A browser's view of the embedded cloud: HTTP APIs, distributions and login pages at their own addresses.

    with web(cloud) as client:
        client.get("https://d111111abcdef8.cloudfront.net/")

Addresses, cookies and redirects are AWS'. Every request reaches the cloud on loopback, whatever its host.
"""

import re
from typing import Any

import httpx2 as httpx

from tests.cloud.embedded import Cloud


class Loopback(httpx.BaseTransport):
    """Sends each request to the cloud, with the host of its address in the header."""

    def __init__(self, cloud: Cloud) -> None:
        self._inner = httpx.HTTPTransport()
        self._to = httpx.URL(cloud.url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(scheme="http", host=self._to.host, port=self._to.port)
        sent = httpx.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return self._inner.handle_request(sent)

    def close(self) -> None:
        self._inner.close()


def web(cloud: Cloud, **options: Any) -> httpx.Client:
    """Returns a client with a jar of cookies, which follows no redirects unless told to."""
    return httpx.Client(transport=Loopback(cloud), timeout=60, **options)


def fields(page: httpx.Response) -> dict[str, str]:
    """Returns the hidden fields of a login page."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))


def submit(client: httpx.Client, page: httpx.Response, **typed: str) -> httpx.Response:
    """Submits the form of Cognito's login page."""
    assert page.status_code == 200, page.text
    return client.post(str(page.url.join("/login")), data={**fields(page), **typed})
