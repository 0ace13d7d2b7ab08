"""Image archives in the format of `podman save`, made without podman."""

import io
import json
import tarfile
from pathlib import Path

from tests.cloud import oci


def archive(folder: Path, architecture: str, content: bytes = b"toril") -> Path:
    """Writes an archive in the format of `podman save --format oci-archive`."""
    made = oci.image({"toril": oci.File(content=content)}, architecture=architecture)
    described = {"mediaType": oci.MANIFEST, "digest": made.digest, "size": len(made.manifest)}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [described]}).encode(),
        **{f"blobs/{digest.replace(':', '/')}": data for digest, data in made.blobs.items()},
        f"blobs/{made.digest.replace(':', '/')}": made.manifest,
    }
    path = folder / f"{architecture}.tar"
    with tarfile.open(path, "w") as packed:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
    return path
