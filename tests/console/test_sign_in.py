"""A real console process: people sign in at another project's issuer, or enter their own console."""

import base64
import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from toril.records.console import LOGIN_CALLBACK, LOGIN_PORTS

pytestmark = pytest.mark.live


@contextmanager
def running(*command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout
        process.stdout.close()


@contextmanager
def console(folder, *options: str, **variables: str) -> Iterator[str]:
    """Yields the address that `toril console` prints."""
    command = ("toril", "console", "--no-browser", "--port", "0", "--store", str(folder), *options)
    with running(*command, **variables) as process:
        assert process.stdout
        yield process.stdout.readline().strip()


@contextmanager
def issuer() -> Iterator[str]:
    """Yields the address of an issuer with one person, whose groups are in its tokens."""
    person = {"sub": "ann", "name": "Ann", "groups": ["toril-admin"]}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with running("oidc_provider_mock", "--port", port, "--user-claims", json.dumps(person)):
        address = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                httpx2.get(address)
                break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield address


@pytest.fixture
def page(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


@contextmanager
def listening():
    """Yields the port of a server, and the cookies that it gets."""
    cookies: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/":
                cookies.append(self.headers.get("cookie"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server.server_port, cookies
        finally:
            server.shutdown()


def identity_token(address: str, client: str) -> str:
    """Returns the token that a program gets for this client by the code flow."""
    verifier = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    back = LOGIN_CALLBACK.format(port=LOGIN_PORTS[0])
    query = {"client_id": client, "redirect_uri": back, "response_type": "code", "scope": "openid profile"}
    query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    answer = httpx2.post(f"{address}/oauth2/authorize", params=query, data={"sub": "ann"})
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "client_id": client,
        "client_secret": "s",
    }
    found = httpx2.post(f"{address}/oauth2/token", data={**form, "code_verifier": verifier})
    return str(found.json()["id_token"])


def test_a_person_signs_in_and_out_at_an_issuer_and_a_program_brings_its_token(page, tmp_path):
    secrets = {"TORIL_CONSOLE_CLIENT_SECRET": "s", "TORIL_CONSOLE_SESSION_KEY": "0" * 64}
    with issuer() as issued_by:
        options = ("--issuer", issued_by, "--client-id", "console", "--audience", "cli")
        with console(tmp_path, *options, **secrets) as address:
            page.goto(f"{address}me")
            assert page.url.startswith(f"{issued_by}/oauth2/authorize?")
            page.get_by_role("button", name="ann", exact=True).click()
            assert page.url == f"{address}me"
            assert page.locator("h1").inner_text() == "Ann"
            assert page.locator(".me small").inner_text() == "admin"
            page.get_by_role("link", name="Audit").click()
            expect(page.locator("tbody tr")).to_contain_text(["Ann"])
            assert Axe().run(page).response["violations"] == []
            page.goto(f"{address}me")
            assert Axe().run(page).response["violations"] == []
            page.get_by_role("button", name="Sign out", exact=True).click()
            page.wait_for_url(f"{issued_by}/oauth2/end_session?*")
            page.goto(f"{address}me")
            assert page.url.startswith(f"{issued_by}/oauth2/authorize?")

            for client, status in (("cli", 200), ("other", 401)):
                bearer = {"authorization": f"Bearer {identity_token(issued_by, client)}"}
                assert httpx2.get(f"{address}api/v1/me", headers=bearer).status_code == status


@pytest.mark.parametrize(
    "host",
    [(), pytest.param(("--bind", "127.66.5.4"), marks=pytest.mark.nightly)],
    ids=["a random name", "its own address"],
)
def test_no_other_server_of_this_machine_gets_the_session_of_a_local_console(page, tmp_path, host):
    with listening() as (port, cookies), console(tmp_path, *host) as entrance:
        page.goto(entrance)
        page.wait_for_url(entrance.partition("enter")[0])
        assert page.locator(".me small").inner_text() == "admin"
        page.goto(f"http://127.0.0.1:{port}/")
        page.goto(f"http://localhost:{port}/")
        assert cookies == [None, None]


def test_a_process_of_another_user_cannot_use_the_address_of_a_local_console(tmp_path):
    program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)"
    with console(tmp_path, "--bind", "127.0.0.1") as entrance:
        if os.getuid() == 0:  # only root can be someone else
            other = subprocess.run(
                ["/usr/bin/python3", "-c", program, entrance], user="nobody", cwd="/", capture_output=True, text=True
            )
            assert other.returncode == 1 and "403" in other.stderr
        assert httpx2.get(entrance).status_code == 200
