"""`toril import`: its options, scripts that stay as they are, and what it prints."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.authoring import recordings
from toril import cli
from toril.errors import UserError
from toril.suite import read_suite

K6 = """
import http from 'k6/http';
import { check } from "k6";
import { home } from './lib/pages.js';
const users = JSON.parse(open('./data/users.json'));
export const options = { vus: 3, duration: '10s' };
export default function () { home(users[0]); }
"""
GATLING = """
import io.gatling.core.Predef._
class Shop extends Simulation { setUp(scenario("shop").feed(csv("users.csv")).inject(atOnceUsers(1))) }
"""


LOG = '10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /a HTTP/1.1" 200 1 "-" "Mozilla/5.0"\n'


def call(*arguments: str, text: str = "") -> Result:
    """Calls the command; any error other than UserError fails the test."""
    done = CliRunner().invoke(cli.app, ["import", *arguments], input=text)
    if done.exception and not isinstance(done.exception, (SystemExit, UserError)):
        raise done.exception
    return done


def files(folder: Path, **contents: str) -> None:
    for name, content in contents.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize(
    ("name", "executor", "companions"),
    [("shop.js", "k6", {"lib/pages.js", "lib/base.js", "data/users.json"}), ("Shop.scala", "gatling", {"users.csv"})],
)
def test_a_script_is_copied_unchanged_with_its_files_and_keeps_its_load(name, executor, companions, tmp_path):
    files(
        tmp_path / "own", shop_js=K6, Shop_scala=GATLING, users_csv="name\nada\n", data__users_json="[1]",
        lib__pages_js="import x from './base.js';", lib__base_js="", other_js="",
    )  # fmt: skip
    done = call(str(tmp_path / "own" / name), "--into", str(tmp_path), "--name", "shop")
    assert done.exit_code == 0, done.output
    home = tmp_path / "loadtests/shop"
    assert {str(path.relative_to(home)) for path in home.rglob("*.*")} == {"suite.yml", name, *companions}
    assert (home / name).read_text() == (tmp_path / "own" / name).read_text()
    suite = read_suite([home])
    assert [(one.executor, one.concurrency) for one in suite.executions] == [(executor, None)]


@pytest.mark.parametrize("option", [["--functional"], ["--host", "a.example"], ["--rule", "1"]])
def test_an_option_without_effect_on_a_script_is_refused(option, tmp_path):
    files(tmp_path / "own", plain_js="import http from 'k6/http';\n")
    done = call(str(tmp_path / "own/plain.js"), *option, "--into", str(tmp_path))
    assert isinstance(done.exception, UserError), done.output
    assert done.exception.code == "conflicting-options"
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-"], "not-a-file"),
        (["-", "--host", "a b"], "option-value"),
        (["-", "--host", "https://ada:x@a.example"], "credentials-in-address"),
        (["-", "--length", "soon"], "not-a-duration"),
        (["missing.har"], "no-such-file"),
    ],
)
def test_wrong_options_are_refused(arguments, code, tmp_path):
    done = call(*arguments, "--into", str(tmp_path), text=K6)
    assert isinstance(done.exception, UserError), done.output
    assert done.exception.code == code
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "arguments", "option"),
    [
        ("curl https://a.example/", ["--functional", "--users", "3"], "--users"),
        ("curl https://a.example/", ["--length", "5m"], "--length"),
        ("curl https://a.example/", ["--rule", "7"], "rule 7"),
        (LOG, ["--hold-for", "5m"], "--hold-for"),
        (LOG, ["--arrivals", "5/s"], "--arrivals"),
    ],
)
def test_an_option_without_effect_on_the_source_is_refused(source, arguments, option, tmp_path):
    done = call("-", *arguments, "--into", str(tmp_path), text=source)
    assert isinstance(done.exception, UserError), done.output
    assert str(done.exception).startswith(option)
    assert not list(tmp_path.iterdir())


def test_a_second_source_that_is_no_recording_is_refused(tmp_path):
    (tmp_path / "one.sh").write_text("curl https://a.example/")
    done = call(str(har(tmp_path)), str(tmp_path / "one.sh"), "--into", str(tmp_path))
    assert isinstance(done.exception, UserError), done.output
    assert done.exception.code == "conflicting-options"


def test_a_source_without_an_address_gives_the_suite_no_name(tmp_path):
    done = call("-", "--into", str(tmp_path), text='{"openapi": "3.0.0", "paths": {"/a": {"get": {}}}}')
    assert "wrote " + str(tmp_path / "loadtests/first/suite.yml") in done.stdout


def test_a_workflow_without_an_owner_is_noted(tmp_path):
    done = call("-", "--into", str(tmp_path), "--workflow", text="curl https://a.example/")
    assert "loadtest.yml:19: replace YOUR_ORG" in done.stderr


def test_a_server_that_is_not_there_is_named_in_a_sentence(tmp_path):
    done = call("http://127.0.0.1:1/openapi.json", "--into", str(tmp_path))
    assert "Pool" not in str(done.exception)
    assert "Connection refused" in str(done.exception)


def test_a_replay_asks_before_it_changes_data(tmp_path):
    command = tmp_path / "order.sh"
    command.write_text("curl https://a.example -d x\n")
    done = call(str(command), "--replay", "--format", "json", "--into", str(tmp_path), text="n\n")
    assert done.exit_code == 130
    assert "replay" not in done.stdout
    assert list(tmp_path.iterdir()) == [command]


def test_a_replay_of_stdin_cannot_ask(tmp_path):
    done = call("-", "--replay", "--into", str(tmp_path), text="curl https://a.example -d x\n")
    assert isinstance(done.exception, UserError)
    assert done.exception.code == "missing-option"
    assert not list(tmp_path.iterdir())


def test_a_har_becomes_a_suite_and_its_rules_are_explained(tmp_path):
    path = str(har(tmp_path))
    done = call(path, "--into", str(tmp_path), "--explain")
    assert done.exit_code == 0, done.output
    assert "rule 1: csrf" in done.stdout
    assert "next:\n  export SHOP_USER=… SHOP_PASSWORD=…\n  toril try" in done.stdout
    assert "is not set" not in done.output
    asked = call(path, "--into", str(tmp_path), "--name", "again", "--format", "json", "--no-rule", "1")
    shown = json.loads(asked.stdout)
    assert [one["applied"] for one in shown["rules"]] == [False]
    assert shown["variables"] == ["SHOP_CSRF", "SHOP_USER", "SHOP_PASSWORD"]
    assert shown["suite"] == str(tmp_path / "loadtests/again")
    assert recordings.secret("first", "csrf 1") not in done.output + asked.output


def test_variables_that_the_environment_already_has_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_USER", "ada")
    done = call(str(har(tmp_path)), "--into", str(tmp_path))
    (note,) = [line for line in done.stderr.splitlines() if "environment" in line]
    assert "SHOP_USER" in note
    assert "SHOP_PASSWORD" not in note


def har(folder: Path) -> Path:
    """Writes a login with a hidden field."""
    token = recordings.secret("first", "csrf 1")
    page = {"text": recordings.csrf_form("/login", token), "mimeType": "text/html"}
    post = {"mimeType": recordings.FORM, "text": f"csrf={token}&user=ada&password=correct+horse"}
    sent = [
        {"request": {"method": "GET", "url": f"{recordings.SHOP}/login"}, "response": {"status": 200, "content": page}},
        {
            "request": {"method": "POST", "url": f"{recordings.SHOP}/login", "postData": post},
            "response": {"status": 200},
        },
    ]
    path = folder / "shop.har"
    path.write_text(json.dumps({"log": {"entries": sent}}))
    return path


def test_the_output_counts_the_requests_that_write_and_names_the_token_to_set(tmp_path):
    description = {
        "openapi": "3.0.0",
        "servers": [{"url": "http://127.0.0.1:1"}],
        "components": {"securitySchemes": {"auth": {"type": "http", "scheme": "bearer"}}},
        "paths": {"/pets": {"get": {}, "post": {}, "delete": {}}},
    }
    done = call("-", "--into", str(tmp_path), "--name", "pets", "--format", "json", text=json.dumps(description))
    found = json.loads(done.stdout)
    assert "API_TOKEN" in found["variables"]
    notes = {one["code"]: one["message"] for one in found["notes"]}
    assert "2 of 3 requests" in notes["changes-data"]
    assert "unassigned-security" in notes
    done = call("-", "--into", str(tmp_path), "--name", "reads", "--only-reads", text=json.dumps(description))
    assert "changes data" not in done.output
