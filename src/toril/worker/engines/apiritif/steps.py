"""Corrections of bzt's generator of Apiritif scripts: JSON with variables, extractors, assertions. In bzt's scripts:

- A text with variables becomes `"…".format(…)`, which takes JSON's braces for placeholders.
- `extract-regexp` stores the match object instead of its text, `extract-xpath` breaks the generator, and
  `extract-css-jquery` is left out. A regular expression gives its first group, or all of it if it has none.
- `assert-jsonpath` without `expected-value` or with `invert` fails whatever the answer is.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

from bzt.modules._apiritif.generator import ApiritifScriptGenerator
from bzt.modules._apiritif.jmeter_functions import JMeterExprCompiler
from bzt.utils import ensure_is_dict

VARIABLE = re.compile(r"(\$\{.*?\})")  # as bzt finds them
NOT_FOUND = "NOT_FOUND"  # Taurus' own default
MATCHED = "(lambda found: DEFAULT if found is None else found[1 if found.re.groups else 0])(FOUND)"


class Expressions(JMeterExprCompiler):  # type: ignore[misc]  # bzt has no types
    """Texts with variables that may contain braces."""

    def gen_expr(self, value: Any) -> Any:
        if isinstance(value, str) and len(parts := VARIABLE.split(value)) > 1:
            parts[::2] = [text.replace("{", "{{").replace("}", "}}") for text in parts[::2]]
            value = "".join(parts)
        return super().gen_expr(value)


class Steps(ApiritifScriptGenerator):  # type: ignore[misc]  # bzt has no types
    """bzt's generator with these corrections."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.expr_compiler = Expressions(self.log)

    def _gen_extractors(self, request: Any) -> list[ast.Assign]:
        return [
            ast.Assign(targets=[self.expr_compiler.gen_var_accessor(name, ast.Store())], value=value)
            for name, value in self._extracted(request.config)
        ]

    def _extracted(self, config: Any) -> Iterator[tuple[str, ast.expr]]:
        for name, one in _described(config, "extract-jsonpath", "jsonpath"):
            yield name, self._call("extract_jsonpath", one["jsonpath"], default=one.get("default", NOT_FOUND))
        for name, one in _described(config, "extract-regexp", "regexp"):
            found, default = self._call("extract_regex", one["regexp"]), self._gen_expr(one.get("default", NOT_FOUND))
            yield name, _filled(MATCHED, FOUND=found, DEFAULT=default)
        for name, one in _described(config, "extract-css-jquery", "expression"):
            named = {"attribute": one.get("attribute", "") or None, "default": one.get("default", NOT_FOUND)}
            yield name, self._call("extract_cssselect", one["expression"], **named)
        for name, one in _described(config, "extract-xpath", "xpath"):
            named = {"default": one.get("default", NOT_FOUND), "validate": one.get("validate-xml", False)}
            yield name, self._call("extract_xpath", one["xpath"], parser_type=_parser(one), **named)

    def _gen_jsonpath_assertions(self, request: Any) -> list[ast.Expr]:
        checks = request.config.get("assert-jsonpath", [])
        return [ast.Expr(self._json_check(ensure_is_dict(checks, index, "jsonpath"))) for index in range(len(checks))]

    def _json_check(self, check: Any) -> ast.Call:
        if check.get("invert", False):
            return self._call("assert_not_jsonpath", check["jsonpath"])
        wanted = {"expected_value": check["expected-value"]} if "expected-value" in check else {}
        return self._call("assert_jsonpath", check["jsonpath"], **wanted)

    def _call(self, method: str, what: str, **named: Any) -> ast.Call:
        """A call of one of the response's methods."""
        keywords = [ast.keyword(arg=name, value=self._gen_expr(value)) for name, value in named.items()]
        function = ast.Attribute(value=ast.Name(id="response", ctx=ast.Load()), attr=method, ctx=ast.Load())
        return ast.Call(func=function, args=[self._gen_expr(what)], keywords=keywords)


def _described(config: Any, key: str, short: str) -> Iterator[tuple[str, Any]]:
    described = config.get(key)
    for name in described:
        yield name, ensure_is_dict(described, name, short)


def _parser(extractor: Any) -> str:
    return "html" if extractor.get("use-tolerant-parser", True) else "xml"


def _filled(template: str, **names: ast.expr) -> ast.expr:
    """The template's expression, with some names replaced by other expressions."""

    class Filling(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return names.get(node.id, node)

    filled: ast.Expression = Filling().visit(ast.parse(template, mode="eval"))
    return filled.body
