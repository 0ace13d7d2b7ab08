"""Writes suites: the one place that makes YAML of them."""

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import yaml

from toril.authoring.recorded import Extract
from toril.explain import SITE

HEAD = "# A Taurus suite. Numbers are totals: toril divides them over locations and workers.\n"
SCHEMA_FILE = "suite.schema.json"
SCHEMA_MARK = "# yaml-language-server: "  # begins the line by which editors find the schema of a suite
SCHEMA_LINE = f"{SCHEMA_MARK}$schema={SITE}/reference/schemas/{SCHEMA_FILE}\n" if SITE else ""
SCRIPT_LOAD = "the script sets users and time; concurrency, ramp-up and hold-for would replace them"
ENOUGH = "enough if a response takes at most {} ms"
INVISIBLE = re.compile(r"[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]")
MOST_ON_A_LINE = 70  # characters of a mapping
EXTRACTORS = {  # by `Extract.how`: the key of a request, and that of its expression
    "jsonpath": ("extract-jsonpath", "jsonpath"),
    "regexp": ("extract-regexp", "regexp"),
    "css": ("extract-css-jquery", "expression"),
}
COMMENTS = {  # by section, and the beginning of a line in it
    ("scenarios", "    default-address:"): "elsewhere: toril run … --against URL",
    ("scenarios", "    think-time:"): "what a user waits after each request",
    ("settings", "  ramp-up-exclude:"): "criteria judge the load at its full height",
    ("reporting", r"reporting:(?=[\s\S]*\bcriteria:)"): "each criterion says when the run fails",
    ("toril", "  executor:"): "toril's engine; bzt uses the one above",
    ("toril", "  require-values:"): "a response without an extracted value has failed",
    ("toril", "  criteria:"): "in toril's own language",
}


class Flow(dict[str, Any]):
    """A mapping on one line."""


class FlowList(list[Any]):
    """A list on one line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if INVISIBLE.search(text) else style)


MAP, SEQUENCE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"

_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(Flow, lambda dumper, flow: dumper.represent_mapping(MAP, flow.items(), flow_style=True))
_Dumper.add_representer(FlowList, lambda dumper, flow: dumper.represent_sequence(SEQUENCE, flow, flow_style=True))


def yaml_of(
    document: Mapping[str, Any],
    comments: Mapping[tuple[str, str], str] = MappingProxyType({}),
    first: str = SCHEMA_LINE,
) -> str:
    """Returns a suite's document as YAML: its sections apart, with `COMMENTS` and others of that form.

    `first` is the first line, by which editors find the schema.
    """
    sections = {
        key: yaml.dump({key: value}, Dumper=_Dumper, allow_unicode=True, width=math.inf, sort_keys=False)
        for key, value in document.items()
    }
    for (section, line), words in {**COMMENTS, **comments}.items():
        text = sections.get(section, "")
        sections |= {section: re.sub(rf"(?m)^{line}.*$", rf"\g<0> # {words}", text, count=1)} if text else {}
    return first + HEAD + INVISIBLE.sub(lambda match: ascii(match[0])[1:-1], "\n".join(sections.values()))


def extractors(extracts: Iterable[Extract]) -> dict[str, dict[str, Any]]:
    """Returns the extractors by their keys; one without options is a text."""
    by_key: dict[str, dict[str, Any]] = {}
    for extract in extracts:
        key, short = EXTRACTORS[extract.how]
        options = filled(
            {
                short: extract.expression,
                "attribute": extract.attribute,
                "subject": extract.subject if extract.subject != "body" else "",
            }
        )
        by_key.setdefault(key, {})[extract.variable] = Flow(options) if len(options) > 1 else extract.expression
    return by_key


def extractor_text(extract: Extract) -> str:
    """Returns an extractor as YAML, to paste into a request."""
    return yaml.dump(extractors([extract]), Dumper=_Dumper, allow_unicode=True, width=math.inf, sort_keys=False)


def short(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a mapping that is written on one line if it is short, and has one entry or plain values."""
    written = ", ".join(f"{key}: {value}" for key, value in mapping.items())
    plain = len(mapping) == 1 or not any(mark in written for mark in "{[\n")
    return Flow(mapping) if plain and len(written) <= MOST_ON_A_LINE else dict(mapping)


def filled(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the entries that have a value."""
    return {key: value for key, value in mapping.items() if value not in (None, "", {}, [])}
