"""Writes a Playwright script of a recorded journey, and the suite that runs it beside the protocol load."""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, zip_longest
from json import dumps
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from toril.authoring.draft import FILES_OF_SCRIPT, LEAST_PAUSE_S, PAUSES_S
from toril.authoring.messages import Action, Opened
from toril.authoring.recorded import host_of
from toril.authoring.recorder import SAMPLE, Step, Tape
from toril.authoring.writer import yaml_of

SUITE, SCRIPT = PurePosixPath("browser.yml"), PurePosixPath("journey.py")
READS = re.compile(r"""os\.(?:environ(?:\.get)?|getenv)[\[(]["'](\w+)""")
HEAD = '"""Recorded by toril: `toril run` of browser.yml runs it, and so does pytest-playwright."""\n\n'
IMPORTS = {"os.": "import os\n", "re.": "import re\n", "Path(": "from pathlib import Path\n"}
BY = {
    "test_id": "get_by_test_id({})",
    "label": "get_by_label({}, exact=True)",
    "placeholder": "get_by_placeholder({}, exact=True)",
    "text": "get_by_text({}, exact=True)",
    "css": "locator({})",
}
DONE = {"select": "select_option", "upload": "set_input_files"}  # the others have Playwright's names


@dataclass(frozen=True, slots=True)
class _ScriptLine:
    at_s: float
    code: str
    element: str = ""  # whose presence the step before expects


def browser_files(
    tape: Tape, address: str, variables: Mapping[str, str], script: Path | None = None
) -> dict[PurePosixPath, bytes]:
    """Returns a script of the journey with its suite and uploads, by path in the folder of the protocol suite.

    `variables` are those of the protocol suite. `script`: the script that has recorded the journey; it is copied.
    """
    origin = host_of(address)
    host = next((name for name, value in variables.items() if value == origin), "SITE_URL")
    name = SCRIPT if script is None else PurePosixPath(script.name)
    logins = (_login(variables, "USER"), _login(variables, "PASSWORD"))
    if script is None:
        code = script_of(tape, address, *logins)
        read = {key for key in logins if f'(os.environ["{key}"])' in code}  # texts of pages may look like other names
    else:
        code = script.read_text(encoding="utf-8")
        read = set(READS.findall(code))
    suite = {
        "execution": [{"scenario": "journey", "executor": "playwright", "concurrency": 1, "hold-for": "30s"}],
        "scenarios": {"journey": {"script": str(name), "default-address": f"${{{host}}}"}},
        "settings": {"env": {host: origin, **{name: f"${{{name}}}" for name in sorted(read)}}},
        "reporting": [{"module": "passfail", "criteria": ["fail>0%"]}],
    }
    actions = () if script else (action for action in tape.actions if isinstance(action, Action))
    uploads = {name: tape.files.get(key) or SAMPLE for action in actions for key, name in action.files}
    files = {FILES_OF_SCRIPT / name: b64decode(data.partition(",")[2]) for name, data in uploads.items()}
    return {SUITE: yaml_of(suite).encode(), name: code.encode(), **files}


def _login(variables: Mapping[str, str], what: str) -> str:
    """Returns the variable of the protocol suite, so that one export serves both."""
    names = [name for name, value in variables.items() if name.endswith(f"_{what}") and value == f"${{{name}}}"]
    return names[0] if len(names) == 1 else f"LOGIN_{what}"


def script_of(tape: Tape, address: str, user: str, password: str) -> str:
    """Returns the script of a person's actions: a transaction for each step that ends with an expectation, and pauses.

    `user` and `password` are the variables of the environment that it reads instead of what was typed.
    """
    body: list[str] = []
    lines = _lines(tape, address, user, password)
    steps = [(step, list(own)) for step, own in groupby(lines, lambda line: _step(line, tape))]
    for (step, step_lines), following in zip_longest(steps, (step_lines[0] for _, step_lines in steps[1:])):
        body.append(f"    with transaction({_quoted(step.name)}):")
        body += [f"        {line.code}" for line in step_lines]
        if following is None:
            body.append(f"        expect(page).to_have_url(re.compile({_quoted(_pattern(tape.ended_at))}))")
            break
        if following.element:
            body.append(f"        expect({following.element}).to_be_attached()")
        pause_s = following.at_s - step_lines[-1].at_s
        if pause_s >= LEAST_PAUSE_S:
            rounded_s = min(PAUSES_S, key=lambda pause: abs(pause - pause_s))
            body.append(f"    page.wait_for_timeout({rounded_s * 1000:g})")
    code = "\n".join(body) or '    page.goto("/")'
    imports = "".join(text for word, text in IMPORTS.items() if word in code)
    theirs = "from apiritif import transaction\nfrom playwright.sync_api import Page, expect\n"
    return f"{HEAD}{imports}\n{theirs}\n\ndef test_journey(page: Page) -> None:\n{code}\n"


def _step(line: _ScriptLine, tape: Tape) -> Step:
    return next((step for step in reversed(tape.steps) if step.at_s <= line.at_s), tape.steps[0])


def _lines(tape: Tape, address: str, user: str, password: str) -> Iterator[_ScriptLine]:
    actions = tape.actions
    for before, now, after in zip([None, *actions], actions, [*actions[1:], None], strict=False):
        if isinstance(now, Opened):  # without an action before and a page that leads here, a person typed the address
            if before is None or (isinstance(before, Opened) and not now.referrer):
                yield _ScriptLine(now.at / 1000, f"page.goto({_quoted(_relative(now.url, address))})")
            continue
        if now.locator[0] == "role":
            role, name = now.locator[1]
            element = f"page.get_by_role({_quoted(role)}, name={_quoted(name)}, exact=True)"
        else:
            element = "page." + BY[now.locator[0]].format(_quoted(now.locator[1]))
        if now.secret and now.what == "fill":
            value = f'os.environ["{password}"]'
        elif isinstance(after, Action) and now.what == after.what == "fill" and after.secret:
            value = f'os.environ["{user}"]'
        elif now.what == "upload":
            paths = (f'Path(__file__).parent / "{FILES_OF_SCRIPT}" / {_quoted(name)}' for _, name in now.files)
            value = f"[{', '.join(paths)}]"
        else:
            value = _quoted(now.value) if now.value or now.what in ("fill", "select") else ""
        yield _ScriptLine(now.at / 1000, f"{element}.{DONE.get(now.what, now.what)}({value})", element)


def _relative(url: str, address: str) -> str:
    return (url.removeprefix(host_of(address)) or "/") if host_of(url) == host_of(address) else url


def _pattern(url: str) -> str:
    """Returns a pattern of addresses that differ in ids alone.

    >>> _pattern("http://127.0.0.1:8080/orders/8123/invoice?q=1")
    '/orders/[^/]+/invoice'
    """
    parts = (("[^/]+" if re.search(r"\d", part) else re.escape(part)) for part in urlsplit(url).path.split("/"))
    return "/".join(parts)


def _quoted(value: object) -> str:
    """Returns a text, or texts, as a literal of Python whose characters are all visible."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in dumps(value, ensure_ascii=False))
