"""The fingerprint of duets: those of one suite are comparable, whatever their addresses and lengths."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.duets import BASE_URL, SUITE, SWITCHED, planned
from tests.reports import examples
from toril.records.history import Fingerprint
from toril.runs.history import record_of
from toril.summary import judged_plan


def fingerprint(folder: Path, text: str = SWITCHED, **options: Any) -> Fingerprint:
    plan = judged_plan(planned(folder, text, **options))
    return record_of(replace(examples.passed(), plan=plan)).fingerprint


@pytest.mark.parametrize("text", [SUITE, SWITCHED])
def test_a_duet_of_base_with_itself_is_comparable_with_other_duets(tmp_path: Path, text: str) -> None:
    wanted = fingerprint(tmp_path, text)
    assert wanted == fingerprint(tmp_path, text, aa=True, base=BASE_URL, head=BASE_URL)
    assert wanted == fingerprint(tmp_path, text, base="http://other:1", head="http://other:2", blocks=9, seed=3)
    assert wanted == fingerprint(tmp_path, f"{text}toril: {{regression: {{margin: 9%, block: 3s}}}}\n")


@pytest.mark.parametrize("change", [("/checkout", "/cart"), ("concurrency: 4", "concurrency: 5"), ("locust", "jmeter")])
def test_duets_with_another_load_are_not_comparable(tmp_path: Path, change: tuple[str, str]) -> None:
    assert fingerprint(tmp_path) != fingerprint(tmp_path, SWITCHED.replace(*change))


@pytest.mark.parametrize(
    "engine", ["http2: true", "redirects: 3", "poisson: true", "fresh-cookies: true", "dns-ttl: 0s"]
)
def test_settings_of_the_engine_change_the_load(tmp_path: Path, engine: str) -> None:
    def of(settings: str) -> Fingerprint:
        return fingerprint(tmp_path, f"{SWITCHED.replace('locust', 'toril')}toril: {{engine: {{{settings}}}}}\n")

    assert of("redirects: 10") == of("") != of(engine)
