"""Replaces the address that a suite loads, in its scenarios and in the variable that its scripts read."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from toril.errors import OptionError, SuiteError
from toril.secrets.masking import mask
from toril.suite.engines import NESTED
from toril.suite.files import URL
from toril.suite.reader import mapping_at
from toril.suite.scenarios import urls_of

ONLY_A_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def checked_address(option: str, text: str) -> str:
    """Returns the address without a slash at its end; raises OptionError unless `/path` can follow it."""
    try:
        parts = urlsplit(text)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit or re.search(r"[\s\"'<>\\^`{}|$?#]", text):
        text = f"{option} `{mask(text)[:80]}`: This is not an address. Write it like https://shop.example:8443."
        raise OptionError(text, code="not-an-address")
    return text.rstrip("/")


def retarget(merged: dict[str, Any], address: str, source: str) -> str | None:
    """Changes the merged suite so that it loads `address`; returns the variable that held the suite's own, if any.

    Raises SuiteError if the suite has several addresses, or if some requests would still go to the suite's own.
    """
    used = list(_used(merged))
    written = [own for _, scenario, _ in used if (own := _written(scenario))]
    if len(set(written)) > 1:
        named = ", ".join(f"`{mask(address)[:60]}`" for address in dict.fromkeys(written))
        what = f"{source}: Its scenarios load several addresses, {named}, but only one can be replaced"
        raise SuiteError(f"{what}. Use a variable for it, and set it with `--env`.", code="several-addresses")
    match = ONLY_A_VARIABLE.fullmatch(written[0]) if written else None
    variable = match[1] if match else None
    for path, scenario, executor in used:
        _check(scenario, executor, variable, f"{source}: {path}")
        _check_jmeter(scenario, executor, address, f"{source}: {path}")
        if scenario.get("default-address") or not scenario.get("script") or executor == "locust":
            scenario["default-address"] = address
        if variable is not None and isinstance(scenario.get("requests"), list):
            scenario["requests"] = _labelled(scenario["requests"], f"${{{variable}}}")
    for scenario in mapping_at(merged, "scenarios").values():
        if isinstance(scenario, dict) and scenario.get("default-address"):
            scenario["default-address"] = address
    settings = merged.get("settings") or {}
    if variable is not None and isinstance(settings, dict) and isinstance(settings.get("env") or {}, dict):
        merged["settings"] = {**settings, "env": {**(settings.get("env") or {}), variable: address}}
    return variable  # the suite reader rejects settings that are not a mapping


def _written(scenario: dict[str, Any]) -> str | None:
    """Returns a scenario's address: its default address, or the variable at the beginning of all its requests."""
    if scenario.get("default-address"):
        return str(scenario["default-address"]).strip().rstrip("/")
    matches = [ONLY_A_VARIABLE.match(url) for url in _urls(scenario.get("requests"))]
    names = {None if match is None else match[0] for match in matches}
    return names.pop() if len(names) == 1 else None


def _labelled(requests: list[Any], reference: str) -> list[Any]:
    """Adds labels without the address, which differs from run to run, to requests that have none."""
    labelled = []
    for request in requests:
        url = request.get("url") if isinstance(request, dict) else request
        if isinstance(request, dict):
            request = {
                key: _labelled(value, reference) if isinstance(value, list) and key in NESTED else value
                for key, value in request.items()
            }
        if isinstance(url, str) and url.startswith(reference):
            whole = request if isinstance(request, dict) else {"url": url}
            request = {**whole, "label": whole.get("label") or url.removeprefix(reference) or "/"}
        labelled.append(request)
    return labelled


def _used(merged: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yields path, scenario and executor of each execution; the suite reader rejects invalid ones."""
    default = mapping_at(merged, "settings").get("default-executor") or "jmeter"
    executions, named = merged.get("execution"), mapping_at(merged, "scenarios")
    for index, item in enumerate(executions if isinstance(executions, list) else [executions]):
        if not isinstance(item, dict):
            continue
        executor, scenario = str(item.get("executor") or default), item.get("scenario")
        path = f"execution[{index}].scenario"
        if isinstance(scenario, str) and scenario in named:
            path, scenario = f"scenarios.{scenario}", named[scenario]
            scenario = {"script": scenario} if isinstance(scenario, str) else scenario
        elif isinstance(scenario, str):
            scenario = item["scenario"] = {"script": scenario}
        if isinstance(scenario, dict):
            wanted = mapping_at(merged, "toril").get("executor") if scenario.get("requests") else None
            wanted = wanted.get(str(item.get("scenario"))) if isinstance(wanted, dict) else wanted
            yield path, scenario, str(wanted or executor)


def _check(scenario: dict[str, Any], executor: str, variable: str | None, where: str) -> None:
    fix = "Write `default-address: ${TARGET}` in the scenario, and read the variable TARGET in the script."
    if scenario.get("script"):
        based = executor == "playwright" and scenario.get("default-address")  # the base of relative addresses
        if variable is None and not based and executor != "locust":  # Locust's users have it as their host
            text = f"{where}: The script has an address of its own, which toril cannot replace. {fix}"
            raise SuiteError(text, code="unreached-address")
        return
    urls = _urls(scenario.get("requests"))
    own = [url for url in urls if URL.match(url)]
    if own and len(own) == len(urls):
        what = f"{where}.requests: All requests contain their address, such as `{mask(own[0])[:60]}`"
        fix = "Move the address to `default-address`, and begin the requests with `/`."
        raise SuiteError(f"{what}. {fix}", code="unreached-address")


def _check_jmeter(scenario: dict[str, Any], executor: str, address: str, where: str) -> None:
    """bzt writes only host and port into JMeter's defaults, and drops the rest of an address without a message."""
    parts = urlsplit(address)
    lost = parts.path or parts.username is not None
    if executor != "jmeter" or scenario.get("script") or not lost:
        return
    if any(not URL.match(url) and not url.startswith("${") for url in _urls(scenario.get("requests"))):
        raise SuiteError(
            f"{where}: JMeter uses only host and port of `{mask(address)[:80]}`. "
            "Write requests as `${TARGET}/path`, and set the variable TARGET under `settings.env`.",
            code="unreached-address",
        )


def _urls(requests: Any) -> list[str]:
    return [url for url, _ in urls_of(requests, "")]
