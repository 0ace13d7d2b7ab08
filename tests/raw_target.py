"""A service on loopback that logs the raw bytes of each request, for tests of what toril shows of them.

    with raw_target({"/cart": answer(500, b'{"ok":false}', "application/json")}) as service:
        …                                           # load on service.url
    service.requests[0].head == b"POST /cart HTTP/1.1\\r\\nHost: …"

Answers are raw bytes by path without its query; other paths answer 200 with `{"ok":true}`.
`service.of(path)` finds the logged requests of a path.
"""

import asyncio
import contextlib
import re
import ssl
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.targets import opened
from toril.records.evidence import Content, Exchange
from toril.secrets.masking import HIDDEN

LIFETIME = timedelta(days=2)


@dataclass(frozen=True)
class RawRequest:
    """A request, byte by byte."""

    head: bytes  # without the empty line at its end
    body: bytes  # as it was before chunking
    connection: int  # number of its connection

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode("latin-1")

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]

    @property
    def headers(self) -> Counter[tuple[str, str]]:
        """Its header fields; a name may occur several times."""
        return headers_of(self.head)


def headers_of(head: bytes) -> Counter[tuple[str, str]]:
    """Returns the header fields of a raw head."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    return Counter((name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line))


def answer(
    status: int, body: bytes, kind: str = "application/json", *, headers: Sequence[str] = (), chunked: int = 0
) -> bytes:
    """Returns a raw response; `chunked`: in chunks of this size instead of with a length."""
    size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = "\r\n".join([f"HTTP/1.1 {status} Said so", f"Content-Type: {kind}", size, *headers])
    if chunked:
        parts = [body[at : at + chunked] for at in range(0, len(body), chunked)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return head.encode("latin-1") + b"\r\n\r\n" + body


SECRET = "s3cret-0123456789"
LARGE = b'{"items": [' + b"1234567890, " * 900_000 + b"0]}"
ANSWERS = {  # of all engines' tests
    "/wrong": answer(500, b'{"ok": false, "why": "no stock"}', headers=["Set-Cookie: sid=abcdefgh; Path=/", "X-A: 1"]),
    "/hop": answer(302, b"", headers=["Location: /wrong?from=hop"]),
    "/picture": answer(404, bytes(range(256)) * 40, "image/png"),
    "/large": answer(503, LARGE),
    "/chunked": answer(502, b"gone wrong, " * 1000, "text/plain", chunked=1000),
}


def last_of(exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """Returns the last exchange of each label."""
    return {one.label: one for one in exchanges}


def differences(shown: Exchange, sent: RawRequest, answered: bytes = b"") -> dict[str, tuple[object, object]]:
    """Returns what an exchange shows differently from what was sent and answered; hidden parts may be anything."""
    found: dict[str, tuple[object, object]] = {}

    def compare(name: str, seen: str, real: str, *, beginning: bool = False) -> None:
        pattern = ".+".join(map(re.escape, seen.split(HIDDEN)))
        if not (re.match if beginning else re.fullmatch)(pattern, real, re.DOTALL):
            found[name] = seen, real

    def compare_headers(name: str, seen: Sequence[tuple[str, str]], real: Counter[tuple[str, str]]) -> None:
        pairs = sorted(seen), sorted(real.elements())
        compare(name, "\n".join(map(": ".join, pairs[0])), "\n".join(map(": ".join, pairs[1])))

    def compare_body(name: str, seen: Content | None, real: bytes) -> None:
        if seen is None or seen.binary:
            if (seen.bytes if seen else 0) != len(real):
                found[name] = seen, len(real)
        else:
            compare(name, seen.text, real.decode(errors="replace"), beginning=seen.cut)
            if seen.bytes != len(real):
                found[f"{name}'s size"] = seen.bytes, len(real)

    target = re.sub(r"^\w+://[^/]+", "", shown.url) or "/"
    compare("request line", f"{shown.method} {target}", sent.line.removesuffix(" HTTP/1.1"))
    compare_headers("request headers", shown.request_headers, sent.headers)
    compare_body("request", shown.request, sent.body)
    if answered:
        head, _, body = answered.partition(b"\r\n\r\n")
        compare("status", str(shown.status), head.split(b" ", 2)[1].decode())
        compare_headers("response headers", shown.response_headers, headers_of(head))
        if b"chunked" not in head:
            compare_body("response", shown.response, body)
    return found


class RawTarget:
    """The service and its log, for reading after the load."""

    def __init__(self, answers: Mapping[str, bytes], *, secure: bool) -> None:
        self.answers = answers
        self.requests: list[RawRequest] = []
        self.connections = 0
        self.port = 0
        self._scheme = "https" if secure else "http"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def of(self, path: str) -> list[RawRequest]:
        """Returns the requests to a path, with or without a query."""
        return [one for one in self.requests if one.path.partition("?")[0] == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        lost = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError)
        with contextlib.suppress(*lost):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
                one = RawRequest(head, await _body_of(reader, head), number)
                self.requests.append(one)
                writer.write(self.answers.get(one.path.partition("?")[0], answer(200, b'{"ok":true}')))
                await writer.drain()


async def _body_of(reader: asyncio.StreamReader, head: bytes) -> bytes:
    fields = {name.lower(): value for name, value in headers_of(head)}
    if "chunked" not in fields.get("transfer-encoding", ""):
        return await reader.readexactly(int(fields.get("content-length", "0")))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body


@contextlib.contextmanager
def raw_target(answers: Mapping[str, bytes] | None = None, *, certificate: Path | None = None) -> Iterator[RawTarget]:
    """Serves on a free loopback port until the block ends; with a file for its certificate over TLS."""
    context = None
    if certificate is not None:
        _write_certificate(certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with opened(RawTarget(answers or {}, secure=certificate is not None), context) as service:
        yield service


def _write_certificate(path: Path) -> None:
    """Write a key and a self-signed certificate of 127.0.0.1, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFETIME)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + made.public_bytes(encoding))
