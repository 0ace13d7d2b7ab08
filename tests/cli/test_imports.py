"""Commands import no heavy packages and no modules that they do not use, because imports slow every start."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv = ["toril", *json.loads(sys.argv[1])]
from toril.cli import main
main()
"""
HEAVY = {"bzt", "boto3", "botocore", "jinja2", "junitparser", "lxml", "numpy", "pyarrow", "psutil", "aiohttp"}
MEASURING = {"toril.timeline", "toril.summary", "toril.verdict", "toril.coordinator", "toril.launchers", "toril.aws"}
DATA = {"pydantic", "rich.console", "rich.table", "yaml", "toril.records", "toril.reports", "toril.suite"}


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["--version"], HEAVY | MEASURING | DATA),
        (["--help"], HEAVY | MEASURING | DATA - {"rich.console", "rich.table"}),
        (["explain", "saturated"], HEAVY | MEASURING | DATA - {"pydantic"} | {"toril.secrets"}),
        (["stop", "--help"], HEAVY | MEASURING),
        (["runs", "--store", "/tmp/none"], HEAVY - {"psutil"} | MEASURING - {"toril.coordinator"}),
        (["plan", "loadtests/shop", "--env", "SHOP_URL=http://127.0.0.1:1"], HEAVY | MEASURING),
        (["plan", "loadtests/shop", "--env", "SHOP_URL=http://127.0.0.1:1", "--format", "json"], HEAVY | MEASURING),
    ],
)
def test_a_command_imports_no_heavy_module_that_it_does_not_use(arguments, forbidden):
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(arguments)], capture_output=True, text=True, check=True
    )

    assert ended.stdout
    assert forbidden & set(json.loads(ended.stderr.splitlines()[-1])) == set()
