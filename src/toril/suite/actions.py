"""Taurus' browser actions, read as bzt reads them: `clickByCSS(#buy)`, `typeByID(q): shoes`, `{type: click, …}`.

The plan checks whether Playwright's generated script supports an action (`KNOWN`), and the worker generates the script.
Selenium's script is bzt's own and supports all actions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from toril.criteria import duration_s
from toril.suite.reader import list_at
from toril.text import nearest

LOCATORS = {"css": "css", "xpath": "xpath", "id": "id", "name": "name", "linktext": "linktext"}
ON_ELEMENTS = (
    "click",
    "doubleclick",
    "contextclick",
    "mouseover",
    "type",
    "typesecret",
    "keys",
    "select",
    "clear",
    "submit",
    "waitfor",
    "asserttext",
    "assertvalue",
)
ON_PAGES = ("go", "open", "pausefor", "asserttitle", "screenshot", "scripteval", "echo", "resizewindow", "waitfor")
KNOWN = frozenset((*ON_ELEMENTS, *ON_PAGES))
TEXT_FORM = re.compile(r"([A-Za-z]+?)(?:By(CSS|XPath|ID|Name|LinkText))?(?:\((.*)\))?", re.IGNORECASE | re.DOTALL)
SIZE = re.compile(r" *\d{1,5} *, *\d{1,5} *")  # width, height
STATES = ("present", "visible", "clickable", "notpresent", "notvisible", "notclickable")


@dataclass(frozen=True, slots=True)
class PageAction:
    """One action: `kind` in lower case, the locator of its element, and its parameter."""

    kind: str
    locator: tuple[str, str] | None = None  # ("css", "#buy")
    value: str = ""
    state: str = ""  # the state that waitFor waits for


class ActionError(ValueError):
    """A value that is not an action, or an action that Playwright's generated script does not support."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def read_action(written: Any) -> PageAction:
    """Returns an action of a suite; raises ActionError if it is not an action, or not a supported one."""
    if isinstance(written, dict) and "type" in written:
        return _checked(_of_mapping(written))
    if isinstance(written, dict) and len(written) == 1:
        ((name, param),) = written.items()
    elif isinstance(written, str):
        name, param = written, None
    else:
        raise _not_an_action()
    return _checked(_of_text(str(name).strip(), param))


def _not_an_action() -> ActionError:
    return ActionError("not-an-action", "This is not an action. Write it like `clickByCSS(#buy)`.")


def _of_text(name: str, param: Any) -> PageAction:
    match = TEXT_FORM.fullmatch(name)
    if match is None:
        raise _not_an_action()
    kind, by, inside = match.group(1).lower(), match.group(2), _unquoted(match.group(3) or "")
    if kind == "waitfor" and by is not None:
        selector, comma, state = inside.rpartition(",")
        where = (LOCATORS[by.lower()], _unquoted((selector if comma else inside).strip()))
        return PageAction(kind, where, str(param or ""), (state.strip() if comma else "present").lower())
    if by is not None:
        return PageAction(kind, (LOCATORS[by.lower()], inside), "" if param is None else str(param))
    return PageAction(kind, None, inside if param is None else str(param))


def _of_mapping(written: dict[str, Any]) -> PageAction:
    kind = str(written["type"]).lower()
    param, value = written.get("param"), written.get("value")
    locators = written.get("locators")
    first = locators[0] if isinstance(locators, list) and locators else None
    if not isinstance(first, dict) or not first:
        return PageAction(kind, None, str(param if param is not None else value or ""))
    (by, selector), *_ = first.items()
    if str(by).lower() not in LOCATORS:
        text = f"`{str(by)[:40]}` is not a supported locator. Use css, xpath, id, name or linktext."
        raise ActionError("unsupported-locator", text)
    where = (LOCATORS[str(by).lower()], str(selector))
    if kind == "waitfor":
        return PageAction(kind, where, str(value or ""), str(param or "present").lower())
    return PageAction(kind, where, str(param if param is not None else value or ""))


def _checked(action: PageAction) -> PageAction:
    if action.kind not in KNOWN:
        what = f"Playwright's generated script does not support `{action.kind[:40]}`"
        near = nearest(action.kind, KNOWN)
        fix = f"Did you mean `{near}`?" if near else "Use a script, or `executor: selenium`."
        raise ActionError("unsupported-action", f"{what}. {fix}")
    if action.locator is None and action.kind not in ON_PAGES:
        text = f"`{action.kind}` needs an element. Write it like `{action.kind}ByCSS(#buy)`."
        raise ActionError("missing-element", text)
    if action.kind == "waitfor" and action.locator is None:
        text = "`waitFor` needs an element. Write it like `waitForByCSS(.hit, visible): 5s`."
        raise ActionError("missing-element", text)
    if action.kind == "waitfor" and action.state not in STATES:
        text = f"`waitFor` does not know the state `{action.state[:40]}`. Use one of {', '.join(STATES)}."
        raise ActionError("unknown-value", text)
    if "${" in action.value:
        return action  # each worker knows the value
    if action.kind == "pausefor" or (action.kind == "waitfor" and action.value):
        _check_duration(action)
    if action.kind == "resizewindow" and not SIZE.fullmatch(action.value):
        text = f"`{action.value[:40]}` is not a window size. Write it like `resizeWindow(1280, 720)`."
        raise ActionError("unknown-value", text)
    return action


def _check_duration(action: PageAction) -> None:
    try:
        duration_s(action.value)
    except ValueError:
        text = f"`{action.value[:40]}` of `{action.kind}` is not a duration. Write it like 30s, 1m30s or 500ms."
        raise ActionError("not-a-duration", text) from None


def actions_of(request: Any) -> Iterator[tuple[int, Any]]:
    """Yields the actions of a request with their positions."""
    yield from enumerate(list_at(request, "actions"))


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
