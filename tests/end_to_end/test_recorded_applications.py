"""Applications that break a naive replay: recorded, tried, and loaded by 20 users without a refused request."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.applications import NAMES, Application, Name, journey, serving
from tests.end_to_end.recorded import call, variables_of

pytestmark = [pytest.mark.live, pytest.mark.nightly]

WHILE_RECORDED: dict[Name, dict[str, Any]] = {"spa": {"token_s": 2}, "upload": {"ready_s": 0.3}}
RENAMED: dict[Name, dict[str, str]] = {
    "spa": {"accessToken": "token"},
    "shop": {"csrf": "authenticity_token"},
    "graphql": {"token": "jwt"},
    "upload": {"id": "key"},
    "oauth": {"access_token": "token"},
}
LOAD = ("--users", "20", "--ramp-up", "2s", "--hold-for", "28s", "--criterion", "fail>0%")


def recorded(application: Application, name: Name, folder: Path, *options: str | Path) -> Path:
    """Returns the suite of a recording by the application's script."""
    script = ("--script", journey(name))
    done = call("record", application.url, *script, "--into", folder, "--name", name, *LOAD, *options)
    assert done.code == 0, done.output
    application.refused.clear()
    application.options["token_s"] = 20
    return folder / "loadtests" / name


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_replays_alone_and_with_20_users_and_a_renamed_field_is_found(name: Name, tmp_path: Path) -> None:
    with serving(name, **WHILE_RECORDED.get(name, {})) as application:
        suite = recorded(application, name, tmp_path, "--twice")
        store, variables = ("--store", tmp_path / "store"), variables_of(suite)
        tried = call("try", suite, *store, variables=variables)
        assert (tried.code, application.refused) == (0, []), tried.output
        run = call("run", suite, *store, "--fail-on", "failed", variables=variables)
        assert (run.code, application.refused) == (0, []), run.output
        assert len(application.requests) > 200
        application.options["rename"] = RENAMED[name]
        differing = call("try", suite, *store, "--format", "json", variables=variables)
        assert differing.code == 1, differing.output
        lines = [json.loads(line) for line in differing.output.splitlines() if line.startswith('{"difference"')]
        first = lines[0]["difference"]
        (renamed,) = RENAMED[name].values()
        assert first["code"] == "missing-value"
        assert renamed in first["yaml"]  # the proposed extractor


@pytest.mark.parametrize("name", NAMES)
def test_the_har_of_another_tool_replays_too(name: Name, tmp_path: Path) -> None:
    with serving(name, **WHILE_RECORDED.get(name, {})) as application:
        recorded(application, name, tmp_path, "--har", tmp_path / "one.har")
        har = json.loads((tmp_path / "one.har").read_text())
        (tmp_path / "plain.har").write_text(json.dumps(_plain(har)))
        done = call("import", tmp_path / "plain.har", "--into", tmp_path / "plain", "--name", name, *LOAD)
        assert done.code == 0, done.output
        suite = tmp_path / "plain" / "loadtests" / name
        tried = call("try", suite, "--store", tmp_path / "store", variables=variables_of(suite))
        assert (tried.code, application.refused) == (0, []), tried.output


def _plain(value: Any) -> Any:
    """Returns the HAR without the fields that Playwright alone writes."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if not name.startswith("_")}
    return [_plain(one) for one in value] if isinstance(value, list) else value
