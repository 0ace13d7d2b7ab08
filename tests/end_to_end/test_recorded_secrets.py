"""No secret of a recording is in any file that toril leaves, or in what it prints."""

import base64
import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.applications import PASSWORD, USER, Name, journey, serving
from tests.end_to_end.recorded import call, variables_of

pytestmark = [pytest.mark.live, pytest.mark.nightly]

PLACES = "header query path json form cookie multipart fragment hidden response"


def traces(secret: str) -> set[bytes]:
    """Returns the forms of a secret: plain, encoded for an address, HTML or JSON, and in base64."""
    found = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)}
    found |= {json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[1:-1]}
    cores = [base64.b64encode(before + secret.encode()).decode() for before in (b"", b"a", b"ab")]
    found |= {core[4 if number else 0 : -4] for number, core in enumerate(cores)}
    return {one.encode() for one in found if len(one) >= 8}


def check(secrets: Iterable[str], folder: Path, output: str, *, without: Iterable[Path] = ()) -> None:
    """Fails if a secret is in a file of the folder, in its name, or in the output."""
    files = [one for one in folder.rglob("*") if one.is_file() and one not in without]
    assert files
    contents = {str(one): one.read_bytes() + str(one).encode() for one in files} | {"output": output.encode()}
    found = {
        (name, trace)
        for name, content in contents.items()
        for secret in secrets
        for trace in traces(secret)
        if trace in content
    }
    assert found == set()


@pytest.mark.parametrize("name", ["spa", "shop", "upload", "oauth"])
def test_a_recording_and_its_runs_leave_no_secret(name: Name, tmp_path: Path) -> None:
    options = {"token_s": 2} if name == "spa" else {}
    with serving(name, **options) as application:
        arguments = ("--script", journey(name), "--into", tmp_path, "--name", name, "--explain", "--format", "json")
        done = call("record", application.url, *arguments, "--playwright", "--users", "2", "--hold-for", "2s")
        assert done.code == 0, done.output
        secrets = [*application.secrets]
        suite, store = tmp_path / "loadtests" / name, tmp_path / "store"
        tried = call("try", suite, "--store", store, variables=variables_of(suite))
        run = call("run", suite, "--store", store, "--fail-on", "failed", variables=variables_of(suite))
    assert (tried.code, run.code) == (0, 0), tried.output + run.output
    check(secrets, tmp_path / "loadtests", done.output)
    secrets.remove(USER)  # a try shows who logs in
    check(secrets, tmp_path / "store", tried.output + run.output)


def planted() -> dict[str, str]:
    """Returns a secret for each place, of characters that each encoding changes."""
    return {name: f'{name[:2]}Zk9/{number}vQ+7w&x=T4"é{number}rB8' for number, name in enumerate(PLACES.split())}


def har(of: dict[str, str]) -> dict[str, Any]:
    """Returns a recording with the secrets at their places."""

    def entry(method: str, url: str, answer: str, type: str, **request: Any) -> dict[str, Any]:
        asked = {"method": method, "url": f"https://shop.example.com{url}", "headers": [], **request}
        given = {"status": 200, "headers": [{"name": "Content-Type", "value": type}], "content": {"text": answer}}
        return {"request": asked, "response": given}

    def post(type: str, text: str) -> dict[str, str]:
        return {"mimeType": type, "text": text}

    headers = [{"name": "Authorization", "value": f"Bearer {quote(of['header'], safe='')}"}]
    headers.append({"name": "Cookie", "value": f"session={quote(of['cookie'], safe='')}"})
    field = f'<form action="/form"><input type="hidden" name="csrf_token" value="{html.escape(of["hidden"])}"></form>'
    login = f"email={quote_plus(USER)}&password={quote_plus(PASSWORD)}&csrf_token={quote_plus(of['hidden'])}"
    part = f'--X\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{of["multipart"]}\r\n--X--\r\n'
    token = {"access_token": of["response"], "expires_in": 60}
    entries = [
        entry("GET", "/login", field, "text/html"),
        entry("POST", "/form", json.dumps(token), "application/json", postData=post(FORM, login)),
        entry("GET", f"/a?access_token={quote_plus(of['query'])}", "{}", "application/json", headers=headers),
        entry("GET", f"/hooks/{quote(of['path'], safe='')}/list", "{}", "application/json"),
        entry("GET", f"/back#access_token={quote_plus(of['fragment'])}", "{}", "application/json"),
        entry("POST", "/b", "{}", "application/json", postData=post("application/json", _json(of["json"]))),
        entry("POST", "/c", "{}", "application/json", postData=post(FORM, f"api_key={quote_plus(of['form'])}")),
        entry("POST", "/d", "{}", "application/json", postData=post("multipart/form-data; boundary=X", part)),
    ]
    return {"log": {"version": "1.2", "entries": entries}}


FORM = "application/x-www-form-urlencoded"


def _json(secret: str) -> str:
    return json.dumps({"login": {"client_secret": secret}, "query": f"token {secret}"})


def test_a_secret_at_any_place_of_a_har_is_in_no_file_and_not_printed(tmp_path: Path) -> None:
    secrets, source = planted(), tmp_path / "shop.har"
    source.write_text(json.dumps(har(secrets)))
    done = call("import", source, "--into", tmp_path, "--explain", "--format", "json")
    assert done.code == 0, done.output
    assert (tmp_path / "loadtests/shop/suite.yml").is_file()
    check([*secrets.values(), USER, PASSWORD], tmp_path, done.output, without=[source])
