"""Expressions of generated Apiritif scripts."""

import ast
import logging

import pytest

from toril.engines.apiritif.generator import Expressions


@pytest.mark.parametrize(
    ("text", "generated"),
    [
        ("plain {braces}", "'plain {braces}'"),
        ("${id}", "self.vars['id']"),  # of its own type
        ('{"id": ${id}}', "'{{\"id\": {}}}'.format(self.vars['id'])"),
        ("${a}${b}", "'{}{}'.format(self.vars['a'], self.vars['b'])"),
        ("${__urldecode(${xsrf})}", "apiritif.decode_url(self.vars['xsrf'])"),
        ("/more?c=${__urlencode(${c})}", "'/more?c={}'.format(apiritif.encode_url(self.vars['c']))"),
        ("${__Random(1,10)} ${x}", "'{} {}'.format(apiritif.random_uniform(1, 10), self.vars['x'])"),
    ],
)
def test_texts_with_variables_and_functions(text, generated):
    found = Expressions(logging.getLogger()).gen_expr(text)
    assert ast.unparse(ast.fix_missing_locations(found)).replace('self.vars["', "self.vars['") == generated
