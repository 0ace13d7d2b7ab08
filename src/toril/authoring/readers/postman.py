"""Reads Postman collections 2.0 and 2.1 with an environment."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from toril.authoring.readers import source
from toril.authoring.readers.source import Input, Skipped, items, mapping, text
from toril.authoring.recorded import MOST_BYTES, Expected, Extract, FilePart, Payload, Recorded, RecordedExchange
from toril.secrets.masking import names_a_secret

DEEPEST = 5  # variables whose values name variables
VARIABLE = re.compile(r"\{\{([^{}]{1,200})\}\}")
IN_PATH = re.compile(r"(?<=/):([A-Za-z_][\w-]*)")
DYNAMIC = {
    "$guid": "${__UUID()}", "$randomUUID": "${__UUID()}", "$timestamp": "${__time()}",
    "$randomInt": "${__Random(0,1000)}",
}  # fmt: skip
SAMPLES = {  # for what Postman writes into a collection that it makes of OpenAPI
    "string": '"string"', "integer": "1", "long": "1", "number": "1", "float": "1.5", "double": "1.5",
    "boolean": "true", "date": '"2026-01-31"', "dateTime": '"2026-01-31T12:00:00Z"', "email": '"ada@example.com"',
    "uuid": '"5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa"', "uri": '"https://example.com/"',
}  # fmt: skip
SAMPLED = re.compile(rf'(")?<({"|".join(SAMPLES)})>(?(1)")')
LANGUAGES = {"json": source.JSON, "xml": "application/xml", "html": "text/html", "text": "text/plain"}
PATH_IN_JS = r"((?:\.[A-Za-z_$][\w$]*|\[\d+\]|\[['\"][\w -]+['\"]\])+)"
# The statements of scripts that become parts of a suite: a status, and a value for a variable.
STATUS = re.compile(
    r"(?:to\.have\.status\(|responseCode\.code\s*===?|response\.code\)?\s*(?:\.to\.(?:be\.)?(?:eql|equal)\(|===?))"
    r"\s*([1-5][0-9][0-9])\b"
)
BODY = r"pm\.response\.json\(\s*\)|JSON\.parse\(\s*(?:responseBody|pm\.response\.text\(\))\s*\)"
TAKEN = re.compile(  # a variable of the script: the response, or a part of it or of another variable
    rf"\b(\w+)\s*=\s*(?:({BODY})|(\w+)(?=[.\[])){PATH_IN_JS}?\s*(?:\|\|[^;\n]*)?(?:;|$)", re.MULTILINE
)
SET = re.compile(
    r"(?:pm\.\w+\.set|postman\.set(?:Environment|Global)Variable)\(\s*[\"']([\w.-]+)[\"']\s*,\s*"
    rf"(?:({BODY})|(\w+)){PATH_IN_JS}?\s*\)"
)
HARMLESS = re.compile(  # lines around those statements
    r"//.*|[{}()\[\];,\s]*|pm\.test\(.*(?:=>|function\s*\(\))\s*\{?|tests\[.*responseCode\.code.*"
)


def read_postman(collection: Mapping[str, Any], given: Input, environment: Mapping[str, Any] | None) -> Recorded:
    """Returns the requests of a collection; `environment` is an exported environment."""
    skipped, exchanges = Skipped(), list[RecordedExchange]()
    values = _Values([*items(collection.get("variable")), *items((environment or {}).get("values"))], skipped)
    for steps, auth, item in _requests(collection.get("item"), (), _auth(collection)):
        if item.get("disabled") is True:
            skipped.add("disabled requests", "the collection switches them off", text(item.get("name")))
            continue
        exchange = _exchange(item, auth, values, given, skipped)
        exchanges.append(replace(exchange, number=len(exchanges) + 1, step=" / ".join(steps)))
        values.carried |= {extract.variable for extract in exchange.extracts}
    title = text(mapping(collection.get("info")).get("name"))
    return Recorded(
        exchanges=tuple(exchanges),
        title=title,
        origin=given.origin(title),
        kind="postman",
        references=source.ANY_NAME,
        variables=values.data,
        left_out=skipped.left_out(),
    )


def _auth(node: Mapping[str, Any]) -> dict[str, Any] | None:
    return mapping(node["auth"]) if isinstance(node.get("auth"), dict) else None


def _requests(
    nodes: Any, steps: tuple[str, ...], auth: dict[str, Any] | None
) -> Iterator[tuple[tuple[str, ...], dict[str, Any] | None, dict[str, Any]]]:
    """Yields each request with its folders, and with what it inherits to authenticate."""
    for node in items(nodes):
        if isinstance(node.get("item"), list):
            own = _auth(node)
            yield from _requests(node["item"], (*steps, text(node.get("name")).strip()), auth if own is None else own)
        elif node.get("request"):
            yield steps, auth, node


class _Values:
    """The variables of collection and environment; replaces `{{name}}` by a value or a reference."""

    def __init__(self, variables: list[dict[str, Any]], skipped: Skipped) -> None:
        self._skipped = skipped
        self.carried: set[str] = set()  # set by scripts so far
        self.data: dict[str, str] = {}  # parameters of paths
        self._known: dict[str, str] = {}
        self._secret: set[str] = set()
        for variable in variables:
            name = text(variable.get("key") or variable.get("id"))
            if name and variable.get("disabled") is not True and variable.get("enabled") is not False:
                self._known[name] = text(variable.get("value"))
                if variable.get("type") == "secret" or names_a_secret(name):
                    self._secret.add(name)

    def __call__(self, value: Any) -> str:
        result = SAMPLED.sub(lambda part: SAMPLES[part[2]] if part[1] else SAMPLES[part[2]].strip('"'), text(value))
        longest = max(map(len, self._known.values()), default=0)
        for _ in range(DEEPEST):
            if "{{" not in result or result.count("{{") * longest > MOST_BYTES:
                break
            result = VARIABLE.sub(self._one, result)
        return result

    def _one(self, match: re.Match[str]) -> str:
        name = match[1].strip()
        if name.startswith("$"):
            if name not in DYNAMIC:
                self._skipped.add("dynamic variables", "a random UUID stands for them", name)
            return DYNAMIC.get(name, "${__UUID()}")
        if source.variable(name) in self.carried:
            return f"${{{source.variable(name)}}}"
        return self._known[name] if self._known.get(name) and name not in self._secret else source.reference(name)


def _exchange(
    item: Mapping[str, Any], inherited: dict[str, Any] | None, values: _Values, given: Input, skipped: Skipped
) -> RecordedExchange:
    request = item["request"] if isinstance(item["request"], dict) else {"url": item["request"]}
    name, method = text(item.get("name")), text(request.get("method")).upper()
    method = method if source.TOKEN.fullmatch(method) else "GET"
    url, route = _url(request.get("url"), values)
    own = _auth(request)
    sent, query = _credentials(inherited if own is None else own, values, name, skipped)
    sent += [(key, values(value)) for key, value in source.headers(request.get("header"))]
    body = _body(mapping(request.get("body")), values, given)
    if method in ("GET", "HEAD") and not mapping(item.get("protocolProfileBehavior")).get("disableBodyPruning"):
        body = None  # as Postman sends it
    if body is not None and not source.value_of("content-type", sent):
        sent.append(("Content-Type", body.type))
    elif body is not None and not body.uploads and not body.fields:
        body = source.body(body.data, source.value_of("content-type", sent))
    checks, extracts = _of_scripts(item, name, skipped)
    saved = next((response for response in items(item.get("response")) if 200 <= _code(response) < 300), {})
    answer = text(saved.get("body")).encode()
    answered = source.headers(saved.get("header"))
    return RecordedExchange(
        number=0,
        method=method,
        url=url + ("&" if "?" in url else "?") + query if query else url,
        headers=tuple(sent),
        body=body,
        status=_code(saved) or None,
        response_headers=answered,
        response=Payload(data=answer, type=source.value_of("content-type", answered)) if answer else None,
        name="" if re.search(r"\{\{|://|^/", name) else name,  # Postman's default is the address
        route=route,
        checks=checks,
        extracts=extracts,
    )


def _code(saved: Mapping[str, Any]) -> int:
    code = saved.get("code")
    return code if isinstance(code, int) else 0


def _url(node: Any, values: _Values) -> tuple[str, str]:
    """Returns the address, and its route if parts of its path are parameters."""
    parts = mapping(node)
    raw = text(node) or text(parts.get("raw")) or _assembled(parts)
    raw = source.address(values(raw))
    if not re.match(r"https?://|\$\{", raw):
        raw = f"http://{raw.lstrip('/')}"
    known = {text(row.get("key") or row.get("id")): values(row.get("value")) for row in items(parts.get("variable"))}
    base, mark, query = raw.partition("?")

    def named(match: re.Match[str]) -> str:
        name = source.variable(match[1])
        if names_a_secret(match[1]) and name not in values.carried:
            return source.reference(match[1])
        if name not in values.carried:
            values.data.setdefault(name, known.get(match[1]) or "1")
        return f"${{{name}}}"

    route = re.sub(r"^(?:https?://[^/]*|\$\{\w+\})", "", IN_PATH.sub(r"{\1}", base))
    return IN_PATH.sub(named, base) + mark + query, route if IN_PATH.search(base) else ""


def _assembled(parts: Mapping[str, Any]) -> str:
    """Returns the address of its parts; some tools write no `raw`."""
    host, path = parts.get("host"), parts.get("path")
    where = ".".join(map(text, host)) if isinstance(host, list) else text(host)
    where += f":{text(parts.get('port'))}" if parts.get("port") else ""
    names = [text(mapping(one).get("value")) or text(one) for one in path] if isinstance(path, list) else [text(path)]
    pairs = [pair for pair in items(parts.get("query")) if not pair.get("disabled")]
    query = "&".join(f"{text(pair.get('key'))}={text(pair.get('value'))}" for pair in pairs)
    scheme = f"{text(parts.get('protocol'))}://" if parts.get("protocol") else ""
    return f"{scheme}{where}/{'/'.join(names).lstrip('/')}" + (f"?{query}" if query else "")


def _credentials(
    auth: Mapping[str, Any] | None, values: _Values, name: str, skipped: Skipped
) -> tuple[list[tuple[str, str]], str]:
    """Returns the headers and the query that authenticate a request."""
    kind = text((auth or {}).get("type"))
    node = (auth or {}).get(kind)
    known = mapping(node) if isinstance(node, dict) else {text(row.get("key")): row.get("value") for row in items(node)}
    if kind in ("bearer", "oauth2"):
        token = values(known.get("token" if kind == "bearer" else "accessToken")) or "${API_TOKEN}"
        return [("Authorization", f"Bearer {token}")], ""
    if kind == "basic":
        pair = f"{values(known.get('username'))}:{values(known.get('password'))}"
        encoded = "${API_BASIC}" if "${" in pair else base64.b64encode(pair.encode()).decode()
        return [("Authorization", f"Basic {encoded}")], ""
    if kind == "apikey":
        key, value = values(known.get("key")) or "X-Api-Key", values(known.get("value")) or "${API_KEY}"
        value = value if "${" in value else source.reference(key)
        return ([], f"{key}={value}") if known.get("in") == "query" else ([(key, value)], "")
    if kind and kind != "noauth":
        skipped.add("authentication", f"toril has no {kind}; set its headers by hand", name)
    return [], ""


def _body(node: Mapping[str, Any], values: _Values, given: Input) -> Payload | None:
    mode = text(node.get("mode"))
    content = node.get(mode)
    if node.get("disabled") is True or not content:
        return None
    if mode == "raw":
        language = text(mapping(mapping(node.get("options")).get("raw")).get("language"))
        kind = LANGUAGES.get(language, source.JSON if text(content).lstrip()[:1] in ("{", "[") else "text/plain")
        return Payload(data=values(content).encode(), type=kind)
    if mode == "graphql":
        query = mapping(content)
        try:
            inputs = json.loads(values(query.get("variables")) or "{}")
        except ValueError:
            inputs = {}
        named = {"operationName": values(query.get("operationName"))} if query.get("operationName") else {}
        return source.json_body({**named, "query": values(query.get("query")), "variables": inputs})
    if mode == "file":
        name = text(mapping(content).get("src"))
        return source.raw_file(name.rpartition("/")[2] or "body.bin", "", given.beside(name))
    pairs, uploads = [], []
    for item in items(content):
        if item.get("disabled") is True or not text(item.get("key")):
            continue
        if mode == "formdata" and item.get("type") == "file":
            names = item.get("src")
            for file in map(text, names if isinstance(names, list) else [names]):
                part = FilePart(field=values(item.get("key")), name=file.rpartition("/")[2], data=given.beside(file))
                uploads.append(part)
        else:
            pairs.append((values(item.get("key")), values(item.get("value"))))
    return source.form(pairs) if mode == "urlencoded" else source.multipart(pairs, uploads)


def _of_scripts(
    item: Mapping[str, Any], name: str, skipped: Skipped
) -> tuple[tuple[Expected, ...], tuple[Extract, ...]]:
    """Returns the statuses that scripts expect and the values that they take out of responses."""
    checks: dict[str, Expected] = {}
    extracts: dict[str, Extract] = {}
    for event in items(item.get("event")):
        lines = mapping(event.get("script")).get("exec")
        script = "\n".join(map(text, lines)) if isinstance(lines, list) else text(lines)
        if event.get("listen") == "test":
            for match in STATUS.finditer(script):
                checks[match[1]] = Expected(subject="status", value=match[1])
            taken: dict[str, str] = {}  # variable of the script → JSONPath
            for match in sorted((*TAKEN.finditer(script), *SET.finditer(script)), key=re.Match.start):
                path = "$" if match[2] else taken.get(match[3])
                if path is None:
                    continue
                path += re.sub(r"\[\"([^\"]*)\"\]", r"['\1']", match[4] or "")
                if match.re is TAKEN:
                    taken[match[1]] = path
                elif path != "$":
                    key = source.variable(match[1])
                    extracts[key] = Extract(variable=key, how="jsonpath", expression=path)
        left = [line for line in script.splitlines() if not any(form.search(line) for form in (STATUS, TAKEN, SET))]
        if any(not HARMLESS.fullmatch(line.strip()) for line in left):
            skipped.add("scripts", "only statuses and variables out of JSON are translated", name)
    return tuple(checks.values()) if len(checks) == 1 else (), tuple(extracts.values())
