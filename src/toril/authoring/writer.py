"""Writes suites: the one place that makes YAML of them, and turns a draft into files."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import yaml

from toril.authoring.draft import SuiteDraft

HEAD = "# A Taurus suite. Numbers are totals: toril divides them over locations and workers.\n"
SCRIPT_LOAD = "the script sets users and time; concurrency, ramp-up and hold-for would replace them"
ENOUGH = "enough if a response takes at most {} ms"
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


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _represent_flow(dumper: yaml.SafeDumper, mapping: Flow) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=True)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(Flow, _represent_flow)


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
    raise NotImplementedError
