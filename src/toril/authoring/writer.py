"""Writes suites: the one place that makes YAML of them, and turns a draft into files."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import yaml

from toril.authoring.draft import DraftExecution, DraftGroup, DraftRequest, DraftScenario, SuiteDraft
from toril.authoring.recorded import Extract
from toril.suite.executions import FUNCTIONAL

HEAD = "# A Taurus suite. Numbers are totals: toril divides them over locations and workers.\n"
SCRIPT_LOAD = "the script sets users and time; concurrency, ramp-up and hold-for would replace them"
ENOUGH = "enough if a response takes at most {} ms"
MOST_ON_A_LINE = 70  # characters of a mapping
EXTRACTORS = {  # by `Extract.how`: the key of a request, and that of its expression
    "jsonpath": ("extract-jsonpath", "jsonpath"),
    "regexp": ("extract-regexp", "regexp"),
    "css": ("extract-css-jquery", "expression"),
    "xpath": ("extract-xpath", "xpath"),
}
COMMENTS = {  # the writer's own, by key
    "default-address": "elsewhere: toril run … --against URL",
    "think-time": "what a user waits after each request",
    "ramp-up-exclude": "criteria judge the load at its full height",
    "reporting": "each criterion says when the run fails",
    "criteria": "in toril's own language",
}


class Comment(NamedTuple):
    """A comment on the first line of a key in a section."""

    section: str
    key: str
    text: str = ""  # empty: the one in `COMMENTS`
    below: bool = False  # on a line of its own


class Flow(dict[str, Any]):
    """A mapping on one line."""


class FlowList(list[Any]):
    """A list on one line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _represent_flow(dumper: yaml.SafeDumper, mapping: Flow) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=True)


def _represent_flow_list(dumper: yaml.SafeDumper, items: FlowList) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(Flow, _represent_flow)
_Dumper.add_representer(FlowList, _represent_flow_list)


def yaml_of(document: Mapping[str, Any], comments: Iterable[Comment] = ()) -> str:
    """Returns a suite's document as YAML: its sections apart, with the comments."""
    sections = {
        key: yaml.dump({key: value}, Dumper=_Dumper, allow_unicode=True, width=math.inf, sort_keys=False)
        for key, value in document.items()
    }
    for comment in comments:
        if comment.section in sections:
            sections[comment.section] = _commented(sections[comment.section], comment)
    return HEAD + "\n".join(sections.values())


def _commented(text: str, comment: Comment) -> str:
    """Returns a section with a comment on the first line of a key."""
    line = rf"^((?P<indent>(?:  |- )*){comment.key}:.*)$"
    words = f"# {comment.text or COMMENTS[comment.key]}"

    def noted(found: re.Match[str]) -> str:
        return f"{found[1]}\n{' ' * len(found['indent'])}{words}" if comment.below else f"{found[1]} {words}"

    return re.sub(line, noted, text, count=1, flags=re.MULTILINE)


def files_of(draft: SuiteDraft) -> dict[PurePosixPath, bytes]:
    """Returns the files of a suite by their paths in its folder: suite.yml, data and uploads."""
    taurus, ours = (
        [one.text for one in draft.criteria if one.language == language] for language in ("taurus", "toril")
    )
    references = {name: f"${{{name}}}" for name in draft.credentials if name not in draft.hosts}
    document = {
        "execution": [_execution(one, draft.executor) for one in draft.executions],
        "scenarios": {one.name: _scenario(one) for one in draft.scenarios},
        "settings": _filled(
            {
                "aggregator": FUNCTIONAL if draft.functional else None,
                "env": {**draft.hosts, **references},
                "ramp-up-exclude": any("ramp-up" in one.load for one in draft.executions) or None,
            }
        ),
        "modules": {"jmeter": {"fresh-cookies": True}} if draft.executor == "jmeter" else {},
        "reporting": [{"module": "passfail", "criteria": taurus}] if taurus else [],
        "toril": _filled({"curves": {name: Flow(one) for name, one in draft.curves.items()}, "criteria": ours}),
    }
    written = [
        ("scenarios", "default-address", any(one.default_address for one in draft.scenarios)),
        ("scenarios", "think-time", any(one.think_time for one in draft.scenarios)),
        ("settings", "ramp-up-exclude", "ramp-up-exclude" in document["settings"]),
        ("reporting", "reporting", bool(taurus)),
        ("toril", "criteria", bool(ours)),
    ]
    comments = [Comment(section, key) for section, key, has in written if has]
    return {PurePosixPath("suite.yml"): yaml_of(_filled(document), comments).encode(), **draft.files}


def _execution(one: DraftExecution, executor: str) -> dict[str, Any]:
    executor = one.executor or executor
    return _filled({"scenario": one.scenario, "executor": executor, **one.load, "locations": Flow(one.locations)})


def _scenario(one: DraftScenario) -> dict[str, Any]:
    requests = [
        {"transaction": item.name, "do": [_request(inner) for inner in item.requests]}
        if isinstance(item, DraftGroup)
        else _request(item)
        for item in one.requests
    ]
    return _filled(
        {
            "default-address": one.default_address,
            "store-cookie": one.store_cookie or None,
            "headers": dict(one.headers),
            "think-time": one.think_time,
            "data-sources": FlowList(map(str, one.data_sources)),
            "requests": requests,
        }
    )


def _request(one: DraftRequest) -> dict[str, Any]:
    checks = [Flow(subject="http-code", contains=[check.value]) for check in one.checks if check.subject == "status"]
    checks += [Flow(contains=[check.value], regexp=False) for check in one.checks if check.subject == "body"]
    paths = [
        Flow({"jsonpath": check.value, "expected-value": check.expected, "validate": True})
        if check.expected
        else Flow(jsonpath=check.value)
        for check in one.checks
        if check.subject == "jsonpath"
    ]
    uploads = [
        Flow({"param": part.field, "path": part.name, **({"mime-type": part.type} if part.type else {})})
        for part in one.uploads
    ]
    return _filled(
        {
            "label": one.label,
            "url": one.url,
            "method": "" if one.method == "GET" else one.method,
            "headers": _short(one.headers),
            "body": _short(one.body) if isinstance(one.body, dict) else one.body,
            "upload-files": uploads,
            "follow-redirects": None if one.follow_redirects else False,
            **{key: _short(some) for key, some in _extractors(one.extracts).items()},
            "assert": FlowList(checks) if len(checks) == 1 else checks,
            "assert-jsonpath": paths,
            "think-time": one.think_time,
        }
    )


def _extractors(extracts: Iterable[Extract]) -> dict[str, dict[str, Any]]:
    """Returns the extractors by their keys; one without options is a text."""
    found: dict[str, dict[str, Any]] = {}
    for one in extracts:
        key, short = EXTRACTORS[one.how]
        options = _filled(
            {
                short: one.expression,
                "attribute": one.attribute,
                "subject": one.subject if one.subject != "body" else "",
            }
        )
        found.setdefault(key, {})[one.variable] = Flow(options) if len(options) > 1 else one.expression
    return found


def extractor_text(extract: Extract) -> str:
    """Returns an extractor as YAML, to paste into a request."""
    return yaml.dump(_extractors([extract]), Dumper=_Dumper, allow_unicode=True, width=math.inf, sort_keys=False)


def _short(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a mapping that is written on one line if it is short, and has one entry or plain values."""
    written = ", ".join(f"{key}: {value}" for key, value in mapping.items())
    plain = len(mapping) == 1 or not any(mark in written for mark in "{[\n")
    return Flow(mapping) if plain and len(written) <= MOST_ON_A_LINE else dict(mapping)


def _filled(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value not in (None, "", {}, [])}
