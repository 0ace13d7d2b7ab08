"""Signature Version 4 for requests of generated scripts: engines' own processes load it by its path.

The worker keeps the keys' file fresh (`Engine.signing`).
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,assignment"

import json
from pathlib import Path

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

UNSIGNED = frozenset(("connection", "user-agent", "accept-encoding", "accept"))  # a client may still change these


class Signer:
    """Signs requests for a service; `settings`: service, region and the path of the file with the keys."""

    def __init__(self, settings) -> None:
        self._service, self._region, self._path = settings["service"], settings["region"], Path(settings["credentials"])
        self._read_at, self._auth = 0, None

    def sign(self, method, url, headers, body) -> None:
        """Add the signature's fields to `headers`; `body` is bytes, a text or None."""
        signed = {name: value for name, value in headers.items() if name.lower() not in UNSIGNED}
        request = AWSRequest(method=method, url=url, headers=signed, data=body or b"")
        self._current().add_auth(request)
        for name, value in request.headers.items():
            headers[name] = value

    def _current(self):
        changed_at = self._path.stat().st_mtime_ns
        if self._auth is None or changed_at != self._read_at:
            keys = json.loads(self._path.read_text())
            credentials = ReadOnlyCredentials(keys["access_key"], keys["secret_key"], keys["token"] or None)
            signature = S3SigV4Auth if self._service == "s3" else SigV4Auth
            self._auth, self._read_at = signature(credentials, self._service, self._region), changed_at
        return self._auth


def sign_sent(settings) -> None:
    """Have each HTTP request of `requests.Session` signed, those of redirects too."""
    from requests.adapters import HTTPAdapter

    signer, send = Signer(settings), HTTPAdapter.send

    def sign_and_send(adapter, request, *arguments, **named):
        signer.sign(request.method, request.url, request.headers, request.body)
        return send(adapter, request, *arguments, **named)

    HTTPAdapter.send = sign_and_send
