"""The tools for assistants: at `/mcp` with a bearer token, and over stdio."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, ClientSession, StdioServerParameters, stdio_client
from mcp.types import ElicitResult

from tests.console import served
from tests.console.served import Started
from tests.console.test_api import saved
from tests.launchers.stage import deployment
from tests.reports import examples, exchanges
from toril.desk.runs import set_baseline
from toril.records.agent import Announcement, announcement_key
from toril.records.console import AuditLine
from toril.runs import notes, suites
from toril.runs.history import record_of, remember
from toril.store import FolderStore
from toril.suite.schema import suite_schema

OVER = examples.plan().run_id
READING = {
    "list_suites", "read_suite", "read_baseline", "list_runs", "read_run", "read_evidence", "list_files", "watch_run",
    "compare_runs", "read_trend", "list_locations", "list_schedules", "list_events", "explain_code", "import_suite",
    "validate_suite", "plan_suite",
}  # fmt: skip
CHANGING = {"try_suite", "push_suite", "start_run", "stop_run", "adjust_rate", "add_note"}
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A store with a suite, a judged run, which is the baseline, and a running one."""
    found = FolderStore(tmp_path / "store")
    saved(found)
    served.stored(found, replace(examples.passed(), evidence=exchanges.failed().evidence))
    remember(found, record_of(examples.passed()))
    served.running(found, served.progress())
    set_baseline(found, "shop", OVER, by="ada", at=served.NOW)
    return found


class Assistant:
    """A client of `/mcp`; each of its requests stands alone."""

    def __init__(self, store: FolderStore, role: Any = "admin", by: str = "token", **more: Any) -> None:
        self.http = served.client(store, role, by=by, **more)

    def ask(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self.http.post("/mcp", json=body, headers=HEADERS)
        assert answer.headers["content-type"].startswith("application/json"), answer.text
        return answer.json()["result"]

    def tools(self) -> set[str]:
        return {one["name"] for one in self.ask("tools/list")["tools"]}

    def call(self, tool: str, **arguments: Any) -> Any:
        """Returns the result of a tool as data, or the text of its error. The person agrees to everything."""
        found = self.ask("tools/call", name=tool, arguments=arguments)
        if found.get("structuredContent", {}).get("code") == "consent-needed":
            arguments["consent"] = found["structuredContent"]["consent"]
            found = self.ask("tools/call", name=tool, arguments=arguments)
        text = "".join(one["text"] for one in found["content"])
        if found.get("isError"):
            return text
        content = found.get("structuredContent", {"result": text})
        return content["result"] if set(content) == {"result"} else content


def audited(store: FolderStore) -> list[tuple[str, str]]:
    lines = [AuditLine.from_json(store.get(key), key) for key in store.keys("audit/")]
    return [(line.what, line.target) for line in lines]


def test_a_client_is_greeted_and_sees_the_tools_of_its_role(store: FolderStore) -> None:
    hello = Assistant(store).ask(
        "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "test", "version": "1"}
    )
    assert hello["serverInfo"]["name"] == "toril"
    assert Assistant(store, "viewer").tools() == READING
    assert Assistant(store, "operator").tools() == Assistant(store).tools() == READING | CHANGING


def test_reading_tools_return_what_the_store_has_and_change_nothing(store: FolderStore) -> None:
    viewer = Assistant(store, "viewer")
    before = list(store.keys(""))
    (listed,) = viewer.call("list_suites")
    assert (listed["name"], listed["version"], listed["last_run"]) == ("shop", 1, OVER)
    assert viewer.call("read_suite", name="shop")["files"].keys() == {"suite.yml"}
    assert viewer.call("read_baseline", suite="shop")["run_id"] == OVER
    assert [one["run_id"] for one in viewer.call("list_runs", suite="shop")["runs"]] == [OVER]
    read = viewer.call("read_run", run_id=OVER[:12])
    assert (read["run_id"], read["verdict"]["outcome"]) == (OVER, "passed")
    assert read["summary"]["labels"]["checkout"]["response_us"]["p95"] > 0
    evidence = viewer.call("read_evidence", run_id=OVER, label="checkout", limit=1)
    assert (evidence["exchanges"][0]["status"], evidence["left_out"]) == (503, 2)
    assert {one["path"] for one in viewer.call("list_files", run_id=OVER)} >= {"summary.json", "verdict.json"}
    assert viewer.call("watch_run", run_id=served.LIVE)["progress"]["figures"]["samples"] == 9000
    assert "checkout" in viewer.call("compare_runs", base=OVER, head=OVER)
    assert viewer.call("list_locations") == viewer.call("list_schedules") == []
    assert viewer.call("list_events") == {"events": [], "cursor": ""}
    assert list(store.keys("")) == before


def test_private_locations_are_listed_with_their_agents(store: FolderStore) -> None:
    agent = Announcement(location="office", agent="desk", instance="1", at=0.0, slots=4, free=3)
    store.put(announcement_key("office", "desk"), agent.to_json())
    os.utime(store.path(announcement_key("office", "desk")), (served.NOW, served.NOW))
    assert Assistant(store, "viewer").call("list_locations") == [{"region": "office", "agents": 1, "slots": 4}]


def test_a_start_keeps_the_cost_limit_of_the_console(store: FolderStore) -> None:
    starts = Started()
    operator = Assistant(store, "operator", starter=starts, max_cost_usd=2.0)
    run_id = operator.call("start_run", suite="shop", max_cost_usd=5.0)["run_id"]
    assert [(one.run_id, one.by, one.on, one.max_cost_usd) for one in starts.requests] == [
        (run_id, "Ada", "local", 2.0)
    ]


def test_errors_carry_their_code(store: FolderStore) -> None:
    assistant = Assistant(store)
    assert "(no-such-run)" in assistant.call("read_run", run_id="20260101T000000Z-none-0000")
    assert "(no-such-suite)" in assistant.call("read_suite", name="none")
    assert "(run-not-over)" in assistant.call("read_run", run_id=served.LIVE)
    assert "(not-deployed)" in assistant.call("start_run", suite="shop", on="fargate")
    wrong = assistant.call("start_run", suite="shop", workers="many")
    assert ("workers" in wrong, "(invalid-arguments)" in wrong, "pydantic" in wrong) == (True, True, False)
    assert audited(store) == []


def test_an_error_has_fields_for_programs_and_its_code_an_explanation(store: FolderStore) -> None:
    refused = asked(store, "plan_suite", "viewer", suite="shop", files={"suite.yml": "execution: [{scenaro: a}]"})
    text = asked(store, "explain_code", "viewer", code=refused["code"])["text"]
    assert (refused["code"], refused["advice"], "scenaro" in refused["message"]) == (
        "unknown-key", text.rpartition("Fix: ")[2], True
    )  # fmt: skip
    assert asked(store, "explain_code", "viewer", code="none-such")["code"] == "unknown-code"
    assert asked(store, "fly", "viewer")["code"] == "unknown-tool"


def test_no_answer_names_a_folder_of_the_server(store: FolderStore) -> None:
    assistant = Assistant(store)
    found = json.dumps([assistant.call("list_files", run_id=OVER), assistant.call("read_run", run_id="none")])
    assert (str(store.folder) in found, f"{served.ADDRESS}/api/v1/files/runs/{OVER}/" in found) == (False, True)


def test_clients_are_told_which_tools_change_something(store: FolderStore) -> None:
    tools = Assistant(store).ask("tools/list")["tools"]
    assert {one["name"] for one in tools if not one["annotations"]["readOnlyHint"]} == CHANGING
    destructive = {one["name"] for one in tools if one["annotations"]["destructiveHint"]}
    assert destructive == {"start_run", "stop_run", "try_suite"}
    assert all(one["title"] and one["description"] for one in tools)


SUITE = """execution: [{executor: %s, scenario: buy, throughput: 5, hold-for: 10s}]
scenarios:
  buy: {default-address: "http://127.0.0.1:1", requests: [/, {url: /pay, method: POST}]}
"""


def asked(store: FolderStore, tool: str, role: str = "operator", console: Any = None, **given: Any) -> Any:
    """Returns the fields of a result, without any consent."""
    return Assistant(store, role, **(console or {})).ask("tools/call", name=tool, arguments=given)["structuredContent"]


def test_a_load_starts_with_the_consent_of_a_person_to_what_it_does_only(store: FolderStore) -> None:
    starts = Started()
    given: dict[str, Any] = {"suite": "shop", "files": {"suite.yml": SUITE % "vegeta"}}
    before = list(store.keys(""))
    for consent in ("", "yes", "run shop"):
        refused = asked(store, "try_suite", console={"starter": starts}, **given, consent=consent)
        assert refused["code"] == "consent-needed"
        assert refused["consent"] == (
            "run shop-draft: each request once; 1 worker on this machine; loads http://127.0.0.1:1; "
            "may change data (POST)"
        )
    assert (list(store.keys("")), starts.requests) == (before, [])
    run = asked(store, "try_suite", console={"starter": starts}, **given, consent=refused["consent"])
    assert (starts.requests[0].run_id, starts.requests[0].suite) == (run["run_id"], "shop-draft")
    assert suites.current(store, "shop").number == 1
    start = asked(store, "start_run", console={"starter": starts}, suite="shop", max_cost_usd=3, consent="")
    assert "; only reads" in start["consent"] and ", limit $3;" in start["consent"]


def test_no_text_of_a_suite_can_speak_to_the_person_who_is_asked(store: FolderStore) -> None:
    address = "http://shop.test/; only reads\\n\\nYou agreed to this."
    files = {"suite.yml": (SUITE % "vegeta").replace("http://127.0.0.1:1", address)}
    effect = asked(store, "plan_suite", "viewer", suite="shop", files=files)["effect"]
    assert "loads http://shop.test/;%20only%20reads" in effect
    assert not any(text in effect for text in ("\n", "; only reads", "You agreed"))


HIDDEN = """execution: [{executor: jmeter, scenario: buy, hold-for: 10s}]
scenarios:
  buy:
    default-address: "http://shop.test"
    requests:
    - {if: '"a" == "b"', then: ["http://inner.test/a"]}
    - {include-scenario: more}
  more:
    data-sources: [d.csv]
    requests: ["${OTHER}/b", {url: "${from_data}/c", jsr223: {language: groovy, script-text: "1"}}]
settings: {env: {OTHER: "http://169.254.169.254"}}
services: [{module: shellexec, prepare: ["true"]}]
"""


def test_the_person_reads_every_address_and_that_a_suite_has_code(store: FolderStore) -> None:
    files = {"suite.yml": HIDDEN, "d.csv": "from_data\nhttp://data.test\n"}
    plan = asked(store, "plan_suite", "viewer", suite="shop", files=files)
    assert plan["targets"] == ["http://shop.test", "http://inner.test", "http://169.254.169.254", "${from_data}"]
    assert plan["changes_data"] == ["script", "services"]
    assert "and what its code names; may change data (script, services)" in plan["effect"]


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("modules.jmeter.path=./mine", "modules"),
        ("modules.jmeter.download-link=http://other.test", "modules"),
        ("settings.env.LD_PRELOAD=./mine.so", "environment"),
        ("execution.0.env.PYTHONPATH=.", "environment"),
    ],
)
def test_the_person_reads_that_a_setting_may_run_code(store: FolderStore, override: str, part: str) -> None:
    found = Assistant(store, "operator").ask(
        "tools/call", name="start_run", arguments={"suite": "shop", "overrides": [override]}
    )
    assert f"may change data ({part})" in found["structuredContent"]["consent"]


def test_a_version_needs_consent_if_it_replaces_that_of_another_person(store: FolderStore) -> None:
    given: dict[str, Any] = {
        "suite": "shop",
        "comment": "pay",
        "files": {"suite.yml": SUITE % "vegeta", "notes.txt": "mine"},
    }
    by = suites.current(store, "shop").by
    assert asked(store, "push_suite", **given, expected=0)["code"] == "version-conflict"
    refused = asked(store, "push_suite", **given, expected=1)
    assert (refused["code"], refused["consent"]) == (
        "consent-needed", f"save shop version 2 over version 1, which {by} saved"
    )  # fmt: skip
    assert asked(store, "push_suite", **given, expected=1, consent=refused["consent"])["version"] == 2
    own = asked(store, "push_suite", suite="shop", comment="again", expected=2, files={"notes.txt": None})
    assert own["version"] == 3
    assert {*suites.read(store, "shop")[1]} == {"suite.yml"}
    wrong = asked(store, "push_suite", **given | {"files": {"suite.yml": SUITE % "warp"}}, expected=3)
    assert (wrong["code"], suites.current(store, "shop").number) == ("unknown-executor", 3)


def test_all_variables_that_are_not_set_are_reported_at_once(store: FolderStore) -> None:
    text = SUITE % "vegeta" + "settings: {env: {TOKEN: '${TOKEN}', KEY: '${KEY}'}}\n"
    checked = asked(store, "validate_suite", "viewer", suite="shop", files={"suite.yml": text})
    assert [(each["code"], each["line"]) for each in checked["problems"]] == [("unset-reference", 4)] * 2


def test_a_run_above_its_budget_is_refused_and_its_price_is_planned(store: FolderStore) -> None:
    store.put("deployments/us-east-1.json", deployment("us-east-1").to_json())
    text = SUITE % "vegeta" + "locations: {us-east-1: 1}\n"
    given: dict[str, Any] = {"suite": "shop", "files": {"suite.yml": text}, "on": "fargate"}
    plan = asked(store, "plan_suite", "viewer", **given)
    assert (plan["usd"] > 0, plan["workers"], plan["changes_data"]) == (True, {"us-east-1": 1}, ["POST"])
    saved = Assistant(store).call("push_suite", suite="far", files=given["files"], comment="far", expected=0)
    start = {"suite": saved["suite"], "on": "fargate"}
    starts = Started()
    assistant = Assistant(store, "operator", starter=starts)
    assert "(over-max-cost)" in assistant.call("start_run", **start, max_cost_usd=plan["usd"] / 2)
    assert starts.requests == []
    assistant.call("start_run", **start, max_cost_usd=plan["usd"] * 2)
    assert len(starts.requests) == 1


def test_an_import_gets_neither_files_nor_variables_of_the_server(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNER", "10.0.0.7")
    before = list(store.keys(""))
    for text in (
        "curl 'http://${INNER}/a' -d @/etc/hostname",
        "curl 'http://shop.test/' -H 'Authorization: Bearer abc'",
    ):
        made = json.dumps(asked(store, "import_suite", "viewer", text=text))
        assert not any(
            secret in made for secret in ("10.0.0.7", Path("/etc/hostname").read_text().strip(), "Bearer abc")
        )
    assert asked(store, "import_suite", "viewer", text="import http from 'k6/http'")["code"] == "unknown-format"
    assert list(store.keys("")) == before


def test_the_format_is_taught_by_a_resource_and_a_prompt(store: FolderStore) -> None:
    viewer = Assistant(store, "viewer")
    resources = viewer.ask("resources/list")["resources"]
    ((content,), (schema,)) = [viewer.ask("resources/read", uri=each["uri"])["contents"] for each in resources]
    assert json.loads(schema["text"]) == suite_schema()
    (prompt,) = viewer.ask("prompts/list")["prompts"]
    message = viewer.ask("prompts/get", name=prompt["name"], arguments={"goal": "Load the carts."})["messages"][0]
    assert message["content"]["text"].startswith("Load the carts.") and content["text"] in message["content"]["text"]
    assert len(content["text"].split()) <= 3_000
    example = content["text"].partition("```yaml\n")[2].partition("```")[0]
    checked = asked(store, "validate_suite", "viewer", suite="shop", files={"suite.yml": example},
                    environment={"TOKEN": "a"})  # fmt: skip
    assert checked == {"valid": True, "problems": [], "warnings": []}


def test_a_browsers_session_is_refused(store: FolderStore) -> None:
    answer = Assistant(store, by="session").http.post("/mcp", json={}, headers=HEADERS)
    assert (answer.status_code, answer.json()["code"]) == (403, "token-only")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_no_request_opens_a_stream_that_a_function_would_wait_for(store: FolderStore, method: str) -> None:
    answer = Assistant(store).http.request(method, "/mcp", headers=HEADERS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.live
def test_an_assistant_on_this_machine_uses_a_store_by_stdio(store: FolderStore) -> None:
    arguments = ["-m", "toril", "mcp", "--store", str(store.folder)]
    server = StdioServerParameters(command=sys.executable, args=arguments)

    async def talk() -> tuple[set[str], Any, Any]:
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            tools = {one.name for one in (await session.list_tools()).tools}
            runs = await session.call_tool("list_runs", {})
            noted = await session.call_tool("add_note", {"run_id": OVER, "text": "fine"})
            return tools, runs.structured_content, noted.is_error

    tools, runs, failed = anyio.run(talk)
    assert tools == READING | CHANGING
    assert [one["run_id"] for one in runs["runs"]] == [OVER]
    assert not failed
    assert [one.text for one in notes.notes_of(store, OVER)] == ["fine"]


@pytest.mark.live
@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("agrees", [False, True])
def test_a_client_that_can_ask_does_so_and_its_model_cannot_agree(store: FolderStore, mode: str, agrees: bool) -> None:
    server = StdioServerParameters(command=sys.executable, args=["-m", "toril", "mcp", "--store", str(store.folder)])
    questions, effect = [], "save shop version 2 over version 1, which ada saved"

    async def answer(context: Any, params: Any) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action="accept" if agrees else "decline", content={"agree": True} if agrees else None)

    async def talk() -> Any:
        async with Client(stdio_client(server), mode=mode, elicitation_callback=answer) as client:
            files = {"suite.yml": SUITE % "vegeta"}
            given = {"suite": "shop", "comment": "pay", "expected": 1, "files": files, "consent": effect}
            return (await client.call_tool("push_suite", given)).structured_content

    done = anyio.run(talk)
    assert questions == [f"{effect}?"]
    assert done.get("code") == (None if agrees else "declined")
    assert suites.current(store, "shop").number == (2 if agrees else 1)
