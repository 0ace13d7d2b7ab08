"""What Fargate tells a task of itself: a container can ask an address of its own, without credentials."""

import json
import logging
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ADDRESS = "ECS_CONTAINER_METADATA_URI_V4"
TIMEOUT_S = 1.0
MOST_BYTES = 1 << 20  # what is known of a task is some kilobytes

log = logging.getLogger("toril.worker")


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """None is what nobody told."""

    image_digest: str | None = None
    task: str | None = None  # its ARN


def task_facts(environment: Mapping[str, str]) -> TaskFacts:
    """Which image this container is of, and which task it is part of; nothing outside of ECS."""
    address = environment.get(ADDRESS)
    digest = environment.get("TORIL_IMAGE_DIGEST")  # for launchers that are not ECS
    if not address:
        return TaskFacts(image_digest=digest)
    return TaskFacts(
        image_digest=digest or _told(address, "ImageID"),
        task=_told(f"{address}/task", "TaskARN"),
    )


def _told(address: str, name: str) -> str | None:
    try:
        found = _answer(address).get(name)
    except (OSError, ValueError) as error:
        log.warning("%s does not tell %s: %s", address, name, error)
        return None
    return found if isinstance(found, str) and found else None


def _answer(address: str) -> dict[str, Any]:
    if not address.startswith("http://"):
        raise ValueError("it is no http address")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a link-local address is behind no proxy
    with direct.open(address, timeout=TIMEOUT_S) as answer:
        data = answer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"the answer has more than {MOST_BYTES:,} bytes")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("the answer is no object")
    return found
