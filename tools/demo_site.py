"""The console of `make demo-cloud`: its function's zip, its settings in the hub's stack, and a first visit."""

import os
import platform
import re
import secrets
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
from rich.console import Console

from tests.cloud.embedded import Cloud
from tests.cloud.proxy import Proxy, aws_proxy
from tests.cloud.web import web
from tests.infra.engine.stacks import Engine
from tools import demo_stacks as stacks
from tools.console_zip import build

ADMIN, REGION = "ada@example.com", "us-east-1"
ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86-64"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"  # the embedded cloud runs the function in this Python
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
INVITATION = re.compile(r"with the password (\S+) within")
TITLE = re.compile(r"<title>(.*?)</title>")


def prepare(console: Console, pulumi: Engine, project: Path) -> None:
    """Builds the function's zip for this machine, and adds the console to the hub's settings."""
    began = time.monotonic()
    zipped = f"dist/console-{ARCHITECTURE}.zip"
    (project / "dist").mkdir()
    build(ARCHITECTURE, PYTHON, project / zipped)
    command = f"make console-zip ARCHITECTURE={ARCHITECTURE}"
    console.print(f"[bold]$ {command}[/bold]  [dim]{time.monotonic() - began:.1f} s[/dim]")
    for name, value in (("admin", ADMIN), ("architecture", ARCHITECTURE)):
        stacks.run(console, pulumi, project, "config", "set", "--path", f"console.{name}", value, "--stack", stacks.HUB)


def address_of(pulumi: Engine, project: Path) -> str:
    """Returns the console's address, as the hub's stack reports it."""
    return pulumi.cli("stack", "output", "console", "--stack", stacks.HUB, cwd=project).stdout.strip()


def show(console: Console, cloud: Cloud, address: str) -> None:
    """Opens the console without a session, then as the administrator. With $KEEP, waits for Ctrl-C after that."""
    password = f"Demo-1-{secrets.token_urlsafe(12)}"
    with aws_proxy(cloud) as proxy, web(cloud) as browser:
        cloud.set_functions(**proxy.settings())  # the function reaches the issuer by its own name
        answer = browser.get(address)
        where = answer.headers["location"]
        console.print(f"[bold]$ curl -i {address}/[/bold]  [dim]{answer.status_code}, location: {where}[/dim]")
        home = _sign_in(browser, cloud, address, password)
        for page in (home, browser.get(f"{address}/runs")):
            title = TITLE.search(page.text)
            name = title[1] if title else ""
            console.print(f"{ADMIN} opens {page.url}  [dim]{page.status_code}, “{name}”[/dim]")
        console.print(f"The console's address: {address}")
        if os.environ.get("KEEP"):
            _keep(console, proxy, address, password)
        else:
            console.print(
                "It exists in the embedded cloud only. KEEP=1 keeps that, and prints how a browser gets there."
            )


def _sign_in(browser: httpx.Client, cloud: Cloud, address: str, chosen: str) -> httpx.Response:
    """Signs in with the password of the invitation's mail, and changes it. Returns the first page."""
    invitations = (INVITATION.search(mail["text"]) for mail in cloud.mails(REGION) if mail["to"] == [ADMIN])
    password = next(found[1] for found in invitations if found is not None)
    page = browser.get(f"{address}/login", follow_redirects=True)
    for typed in ({"username": ADMIN, "password": password}, {"new_password": chosen, "confirm_password": chosen}):
        form = {**dict(HIDDEN.findall(page.text)), **typed}
        page = browser.post(page.url.join("/login"), data=form, follow_redirects=True)
    # A browser follows the `refresh` of the page behind the callback by itself.
    return browser.get(f"{address}/")


def _keep(console: Console, proxy: Proxy, address: str, password: str) -> None:
    """Shows how a browser reaches the console, and waits for Ctrl-C."""
    options = f"--proxy-server={proxy.url} --ignore-certificate-errors --user-data-dir=$(mktemp -d)"
    console.print(f"\n[bold]$ chromium {options} {address}[/bold]")
    console.print(f"Sign in as {ADMIN} with the password {password}. Ctrl-C ends the demo.")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
