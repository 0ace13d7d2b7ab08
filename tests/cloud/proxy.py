"""A CONNECT proxy with its own certificate authority: the embedded cloud answers AWS's real host names.

    with aws_proxy(cloud) as proxy:
        subprocess.run([…], env=proxy.environment(AWS_DEFAULT_REGION="us-east-1", AWS_USE_FIPS_ENDPOINT="true"))
    assert proxy.hosts == ["api.ecr-fips.us-east-1.amazonaws.com"]

Unmodified clients use their usual names, which a test can assert. The proxy rejects every other host.
"""

import asyncio
import datetime
import re
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cloud.embedded import Cloud

OURS = re.compile(
    r"[a-z0-9.-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws|on\.aws|cloudfront\.net|amazoncognito\.com)|public\.ecr\.aws"
)
VALID_FOR = datetime.timedelta(days=2)
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A running proxy and the requested hosts."""

    url: str
    authority: Path  # the certificate that clients have to trust
    cloud: Cloud
    certificate: Callable[[str], Path]  # a host's own, with its key, for another server on this machine
    hosts: list[str] = field(default_factory=list)  # connected, in order
    refused: list[str] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        """Returns the environment of a process that uses AWS's own names, as the account's root."""
        found = self.cloud.environment()
        del found["AWS_ENDPOINT_URL"]  # it would override every other choice of endpoint
        return {**found, **self.settings(), **more}

    def settings(self) -> dict[str, str]:
        """Returns the variables that lead a process through the proxy."""
        trust = dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(self.authority))
        return {**trust, "HTTPS_PROXY": self.url, "HTTP_PROXY": self.url}


@contextmanager
def aws_proxy(cloud: Cloud) -> Iterator[Proxy]:
    """Runs a proxy on a free loopback port until the block ends."""
    with tempfile.TemporaryDirectory(prefix="toril-proxy-") as folder:
        authority = _Authority(Path(folder))
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="aws-proxy")
        thread.start()
        try:
            proxy, server = asyncio.run_coroutine_threadsafe(_serve(cloud, authority), loop).result(timeout=10)
            try:
                yield proxy
            finally:
                asyncio.run_coroutine_threadsafe(_end(server), loop).result(timeout=10)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _serve(cloud: Cloud, authority: "_Authority") -> tuple[Proxy, asyncio.Server]:
    hosts: list[str] = []
    refused: list[str] = []
    upstream = urlsplit(cloud.url)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, _, rest = (await reader.readline()).decode("latin-1").partition(" ")
        host = rest.partition(":")[0].lower()
        while (await reader.readline()).strip():
            pass
        if method != "CONNECT" or not OURS.fullmatch(host):
            refused.append(host)
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        hosts.append(host)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(authority.context(host))
        back_reader, back_writer = await asyncio.open_connection(upstream.hostname, upstream.port)
        try:
            await asyncio.gather(_pipe(reader, back_writer), _pipe(back_reader, writer))
        except asyncio.CancelledError:  # the proxy ends before its client
            for one in (writer, back_writer):
                one.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    proxy = Proxy(
        url=url,
        authority=authority.path,
        cloud=cloud,
        certificate=authority.certificate,
        hosts=hosts,
        refused=refused,
    )
    return proxy, server


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):  # either side may close; the other sees the end of the stream
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _end(server: asyncio.Server) -> None:
    """Closes all connections."""
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Authority:
    """Certificates for host names, signed by one that clients trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "toril tests")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        made = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / "authority.pem"
        self.path.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def context(self, host: str) -> ssl.SSLContext:
        if host not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate(host))
            self._contexts[host] = context
        return self._contexts[host]

    def certificate(self, host: str) -> Path:
        """Returns a file with the certificate and the key of a host."""
        path = self._folder / f"{host}.pem"
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aws")])
            made = (
                self._builder(subject, key)
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
                .add_extension(by, critical=False)
                .sign(self._key, hashes.SHA256())
            )
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        return path

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - VALID_FOR)
            .not_valid_after(now + VALID_FOR)
        )
