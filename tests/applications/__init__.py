"""Small applications on loopback that break a naive replay: each counts what it refuses, and plants secrets.

A module of this folder is one application. Its `serving(**options)` is a context manager that yields an `Application`.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

Name = Literal["spa", "shop", "graphql", "upload", "oauth"]


@dataclass(kw_only=True)
class Application:
    """A running application, with what it has seen."""

    url: str
    others: tuple[str, ...] = ()  # addresses of its other hosts
    requests: list[str] = field(default_factory=list)  # method and path of each, in order
    refused: list[str] = field(default_factory=list)  # the same with the reason, of each that it refused
    secrets: list[str] = field(default_factory=list)  # values that no written file may contain


def serving(name: Name, **options: Any) -> AbstractContextManager[Application]:
    """Runs the application on a free port."""
    found: AbstractContextManager[Application] = import_module(f"tests.applications.{name}").serving(**options)
    return found
