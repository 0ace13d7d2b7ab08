"""What a test tells the cloud beside AWS's own interfaces: paths below /_embedded/."""

import json
from collections.abc import Callable
from typing import Any

from ministack import app as ministack_app
from ministack.core.responses import request_scope

from tests.cloud.server import quotas, state

PREFIX = "/_embedded/"


def ready(asked: dict[str, Any]) -> dict[str, Any]:
    """Nothing: an answer is the answer."""
    return {}


def reset(asked: dict[str, Any]) -> dict[str, Any]:
    """Forget everything."""
    ministack_app._reset_all_state()
    state.reset()
    return {}


def quota(asked: dict[str, Any]) -> dict[str, Any]:
    """Set one of Fargate's quotas in one region."""
    if asked["code"] not in quotas.NAMES:
        raise KeyError(asked["code"])
    with request_scope(asked["account"], asked["region"]):
        quotas.VALUES.here()[asked["code"]] = float(asked["value"])
    return {}


COMMANDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"ready": ready, "reset": reset, "quota": quota}


def answer(path: str, body: bytes) -> tuple[int, bytes]:
    name = path.removeprefix(PREFIX)
    if name not in COMMANDS:
        return 404, json.dumps({"error": f"no such command: {name}"}).encode()
    try:
        return 200, json.dumps(COMMANDS[name](json.loads(body or b"{}"))).encode()
    except (KeyError, TypeError, ValueError) as error:
        return 400, json.dumps({"error": repr(error)}).encode()
