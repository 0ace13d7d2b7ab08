"""What a worker imports of bzt's libraries."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys
from toril.worker.main import UNUSED_BY_BZT, hidden_modules
with hidden_modules(UNUSED_BY_BZT):
    import toril.worker.taurus
print(json.dumps(sorted(set(UNUSED_BY_BZT) & set(sys.modules))))
import aiohttp
"""


def test_a_worker_leaves_out_what_bzt_can_do_without_and_other_modules_find_it():
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    assert json.loads(ended.stdout) == []
