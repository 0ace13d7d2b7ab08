"""`toril --store https://…`: a console's store behaves like the store behind it, and changes go through its rules."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from typer.testing import CliRunner

from tests.clocks import SteppedClock
from tests.console import served
from tests.console.served import Started
from tests.console.test_api import SUITE
from tests.launchers.stage import deployment
from tests.refusals import refused
from tests.reports import examples
from toril.cli import app
from toril.errors import InfrastructureError, OptionError, StoreError
from toril.records import Start, run_key, worker_key
from toril.records.console import RunRequest
from toril.records.document import document
from toril.records.evidence import Exchange, Exchanges, evidence_file_name
from toril.runs import index, suites
from toril.runs.history import record_of, remember
from toril.store import FolderStore, open_reader
from toril.store import login as tokens
from toril.store.console import ConsoleReader

pytestmark = pytest.mark.live


@pytest.fixture
def behind(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def starts() -> Started:
    return Started()


@pytest.fixture
def address(behind: FolderStore, starts: Started, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TORIL_TOKEN", "a-token")
    with served.serving(behind, starter=starts, by="token") as url:
        yield url


@pytest.fixture
def console(address: str) -> ConsoleReader:
    store = open_reader(address)
    assert isinstance(store, ConsoleReader)
    return store


def test_reading_through_a_console_is_reading_the_store(behind: FolderStore, console: ConsoleReader) -> None:
    run_id = served.stored(behind, examples.passed())
    behind.put(f"runs/{run_id}/a b/é.txt", b"\x00\xff")
    assert list(console.keys("runs/")) == list(behind.keys("runs/"))
    assert console.names("runs/") == behind.names("runs/")
    assert list(console.entries("runs/")) == list(behind.entries("runs/"))
    keys = [*behind.keys("runs/"), "runs/none"]
    assert console.find_many(keys) == behind.find_many(keys)
    assert console.find("runs/none") is None
    with refused("no-such-key", error=StoreError):
        console.get("runs/none")


def test_the_index_is_searched_through_a_console(behind: FolderStore, console: ConsoleReader) -> None:
    remember(behind, record_of(examples.passed()))
    assert [row.suite for row in index.search(console, index.Query()).rows] == ["shop"]


def test_commands_watch_compare_fetch_and_adjust_through_a_console(
    behind: FolderStore, address: str, tmp_path: Path
) -> None:
    first = served.stored(behind, examples.passed())
    second = served.stored(behind, examples.passed(), run_id="20261124T160405Z-shop-1a2c")
    assert CliRunner().invoke(app, ["watch", first, "--store", address]).exit_code == 0
    compared = CliRunner().invoke(app, ["compare", first, second, "--store", address, "--format", "json"])
    assert json.loads(compared.stdout)["base"]["run_id"] == first
    copy = FolderStore(tmp_path / "copy")
    done = CliRunner().invoke(app, ["fetch", first, "--store", address, str(copy.folder)])
    assert done.exit_code == 0, done.output
    assert {key: copy.find(key) for key in copy.keys("runs/")} == {
        key: behind.find(key) for key in behind.keys(f"runs/{first}/")
    }
    live = served.running(behind, served.progress())
    with refused("run-not-started", error=StoreError):
        CliRunner().invoke(app, ["adjust", live, "--rate", "50", "--store", address], catch_exceptions=False)


@pytest.mark.parametrize(
    "command",
    [
        ["runs", "--prune", "30d"],
        ["watch", served.LIVE, "--take-over"],
        ["stop", served.LIVE, "--all-tasks"],
        ["run", "SUITE"],
        ["run", "SUITE", "--on", "fargate", "--earlier-runs"],
        ["run", "SUITE", "--on", "fargate", "--report", "junit"],
        ["agent", "office"],
        ["doctor", "--on", "fargate"],
    ],
    ids=" ".join,
)
def test_a_command_that_a_console_does_not_serve_changes_nothing(
    behind: FolderStore, address: str, tmp_path: Path, command: list[str]
) -> None:
    served.stored(behind, examples.passed())
    served.running(behind, served.progress(), plan=served.live_plan(on="fargate"), renewed_at=1.0)
    (tmp_path / "suite.yml").write_bytes(SUITE)
    before = {key: behind.find(key) for key in behind.keys("")}
    written = [str(tmp_path / "suite.yml") if word == "SUITE" else word for word in command]
    with refused("not-through-console", address):
        CliRunner().invoke(app, [*written, "--store", address], catch_exceptions=False)
    assert {key: behind.find(key) for key in behind.keys("")} == before


def test_a_run_is_started_and_reported_through_a_console(
    behind: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ending(Started):
        def start(self, request: RunRequest) -> None:
            super().start(request)
            served.stored(behind, examples.passed(), run_id=request.run_id)

    monkeypatch.setenv("TORIL_TOKEN", "a-token")
    (tmp_path / "suite.yml").write_bytes(SUITE)
    starts = Ending()
    behind.put("deployments/us-east-1.json", deployment("us-east-1").to_json())
    with served.serving(behind, starter=starts, by="token") as url:
        done = CliRunner().invoke(app, ["run", str(tmp_path), "--on", "fargate", "--store", url, "--max-cost", "2"])
    assert done.exit_code == 0, done.output
    assert [(one.on, one.max_cost_usd, one.by) for one in starts.requests] == [("fargate", 2.0, "Ada")]


def test_a_suite_is_tried_through_a_console(
    behind: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ending(Started):
        def start(self, request: RunRequest) -> None:
            super().start(request)
            attempts = {"local-1": "a"}
            behind.put(run_key(request.run_id, "start.json"), Start(at=1.0, attempts=attempts).to_json())
            kept = Exchanges(run_id=request.run_id, exchanges=(Exchange(why="tried", label="home", status=200),))
            behind.put(worker_key(request.run_id, "local-1", "a", evidence_file_name(1)), document(kept))
            served.stored(behind, examples.passed(), run_id=request.run_id)

    monkeypatch.setenv("TORIL_TOKEN", "a-token")
    (tmp_path / "suite.yml").write_bytes(SUITE)
    starts = Ending()
    behind.put("deployments/us-east-1.json", deployment("us-east-1").to_json())
    with served.serving(behind, starter=starts, by="token") as url:
        done = CliRunner().invoke(app, ["try", str(tmp_path), "--on", "fargate", "--store", url, "--format", "json"])
    assert done.exit_code == 0, done.output
    assert [(one.on, one.tried) for one in starts.requests] == [("fargate", True)]
    assert json.loads(done.stdout.splitlines()[0])["label"] == "home"


def test_push_uploads_contents_once(behind: FolderStore, address: str, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "suite.yml").write_bytes(SUITE)
    for _ in range(2):
        done = CliRunner().invoke(app, ["suite", "push", str(folder), "--store", address])
        assert done.exit_code == 0, done.output
    assert [one.number for one in suites.versions(behind, "shop")] == [2, 1]
    assert list(behind.keys("uploads/")) == [f"uploads/{hashlib.sha256(SUITE).hexdigest()}"]


def test_a_run_that_cannot_begin_says_why(behind: FolderStore, console: ConsoleReader) -> None:
    from toril.desk.console import ConsoleDesk
    from toril.records.console import RequestFailure

    failure = RequestFailure(run_id="r", at=1.0, code="over-quota", message="vCPU")
    behind.put("requests/r.failed.json", failure.to_json())
    with refused("over-quota", "vCPU", error=InfrastructureError):
        ConsoleDesk(console).await_begin("r", SteppedClock(1.0))


# ── signing in


def agrees(client: str, issuer: list[str]) -> None:
    """A person who trusts each console."""


class Issuer(http.server.BaseHTTPRequestHandler):
    """An issuer that checks the code's verifier, and a console that names it."""

    def do_GET(self) -> None:
        own = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        pages = {
            "/api/v1/login": {"issuer": own, "client_id": "cli", "scope": "openid"},
            "/.well-known/openid-configuration": {
                "authorization_endpoint": f"{own}/authorize",
                "token_endpoint": f"{own}/token",
            },
            "/api/v1/me": {"name": "Ada", "role": "operator"},
        }
        path, token = urlsplit(self.path).path, self.headers["authorization"]
        if path == "/api/v1/me" and (token != "bearer from-authorization_code" or self.server.refuses):  # type: ignore[attr-defined]
            return self._answer(403, {"title": "None of your groups has a role here."})
        return self._answer(200, pages[path])

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.forms.append(form)  # type: ignore[attr-defined]
        if form["grant_type"] == ["authorization_code"]:
            digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if challenge != self.server.challenge:  # type: ignore[attr-defined]
                return self._answer(400, {"error": "invalid_grant"})
        name = form["grant_type"][0]
        return self._answer(200, {"access_token": f"from-{name}", "refresh_token": "again", "expires_in": 600})

    def _answer(self, status: int, content: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[http.server.HTTPServer]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    server.forms, server.refuses = [], False  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def browser_of(issuer: http.server.HTTPServer, url: str, more: str = "") -> None:
    """Signs in as a browser does, after another page has tried to."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    issuer.challenge = query["code_challenge"]  # type: ignore[attr-defined]
    assert query["resource"] == f"http://127.0.0.1:{issuer.server_address[1]}"
    back = f"{query['redirect_uri'].replace('localhost', '127.0.0.1')}?code=c&state={query['state']}{more}"
    forged = f"{query['redirect_uri'].replace('localhost', '127.0.0.1')}?code=other&state=forged"
    threading.Thread(target=lambda: [urllib3.request("GET", one) for one in (forged, back)]).start()


def test_a_token_that_the_console_refuses_is_no_sign_in(issuer: http.server.HTTPServer, tmp_path: Path) -> None:
    address, issuer.refuses = f"http://127.0.0.1:{issuer.server_address[1]}", True  # type: ignore[attr-defined]
    with refused("sign-in-failed", "groups", error=InfrastructureError):
        tokens.login(address, SteppedClock(1000.0), agrees, lambda url: browser_of(issuer, url))
    assert not list((tmp_path / "config").rglob("tokens.json"))


def test_signing_in_brings_a_token_that_is_renewed(issuer: http.server.HTTPServer, tmp_path: Path) -> None:
    address, clock = f"http://127.0.0.1:{issuer.server_address[1]}", SteppedClock(1000.0)
    assert tokens.login(address, clock, agrees, lambda url: browser_of(issuer, url)) == "Ada, operator"
    (file,) = (tmp_path / "config").rglob("tokens.json")
    assert file.stat().st_mode & 0o077 == 0
    found = tokens.Tokens(address, clock, environment={})
    assert found.token() == "from-authorization_code"
    clock.sleep(590)
    assert found.token() == "from-refresh_token"
    assert issuer.forms[0]["code"] == ["c"]  # type: ignore[attr-defined]
    assert {client for form in issuer.forms for client in form["client_id"]} == {"cli"}  # type: ignore[attr-defined]
    assert [form["resource"] for form in issuer.forms] == [[address]] * 2  # type: ignore[attr-defined]
    assert tokens.forget_tokens(address)
    with refused("not-signed-in", error=StoreError):
        found.token()


def test_a_code_of_another_issuer_is_sent_nowhere(issuer: http.server.HTTPServer) -> None:
    """The issuer of a hostile console may lead the browser to the issuer of another one (RFC 9207)."""
    address = f"http://127.0.0.1:{issuer.server_address[1]}"
    with refused("code-of-another-issuer", "https://sso.example.com", error=InfrastructureError):
        tokens.login(
            address,
            SteppedClock(1000.0),
            agrees,
            lambda url: browser_of(issuer, url, "&iss=https%3A%2F%2Fsso.example.com"),
        )
    assert issuer.forms == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["authorize", "/authorize", "elsewhere"])
def test_the_client_of_another_console_is_refused_before_the_browser_opens(
    issuer: http.server.HTTPServer, path: str
) -> None:
    port, clock = issuer.server_address[1], SteppedClock(1000.0)
    tokens.keep_tokens(
        "https://load.example.com",
        {"access_token": "t", "client_id": "cli", "authorization_endpoint": f"http://127.0.0.1:{port}/{path}"},
        clock.now(),
    )
    opened: list[str] = []
    with refused("client-of-another-console", "https://load.example.com", error=InfrastructureError):
        tokens.login(f"http://127.0.0.1:{port}", clock, agrees, opened.append)
    assert opened == issuer.forms == []  # type: ignore[attr-defined]


def test_a_person_sees_client_and_issuer_and_can_decline_before_the_browser_opens(
    issuer: http.server.HTTPServer,
) -> None:
    address = f"http://127.0.0.1:{issuer.server_address[1]}"
    opened: list[str] = []

    def declines(client: str, issuer: list[str]) -> None:
        assert (client, issuer) == ("cli", [address, f"{address}/authorize", f"{address}/token"])
        raise OptionError("no", code="sign-in-declined")

    with refused("sign-in-declined", error=OptionError):
        tokens.login(address, SteppedClock(1000.0), declines, opened.append)
    assert opened == []


def test_a_workflow_uses_githubs_identity_token(
    issuer: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object]] = []

    def answer(method: str, url: str, **more: object) -> dict[str, str]:
        asked.append((url, more))
        return {"value": "jwt"}

    monkeypatch.setattr(tokens, "_json", answer)
    environment = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://gh.test/?a=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
    found = tokens.Tokens("https://load.example.com", SteppedClock(0.0), environment)
    assert [found.token(), found.token()] == ["jwt", "jwt"]
    assert asked == [
        ("https://gh.test/?a=1&audience=https%3A%2F%2Fload.example.com", {"headers": {"authorization": "bearer t"}})
    ]
