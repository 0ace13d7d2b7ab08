"""Recordings of Chromium: by a script, and by a person, whom the tests replace by Playwright's mouse and keyboard."""

import ast
import json
import os
import re
import runpy
import signal
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.applications import CREDENTIALS, PASSWORD, USER, Application, Asked, Reply, journey, page, served, serving
from tests.targets import target
from toril.authoring.journey import browser_files, script_of
from toril.authoring.messages import Opened
from toril.authoring.options import ImportOptions
from toril.authoring.readers import Input, read
from toril.authoring.recorded import Payload, Recorded
from toril.authoring.recorder import (
    BINDING,
    RecordOptions,
    Step,
    Tape,
    _terminable,
    completed,
    launched,
    record,
    second_of,
    taped,
)
from toril.errors import OptionError
from toril.programs import chromium

START_MS = 1_750_000_000_000
FILE = {"name": "f", "file": "o.pdf", "type": "x/y", "key": "1"}


@pytest.fixture
def with_chromium(monkeypatch: pytest.MonkeyPatch) -> None:
    if chromium() is None:
        pytest.skip("no Chromium: `make test` installs it on Debian")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def entry(
    at_s: float, method: str = "GET", path: str = "/", kind: str = "fetch", to: str = "", **request: Any
) -> dict[str, Any]:
    """Returns an entry of a HAR that began so long after the first."""
    return {
        "startedDateTime": f"2025-06-15T15:06:{40 + at_s:06.3f}Z",
        "request": {"method": method, "url": f"http://shop.example{path}", **request},
        "response": {"redirectURL": to and f"http://shop.example{to}"},
        "_resourceType": kind,
    }


def har_of(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"log": {"entries": list(entries)}}


def heard(tape: Tape, *messages: dict[str, Any], url: str = "http://shop.example/", parent: str = "") -> Any:
    """Sends messages of a frame as Playwright does, and returns the answer to the last."""
    above = SimpleNamespace(url=parent, parent_frame=None) if parent else None
    source = {"frame": SimpleNamespace(url=url, parent_frame=above)}
    return [tape.heard(source, message) for message in messages][-1]


def body(at_s: float, path: str, *parts: dict[str, str], form: bool = True) -> dict[str, Any]:
    url = f"http://shop.example{path}"
    return {"kind": "body", "at": START_MS + at_s * 1000, "method": "POST", "url": url, "form": form, "parts": parts}


def bodies(recorded: Recorded, method: str, path: str) -> list[Payload]:
    """Returns the bodies of the requests to addresses that contain the path."""
    return [one.body for one in recorded.exchanges if one.method == method and path in one.url and one.body]


def steps_of(har: dict[str, Any]) -> list[str]:
    titles = {one["id"]: one["title"] for one in har["log"]["pages"]}
    return [titles.get(one["pageref"], "") for one in har["log"]["entries"]]


# ── The completed HAR


def test_each_request_is_in_the_step_that_was_open_when_it_began():
    tape = Tape(steps=[Step(at_s=START_MS / 1000, name="Log in"), Step(at_s=START_MS / 1000 + 2, name="Order")])
    assert steps_of(completed(har_of(entry(-0.5), entry(0.1), entry(1.9), entry(2), entry(7)), tape)) == [
        "",
        "Log in",
        "Log in",
        "Order",
        "Order",
    ]


def test_without_steps_each_opened_document_is_one_named_by_the_options_or_its_address():
    entries = [
        entry(0, path="/", kind="document"),
        entry(1),
        entry(2, path="/orders/8123/a", kind="document"),
        entry(3),
    ]
    assert steps_of(completed(har_of(*entries), Tape(names=("Open", "Read")))) == ["Open", "Open", "Read", "Read"]
    assert steps_of(completed(har_of(*entries), Tape())) == ["Open /"] * 2 + ["Open /orders/{id}/a"] * 2


def test_a_page_that_redirects_to_itself_is_a_step():
    entries = [entry(0, kind="document", to="/"), entry(1, kind="document")]
    assert steps_of(completed(har_of(*entries), Tape())) == ["Open /", "Open /"]


def test_a_script_without_actions_opens_the_page():
    code = script_of(Tape(), "http://shop.example/", "SHOP_USER", "SHOP_PASSWORD")
    compile(code, "journey.py", "exec")
    assert code.endswith('page.goto("/")\n')


def test_a_missing_body_comes_from_the_page_and_an_existing_one_stays():
    tape = Tape(files={"1": "data:x/y;base64,QUJD"})
    heard(
        tape,
        body(1, "/prevented", {"name": "a", "value": "1"}),
        body(
            2, "/upload", {"name": "title", "value": "Offer"}, {"name": "f", "file": "o.pdf", "type": "x/y", "key": "1"}
        ),
        body(3, "/upload", {"name": "title", "value": "Second"}),
    )
    own = {"mimeType": "application/json", "text": "{}"}
    found = completed(har_of(entry(2, "POST", "/upload"), entry(3, "POST", "/upload", postData=own)), tape)
    first, second = (one["request"]["postData"] for one in found["log"]["entries"])
    file = {"name": "f", "fileName": "o.pdf", "contentType": "x/y", "value": "data:x/y;base64,QUJD"}
    assert first["params"] == [{"name": "title", "value": "Offer"}, file]
    assert second == own


def test_a_page_that_a_script_leaves_at_once_has_the_content_that_it_reported():
    left, kept = entry(0, path="/login", kind="document"), entry(0, path="/", kind="document")
    left["response"]["content"], kept["response"]["content"] = {}, {"text": "as received"}
    pages = [
        {"kind": "html", "at": START_MS + 100, "url": f"http://shop.example{path}", "text": "as shown"}
        for path in ("/login", "/")
    ]
    heard(tape := Tape(), *pages)
    completed(har_of(left, kept), tape)
    assert left["response"]["content"]["text"] == "as shown"
    assert kept["response"]["content"]["text"] == "as received"


def test_a_response_after_which_a_script_opens_another_page_has_the_content_that_it_reported():
    made, kept, foreign = entry(0, "POST", "/lamps"), entry(1, "POST", "/lamps"), entry(2, "POST", "/lamps")
    made["response"]["content"], kept["response"]["content"] = {}, {"text": "as received"}
    foreign |= {"response": {"content": {}}}
    foreign["request"]["headers"] = [{"name": "Origin", "value": "http://ad.example"}]
    at_ms = (START_MS + 100, START_MS + 1100, START_MS + 2100)
    answer = {"kind": "answer", "method": "POST", "url": "http://shop.example/lamps", "text": '{"id": 7}'}
    heard(tape := Tape(), *({**answer, "at": at} for at in at_ms))
    completed(har_of(made, kept, foreign), tape)
    contents = [one["response"]["content"] for one in (made, kept, foreign)]
    assert contents == [{"text": '{"id": 7}'}, {"text": "as received"}, {}]


def test_the_bar_names_separates_and_joins_steps():
    tape = Tape(names=("Log in",))

    def pressed(kind: str, at_s: float, **message: Any) -> Any:
        return heard(tape, {"kind": kind, "at": at_s * 1000, **message})

    assert pressed("state", 1) == {"name": "Log in", "count": 1, "up": False}
    assert not tape.named
    assert pressed("step", 5) == {"name": "Step 2", "count": 2, "up": False}
    assert pressed("rename", 6, name=" Order ") == {"name": "Order", "count": 2, "up": False}
    assert tape.steps == [Step(at_s=0, name="Log in"), Step(at_s=5, name="Order")]
    assert pressed("undo", 7) == pressed("undo", 8) == {"name": "Log in", "count": 1, "up": False}
    assert pressed("move", 9) == pressed("state", 10) == {"name": "Log in", "count": 1, "up": True}


def test_a_script_of_actions_reads_the_login_from_the_environment_and_ends_steps_with_expectations():
    tape = Tape(
        steps=[Step(at_s=0, name="Log in"), Step(at_s=5, name="Order")], ended_at="http://shop.example/orders/81"
    )
    field = {"kind": "action", "what": "fill", "at": 2000.0, "secret": False}
    heard(
        tape,
        {"kind": "page", "at": 1000.0, "url": "http://shop.example/login?to=%2F", "from": ""},
        {**field, "value": USER, "locator": ["label", "E-mail"]},
        {**field, "value": PASSWORD, "locator": ["css", "#pass"], "secret": True},
        {**field, "what": "press", "value": "Enter", "locator": ["css", "#pass"], "secret": True},
        {"kind": "page", "at": 3000.0, "url": "http://shop.example/account", "from": "http://shop.example/login"},
        {**field, "what": "click", "value": "", "locator": ["role", ["button", 'Buy "it"']], "at": 4600.0 + 600},
    )
    code = script_of(tape, "http://shop.example/", "SHOP_USER", "SHOP_PASSWORD")
    compile(code, "journey.py", "exec")
    assert USER not in code and PASSWORD not in code
    assert [line.strip() for line in code.partition("None:\n")[2].splitlines()] == [
        'with transaction("Log in"):',
        'page.goto("/login?to=%2F")',
        'page.get_by_label("E-mail", exact=True).fill(os.environ["SHOP_USER"])',
        'page.locator("#pass").fill(os.environ["SHOP_PASSWORD"])',
        'page.locator("#pass").press("Enter")',
        'expect(page.get_by_role("button", name="Buy \\"it\\"", exact=True)).to_be_attached()',
        "page.wait_for_timeout(3000)",
        'with transaction("Order"):',
        'page.get_by_role("button", name="Buy \\"it\\"", exact=True).click()',
        'expect(page).to_have_url(re.compile("/orders/[^/]+"))',
    ]


# ── Messages that a page, or an advertisement in it, forges

CLICK = {"kind": "action", "at": START_MS, "what": "click", "value": "", "secret": False, "locator": ["css", "body"]}
EVIL = "click(); __import__('os').abort() #"
SHOWN = "a\"b\\c\n{d} ${e} \u202e folder os.environ['AWS_SECRET_ACCESS_KEY']"
BROKEN = [
    None,
    "click",
    {},
    {"kind": "body"},
    {"kind": "toString", "at": START_MS},
    {**CLICK, "what": EVIL},
    {**CLICK, "at": float("nan")},
    {**CLICK, "locator": [EVIL, "body"]},
    {**CLICK, "locator": ["role", "button"]},
    {**CLICK, "locator": ["css", {"a": 1}]},
    {**CLICK, "what": "press", "value": EVIL},
    {**CLICK, "what": "fill", "value": ["a"]},
    {**CLICK, "what": "fill", "value": "\ud800"},
    {**CLICK, "what": "upload", "value": ["a"]},
    *({**CLICK, "what": "upload", "value": [["1", name]]} for name in ("../a", "a/b", "..", "", "a\0", "c:d")),
    *({"kind": "page", "at": START_MS, "url": url, "from": ""} for url in ("file:///etc/passwd", "http://[a]/")),
    {"kind": "file", "key": "1", "data": "data:;base64,a"},
    body(0, "/", form=False),
    body(0, "/", {"name": "a", "value": "1"}, form=False),
]


@pytest.mark.parametrize("message", BROKEN, ids=str)
def test_an_invalid_message_of_a_page_is_dropped(message):
    tape = Tape()
    assert heard(tape, message) is None
    assert tape == Tape()


@pytest.mark.parametrize("message", [CLICK, *({"kind": kind, "at": START_MS} for kind in ("step", "rename", "done"))])
def test_only_the_document_of_a_page_reports_actions_and_steps(message):
    tape = Tape()
    heard(tape, message, url="http://shop.example/frame", parent="http://shop.example/")
    assert tape == Tape()


def test_a_frame_of_another_origin_reports_only_its_own_requests_and_documents():
    own = entry(0, "POST", "/order", headers=[{"name": "Origin", "value": "http://shop.example"}])
    foreign = entry(1, "POST", "/order", headers=[{"name": "origin", "value": "http://ad.example"}])
    opened = entry(2, kind="document")
    opened["response"]["content"] = {}
    html = {"kind": "html", "at": START_MS + 9000, "url": "http://shop.example/", "text": "forged"}
    heard(tape := Tape(), body(0, "/order", {"name": "a", "value": "forged"}), html, url="http://ad.example/frame")
    completed(har_of(own, foreign, opened), tape)
    assert "postData" not in own["request"]
    assert foreign["request"]["postData"]["params"] == [{"name": "a", "value": "forged"}]
    assert opened["response"]["content"] == {}


def test_every_text_of_a_page_is_a_literal_of_the_script():
    names = ["my folder.txt", 'a"b.txt', "Path(folder).txt"]
    heard(
        tape := Tape(steps=[Step(at_s=0, name=SHOWN)], ended_at=f"http://shop.example/{SHOWN}"),
        {"kind": "page", "at": START_MS, "url": f"http://shop.example/{SHOWN}", "from": ""},
        *({**CLICK, "locator": [how, SHOWN]} for how in ("test_id", "label", "placeholder", "text", "css")),
        {**CLICK, "locator": ["role", [SHOWN, SHOWN]]},
        {**CLICK, "what": "fill", "value": SHOWN},
        {**CLICK, "what": "fill", "value": ""},
        {**CLICK, "what": "select", "value": [SHOWN, "b"]},
        {**CLICK, "what": "upload", "value": [["1", name] for name in names]},
    )
    files = {str(path): data.decode() for path, data in browser_files(tape, "http://shop.example/", {}).items()}
    code = files["journey.py"]
    tree = ast.parse(code)
    assert {f"journey/{name}" for name in names} <= files.keys()
    assert "AWS_SECRET" not in files["browser.yml"]
    assert code.replace("\n", "").isprintable()
    texts = [one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    assert {one for one in texts if "AWS" in one} == {SHOWN, f"/{SHOWN}", "/" + re.escape(SHOWN.replace("\n", ""))}
    assert [one for one in texts if one.endswith(".txt")] == names
    called = {
        one.func.attr for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
    }
    assert called == {
        "goto", "click", "fill", "select_option", "set_input_files", "get_by_test_id", "get_by_label",
        "get_by_placeholder", "get_by_text", "locator", "get_by_role", "compile", "to_have_url",
    }  # fmt: skip


@pytest.mark.live
def test_a_frame_that_calls_the_recorder_itself_changes_nothing(tmp_path, with_chromium):
    forged = json.dumps([{**CLICK, "what": EVIL}, CLICK, {"kind": "body"}, {"kind": "done", "at": 1}])
    call = "globalThis.__playwright__binding__controller__.callBinding"
    script = (
        f"Promise.allSettled({forged}.map((one) => {call}('{BINDING}', one))).then(() => document.title = 'called')"
    )

    def drive(shown: Any, tape: Tape) -> None:
        shown.goto("/")
        shown.wait_for_function("frames[0]?.document.title === 'called'")

    with served(Application(), lambda asked: Reply(
        body=page("Home", "", script) if asked.target == "/frame" else page("Home", '<iframe src="/frame"></iframe>')
    )) as url:  # fmt: skip
        tape = by_person(url, tmp_path / "one.har", drive)
    assert not tape.done
    assert [type(one) for one in tape.actions] == [Opened]
    assert tape.bodies == []


# ── A script in Chromium


@pytest.mark.live
def test_a_script_is_recorded_with_its_steps_and_the_files_that_chromium_leaves_out(tmp_path, with_chromium):
    from tests.applications.upload_journey import DOCUMENT, PICTURE

    kept = tmp_path / "kept.har"
    with serving("upload", ready_s=0) as application:
        found = record(RecordOptions(url=application.url, script=journey("upload"), har=kept)).recorded
    assert application.refused == []
    assert {one.step for one in found.exchanges} == {"Send a document", "Store a picture"}
    form = bodies(found, "POST", "/documents")[0]
    assert dict(form.fields)["title"] == "Offer for two sofas"
    assert [(one.field, one.name, one.data) for one in form.uploads] == [
        ("document", DOCUMENT["name"], DOCUMENT["buffer"])
    ]
    assert [one.data for one in bodies(found, "PUT", "/store/")[0].uploads] == [PICTURE["buffer"]]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.live
@pytest.mark.nightly
def test_steps_beside_transactions_are_refused(with_chromium):
    with serving("upload") as application, pytest.raises(OptionError, match="transactions of the script"):
        record(RecordOptions(url=application.url, script=journey("upload"), steps=("Send",)))


@pytest.mark.live
@pytest.mark.nightly
def test_two_passes_of_a_script_are_two_observations_and_both_are_kept(with_chromium, tmp_path):
    with serving("shop") as application:
        har = tmp_path / "shop.har"
        found = record(RecordOptions(url=application.url, script=journey("shop"), twice=True, har=har))
    assert application.refused == []
    assert found.second is not None
    again = [read(Input(data=one.read_bytes(), name=""), ImportOptions()) for one in (har, second_of(har))]
    assert [one.exchanges for one in again] == [found.recorded.exchanges, found.second.exchanges]
    first, second = ([(one.method, one.step) for one in part.exchanges] for part in (found.recorded, found.second))
    assert first == second
    tokens = [dict(bodies(part, "POST", "/orders")[0].fields)["csrf"] for part in (found.recorded, found.second)]
    assert tokens[0] != tokens[1]


@pytest.mark.live
@pytest.mark.nightly
def test_a_failing_script_shows_its_own_traceback_alone(tmp_path, with_chromium):
    script = tmp_path / "mine.py"
    script.write_text("def test_it(page):\n    page.goto('/')\n    assert page.title() == 'Another'\n")
    with serving("shop") as application, pytest.raises(OptionError) as caught:
        record(RecordOptions(url=application.url, script=script))
    assert caught.value.code == "script-failed"
    lines = str(caught.value).splitlines()
    assert lines[1:3] == ["Traceback (most recent call last):", f'  File "{script}", line 3, in test_it']


@pytest.mark.live
@pytest.mark.nightly
def test_a_form_that_submits_itself_and_a_download_are_noticed(tmp_path, with_chromium):
    def respond(asked: Asked) -> Reply:
        if asked.parts == ["terms.pdf"]:
            return Reply(body=b"%PDF", headers=(("Content-Type", "application/pdf"),))
        if asked.parts:
            return Reply(body=page("Home", '<a href="/terms.pdf" download>Terms</a>'))
        form = '<form action="/acs" method="post"><input type="hidden" name="SAMLResponse" value="x1y2z3"></form>'
        return Reply(body=page("Wait", form, "document.forms[0].submit()"))

    script = tmp_path / "journey.py"
    script.write_text(
        "def test_it(page):\n    page.goto('/')\n    with page.expect_download():\n"
        "        page.get_by_text('Terms').click()\n"
    )
    with served(application := Application(), respond) as application.url:
        found = record(RecordOptions(url=application.url, script=script)).recorded
    first = found.exchanges[0].response
    assert first is not None
    assert b'value="x1y2z3"' in first.data
    assert [one.examples for one in found.left_out if one.what == "downloads"] == [
        (f"GET {application.url}/terms.pdf",)
    ]


@pytest.mark.live
@pytest.mark.nightly
def test_a_recording_connects_to_nothing_but_what_the_page_asks_for(monkeypatch, tmp_path, with_chromium):
    def respond(asked: Asked) -> Reply:
        return Reply(body=page("Home", '<img src="http://elsewhere.example/pixel.png">'))

    script = tmp_path / "mine.py"
    script.write_text("def test_it(page):\n    page.goto('/')\n    page.wait_for_timeout(3000)\n")
    with target() as proxy, served(Application(), respond) as url:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        record(RecordOptions(url=url, script=script))
    assert set(proxy.paths) == {"http://elsewhere.example/pixel.png"}


EVERY_WAY = """
const bytes = new Uint8Array(256).map((_, index) => index), file = new File([bytes], 'all.bin', {type: 'image/x'});
const form = () => { const data = new FormData(); data.append('a', 'ä b'); data.append('f', file); return data; };
const options = (body, method = 'POST') => ({method, body});
const sent = (async () => {
  await fetch('/fetch', options(form()));
  await fetch(new Request('/request', options(form())));
  await fetch(new Request('/blob', options(new Blob([bytes]), 'PUT')));
  await fetch('/array', {...options(bytes, 'PUT'), headers: {'Content-Type': 'application/octet-stream'}});
  await fetch('/json', options(new Blob(['{"x": 1}'], {type: 'application/json'})));
  await new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open('post', 'xhr');
    request.onload = done;
    request.send(form());
  });
  document.querySelector('form').onsubmit = (event) => event.preventDefault();
  document.querySelector('button').click(); // the form's own request does not happen
  document.querySelector('form').onsubmit = null;
  const chosen = new DataTransfer();
  chosen.items.add(file);
  document.querySelector('[type=file]').files = chosen.files;
})();
"""
FORM = """<form action="/form" method="post"><input name="a" value="ä b"><input type="file" name="f">
<button name="by" value="button" formaction="/button" formenctype="multipart/form-data">Send</button></form>"""


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.parametrize(
    "make",
    [
        "fetch('/lamps', {method: 'POST', body: '{}'}).then((got) => got.json()).then(open);",
        """const request = new XMLHttpRequest(); request.open('POST', '/lamps'); request.responseType = 'blob';
        request.onload = () => request.response.text().then(JSON.parse).then(open); request.send('{}');""",
    ],
    ids=["fetch", "xhr"],
)
def test_what_a_service_has_made_is_known_although_a_script_opens_its_page_at_once(make, tmp_path, with_chromium):
    make = "{ const open = (made) => { location.href = `/lamps/${made.id}`; };" + make + "}"

    def respond(asked: Asked) -> Reply:
        return Reply(body={"id": 4711} if asked.target == "/lamps" else page("Lamp", "", make * (asked.target == "/")))

    (script := tmp_path / "mine.py").write_text(
        "def test_it(page):\n    page.goto('/')\n    page.wait_for_url('**/lamps/4711')\n"
    )
    with served(Application(), respond) as url:
        found = record(RecordOptions(url=url, script=script)).recorded
    (made,) = (json.loads(one.response.text) for one in found.exchanges if one.method == "POST" and one.response)
    assert made == {"id": 4711}


@pytest.mark.live
@pytest.mark.nightly
def test_bodies_arrive_and_are_recorded_in_every_way_that_a_page_sends_them(tmp_path, with_chromium):
    received: dict[str, Asked] = {}

    def respond(asked: Asked) -> Reply:
        received[asked.target] = asked
        return Reply(body=page("Home", FORM, EVERY_WAY) if asked.target == "/" else "received")

    script = tmp_path / "mine.py"
    script.write_text(
        "def test_it(page):\n    page.goto('/')\n    page.evaluate('() => sent')\n    page.click('button')\n"
    )
    with served(Application(), respond) as url:
        found = record(RecordOptions(url=url, script=script)).recorded
    data, fields = bytes(range(256)), [("a", "ä b")]
    for path in ("/fetch", "/request", "/xhr", "/button"):
        (form,) = bodies(found, "POST", path)
        assert list(form.fields) == fields + [("by", "button")] * (path == "/button")
        assert [(one.field, one.name, one.type, one.data) for one in form.uploads] == [
            ("f", "all.bin", "image/x", data)
        ]
        assert data in received[path].body
    assert [one.data for one in bodies(found, "PUT", "/array")[0].uploads] == [data] == [received["/array"].body]
    assert [one.data for one in bodies(found, "PUT", "/blob")] == [data] == [received["/blob"].body]
    assert [one.text for one in bodies(found, "POST", "/json")] == ['{"x": 1}']


# ── A person, with the bar


class Person:
    """Uses the bar as assistive technology finds it, because its shadow root is closed."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self._session = page.context.new_cdp_session(page)

    def bar(self) -> dict[tuple[str, str], Any]:
        """Returns the nodes of the page by role and name."""
        nodes = self._session.send("Accessibility.getFullAXTree")["nodes"]
        named = [one for one in nodes if not one["ignored"]]
        return {(one["role"]["value"], one.get("name", {}).get("value", "")): one for one in named}

    def click(self, role: str, name: str) -> None:
        node = self.bar()[role, name]["backendDOMNodeId"]
        corners = self._session.send("DOM.getBoxModel", {"backendNodeId": node})["model"]["content"]
        self.page.mouse.click((corners[0] + corners[4]) / 2, (corners[1] + corners[5]) / 2)

    def name_step(self, name: str) -> None:
        self.click("textbox", "Name")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(name)


def by_person(url: str, har: Path, drive: Any) -> Tape:
    with launched(headless=True) as (_, browser):
        return taped(browser, RecordOptions(url=url), har, drive)


@pytest.mark.live
@pytest.mark.nightly
def test_a_person_names_steps_in_a_bar_that_a_strict_policy_does_not_stop(tmp_path, with_chromium):
    def drive(page: Any, tape: Tape) -> None:
        person = Person(page)
        page.goto("/")
        assert {("region", "Recording by toril"), ("button", "Undo"), ("button", "Move")} <= person.bar().keys()
        person.name_step("Look")
        page.keyboard.press("Alt+N")
        person.name_step("Log in")
        page.get_by_role("link", name="Log in").click()
        page.get_by_label("E-mail").fill(USER)
        assert person.bar()["textbox", "Name"]["value"]["value"] == "Log in"  # the next document knows the step
        person.click("button", "Next step")
        person.click("button", "Undo")
        person.click("button", "Move")
        person.click("button", "Done")
        page.wait_for_timeout(100)
        assert tape.up and tape.done

    with serving("shop") as application:
        tape = by_person(application.url, tmp_path / "one.har", drive)
    assert application.refused == []
    assert [step.name for step in tape.steps] == ["Look", "Log in"]
    steps = steps_of(completed(json.loads((tmp_path / "one.har").read_text()), tape))
    assert (steps[0], steps[-1]) == ("Look", "Log in")


@pytest.mark.live
@pytest.mark.nightly
def test_the_application_notices_no_recorder(tmp_path, with_chromium):
    script = """
    window.heard = [];
    for (const name of ['click', 'keydown', 'input', 'focusin']) addEventListener(name, () => heard.push(name));
    window.natives = [fetch.name, fetch.length, `${fetch}`, `${XMLHttpRequest.prototype.send}`];
    """

    def drive(page: Any, tape: Tape) -> None:
        plain = page.context.browser.new_context().new_page()
        plain.goto(url)
        page.goto("/")
        person = Person(page)
        names = "() => Object.getOwnPropertyNames(window).filter((name) => !name.startsWith('__playwright'))"
        assert page.evaluate(names) == plain.evaluate(names)
        assert page.evaluate("() => natives[0] + natives[1]") == plain.evaluate("() => natives[0] + natives[1]")
        assert all("[native code]" in one for one in page.evaluate("() => natives.slice(2)"))
        page.get_by_label("Name").focus()
        person.click("button", "Next step")
        assert page.evaluate("() => document.activeElement.id") == "name"
        person.name_step("x")
        assert page.evaluate("() => heard") == ["focusin"]  # the page's own field

    content = page("Home", '<label>Name <input id="name"></label>', script)
    with served(Application(), lambda _: Reply(body=content)) as url:
        by_person(url, tmp_path / "one.har", drive)


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.parametrize("name", ["shop", "upload", "oauth"])
def test_the_script_of_a_person_s_journey_runs(name, tmp_path, monkeypatch, with_chromium):
    def drive(page: Any, tape: Tape) -> None:
        namespace = runpy.run_path(str(journey(name)))
        (walk,) = [function for word, function in namespace.items() if word.startswith("test_")]
        walk(page)
        tape.ended_at = page.url

    with serving(name, ready_s=0) as application:
        tape = by_person(application.url, tmp_path / "one.har", drive)
        for path, data in browser_files(tape, application.url, {}).items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(data)
        record(RecordOptions(url=application.url, script=tmp_path / "journey.py"))
    assert application.refused == []
    assert not [secret for secret in application.secrets if secret in (tmp_path / "journey.py").read_text()]


def test_sigterm_ends_a_recording_as_ctrl_c_does():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), _terminable():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert signal.getsignal(signal.SIGTERM) is before
