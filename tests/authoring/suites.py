"""Recordings of one or two requests, and the files of the suites that they become."""

import itertools
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from toril.authoring.importing import suite_of
from toril.authoring.options import ImportOptions
from toril.authoring.readers.source import ANY_NAME
from toril.authoring.recorded import Payload, Recorded, RecordedExchange

SHOP = "https://shop.example.com"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def exchange(number: int, path: str, method: str = "GET", **more: Any) -> RecordedExchange:
    """Returns a request of the shop, or of another host if the path is an address; answered by 200."""
    url = path if "://" in path or path.startswith("$") else f"{SHOP}{path}"
    return RecordedExchange(number=number, method=method, url=url, **{"status": 200, **more})


def recorded(*exchanges: RecordedExchange, **more: Any) -> Recorded:
    references = {"references": ANY_NAME} if more.get("kind") in ("postman", "openapi") else {}
    return Recorded(**{"exchanges": exchanges, "origin": "shop.har", "kind": "har", **references, **more})


def body(text: str | bytes, type: str = JSON) -> Payload:
    return Payload(data=text if isinstance(text, bytes) else text.encode(), type=type)


def form(*fields: tuple[str, str], type: str = FORM) -> Payload:
    return Payload(type=type, fields=fields)


def files_of(folder: Path, recording: Recorded, second: Recorded | None = None, **options: Any) -> dict[str, bytes]:
    """Returns the files that an import writes, by their paths in the suite's folder."""
    place = next(path for n in itertools.count() if not (path := folder / str(n)).exists())
    created = suite_of(recording, second, ImportOptions(**options), place).created
    return {str(PurePosixPath(path).relative_to(created.suite)): (place / path).read_bytes() for path in created.files}


def suite(folder: Path, recording: Recorded, second: Recorded | None = None, **options: Any) -> dict[str, Any]:
    """Returns the document of the suite that an import writes."""
    found: dict[str, Any] = yaml.safe_load(files_of(folder, recording, second, **options)["suite.yml"])
    return found


def requests(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the requests of the first scenario, also those of transactions."""
    scenario = next(iter(document["scenarios"].values()))
    return [inner for one in scenario["requests"] for inner in one.get("do", [one])]
