"""A script's own traceback in an engine's output: the frames of the suite's files, and nothing else."""

import subprocess
import sys

import pytest

from toril.engines import advice_on, own_traceback


def output_of(folder, script: str) -> str:
    """Returns what Python prints if a program outside of the suite imports the script."""
    (folder / "suite").mkdir()
    (folder / "suite" / "shop.py").write_text(script)
    (folder / "engine.py").write_text("import importlib\nimportlib.import_module('shop')\n")
    command = [sys.executable, "-P", str(folder / "engine.py")]
    path = {"PYTHONPATH": str(folder / "suite")}
    return subprocess.run(command, capture_output=True, text=True, env=path, check=False).stderr


def test_only_the_frames_of_the_suite_are_kept(tmp_path):
    output = output_of(tmp_path, "def total():\n    return {}['price']\n\ntotal()\n")
    own = own_traceback(f"a line before\n{output}", tmp_path / "suite")
    assert [line for line in own.splitlines() if "^" not in line] == [
        "Traceback (most recent call last):",
        '  File "shop.py", line 4, in <module>',
        "    total()",
        '  File "shop.py", line 2, in total',
        "    return {}['price']",
        "KeyError: 'price'",
    ]


def test_a_syntax_error_shows_its_line(tmp_path):
    own = own_traceback(output_of(tmp_path, "def total(:\n"), tmp_path / "suite")
    assert [line.strip() for line in own.splitlines()] == [
        "Traceback (most recent call last):",
        'File "shop.py", line 1',
        "def total(:",
        "^",
        "SyntaxError: invalid syntax",
    ]


def test_an_engines_own_failure_is_no_traceback_of_the_script(tmp_path):
    assert own_traceback('Traceback (most recent call last):\n  File "/x/y.py", line 1\nKeyError: 1', tmp_path) == ""
    assert own_traceback("no locustfile found", tmp_path) == ""


@pytest.mark.parametrize(
    ("script", "module"),
    [
        ("import shopkit.cart", "shopkit"),
        ("import os.shopkit", "os.shopkit"),
        ("from os import cart", ""),
        ("{}['x']", ""),
    ],
)
def test_a_missing_module_has_an_advice(tmp_path, script, module):
    advice = advice_on(output_of(tmp_path, script))
    assert ("[missing-import]" in advice, f"`{module}`" in advice) == (bool(module), bool(module))
