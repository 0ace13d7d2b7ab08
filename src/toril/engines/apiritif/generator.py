"""bzt's generator of Apiritif scripts, with the suite's labels and some corrections. In bzt's own scripts:

- A text with variables becomes `"…".format(…)`, which takes JSON's braces as placeholders.
- `extract-regexp` stores the match object instead of its text, `extract-xpath` breaks the generator, and
  `extract-css-jquery` is left out. A regular expression gives its first group, or all of it if it has none.
- `assert-jsonpath` without `expected-value` or with `invert` fails with every response.
- A status of 400 or more fails a request only if the scenario has a default address, and even if the suite wants it.
- A value that another request needs, and that no response brings, fails nothing: the next request sends `NOT_FOUND`.
- `set-variables` stores functions and references as they are written.
- `body-file`, `upload-files`, `subject: headers` of `extract-regexp`, `__urldecode` and functions of variables are
  missing, and a header whose value is a number fails each request.
"""

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from bzt.modules._apiritif.generator import ApiritifScriptGenerator
from bzt.modules._apiritif.jmeter_functions import JMeterExprCompiler
from bzt.requests_model import IncludeScenarioBlock
from bzt.utils import ensure_is_dict

from toril.engines.apiritif.samples import GROUP_MARK, REQUEST_MARK
from toril.records.evidence import NOT_FOUND
from toril.suite.engines import EXTRACTORS

REFERENCE = re.compile(r"(\$\{(?:[^{}]|\$\{[^{}]*\})*\})")  # may have others inside, as in ${__urldecode(${token})}
NAME = re.compile(r"\$\{(\w+)\}")
DECODED = re.compile(r"__urldecode\((.*)\)", re.DOTALL)
MATCHED = "(lambda found: DEFAULT if found is None else found[1 if found.re.groups else 0])(FOUND)"


class Expressions(JMeterExprCompiler):  # type: ignore[misc]  # bzt has no types
    """Texts with variables, which may contain braces, and functions, which may contain variables."""

    def gen_expr(self, value: Any) -> Any:
        parts = REFERENCE.split(value) if isinstance(value, str) else []
        if len(parts) < 2:
            return super().gen_expr(value)
        parts_read = [self.translate_jmeter_expr(part[2:-1]) for part in parts[1::2]]
        texts = [part.replace("{", "{{").replace("}", "}}") for part in parts[::2]]
        if texts == ["", ""]:
            return parts_read[0]  # of its own type, such as a number
        text = ast.Attribute(value=ast.Constant(value="{}".join(texts), kind=""), attr="format", ctx=ast.Load())
        return ast.Call(func=text, args=parts_read, keywords=[])

    def translate_jmeter_expr(self, expr: str) -> Any:
        if decoded := DECODED.fullmatch(expr):
            return _call("apiritif", "decode_url", self.gen_expr(decoded[1]))
        return super().translate_jmeter_expr(expr)


class ScriptGenerator(ApiritifScriptGenerator):  # type: ignore[misc]  # bzt has no types
    """Puts every request into a transaction whose name is a mark and the request's label.

    A status of 400 or more fails a request, unless the suite has `auto-assert-ok: false` or asserts a status.
    """

    checks_status = True
    literal: frozenset[str] = frozenset()  # labels that stay as the suite has them
    thinks = True  # False: without think times, except inside a transaction, which may wait for a result

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.expr_compiler = Expressions(self.log)
        self._around = 0  # transactions around the present request

    def write(self, filename: str) -> None:
        self.verbose = False
        self.build_source_code()
        self.save(filename)

    def _gen_transaction(self, trans_conf: Any, transaction_class: str = "apiritif.smart_transaction") -> Any:
        """Returns a transaction; the pause after its last request follows it, because it is no part of its time."""
        named = not isinstance(trans_conf, IncludeScenarioBlock) and "transaction" in trans_conf.config
        self._around += named
        transaction = super()._gen_transaction(trans_conf, transaction_class)
        self._around -= named
        if not named:
            around = transaction.items[0].context_expr  # bzt's own, around a scenario or a single request
            around.args = [_marked(GROUP_MARK, around.args[0])]
            return transaction
        transaction.items[0].context_expr.args = [self._label(trans_conf.label)]
        last = transaction.body[-1] if transaction.body else None  # the statements of a request, or of a transaction
        pause = [last.pop()] if isinstance(last, list) and last and _is_call(last[-1], "sleep") else []
        return [transaction, *(pause if self.thinks or self._around else ())]

    def _gen_http_request(self, req: Any) -> list[Any]:
        body = super()._gen_http_request(req)
        pause = [body.pop()] if body and _is_call(body[-1], "sleep") else []
        checks = [check for check in req.config.get("assert", []) if isinstance(check, dict)]
        wanted = any(check.get("subject") == "http-code" for check in checks)
        if self.checks_status and req.url and not wanted:
            body.insert(1, ast.Expr(_call("response", "assert_ok")))
        request = in_transaction(_marked(REQUEST_MARK, self._label(req.label)), body or [ast.Pass()])
        return [request, *(pause if self.thinks or self._around else ())]

    def _label(self, label: str) -> ast.expr:
        expression: ast.expr = ast.Constant(label, kind="") if label in self.literal else self._gen_expr(label)
        return expression

    def _extract_named_args(self, req: Any) -> Any:
        """Adds files to bzt's arguments; one without a name of a parameter is the body."""
        for headers in (self.scenario.get("headers"), req.headers):
            headers.update({name: str(value) for name, value in headers.items()})
        named = super()._extract_named_args(req)
        if (body_file := req.config.get("body-file")) and not req.body and req.method != "GET":
            named["data"] = _call("apiritif", "file_content", self._gen_expr(self.executor.engine.find_file(body_file)))
        files = [(file.get("param", ""), file["path"], file["mime-type"]) for file in req.upload_files]
        read = [_call("apiritif", "file_content", self._gen_expr(path)) for _, path, _ in files]
        if files and not files[0][0]:
            named["data"] = read[0]
        elif files:
            named["files"] = [
                (param, (Path(path).name, content, kind))
                for (param, path, kind), content in zip(files, read, strict=True)
            ]
        return named

    def _gen_set_vars(self, request: Any) -> list[ast.Assign]:
        return [
            ast.Assign(targets=[self.expr_compiler.gen_var_accessor(name, ast.Store())], value=self._gen_expr(value))
            for name, value in request.mapping.items()
        ]

    def _gen_extractors(self, request: Any) -> list[ast.stmt]:
        extracted, accessor = list(self._extracted(request.config)), self.expr_compiler.gen_var_accessor
        wanted = self._without_default(request.config) & self._referenced
        checks = (
            _filled(
                f"apiritif.need(response, NAME, VALUE != {NOT_FOUND!r})", NAME=ast.Constant(name), VALUE=accessor(name)
            )
            for name, _ in extracted
            if name in wanted
        )
        assigned = (ast.Assign(targets=[accessor(name, ast.Store())], value=value) for name, value in extracted)
        return [*assigned, *map(ast.Expr, checks)]

    @staticmethod
    def _without_default(config: Any) -> set[str]:
        """Returns the variables whose extractors have no default of the suite's author."""
        described = (item for key in EXTRACTORS for item in config.get(key, {}).items())
        return {
            name for name, one in described if not isinstance(one, dict) or one.get("default", NOT_FOUND) == NOT_FOUND
        }

    @cached_property
    def _referenced(self) -> set[str]:
        """The variables that requests of the scenario refer to; with an included scenario those of all scenarios."""
        own = str(self.scenario.data)
        return set(NAME.findall(str(self.executor.engine.config) if "include-scenario" in own else own))

    def _extracted(self, config: Any) -> Iterator[tuple[str, ast.expr]]:
        for name, given in _described(config, "extract-jsonpath", "jsonpath"):
            yield name, self._response("extract_jsonpath", given["jsonpath"], default=given.get("default", NOT_FOUND))
        for name, options in _described(config, "extract-regexp", "regexp"):
            method = "extract_regex" if options.get("subject", "body") == "body" else "extract_from_headers"
            value = self._response(method, options["regexp"])
            yield name, _filled(MATCHED, FOUND=value, DEFAULT=self._gen_expr(options.get("default", NOT_FOUND)))
        for name, options in _described(config, "extract-css-jquery", "expression"):
            named = {"attribute": options.get("attribute", "") or None, "default": options.get("default", NOT_FOUND)}
            yield name, self._response("extract_cssselect", options["expression"], **named)
        for name, options in _described(config, "extract-xpath", "xpath"):
            named = {"default": options.get("default", NOT_FOUND), "validate": options.get("validate-xml", False)}
            parser = "html" if options.get("use-tolerant-parser", True) else "xml"
            yield name, self._response("extract_xpath", options["xpath"], parser_type=parser, **named)

    def _gen_jsonpath_assertions(self, request: Any) -> list[ast.Expr]:
        checks = request.config.get("assert-jsonpath", [])
        return [ast.Expr(self._json_check(ensure_is_dict(checks, index, "jsonpath"))) for index in range(len(checks))]

    def _json_check(self, check: Any) -> ast.Call:
        if check.get("invert", False):
            return self._response("assert_not_jsonpath", check["jsonpath"])
        wanted = {"expected_value": check["expected-value"]} if "expected-value" in check else {}
        return self._response("assert_jsonpath", check["jsonpath"], **wanted)

    def _response(self, method: str, what: str, **named: Any) -> ast.Call:
        """Returns a call of one of the response's methods."""
        return _call(
            "response", method, self._gen_expr(what), **{key: self._gen_expr(value) for key, value in named.items()}
        )


def _is_call(statement: ast.stmt, name: str) -> bool:
    called = statement.value.func if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id == name


def in_transaction(label: ast.expr, body: list[Any]) -> ast.With:
    item = ast.withitem(context_expr=_call("apiritif", "transaction", label), optional_vars=None)
    return ast.With(items=[item], body=body)


def _call(of: str, method: str, *arguments: Any, **named: Any) -> ast.Call:
    function = ast.Attribute(value=ast.Name(id=of, ctx=ast.Load()), attr=method, ctx=ast.Load())
    keywords = [ast.keyword(arg=name, value=value) for name, value in named.items()]
    return ast.Call(func=function, args=list(arguments), keywords=keywords)


def _marked(mark: str, name: ast.expr) -> ast.BinOp:
    return ast.BinOp(left=ast.Constant(mark, kind=""), op=ast.Add(), right=name)


def _described(config: Any, key: str, short: str) -> Iterator[tuple[str, Any]]:
    described = config.get(key)
    for name in described:
        yield name, ensure_is_dict(described, name, short)


def _filled(template: str, **names: ast.expr) -> ast.expr:
    """Returns the template's expression, with some names replaced by other expressions."""

    class Filling(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return names.get(node.id, node)

    filled: ast.Expression = Filling().visit(ast.parse(template, mode="eval"))
    return filled.body
