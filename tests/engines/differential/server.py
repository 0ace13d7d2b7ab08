"""A service on loopback that gives scripted answers, and logs what each user sends in order.

    with recording({"/cart": {"json": {"id": 7}}}) as service:
        …                                    # load on service.url
    service.log()                            # ["GET /cart | cookie: a=1", …]

An answer is a mapping: `status`, `headers` (name → value or values), `cookies`, `location`, and a body as `body`,
`html`, `xml` or `json`. `encoding`, `chunked`, `charset`, `close`, `slow` (seconds) and `drop` (no answer at all)
say how it is sent. `echo: true` answers with the request itself. Of a list of answers the n-th request of a user gets
the n-th, later ones the last. In texts, `$URL` is the service, and `$OTHER` the same under another name of its host.
"""

import asyncio
import contextlib
import email.parser
import email.policy
import gzip
import json
import re
import threading
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from tests.targets import opened

# Headers that each engine sends as it likes: what a suite sets itself has the prefix `x-`, or is one of RELEVANT.
RELEVANT = (
    "content-type",
    "authorization",
    "cookie",
    "if-modified-since",
    "if-none-match",
    "accept-language",
    "accept",
)
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
USER = "x-user"  # tells users apart
KINDS = {"html": "text/html", "json": "application/json", "xml": "application/xml", "body": "text/plain"}


class Recording:
    """The service, its answers, and its log of each user: method, target, relevant headers and body of each request."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.port = 0
        self.logs: dict[str, list[str]] = defaultdict(list)
        self.connections = 0
        self.kept = 0  # requests on a connection that had one before
        self._asked: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> list[list[str]]:
        """Returns the log of each user, without their order and their names."""
        return sorted(self.logs.values())

    def named(self, text: str) -> str:
        return text.replace("$URL", self.url).replace("$OTHER", f"http://localhost:{self.port}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        first = True
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
                line, *rest = head[:-4].split("\r\n")
                headers = [
                    (name.strip().lower(), value.strip()) for name, _, value in (one.partition(":") for one in rest)
                ]
                body = await self._body(reader, dict(headers))
                self.kept += not first
                first = False
                method, target, _ = line.split(" ", 2)
                answer = self._record(method, target, headers, body)
                if not await self._send(writer, answer, method, target, body):
                    return
                if dict(headers).get("connection", "").lower() == "close":
                    return

    async def _body(self, reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", ""):
            body = b""
            while size := int((await reader.readline()).split(b";")[0], 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
            return body
        return await reader.readexactly(int(headers.get("content-length", "0")))

    def _record(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Mapping[str, Any]:
        user = dict(headers).get(USER, "")
        shown = [f"{method} {target}"]
        for name in RELEVANT if body else RELEVANT[1:]:
            values = [self._plain(name, value) for key, value in headers if key == name]
            shown += [f"{name}: {value}" for value in values if value not in ("", "*/*")]
        shown += sorted(f"{name}: {value}" for name, value in headers if name.startswith("x-") and name != USER)
        if body:
            shown.append(self._shown(body, dict(headers).get("content-type", "")))
        line = UUID.sub("UUID", " | ".join(shown).replace(self.url, "$URL"))
        path = target.partition("?")[0]
        with self._lock:
            self.logs[user].append(line)
            number = self._asked[user, path]
            self._asked[user, path] += 1
        found = self.answers.get(target, self.answers.get(path, {}))
        if isinstance(found, list):
            found = found[min(number, len(found) - 1)]
        return found if isinstance(found, dict) else {"body": str(found)}

    @staticmethod
    def _plain(name: str, value: str) -> str:
        """Returns a header's value without what says nothing: the order of cookies, a boundary, spaces."""
        if name == "cookie":
            return "; ".join(sorted(part.strip() for part in value.split(";")))
        if name == "content-type":
            kind, *parameters = (part.strip() for part in value.split(";"))
            unimportant = ("boundary=", "charset=") if kind in FORMS else ("boundary=",)
            return "; ".join([kind, *(part.lower() for part in parameters if not part.startswith(unimportant))])
        return value

    def _shown(self, body: bytes, kind: str) -> str:
        if kind.startswith("multipart/form-data"):
            message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
                b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
            )
            return "parts " + ", ".join(sorted(map(self._part, message.iter_parts())))
        if "json" in kind:
            with contextlib.suppress(ValueError):
                return json.dumps(json.loads(body), sort_keys=True, ensure_ascii=False)
        try:
            return body.decode()
        except UnicodeDecodeError:
            return body.hex()

    @staticmethod
    def _part(part: Any) -> str:
        name = part.get_param("name", header="content-disposition")
        file = part.get_filename()
        content = part.get_payload(decode=True)
        kind = "" if file is None else f" ({file}, {part.get_content_type()})"
        return f"{name}{kind}={content.decode('utf-8', 'replace')}"

    async def _send(
        self, writer: asyncio.StreamWriter, answer: Mapping[str, Any], method: str, target: str, sent: bytes
    ) -> bool:
        if answer.get("drop"):
            return False
        if slow := answer.get("slow"):
            await asyncio.sleep(slow)
        status = int(answer.get("status", 200))
        key = next((key for key in KINDS if key in answer), "body")
        text = json.dumps(answer[key]) if key == "json" else str(answer.get(key, "" if "status" in answer else "fine"))
        if answer.get("echo"):
            text = f"{method} {target} {sent.decode('utf-8', 'replace')}"
        charset = answer.get("charset", "utf-8")
        body = self.named(text).encode(charset)
        fields = [("Content-Type", f"{KINDS[key]}; charset={charset}")]
        for name, value in answer.get("headers", {}).items():
            fields = [one for one in fields if one[0].lower() != name.lower()]
            fields += [(name, self.named(str(one))) for one in (value if isinstance(value, list) else [value])]
        fields += [("Set-Cookie", cookie) for cookie in answer.get("cookies", ())]
        if "location" in answer:
            fields.append(("Location", self.named(answer["location"])))
        match answer.get("encoding"):
            case "gzip":
                body, fields = gzip.compress(body), [*fields, ("Content-Encoding", "gzip")]
            case "deflate":
                body, fields = zlib.compress(body), [*fields, ("Content-Encoding", "deflate")]
        if method == "HEAD" or status in (204, 304):
            body = b""
        if answer.get("chunked"):
            fields.append(("Transfer-Encoding", "chunked"))
            pieces = [body[at : at + 5] for at in range(0, len(body), 5)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        elif status not in (204, 304):
            fields.append(("Content-Length", str(len(body))))
        if answer.get("close"):
            fields.append(("Connection", "close"))
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Odd"
        head = f"HTTP/1.1 {status} {phrase}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
        writer.write(head.encode("utf-8") + b"\r\n" + body)
        await writer.drain()
        return not answer.get("close")


@contextlib.contextmanager
def recording(answers: Mapping[str, Any]) -> Iterator[Recording]:
    with opened(Recording(answers)) as service:
        yield service
