"""The libraries of bzt that a worker imports."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys
from toril.worker.main import leave_out_unused_modules
leave_out_unused_modules()

import toril.worker.taurus
import bzt.modules.jmeter, bzt.modules._locustio, bzt.modules._apiritif, bzt.modules.services, bzt.modules.k6
print(json.dumps(sorted(name for name in sys.modules if name.startswith(("urwid.", "engineio")))))
"""


def test_a_worker_starts_bzt_without_its_console_and_websocket_client():
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    assert json.loads(ended.stdout) == ["urwid.font"]
