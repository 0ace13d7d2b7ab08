"""Reads OpenAPI 3.0 and 3.1 and Swagger 2: one request for each operation, with values from examples and types."""

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from toril.authoring.options import ImportOptions
from toril.authoring.readers import source
from toril.authoring.readers.source import Input, Skipped, items, mapping, text
from toril.authoring.recorded import Expected, Extract, FilePart, Payload, Recorded, RecordedExchange, member
from toril.authoring.routes import singular
from toril.errors import Note, OptionError
from toril.secrets.masking import names_a_secret
from toril.text import plain

METHODS = ("post", "get", "head", "options", "put", "patch", "delete")  # in the order of the suite
READS = ("get", "head", "options")
DEEPEST = 8  # levels of a body, and references that follow each other
MOST_VALUES = 500  # of one body
MOST_PROPERTIES = 8  # of a body that needs none
MOST_CHECKS = 8
FORMATS = {
    "date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00Z", "duration": "P1D",
    "uuid": "5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa", "email": "ada@example.com", "byte": "dG9yaWw=",
    "uri": "https://example.com/", "url": "https://example.com/", "hostname": "example.com", "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}  # fmt: skip
IN_PATH = re.compile(r"\{([^{}/]+)\}")
SEPARATORS = {"csv": ",", "form": ",", "ssv": " ", "spaceDelimited": " ", "pipes": "|", "pipeDelimited": "|"}
NOT_SENT = ("accept", "authorization", "content-type")  # header parameters that OpenAPI ignores


@dataclass(slots=True, kw_only=True)
class _Operation:
    method: str
    path: str
    node: dict[str, Any]  # as in OpenAPI 3
    parameters: list[dict[str, Any]]
    extracts: list[Extract] = field(default_factory=list)

    @property
    def tag(self) -> str:
        return next(map(text, _list(self.node.get("tags"))), "")


def read_openapi(
    document: Mapping[str, Any], given: Input, options: ImportOptions, parse: Callable[[str], Any]
) -> Recorded:
    """Returns a request for each operation; `parse` reads JSON and YAML, for the files that the document names."""
    skipped = Skipped()
    spec = _Spec(document, given, skipped, parse)
    operations = _ordered(spec, options, skipped)
    base = _base(document, given, options)
    named = _carried(spec, operations)
    data: dict[str, str] = {}
    exchanges = []
    for number, operation in enumerate(operations, 1):
        path, sent, body = _request(spec, operation, named, data)
        exchanges.append(
            RecordedExchange(
                number=number,
                method=operation.method.upper(),
                url=base + path,
                headers=sent,
                body=body,
                step=operation.tag,
                route=operation.path,
                checks=tuple(_checks(spec, operation, options)),
                extracts=tuple(operation.extracts),
            )
        )
    info = mapping(document.get("info"))
    title = text(info.get("title"))
    return Recorded(
        exchanges=tuple(exchanges),
        title=title,
        origin=given.origin(f"{title} {text(info.get('version'))}"),
        kind="openapi",
        references=source.ANY_NAME,
        variables=data,
        left_out=skipped.left_out(),
        notes=tuple(_unsure(spec)),
    )


def _unsure(spec: "_Spec") -> Iterator[Note]:
    for name in (name for way in spec.unassigned for name in way):
        what = f"The document does not say which operations need its security scheme {plain(name)}"
        yield Note("unassigned-security", f"{what}: all requests send it.")


def _base(document: Mapping[str, Any], given: Input, options: ImportOptions) -> str:
    """Returns the address of the service without a slash at its end; a reference if the document has none."""
    if "swagger" in document:
        schemes, host = document.get("schemes"), text(document.get("host"))
        scheme = "http" if isinstance(schemes, list) and schemes and "https" not in schemes else "https"
        base = (f"{scheme}://{host}" if host else "") + "/" + text(document.get("basePath")).strip("/")
    else:
        server = next(iter(items(document.get("servers"))), {})
        values = {name: text(mapping(var).get("default")) for name, var in mapping(server.get("variables")).items()}
        base = IN_PATH.sub(lambda name: values.get(name[1]) or name[0], text(server.get("url")))
    whole = re.match(r"(\w+://[^/?#]*)?([^?#]*)", source.joined(given.address, base))
    origin, path = whole.groups("") if whole else ("", "")
    path = "/" + IN_PATH.sub(r"\1", path).strip("/")
    path = "" if path == "/" else path
    if options.hosts:
        own = options.hosts[0] if "://" in options.hosts[0] else f"https://{options.hosts[0]}"
        return own if own.count("/") > 2 else own + path
    return (origin if re.match(r"https?://[^{}]+$", origin) else source.reference("base_url")) + path


def _ordered(spec: "_Spec", options: ImportOptions, skipped: Skipped) -> list[_Operation]:
    """Returns the operations by tag; in a tag those that create come first, and those that delete come last."""
    operations = []
    for path, node in mapping(spec.document.get("paths")).items():
        shared = spec.at(node)
        for method in METHODS:
            if not isinstance(shared.get(method), dict):
                continue
            operation = spec.at(shared[method])
            example = f"{method.upper()} {path}"
            if operation.get("deprecated") is True:
                skipped.add("deprecated operations", "the document advises against them", example)
            elif options.only_reads and method not in READS:
                skipped.add("operations that change data", "--only-reads", example)
            else:
                parameters: dict[tuple[str, str], dict[str, Any]] = {}
                for listed in (*_list(shared.get("parameters")), *_list(operation.get("parameters"))):
                    parameter = spec.at(listed)
                    parameters[text(parameter.get("in")), text(parameter.get("name"))] = parameter
                own = list(parameters.values())
                if "swagger" in spec.document:
                    operation = _modern(operation, own, spec)
                operations.append(_Operation(method=method, path=path, node=operation, parameters=own))
    tags = list(dict.fromkeys(operation.tag for operation in operations))

    def rank(operation: _Operation) -> tuple[int, int, int]:
        depth = operation.path.count("/")
        kind = METHODS.index(operation.method)
        return tags.index(operation.tag), kind, -depth if operation.method == "delete" else depth

    return sorted(operations, key=rank)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _modern(operation: Mapping[str, Any], parameters: list[dict[str, Any]], spec: "_Spec") -> dict[str, Any]:
    """Returns an operation of Swagger 2 in the form of OpenAPI 3."""
    takes = [text(kind) for kind in _list(operation.get("consumes") or spec.document.get("consumes"))]
    gives = [text(kind) for kind in _list(operation.get("produces") or spec.document.get("produces"))] or [source.JSON]
    fields = [parameter for parameter in parameters if parameter.get("in") == "formData"]
    schemas = [parameter.get("schema") for parameter in parameters if parameter.get("in") == "body"]
    modern = dict(operation)
    if schemas:
        modern["requestBody"] = {"content": {type: {"schema": schemas[0]} for type in takes or [source.JSON]}}
    elif fields:
        files = any(part.get("type") == "file" for part in fields) or takes == [source.MULTIPART]
        schema = {
            "type": "object",
            "properties": {text(part.get("name")): part for part in fields},
            "required": [text(part.get("name")) for part in fields if part.get("required") is True],
        }
        modern["requestBody"] = {"content": {source.MULTIPART if files else source.FORM: {"schema": schema}}}
    modern["responses"] = {
        status: {"content": {type: {"schema": spec.at(response).get("schema")} for type in gives}}
        for status, response in mapping(operation.get("responses")).items()
    }
    return modern


def _carried(spec: "_Spec", operations: list[_Operation]) -> dict[tuple[str, bool], str]:
    """Returns the variable of each path with a parameter that the response to another operation brings.

    POST /pets creates the pet of GET /pets/{petId}: its response has `petId`, or `id`. Otherwise, operations that only
    read (True in the key) take the first pet of GET /pets. Those that write must not change what they did not create.
    """
    names: dict[tuple[str, bool], str] = {}
    makers: dict[str, tuple[_Operation, str, Any]] = {}  # before the operation: JSONPath and schema of what they give
    lists: dict[str, tuple[_Operation, str, Any]] = {}
    for operation in operations:
        reads = operation.method in READS
        for part in IN_PATH.finditer(operation.path):
            collection, whole = operation.path[: part.start()].rstrip("/"), operation.path[: part.end()]
            if (whole, reads) in names:
                continue
            name = _name(operation.path[: part.start()], part[1])
            created = _brought(spec, makers.get(collection), part[1])
            taken = created or (_brought(spec, lists.get(collection), part[1]) if reads else None)
            names[whole, reads] = ""
            if taken is not None:
                maker, expression = taken
                same = next((extract.variable for extract in maker.extracts if extract.expression == expression), "")
                name = name if created else f"listed_{name}"
                name = same or (f"{name}_{len(names)}" if name in names.values() else name)
                names[whole, reads] = name
                if not same:
                    maker.extracts.append(Extract(variable=name, how="jsonpath", expression=expression))
        path = operation.path.rstrip("/")
        if operation.method == "post":
            makers.setdefault(path, (operation, "$", spec.response(operation)))
        elif operation.method == "get" and (items_of := spec.listed(operation)) is not None:
            lists.setdefault(path, (operation, *items_of))
    return names


def _brought(spec: "_Spec", maker: tuple[_Operation, str, Any] | None, parameter: str) -> tuple[_Operation, str] | None:
    """Returns the operation and the JSONPath of the value of a parameter; None if the response has none."""
    if maker is None:
        return None
    operation, path, schema = maker
    known, wanted = {source.variable(name): name for name in spec.properties(schema)}, source.variable(parameter)
    key = known.get(wanted) or (known.get("id") if wanted.endswith("id") else None)
    return None if key is None else (operation, member(path, key))


def _name(before: str, parameter: str) -> str:
    """Returns the variable of a parameter; a short name has that of its collection before it.

    >>> _name("/pets/", "petId"), _name("/pets/", "id")
    ('pet_id', 'pet_id')
    """
    name, collection = source.variable(parameter), before.strip("/").rpartition("/")[2]
    return name if len(name) > 4 or not collection or "{" in collection else f"{singular(collection)}_{name}"


def _request(
    spec: "_Spec", operation: _Operation, named: Mapping[tuple[str, bool], str], data: dict[str, str]
) -> tuple[str, tuple[tuple[str, str], ...], Payload | None]:
    """Returns address, headers and body; adds values for parameters that nothing brings to `data`."""
    values = _values(spec, operation)
    styles = {text(field.get("name")): _style(field) for field in operation.parameters if field.get("in") == "query"}

    def in_path(part: re.Match[str]) -> str:
        own = named.get((operation.path[: part.end()], operation.method in READS))
        name = own or _name(operation.path[: part.start()], part[1])
        if name not in named.values():
            value = _plain(values["path"].get(part[1])) or "1"
            if value.startswith("${"):  # a credential is no data
                return value
            data.setdefault(name, value)
        return f"${{{name}}}"

    path = "/" + source.address(IN_PATH.sub(in_path, operation.path)).lstrip("/")
    query = "&".join(
        f"{quote(name, safe='[]')}={quote(text_sent, safe='${},')}"
        for key, value in values["query"].items()
        for name, text_sent in _pairs(key, value, styles.get(key, ""))
    )
    sent = [(name, _plain(value)) for name, value in values["header"].items()]
    if values["cookie"]:
        sent.append(("Cookie", "; ".join(f"{name}={_plain(value)}" for name, value in values["cookie"].items())))
    body = spec.body(operation.node.get("requestBody"))
    if body is not None:
        sent.append(("Content-Type", body.type))
    return f"{path}?{query}" if query else path, tuple(sent), body


def _values(spec: "_Spec", operation: _Operation) -> dict[str, dict[str, Any]]:
    """Returns the values of the parameters that a request needs, and its credentials, by place and name."""
    values: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
    for parameter in operation.parameters:
        place, name, example = text(parameter.get("in")), text(parameter.get("name")), spec.example_of(parameter)
        media = mapping(next(iter(mapping(parameter.get("content")).values()), None))
        schema = parameter.get("schema", media.get("schema", parameter))  # Swagger 2 has no schema of its own
        required = place == "path" or parameter.get("required") is True
        if place in values and required and not (place == "header" and name.lower() in NOT_SENT):
            values[place][name] = _shown(name, spec.sample(schema) if example is None else example)
    for place, name, value in _credentials(spec, operation):
        values[place][name] = value
    return values


def _style(parameter: Mapping[str, Any]) -> str:
    """Returns what separates the values of a list in a query: a mark, `multi` or, of objects, `deepObject`."""
    if "collectionFormat" in parameter or "schema" not in parameter:  # of Swagger 2
        style = text(parameter.get("collectionFormat")) or "csv"
    else:
        style = text(parameter.get("style")) or "form"
        style = style if style == "deepObject" or parameter.get("explode", style == "form") is False else "multi"
    return SEPARATORS.get(style, style)


def _pairs(name: str, value: Any, style: str) -> Iterator[tuple[str, str]]:
    """Yields the pairs of a query for one parameter."""
    if isinstance(value, dict) and style in ("multi", "deepObject"):
        for key, item in value.items():
            yield (f"{name}[{key}]" if style == "deepObject" else key), _plain(item)
    elif isinstance(value, list) and style != "multi":
        yield name, style.join(map(_plain, value))
    else:
        yield from ((name, _plain(item)) for item in (value if isinstance(value, list) else [value]))


def _shown(name: str, value: Any) -> Any:
    """Returns a value with references instead of the credentials in it."""
    if isinstance(value, dict):
        return {text(key): _shown(text(key), item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(name, item) for item in value]
    if not (isinstance(value, str) and names_a_secret(name)):
        return value
    return source.reference(name if name.lower().startswith("api") else f"api_{name}")


def _plain(value: Any) -> str:
    return text(json.dumps(value, ensure_ascii=False, default=text) if isinstance(value, dict | list) else value)


def _credentials(spec: "_Spec", operation: _Operation) -> Iterator[tuple[str, str, str]]:
    """Yields place, name and value of what the first way to authenticate needs."""
    ways = operation.node.get("security", spec.document.get("security", spec.unassigned))
    for scheme in map(spec.at, map(spec.schemes.get, next(iter(items(ways)), {}))):
        kind = text(scheme.get("type")).lower()
        if kind == "apikey" and scheme.get("in") in ("query", "header", "cookie"):
            name = text(scheme.get("name"))
            yield text(scheme.get("in")), name, source.reference(name)
        elif kind == "basic" or (kind == "http" and text(scheme.get("scheme")).lower() == "basic"):
            yield "header", "Authorization", "Basic ${API_BASIC}"
        elif kind in ("http", "oauth2", "openidconnect"):
            yield "header", "Authorization", "Bearer ${API_TOKEN}"


def _checks(spec: "_Spec", operation: _Operation, options: ImportOptions) -> Iterator[Expected]:
    statuses = (status for status in mapping(operation.node.get("responses")) if re.fullmatch("2[0-9][0-9]", status))
    if (status := next(statuses, None)) is None:
        return
    yield Expected(subject="status", value=status)
    if options.functional:
        for path in list(spec.required(spec.response(operation), "$"))[:MOST_CHECKS]:
            yield Expected(subject="jsonpath", value=path)


def _text(schema: Mapping[str, Any]) -> str:
    """Returns a text of the format and length that a schema asks for."""
    value = FORMATS.get(text(schema.get("format")), "example")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(value) < least <= 10_000:
        value = (value * least)[:least]
    return value[:most] if isinstance(most, int) and most > 0 else value


class _Spec:
    """A document with the files that it names; follows references and makes values."""

    def __init__(
        self, document: Mapping[str, Any], given: Input, skipped: Skipped, parse: Callable[[str], Any]
    ) -> None:
        self.document = document
        self._given, self._skipped, self._parse = given, skipped, parse
        self._files: dict[str, Any] = {"": document}
        self._wholes: dict[str, dict[str, Any]] = {}  # by reference
        self._left = MOST_VALUES
        components = mapping(document.get("components"))
        self.schemes = mapping(components.get("securitySchemes") or document.get("securityDefinitions"))
        paths = map(self.at, mapping(document.get("paths")).values())
        assigned = "security" in document or any(
            "security" in mapping(node.get(way)) for node in paths for way in METHODS
        )
        # Schemes that no operation needs: all get the first one, a header if there is one.
        in_header = sorted(self.schemes, key=lambda name: self.at(self.schemes[name]).get("in") in ("query", "cookie"))
        self.unassigned: list[dict[str, Any]] = [] if assigned else [{name: []} for name in in_header[:1]]

    def at(self, node: Any) -> dict[str, Any]:
        """Returns the mapping that a node is or refers to."""
        for _ in range(DEEPEST):
            target = mapping(node)
            if not isinstance(ref := target.get("$ref"), str):
                return target
            node = self._target(ref)
        return {}

    def _target(self, ref: str) -> Any:
        name, _, pointer = ref.partition("#")
        if name not in self._files:
            self._files[name] = self._loaded(name)
        node = self._files[name]
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):
                node = node[int(key)] if key.isdecimal() and int(key) < len(node) else None
            else:
                node = mapping(node).get(key)
        return node

    def _loaded(self, name: str) -> Any:
        """Returns a file beside the document, whose references are relative to the document."""
        data = None if re.match(r"[a-z]+:", name) else self._given.beside(name)
        try:
            document = None if data is None else self._parse(data.decode("utf-8-sig", "replace"))
        except OptionError:
            document = None
        if document is None:
            why = "the file is damaged, or not in the folder of the document"
            self._skipped.add("references to other files", why, name)
            return {}

        def rebased(node: Any) -> Any:
            if isinstance(node, list):
                return [rebased(item) for item in node]
            if not isinstance(node, dict):
                return node
            node_at = {key: rebased(item) for key, item in node.items()}
            if isinstance(ref := node_at.get("$ref"), str) and not re.match(r"[a-z]+:", ref):
                file, _, pointer = ref.partition("#")
                file = posixpath.normpath(posixpath.join(posixpath.dirname(name), file)) if file else name
                node_at["$ref"] = f"{file}#{pointer}"
            return node_at

        return rebased(document)

    def whole(self, schema: Any) -> dict[str, Any]:
        """Returns a schema with the parts of `allOf`, and of the first choice, in one mapping."""
        ref = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(ref, str):
            return self._merged(mapping(schema))
        if ref not in self._wholes:
            self._wholes[ref] = {}  # of a schema that is a part of itself
            self._wholes[ref] = self._merged(self.at(schema))
        return self._wholes[ref]

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        choices = [item for key in ("oneOf", "anyOf") for item in items(schema.get(key)) if item.get("type") != "null"]
        for part in (*items(schema.get("allOf")), *choices[:1]):
            inner = self.whole(part)
            required = (text(name) for part in (inner, schema) for name in _list(part.get("required")))
            schema = {
                **inner,
                **schema,
                "properties": {**mapping(inner.get("properties")), **mapping(schema.get("properties"))},
                "required": list(dict.fromkeys(required)),
            }
        return schema

    def properties(self, schema: Any) -> dict[str, Any]:
        return mapping(self.whole(schema).get("properties"))

    def required(self, schema: Any, path: str, depth: int = 0) -> Iterator[str]:
        """Yields the JSONPaths of the properties that a response must have, two levels deep."""
        whole = self.whole(schema)
        for name in map(text, _list(whole.get("required"))):
            if re.fullmatch(r"[A-Za-z_]\w*", name):
                yield f"{path}.{name}"
                if depth < 1:
                    yield from self.required(mapping(whole.get("properties")).get(name), f"{path}.{name}", depth + 1)

    def response(self, operation: _Operation) -> Any:
        """Returns the schema of the JSON response to a successful request."""
        for status, response in mapping(operation.node.get("responses")).items():
            if status.startswith("2"):
                for kind, media in mapping(self.at(response).get("content")).items():
                    if "json" in kind or kind == "*/*":
                        return mapping(media).get("schema")
        return None

    def example_of(self, node: Mapping[str, Any]) -> Any:
        """Returns the example of a parameter or body; None if it has none."""
        if node.get("example") is not None:
            return node["example"]
        return next((self.at(example).get("value") for example in mapping(node.get("examples")).values()), None)

    def listed(self, operation: _Operation) -> tuple[str, Any] | None:
        """Returns the JSONPath and the schema of the first item of a list in the response; None if it has none."""
        schema = self.whole(self.response(operation))
        found = [("$[0]", schema.get("items"))]
        lists = ((member("$", name), self.whole(own)) for name, own in self.properties(schema).items())
        found += [(f"{path}[0]", own.get("items")) for path, own in lists]
        known = [pair for pair in found if isinstance(pair[1], dict)]
        return known[0] if len(known) == 1 else None

    def sample(self, schema: Any, depth: int = 0) -> Any:
        """Returns a value of the schema; None if it is too deep or too large."""
        self._left = MOST_VALUES if depth == 0 else self._left - 1
        if depth > DEEPEST or self._left < 0:
            return None
        node = self.whole(schema)
        for key in ("example", "examples", "default", "enum", "const"):
            value = node.get(key)
            if key in ("examples", "enum"):
                value = value[0] if isinstance(value, list) and value else None
            if value is not None:
                return value
        kinds = node.get("type")
        kind = next((kind for kind in _list(kinds) if kind != "null"), "") if isinstance(kinds, list) else kinds
        if kind == "object" or (not kind and "properties" in node):
            return self._object(node, depth)
        if kind == "array" or (not kind and "items" in node):
            item = self.sample(node.get("items"), depth + 1)
            return [] if item is None else [item]
        if kind in ("integer", "number"):
            least = node.get("minimum")
            return least if isinstance(least, int | float) and least > 1 else 1
        return True if kind == "boolean" else _text(node)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Returns the required properties; a body without them has its first ones, two levels deep."""
        known = {
            name: part for name, part in mapping(schema.get("properties")).items() if not self.at(part).get("readOnly")
        }
        required = set(map(text, _list(schema.get("required"))))
        wanted = [name for name in known if name in required] or list(known)[: MOST_PROPERTIES if depth < 2 else 0]
        values = {name: self.sample(known[name], depth + 1) for name in wanted}
        return {name: value for name, value in values.items() if value is not None or name in required}

    def body(self, node: Any) -> Payload | None:
        """Returns the body that a request needs; None if it needs none."""
        contents = mapping(self.at(node).get("content"))
        if not contents:
            return None
        kinds = sorted(contents, key=lambda own: [part not in own for part in ("json", source.FORM, source.MULTIPART)])
        kind, media = kinds[0], mapping(contents[kinds[0]])
        value = self.example_of(media)
        if source.FORM in kind or source.MULTIPART in kind:
            return self._fields(kind, media.get("schema"), value)
        if "json" in kind or kind == "*/*":
            body = source.json_body(_shown("", self.sample(media.get("schema")) if value is None else value))
            return Payload(data=body.data, type=source.JSON if "*" in kind else kind)
        if "xml" in kind or kind.startswith("text/"):
            return Payload(data=text(value).encode(), type=kind, missing=value is None)
        return source.raw_file("sample.bin", source.BINARY if "*" in kind else kind, None)

    def _fields(self, kind: str, schema: Any, value: Any) -> Payload:
        known = self.properties(schema)
        fields, uploads = [], []
        values = value if isinstance(value, dict) else mapping(self.sample(schema))
        for name, held in mapping(_shown("", values)).items():
            part = self.whole(known.get(name))
            inner = self.whole(part.get("items")) if part.get("type") == "array" else part
            if source.MULTIPART in kind and (inner.get("type") == "file" or inner.get("format") == "binary"):
                uploads.append(FilePart(field=name, name="sample.bin", type=source.BINARY))
            else:
                fields += [(name, _plain(each)) for each in (held if isinstance(held, list) else [held])]
        return source.multipart(fields, uploads) if source.MULTIPART in kind else source.form(fields)
