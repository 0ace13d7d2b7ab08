"""Commands on a run in a bucket."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cloud.embedded import Cloud
from tests.end_to_end.running import LIMIT_S, Finished, toril
from toril.coordinator.progress import packed
from toril.records import Lease, run_key
from toril.records.progress import Progress, progress_key
from toril.store import FolderStore
from toril.store.s3 import S3Store


class Kept:
    """A local run, copied into a bucket's prefix, and the command with that bucket's settings."""

    def __init__(self, cloud: Cloud, run: Finished) -> None:
        client = cloud.client("s3")
        if "kept" not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket="kept")
        self.cloud, self.run, self.address = cloud, run, "s3://kept/team"
        self.store, folder = S3Store("kept", "team", client), FolderStore(run.store)
        self.store.delete("runs/")
        for key in folder.keys("runs/"):
            self.store.put(key, folder.get(key))
        self.run_id = run.folder.name

    def command(self, *arguments: str | Path, store: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            toril(*arguments),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env=self.cloud.environment(AWS_REGION="eu-west-1", TORIL_STORE=store or self.address),
        )


@pytest.fixture
def kept(open_cloud: Cloud, passed: Finished) -> Kept:
    return Kept(open_cloud, passed)


def test_a_run_in_a_bucket_is_reported_followed_and_compared_like_one_in_a_folder(kept: Kept, tmp_path: Path) -> None:
    done = kept.command("report", "latest", "--format", "json")
    assert done.returncode == 0, done.stderr
    local = kept.command("report", kept.run.folder, "--format", "json")
    assert done.stdout == local.stdout
    url = kept.command(
        "report",
        f"{kept.address}/runs/{kept.run_id}/",
        "--format",
        "html",
        "--out",
        tmp_path / "page.html",
        store=".toril",
    )
    assert url.returncode == 0, url.stderr
    assert (tmp_path / "page.html").read_bytes() == (kept.run.folder / "report.html").read_bytes()
    watched = kept.command("watch", kept.run_id, "--quiet")
    assert watched.returncode == kept.run.code, watched.stderr
    compared = kept.command("compare", kept.run.folder, kept.run_id[:20], "--format", "json")
    assert compared.returncode == 0, compared.stderr


@pytest.mark.nightly
def test_a_missing_verdict_in_a_bucket_is_recomputed_and_stored(kept: Kept) -> None:
    before = {name: kept.store.get(run_key(kept.run_id, name)) for name in ("summary.json", "verdict.json")}
    for name in before:
        kept.cloud.client("s3").delete_object(Bucket="kept", Key=f"team/{run_key(kept.run_id, name)}")
    done = kept.command("report", "latest")
    assert done.returncode == 0, done.stderr
    after = {name: kept.store.get(run_key(kept.run_id, name)) for name in before}
    assert {name: json.loads(data) for name, data in after.items()} == {
        name: json.loads(data) for name, data in before.items()
    }
    page = kept.cloud.client("s3").head_object(Bucket="kept", Key=f"team/{run_key(kept.run_id, 'report.html')}")
    assert page["ContentType"] == "text/html; charset=utf-8"


@pytest.mark.nightly
def test_a_live_run_in_a_bucket_can_be_stopped_from_elsewhere(kept: Kept) -> None:
    key = run_key(kept.run_id, "lease.json")
    lease = Lease.from_json(kept.store.get(key), key)
    over = kept.command("stop", "latest")
    assert over.returncode == 2
    assert "is over" in over.stderr
    kept.cloud.client("s3").delete_object(Bucket="kept", Key=f"team/{run_key(kept.run_id, 'verdict.json')}")
    kept.store.put(key, lease.model_copy(update={"renewed_at": lease.renewed_at + 1e9, "ended": False}).to_json())
    for folder in ("history/", "index/"):  # as before its verdict
        kept.store.delete(folder)
    place = progress_key(kept.run_id)
    kept.store.put(place, packed(replace(Progress.from_json(kept.store.get(place), place), phase="running")))
    listed = kept.command("runs")
    assert "running" in listed.stdout, listed.stderr
    done = kept.command("stop", "latest")
    assert "is ending" in done.stdout, done.stderr
    assert json.loads(kept.store.get(run_key(kept.run_id, "stop.json")))["cause"] == "user"


@pytest.mark.nightly
def test_runs_in_a_bucket_are_listed_and_pruned(kept: Kept) -> None:
    listed = kept.command("runs")
    assert "passed" in listed.stdout, listed.stderr
    kept.store.put("suites/shop/suite.yml", b"")
    assert "deleted 0 runs" in kept.command("runs", "--prune", "1d").stderr
    pruned = kept.command("runs", "--prune", "0m")
    assert kept.run_id in pruned.stderr
    assert list(kept.store.keys("runs/")) == []
    assert "files deleted" in kept.command("runs").stdout
    missing = kept.command("report", kept.run_id)
    assert missing.returncode == 2
    assert f"no run '{kept.run_id}' in the store {kept.address}" in missing.stderr


def test_local_workers_need_a_folder_and_doctor_accepts_a_bucket(kept: Kept) -> None:
    refused = kept.command("run", kept.run.folder / "suite" / "suite.json")
    assert refused.returncode == 2
    assert "local runs need a folder" in refused.stderr
    examined = kept.command("doctor")
    assert f"{kept.address} is writable" in examined.stdout, examined.stderr
    assert not list(kept.store.keys("runs/doctor"))
    nowhere = kept.command("runs", store="s3://nowhere")
    assert nowhere.returncode == 2
    assert nowhere.stderr.startswith("error: s3://nowhere/index/: "), nowhere.stderr
