"""The API against its own description: what it answers to unforeseen requests (Schemathesis)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import Request
from hypothesis import settings
from schemathesis.config import SchemathesisConfig

from tests.console import served
from tests.reports import examples
from toril.console.app import create_app
from toril.console.identity import Person, RefusedError
from toril.desk.runs import set_baseline
from toril.runs import suites
from toril.runs.history import record_of, remember
from toril.store import FolderStore

SUITE = b"""
execution:
- {concurrency: 2, hold-for: 10s, scenario: buy}
scenarios:
  buy: {requests: ["http://127.0.0.1:1/"]}
"""
OVER = "20261124T150405Z-shop-1a2b"
KNOWN = {  # half of the requests name something that exists
    "runs": [OVER, served.LIVE],
    "suites": ["shop"],
    "versions": [1, 2],
    "paths": ["suite.yml"],
    "keys": [f"runs/{OVER}/summary.json", "suites/shop/suite.yml"],
}

# Schemathesis cannot judge these: a valid request may contradict the store, a deleted name may return, and identity has
# tests of its own. Starlette names only one method in `Allow`.
UNCHECKED = ("positive_data_acceptance", "use_after_free", "ignored_auth", "allow_header_conformance")


class Bearer(served.Known):
    """Accepts one bearer token."""

    def person(self, request: Request) -> Person | None:
        if request.headers.get("authorization", "") != f"Bearer {served.TOKEN}":
            raise RefusedError("no token", code="no-session", status=401)
        return super().person(request)


def filled(store: FolderStore) -> None:
    """Stores what the known names mean, again after each deletion."""
    served.stored(store, examples.passed())
    remember(store, record_of(examples.passed()))
    served.running(store, served.progress())
    store.delete("suites/shop/")
    store.delete("versions/shop/")
    for comment in ("first", "second"):
        suites.save(store, "shop", {"suite.yml": SUITE}, by="ada", comment=comment, at=served.NOW, expected=None)
    set_baseline(store, "shop", OVER, by="ada", at=served.NOW)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    found = FolderStore(tmp_path / "store")
    filled(found)
    return found


@pytest.fixture
def described(store: FolderStore, request: pytest.FixtureRequest) -> Any:
    """The description; `make test` leaves out the systematic requests for each limit of each parameter."""
    bound = {"run_id": "runs", "name": "suites", "number": "versions", "path": "paths", "key": "keys"}
    config = SchemathesisConfig.from_dict(
        {
            "phases": {"coverage": {"enabled": request.node.get_closest_marker("nightly") is not None}},
            "headers": {"authorization": f"Bearer {served.TOKEN}"},
            "checks": {name: {"enabled": False} for name in UNCHECKED},
            "dictionaries": {name: {"values": values} for name, values in KNOWN.items()},
            "parameters": {
                f"path.{parameter}": {"dictionary": name, "probability": 0.5} for parameter, name in bound.items()
            },
        }
    )
    setup = served.setup(store, address="http://testserver")
    app = create_app(replace(setup, identity=Bearer("admin", "token")))
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, config=config)


api = schemathesis.pytest.from_fixture("described")


@api.parametrize()
@settings(max_examples=3)
def test_answers_are_those_that_the_description_names(case: Any, store: FolderStore) -> None:
    conforms(case, store)


@pytest.mark.nightly
@api.parametrize()
@settings(max_examples=100)
def test_answers_to_requests_at_each_limit_are_those_that_the_description_names(case: Any, store: FolderStore) -> None:
    conforms(case, store)


def conforms(case: Any, store: FolderStore) -> None:
    """Sends a request, and compares the answer with the description."""
    answer = case.call_and_validate()
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"]
        assert answer.json()["code"]
    elif case.method == "DELETE":
        filled(store)
