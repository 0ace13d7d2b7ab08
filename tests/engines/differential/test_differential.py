"""One suite on several engines sends the same requests and has the same results; `cases.yaml` lists what differs."""

from pathlib import Path

import pytest
import yaml

from tests.engines.differential.__main__ import wrong
from tests.engines.differential.compare import differences
from tests.engines.differential.generate import generated
from tests.engines.differential.observe import Case, observe

pytestmark = pytest.mark.live

CASES = [Case(**case) for case in yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text("utf-8"))]
ENGINES = ("jmeter", "apiritif", "toril")


def test_engines_send_and_record_the_same(tmp_path):
    observed = {engine: observe(engine, CASES, tmp_path / engine) for engine in ENGINES}
    assert len(CASES) >= 60
    assert "\n".join(differences(CASES, observed)) == ""


@pytest.mark.parametrize("seeds", [range(100), pytest.param(range(100, 3000), marks=pytest.mark.nightly)])
def test_a_generated_suite_sends_and_records_what_the_model_predicts(seeds):
    assert "\n".join(wrong("toril", seeds)) == ""


@pytest.mark.nightly
def test_jmeter_runs_generated_suites_as_the_model_predicts():
    """The model is right: of JMeter's differences, redirects with a body and deleted cookies are known."""
    known = ("307", "308", "Max-Age=0")
    seeds = [seed for seed in range(300) if not any(text in repr(generated(seed).answers) for text in known)]
    assert len(seeds) > 40
    assert "\n".join(wrong("jmeter", seeds)) == ""
