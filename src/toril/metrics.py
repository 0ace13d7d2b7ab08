"""What a script measures beside its requests: values, checks, and tags of requests. `from toril import metrics`.

For scripts of Locust and Apiritif, and of browsers. Outside a run the functions do nothing. The module imports nothing
of toril: an engine's process sets `measure` of its module `in_process`, and asks for TAGS.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

TAGS: ContextVar[Mapping[str, str]] = ContextVar("toril_tags", default={})  # noqa: B039 - it stays empty


def trend(name: str, value: float) -> None:
    """Record a value of which percentiles matter, such as the number of items in a cart; at least 0."""
    _record("trend", name, value=float(value))


def counter(name: str, value: float = 1) -> None:
    """Add to a sum, such as the bytes sent; at least 0."""
    _record("counter", name, value=float(value))


def gauge(name: str, value: float) -> None:
    """Record the current value of something, such as the length of a queue; at least 0."""
    _record("gauge", name, value=float(value))


def rate(name: str, value: object) -> None:
    """Record whether something is true, such as a hit of a cache, for the share of true values."""
    _record("rate", name, ok=bool(value))


def check(name: str, ok: object) -> bool:
    """Record whether a check holds, and return that. A failed check fails no request."""
    _record("check", name, ok=bool(ok))
    return bool(ok)


@contextmanager
def tags(**values: object) -> Iterator[None]:
    """Tag the requests within the block, as in `with tags(tenant="big")`, if the suite's `toril.request-tags` has them.

    An inner block adds tags, and replaces those of the same name.
    """
    token = TAGS.set({**TAGS.get(), **{name: str(value) for name, value in values.items()}})
    try:
        yield
    finally:
        TAGS.reset(token)


def _record(kind: str, name: str, *, value: float = 0.0, ok: bool = True) -> None:
    measure = getattr(sys.modules.get("in_process"), "measure", None)
    if measure is not None:
        measure(kind, str(name), value, ok)
