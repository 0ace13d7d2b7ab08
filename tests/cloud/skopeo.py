"""Copies an image from podman to a registry over plain HTTP."""

import subprocess
import tempfile

LIMIT_S = 120


def push(image: str, reference: str, login: str = "") -> str:
    """Pushes an image and returns its digest in the registry. `login` is `USER:PASSWORD`."""
    with tempfile.NamedTemporaryFile("r") as digest:
        to = ["--dest-tls-verify=false", *(["--dest-creds", login] if login else []), "--digestfile", digest.name]
        command = ["skopeo", "copy", "--quiet", *to, f"containers-storage:{image}", f"docker://{reference}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.returncode == 0, done.stderr
        return digest.read().strip()
