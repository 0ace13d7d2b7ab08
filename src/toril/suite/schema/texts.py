"""Descriptions of keys for editors: their meaning, default, engines and page."""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from toril import explain
from toril.suite.documents import YAML_LOADER

LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+)(#[^)]*)?\)")


@cache
def texts_in(name: str) -> Any:
    """Returns the content of a YAML file of this folder. It is read once: copy what you change."""
    text = files("toril.suite.schema").joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=YAML_LOADER)  # noqa: S506 - a safe loader


def described(text: str, default: str = "", engines: Sequence[str] = (), *, page: str) -> str:
    """Returns the description of a key for editors. Links in `text` name pages below docs."""
    text = LINK.sub(lambda link: f"[{link[1]}]({_address(link[2], link[3])})" if explain.SITE else link[1], text)
    name, hash_, anchor = page.partition("#")
    parts = (
        text,
        f"Default: `{default}`." if default else "",
        f"Engines: {', '.join(engines)}." if engines else "",
        f"See {_address(name, hash_ + anchor)}",
    )
    return "\n\n".join(filter(None, parts))


def _address(page: str, anchor: str | None) -> str:
    """Returns the address of a page of the docs; its path in the repository while there is no site."""
    site = f"{explain.SITE}/{page.removesuffix('.md')}/" if explain.SITE else f"docs/{page}"
    return site + (anchor or "")
