"""One suite on several engines sends the same requests and has the same results; `cases.yaml` lists what differs."""

from pathlib import Path

import pytest
import yaml

from tests.engines.differential.compare import differences
from tests.engines.differential.observe import Case, observe

pytestmark = pytest.mark.live

CASES = [Case(**case) for case in yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text("utf-8"))]
ENGINES = ("jmeter", "apiritif", "toril")


def test_engines_send_and_record_the_same(tmp_path):
    observed = {engine: observe(engine, CASES, tmp_path / engine) for engine in ENGINES}
    assert len(CASES) >= 60
    assert "\n".join(differences(CASES, observed)) == ""
