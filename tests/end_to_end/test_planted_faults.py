"""Services with planted faults: the report of a real run names each cause."""

import asyncio
import math
import time
from pathlib import Path

import pytest

from tests.end_to_end.running import run, suite_file
from tests.targets import Target, opened

STALL_EACH_S, STALL_S, EXPIRES_S, HOLD_S = 10.0, 0.5, 40.0, 70


class Faulty(Target):
    """Stands still for half a second each 10 s; from second 40 on, a token is invalid."""

    async def answer(self, writer: asyncio.StreamWriter, method: str, path: str, sent: bytes) -> bool:
        since_s = time.time() - (self.first_at or time.time())
        phase_s = math.fmod(since_s, STALL_EACH_S)
        if since_s > STALL_EACH_S and phase_s < STALL_S:
            await asyncio.sleep(STALL_S - phase_s)
        expired = path == "/account" and since_s > EXPIRES_S
        return await super().answer(writer, method, "/status/401" if expired else path, sent)


@pytest.mark.nightly
def test_an_expired_token_and_a_stall_each_ten_seconds_stand_out_in_the_report(tmp_path: Path):
    with opened(Faulty(0.005, 200, b"ok")) as service:
        requests = [{"url": f"{service.url}/{name}", "label": name} for name in ("home", "search", "account")]
        scenario = {"requests": requests, "think-time": "100ms"}
        load = {"concurrency": 10, "hold-for": f"{HOLD_S}s"}
        suite = suite_file(tmp_path / "shop", service.url, execution=load, scenarios={"home": scenario}, reporting=[])
        done = run(tmp_path / "store", suite, "--report", f"html={tmp_path / 'page.html'}", limit_s=150)
    found = {one["code"]: one for one in done.json("summary.json")["standouts"]}
    assert set(found) == {"errors-began", "periodic-stall"}, done.stdout
    assert found["errors-began"]["label"] == "account"
    assert found["errors-began"]["from_s"] == pytest.approx(EXPIRES_S, abs=2)
    assert found["errors-began"]["evidence"]["response_code"] == "401"
    assert found["periodic-stall"]["evidence"]["period_s"] == pytest.approx(STALL_EACH_S, abs=0.3)
    assert "What stands out" in done.stdout
    assert 'href="#stands-out"' in (tmp_path / "page.html").read_text("utf-8")
