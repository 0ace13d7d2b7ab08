"""The whole way of an assistant, without a model: from an OpenAPI file to a verdict, by the tools alone."""

import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestParams, ElicitResult

from tests.console import served
from tests.console.served import Known
from tests.outcomes import passes
from toril.clock import SystemClock
from toril.console.app import create_app
from toril.console.starter import LocalStarter
from toril.store import FolderStore

TOKEN = "carts-7f3a91"
WITHIN_S = 90


class Carts(BaseHTTPRequestHandler):
    """A service with carts, for those who have the token."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        wanted = json.loads(self.rfile.read(length))
        self._answer(201 if wanted["currency"] == "EUR" else 422, {"id": "c-41", "currency": "EUR"})

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/carts/c-41" else 404, {"id": "c-41", "currency": "EUR"})

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status if self.headers.get("authorization") == f"Bearer {TOKEN}" else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def carts() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Carts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def description(address: str) -> str:
    """Returns the service's OpenAPI file."""
    cart = {"type": "object", "properties": {"id": {"type": "string"}, "currency": {"type": "string"}}}
    answer = {"description": "the cart", "content": {"application/json": {"schema": cart}}}
    wanted = {"type": "object", "required": ["currency"], "properties": {"currency": {"enum": ["EUR"]}}}
    body = {"required": True, "content": {"application/json": {"schema": wanted}}}
    number = {"name": "cartId", "in": "path", "required": True, "schema": {"type": "string"}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Carts", "version": "1"},
        "servers": [{"url": address}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": {
            "/carts": {"post": {"requestBody": body, "responses": {"201": answer}}},
            "/carts/{cartId}": {"get": {"parameters": [number], "responses": {"200": answer}}},
        },
    }
    return json.dumps(document)


class Person:
    """What the client's person is asked, and answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        return ElicitResult(action="accept", content={"agree": True})


@asynccontextmanager
async def by_stdio(store: FolderStore, person: Person) -> AsyncIterator[ClientSession]:
    """A client that asks its person when the server wants it."""
    command = ["-m", "toril", "mcp", "--store", str(store.folder)]
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    async with (
        stdio_client(server) as (read, write),
        ClientSession(read, write, elicitation_callback=person.answer) as session,
    ):
        await session.initialize()
        yield session


@asynccontextmanager
async def by_http(store: FolderStore, person: Person) -> AsyncIterator[ClientSession]:
    """A client that cannot ask, at the console's `/mcp` with a bearer token."""

    def console(address: str) -> Any:
        identity = Known("operator", "token")
        starter, clock = LocalStarter(store), SystemClock()
        return create_app(served.setup(store, identity=identity, clock=clock, address=address, starter=starter))

    headers = {"authorization": "Bearer a-token"}
    with served.loopback(console) as address:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            streamable_http_client(f"{address}/mcp", http_client=http) as (read, write),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            yield session


class Assistant:
    """A scripted client. Without a way to ask, it repeats what the person would read."""

    def __init__(self, session: ClientSession, person: Person) -> None:
        self.session, self.person = session, person

    async def call(self, tool: str, **given: Any) -> Any:
        """Returns the fields of the result, also of an error, which has a code."""
        result = await self.session.call_tool(tool, given)
        fields = result.structured_content or {}
        if fields.get("code") == "consent-needed":
            self.person.asked.append(f"{fields['consent']}?")
            return await self.call(tool, **given, consent=fields["consent"])
        return fields.get("result", fields)

    async def judged(self, run_id: str) -> Any:
        """Waits until a run is over. Returns its verdict and figures."""
        with anyio.fail_after(WITHIN_S):
            while True:
                state = await self.call("watch_run", run_id=run_id)
                assert state.get("failure") is None, state
                if state.get("state") == "judged":
                    return await self.call("read_run", run_id=run_id)
                await anyio.sleep(0.5)


@pytest.mark.nightly
@pytest.mark.parametrize("face", [by_stdio, by_http])
def test_an_assistant_comes_from_a_description_to_a_verdict(face: Any, carts: str, tmp_path: Path) -> None:
    store, person = FolderStore(tmp_path / "store"), Person()
    store.folder.mkdir(parents=True)

    async def way() -> None:
        async with face(store, person) as session:
            assistant = Assistant(session, person)
            imported = await assistant.call(
                "import_suite", text=description(carts), users=4, ramp_up="1s", hold_for="4s", criteria=["avg-rt>2s"]
            )
            suite, files, environment = imported["name"], imported["files"], {"API_TOKEN": TOKEN}
            assert (suite, imported["variables"], imported["left_out"]) == ("carts", ["API_TOKEN"], [])

            planted = files | {"suite.yml": files["suite.yml"].replace("concurrency:", "concurency:")}
            wrong = await assistant.call("validate_suite", suite=suite, files=planted, environment=environment)
            assert [(each["code"], each["file"], each["line"]) for each in wrong["problems"]] == [
                ("unknown-key", "suite.yml", 5)
            ]
            assert "Fix: " in (await assistant.call("explain_code", code="unknown-key"))["text"]
            right = await assistant.call("validate_suite", suite=suite, files=files, environment=environment)
            assert (right["valid"], right["problems"]) == (True, [])

            plan = await assistant.call("plan_suite", suite=suite, files=files, environment=environment)
            assert (plan["usd"], plan["targets"], plan["changes_data"]) == (0.0, [carts], ["POST"])
            assert "4 users" in plan["plan"]

            tried = await assistant.call("try_suite", suite=suite, files=files, environment=environment)
            assert tried["suite"] == "carts-draft"
            await assistant.judged(tried["run_id"])
            evidence = await assistant.call("read_evidence", run_id=tried["run_id"])
            assert [(each["label"], each["status"]) for each in evidence["exchanges"]] == [
                ("POST /carts", 201),
                ("GET /carts/{cartId}", 200),
            ]

            pushed = await assistant.call("push_suite", suite=suite, base="carts-draft", expected=0, comment="carts")
            assert pushed == {"suite": "carts", "version": 1}
            runs = []
            for _ in range(2):
                wanted = {"suite": suite, "environment": environment, "max_cost_usd": 0.5}
                runs.append((await assistant.call("start_run", **wanted))["run_id"])
                judged = await assistant.judged(runs[-1])
                assert passes(judged["verdict"]), judged["verdict"]
                assert judged["summary"]["labels"]["POST /carts"]["failures"] == 0
            compared = await assistant.call("compare_runs", base=runs[0], head=runs[1])
            assert "GET /carts" in compared

    anyio.run(way)
    assert len(person.asked) == 3  # a try and two runs; a new suite needs no consent
    assert all(f"loads {carts}; may change data (POST)?" in text for text in person.asked)
    assert not any(TOKEN in text for text in person.asked)
