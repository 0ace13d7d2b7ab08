"""The part of S3 that a store uses: one bucket in memory, with conditional writes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `kind`: the category in which the request is counted."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    of_head: bool = False  # do not send the body


@dataclass(slots=True)
class Bucket:
    values: dict[str, bytes] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        key = unquote(parts.path).split("/", 2)[2:]
        if not key or not key[0]:
            return self._listed(parse_qs(parts.query))
        if method == "PUT":
            return self._put(key[0], headers, body)
        return self._get(key[0], of_head=method == "HEAD")

    def _get(self, key: str, *, of_head: bool) -> Answer:
        kind = "HEAD" if of_head else "GET"
        data = self.values.get(key)
        if data is None:
            return Answer(404, _error("NoSuchKey"), kind=f"{kind} not found", of_head=of_head)
        return Answer(200, data, {"ETag": _tag(data), "x-amz-meta-toril-write": self.marks.get(key, "")}, kind, of_head)

    def _put(self, key: str, headers: Mapping[str, str], body: bytes) -> Answer:
        there, wanted = self.values.get(key), headers.get("if-match")
        if (there is not None and "if-none-match" in headers) or (wanted and (there is None or _tag(there) != wanted)):
            return Answer(412, _error("PreconditionFailed"), kind="PUT")
        self.values[key], self.marks[key] = body, headers.get("x-amz-meta-toril-write", "")
        return Answer(200, b"", {"ETag": _tag(body)}, "PUT")

    def _listed(self, asked: Mapping[str, list[str]]) -> Answer:
        prefix, after = asked.get("prefix", [""])[0], asked.get("continuation-token", [""])[0]
        found = sorted(key for key in self.values if key.startswith(prefix) and key > after)
        page = found[:PAGE]
        rows = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-11-25T00:00:00.000Z</LastModified><ETag>&quot;{'0' * 32}"
            f"&quot;</ETag><Size>{len(self.values[key])}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key in page
        )
        more = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if len(found) > PAGE else ""
        truncated = str(len(found) > PAGE).lower()
        text = f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{rows}</ListBucketResult>"
        return Answer(200, text.encode(), {"Content-Type": "application/xml"}, "LIST")


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
