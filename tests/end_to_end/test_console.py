"""The console of a deployed hub as people meet it: from the invitation's mail to a judged run, with IAM's decisions.

CloudFront, API Gateway, Cognito and Fargate are those of the embedded cloud; the function's zip is the real one.
"""

import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.cloud.web import submit, web
from tests.fargate.stage import HOME, suite
from tests.infra.console_site import ADMIN, FUNCTION, Site, console_site
from tests.targets import target

pytestmark = pytest.mark.xdist_group("console")
CHOSEN = "Chosen-2-by-the-user"
SUITE = "checkout"
NO_IMAGE = "CannotPullContainerError: no such image"
WITHIN_S = 150
BY_LAMBDA = "WriteLog"  # which writes the log with the role, but not in the embedded cloud
T = TypeVar("T")


class Visitor:
    """A person's browser without script, which sends the CSRF token of the last page."""

    def __init__(self, site: Site, client: httpx2.Client) -> None:
        self.site, self.client, self.csrf = site, client, ""

    def get(self, path: str, **headers: str) -> httpx2.Response:
        answer = self.client.get(self.site.address + path, headers=headers)
        if found := re.search(r"hx-headers='\{\"x-csrf-token\": \"(\w+)\"\}'", answer.text):
            self.csrf = found[1]
        return answer

    def post(self, path: str, **form: str) -> httpx2.Response:
        """Submits a form and returns the page after it."""
        answer = self.client.post(self.site.address + path, data={"csrf": self.csrf, **form})
        assert answer.status_code == 200, answer.text
        return answer

    def api(self, path: str) -> Any:
        answer = self.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sign_in(self, password: str) -> httpx2.Response:
        """Opens the console and signs in. Returns the page behind the password."""
        page = self.get("/")
        assert (page.url.host.split(".")[1], page.url.path) == ("auth", "/login")
        return submit(self.client, page, username=ADMIN, password=password)


def until(found: Callable[[], T | None]) -> T:
    give_up = time.monotonic() + WITHIN_S
    while (result := found()) is None:
        assert time.monotonic() < give_up
        time.sleep(0.5)
    return result


@pytest.fixture(scope="module")
def ada(site: Site) -> Iterator[Visitor]:
    """The invited administrator, who signs in for the first time."""
    (text,) = [one["text"] for one in site.world.cloud.mails(HOME) if one["to"] == [ADMIN]]
    found = re.search(rf"{re.escape(site.address)}.* with the password (\S+) within", text)
    assert found, text
    with web(site.world.cloud, follow_redirects=True) as client:
        visitor = Visitor(site, client)
        page = visitor.sign_in(found[1])
        home = submit(client, page, new_password=CHOSEN, confirm_password=CHOSEN)
        assert (home.status_code, str(home.url)) == (200, f"{site.address}/"), home.text
        yield visitor


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A run that was started and stopped in its page. `seen`: what `live` answered, in order."""

    run_id: str
    seen: list[dict[str, Any]]
    first_s: float  # from the click to the first measurement
    not_begun: str  # another run, whose coordinator AWS could not start


def command(site: Site, folder: Any, *words: str) -> "subprocess.Popen[str]":
    """Starts `toril` on a laptop that knows nothing but the console's address."""
    return subprocess.Popen(
        [sys.executable, "-m", "toril", *words],
        env=site.proxy.environment(XDG_CONFIG_HOME=str(folder), AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, out + err
    return out


@pytest.fixture(scope="module")
def laptop(site: Site, ada: Visitor, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of a laptop where the administrator has signed in by `toril login`."""
    folder = tmp_path_factory.mktemp("laptop")
    with (
        command(site, folder, "login", "--no-browser", site.address) as login,
        web(site.world.cloud, follow_redirects=True) as client,
    ):
        assert login.stderr
        said = [login.stderr.readline() for _ in range(3)]  # what the sign-in is for, what to do, the address
        assert said[2].startswith("https://"), said
        page = client.get(said[2].strip())
        client.follow_redirects = False
        back = submit(client, page, username=ADMIN, password=CHOSEN).headers["location"]
        assert httpx2.get(back, trust_env=False).status_code == 200
        done(login)
    return folder


@pytest.fixture(scope="module")
def watched(site: Site, ada: Visitor, laptop: Any) -> Iterator[Watched]:
    """A run of a pushed suite, whose 10 minutes end by the page's button. Beside it, one that does not begin."""
    with target(delay_s=0.005) as service:
        execution = {"hold-for": "10m", "concurrency": 2, "locations": {HOME: 1}}
        folder = suite(laptop / SUITE, service.url, execution, criteria=["p95>1s"])
        done(command(site, laptop, "suite", "push", str(folder), "--store", site.address))
        ada.get(f"/suites/{SUITE}/start")
        site.world.cloud.fail_next_starts(HOME, NO_IMAGE)
        not_begun = ada.post(f"/suites/{SUITE}/start").url.path.removeprefix("/runs/")
        clicked = time.monotonic()
        page = ada.post(f"/suites/{SUITE}/start", tags="ticket=1234")
        run_id = page.url.path.removeprefix("/runs/")
        seen: list[dict[str, Any]] = []

        def live() -> dict[str, Any]:
            seen.append(ada.api(f"/runs/{run_id}/live"))
            assert seen[-1]["state"] != "refused", page.text
            return seen[-1]

        until(lambda: ((live()["progress"] or {}).get("figures") or {}).get("samples") or None)
        first_s = time.monotonic() - clicked
        ada.post(f"/runs/{run_id}/stop")
        until(lambda: live()["state"] == "judged" or None)
        yield Watched(run_id=run_id, seen=seen, first_s=first_s, not_begun=not_begun)
        site.stage.end_tasks()


def test_the_invited_administrator_chooses_a_password_and_is_an_administrator(ada):
    assert ada.api("/me")["role"] == "admin"
    assert ada.get("/audit").status_code == 200
    assert ADMIN in ada.get("/me").text


def test_a_run_is_started_watched_stopped_and_judged_in_its_page(ada, watched):
    states = [one["state"] for one in watched.seen]
    assert list(dict.fromkeys(states)) in (
        ["starting", "running", "judged"],
        ["starting", "running", "stopping", "judged"],
    ), states
    page = ada.get(f"/runs/{watched.run_id}")
    assert "/static/" in page.text
    assert ada.api(f"/runs/{watched.run_id}")["outcome"] in ("passed", "inconclusive")
    (row,) = ada.api(f"/runs?suite={SUITE}")["runs"]
    assert (row["run_id"], row["tags"]["ticket"]) == (watched.run_id, "1234")
    assert watched.run_id in ada.get("/runs").text


def test_a_run_whose_coordinator_does_not_start_says_why(ada, watched):
    until(lambda: ada.api(f"/runs/{watched.not_begun}/live")["state"] == "refused" or None)
    failure = ada.api(f"/runs/{watched.not_begun}")["failure"]
    assert failure["code"] == "coordinator-ended"
    assert NO_IMAGE in failure["message"]


def test_a_poll_without_news_has_no_body(ada, watched):
    first = ada.get(f"/api/v1/runs/{watched.run_id}/live")
    again = ada.get(f"/api/v1/runs/{watched.run_id}/live", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_command_reads_the_run_through_the_console(site, watched, laptop):
    report = json.loads(
        done(command(site, laptop, "report", watched.run_id, "--store", site.address, "--format", "json"))
    )
    assert report["summary"]["labels"][""]["samples"] > 0


def test_a_large_file_of_a_run_comes_from_the_bucket(site, ada, watched):
    content = bytes(range(256)) * (4 << 12)
    site.stage.store.put(f"runs/{watched.run_id}/workers/1/evidence.html", content)
    answer = ada.get(f"/runs/{watched.run_id}/files/workers/1/evidence.html")
    assert answer.url.host.endswith(f".s3.{HOME}.amazonaws.com")
    assert answer.content == content
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.fixture(scope="module")
def scheduled(site: Site, ada: Visitor, watched: Watched) -> list[tuple[list[str], list[int]]]:
    """A schedule that is made, paused and deleted: after each step, the console's states at AWS, and listed next runs.

    The list has the stack's schedule, too.
    """
    scheduler = site.world.cloud.client("scheduler", HOME)
    found: list[tuple[list[str], list[int]]] = []
    ada.get("/schedules")
    wanted = {"name": "nights", "suite": SUITE, "preset": "nightly", "timezone": "Europe/Madrid"}
    for step, form in (("", wanted), ("/nights/pause", {}), ("/nights/delete", {})):
        ada.post(f"/schedules{step}", **form)
        states = [one["State"] for one in scheduler.list_schedules(GroupName=FUNCTION)["Schedules"]]
        found.append((states, [len(one["next_runs"]) for one in ada.api("/schedules")]))
    return found


def test_a_schedule_is_made_paused_and_deleted(scheduled):
    assert scheduled == [(["ENABLED"], [1, 5]), (["DISABLED"], [1, 0]), ([], [1])]


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What the function's role may do, and what it did: (statement, action)."""

    granted: set[tuple[str, str]]
    used: set[tuple[str, str]]
    denied: set[tuple[str, str]]


def rights(site: Site) -> Rights:
    iam = site.world.cloud.client("iam")
    granted = set()
    for name in iam.list_role_policies(RoleName=FUNCTION)["PolicyNames"]:
        policy = iam.get_role_policy(RoleName=FUNCTION, PolicyName=name)["PolicyDocument"]
        allowed = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
        granted |= {(one["Sid"], action) for one in allowed for action in one["Action"]}
    found = site.decisions()
    return Rights(
        granted=granted,
        used={(sid, one.action) for one in found if one.allowed for sid in one.statements},
        denied={(one.action, one.resource) for one in found if not one.allowed},
    )


def test_the_functions_role_may_do_what_its_pages_do_and_no_more(site, ada, watched, scheduled):
    until(lambda: ada.api(f"/runs/{watched.not_begun}/live")["state"] == "refused" or None)
    for path in ("/", "/suites", f"/suites/{SUITE}", "/locations", "/locations/findings", "/compare", "/schedules"):
        assert ada.get(path).status_code == 200, path
    ada.get(f"/runs/{watched.run_id}/notes")
    ada.post(f"/runs/{watched.run_id}/notes", note="after the fix")
    ada.post(f"/runs/{watched.run_id}/baseline")
    ada.post(f"/runs/{watched.run_id}/delete")
    ada.post(f"/suites/{SUITE}/delete")
    found = rights(site)
    assert sorted(found.denied) == []
    unused = sorted(one for one in found.granted - found.used if one[0] != BY_LAMBDA)
    assert unused == [], "\n".join(map(str, unused))
    assert site.world.cloud.function_failures() == []


def test_whoever_signs_out_has_to_enter_the_password_again(site, ada):
    with web(site.world.cloud, follow_redirects=True) as client:
        visitor = Visitor(site, client)
        assert str(visitor.sign_in(CHOSEN).url) == f"{site.address}/"
        visitor.get("/")
        left = visitor.post("/logout")
        onwards = left.headers["refresh"].removeprefix("0; url=")
        assert parse_qs(urlsplit(onwards).query)["logout_uri"] == [f"{site.address}/"]
        assert client.get(onwards).url.path == "/login"


# ── another issuer


@pytest.mark.nightly
def test_people_of_a_companys_issuer_enter_with_their_groups(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        issuer = f"https://localhost:{free.getsockname()[1]}"
    settings = {"url": issuer, "clientId": "console", "confidential": True}
    with console_site(tmp_path, issuer=settings) as site, issuing(site, issuer):
        ssm = site.world.cloud.client("ssm", HOME)
        ssm.put_parameter(Name="/toril/main/console/client-secret", Value="s3cret", Type="SecureString")
        trusted = ssl.create_default_context(cafile=site.proxy.authority)
        with web(site.world.cloud) as client, httpx2.Client(verify=trusted, trust_env=False) as elsewhere:

            def sign_in(sub: str) -> httpx2.Response:
                there = client.get(f"{site.address}/login?next=/me").headers["location"]
                assert there.startswith(issuer), there
                return client.get(elsewhere.post(there, data={"sub": sub}).headers["location"])

            refused = sign_in("eve")
            assert (refused.status_code, "no-role" in refused.text) == (403, True)
            assert sign_in("ann").headers["location"] == "/me"
            assert client.get(f"{site.address}/api/v1/me").json()["role"] == "operator"
        assert rights(site).denied == set()


@contextmanager
def issuing(site: Site, address: str) -> Iterator[None]:
    """Runs an issuer of another project over TLS: ann is an operator, eve is in no group."""
    people = [{"sub": "ann", "groups": ["toril-operator"]}, {"sub": "eve", "groups": ["sales"]}]
    program = (
        "import json, sys; from oidc_provider_mock import User, app; from werkzeug.serving import run_simple; "
        "people = [User(sub=one.pop('sub'), claims=one) for one in json.loads(sys.argv[1])]; "
        "run_simple('localhost', int(sys.argv[2]), app(user_claims=people), ssl_context=(sys.argv[3],) * 2)"
    )
    port, certificate = str(urlsplit(address).port), str(site.proxy.certificate("localhost"))
    command = [sys.executable, "-c", program, json.dumps(people), port, certificate]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: reachable(int(port)) or None)
            yield
        finally:
            process.terminate()


def reachable(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
