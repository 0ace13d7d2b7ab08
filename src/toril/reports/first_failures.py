"""What there is to see of the first failures: pictures in the page itself, everything else as a link into the folder.

The links work where the page lies in its run's folder, beside `workers/`.
"""

import base64
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from toril.reports import wording
from toril.reports.bundle import Bundle

MOST = 12  # of a run, in the page
LARGEST_PICTURE = 400_000  # bytes; larger ones are a link
SHOWN = {"jpg": "screenshot", "source.txt": "source", "console.txt": "console", "trace.zip": "trace"}


@dataclass(frozen=True, slots=True)
class Failure:
    """One of them, as the page shows it."""

    label: str
    message: str
    place: str  # worker, execution and second
    picture: str  # a data: address; empty when there is none
    links: tuple[tuple[str, str], ...]  # name and relative address


def pictures_of(summary: dict[str, Any]) -> tuple[str, ...]:
    """The keys, within the run's folder, of the pictures that a page shows."""
    files = (file for one in _told(summary) for file in one["files"])
    return tuple(file for file in files if PurePosixPath(file).suffix == ".jpg")


def first_failures(bundle: Bundle) -> list[Failure]:
    """In the order in which they happened."""
    return [_shown(one, bundle) for one in _told(bundle.summary)]


def _told(summary: dict[str, Any]) -> list[dict[str, Any]]:
    return list(summary.get("first_failures") or ())[:MOST]


def _shown(one: dict[str, Any], bundle: Bundle) -> Failure:
    found = [(file, bundle.pictures.get(file)) for file in one["files"]]
    picture = next((data for _, data in found if data and len(data) <= LARGEST_PICTURE), None)
    return Failure(
        label=wording.plain(one["label"]),
        message=wording.plain(one["message"], 500),
        place=wording.plain(f"{one['worker']}, {one['execution']}, second {one['at_s']:.0f}"),
        picture="" if picture is None else "data:image/jpeg;base64," + base64.b64encode(picture).decode(),
        links=tuple((_name(file), file) for file, _ in found if file.startswith("workers/")),
    )


def _name(file: str) -> str:
    ending = PurePosixPath(file).name.partition(".")[2]
    return SHOWN.get(ending, "file")
