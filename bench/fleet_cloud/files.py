"""The files of simulated workers: real interval files, recorded for a few workers and copied for all."""

import json
import zlib
from collections.abc import Sequence

from bench.merge import FILE_S, VARIANTS, Size, recorded
from toril.timeline.intervals.format import CHECKED, HEAD, LENGTH, MAGIC, VERSION


def files_of(regions: Sequence[str], size: Size) -> dict[str, list[bytes]]:
    """Returns the files of each worker in order of time, for `size.workers` workers in each region."""
    originals = [[_unpacked(data) for _, data in recorded(variant, size)] for variant in range(VARIANTS)]
    return {
        (worker := f"{region}-{number}"): [_of_worker(raw, worker, region) for raw in originals[number % VARIANTS]]
        for region in regions
        for number in range(1, size.workers + 1)
    }


def _of_worker(raw: bytes, worker: str, location: str) -> bytes:
    """Returns the file as if from another worker."""
    (length,) = LENGTH.unpack_from(raw)
    header = json.loads(raw[LENGTH.size : LENGTH.size + length]) | {"worker": worker, "location": location}
    text = json.dumps(header, separators=(",", ":")).encode()
    body = LENGTH.pack(len(text)) + text + raw[LENGTH.size + length :]
    packed = zlib.compress(body)
    head = HEAD.pack(MAGIC, VERSION, len(packed), len(body), 0)[:CHECKED]
    return head + LENGTH.pack(zlib.crc32(packed, zlib.crc32(head))) + packed


def _unpacked(data: bytes) -> bytes:
    return zlib.decompress(data[HEAD.size :])


__all__ = ["FILE_S", "files_of"]
