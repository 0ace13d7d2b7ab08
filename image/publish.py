#!/usr/bin/env python3
"""Publishes a flavour's image: publish.py slim slim-amd64.tar slim-arm64.tar --tag slim-0.1.0

The archives (`podman save --format oci-archive`), one per architecture, become one index. Its digest is known before
the push, and is the same in all regions. The script pushes the index to the registry of each region in the store, and
waits for its scan, and prints all critical findings. After a finding it stops, and publishes neither to ECR Public nor
to --out. Two kinds of findings do not stop it: accepted ones, and those without a fix (`fixAvailable` of enhanced
scanning). It skips a registry that has the tag with the same digest, so a repeated call changes nothing.

With --to it pushes to one repository of any registry instead, as REGISTRY_USER with REGISTRY_PASSWORD, without a scan.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import ClientError

from toril.records import Deployment
from toril.records.deployment import deployment_key
from toril.store import open_store
from toril.store.records import get_record

INDEX = "application/vnd.oci.image.index.v1+json"
NAME = "org.opencontainers.image.ref.name"
PUBLIC_REGION = "us-east-1"  # the only region with ECR Public's API
ACCEPTED = Path(__file__).with_name("accepted.yml")
SCAN_LIMIT_S = 900
FIXES = {"": "fix unknown", "NO": "no fix yet", "PARTIAL": "fixed in some packages", "YES": "fixed"}
SCANNED = ("COMPLETE", "ACTIVE")  # states of basic and enhanced scanning
SCANNING = ("IN_PROGRESS", "PENDING")  # all other states are final


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("flavour", help="Flavour of the image, such as slim.")
    parser.add_argument("archives", nargs="+", type=Path, metavar="ARCHIVE", help="One archive per architecture.")
    parser.add_argument("--tag", required=True, help="Tag of the image.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--store", help="Store (s3://bucket) whose deployments list the regions.")
    where.add_argument("--to", help="Repository in another registry: ghcr.io/OWNER/NAME.")
    parser.add_argument("--public", default="", help="Repository in ECR Public: public.ecr.aws/ALIAS/NAME.")
    parser.add_argument("--out", type=Path, help='Add {"FLAVOUR": "sha256:…"} to this file.')
    parser.add_argument(
        "--accepted", type=Path, default=ACCEPTED, help="YAML file: ids of accepted findings, with reasons."
    )
    parser.add_argument("--only-report", action="store_true", help="Let no finding stop the publication.")
    parser.add_argument("--registry", default="", help=argparse.SUPPRESS)  # for the tests: before every host
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toril-publish-") as folder:
        layout = Path(folder, "layout")
        digest, parts = assembled(layout, options.archives, options.tag)
        print(f"{options.flavour}: {digest} for {', '.join(sorted(parts))}", flush=True)
        if options.to:
            login = f"{os.environ['REGISTRY_USER']}:{os.environ['REGISTRY_PASSWORD']}"
            target = f"{options.registry}{options.to.lower()}:{options.tag}"  # an owner on GitHub may have capitals
            token = base64.b64encode(login.encode()).decode()
            push(layout, options.tag, target, token, Path(folder), plain=bool(options.registry))
        elif not to_regions(options, layout, digest, list(parts.values())):
            return 1
        if options.public:
            token = boto3.client("ecr-public", PUBLIC_REGION).get_authorization_token()["authorizationData"]
            push(layout, options.tag, f"{options.public}:{options.tag}", token["authorizationToken"], Path(folder))
    if options.out:
        known = json.loads(options.out.read_text()) if options.out.exists() else {}
        options.out.write_text(json.dumps({**known, options.flavour: digest}))
    return 0


def to_regions(options: argparse.Namespace, layout: Path, digest: str, parts: Sequence[str]) -> bool:
    """Pushes the index to the registry of each region. Returns whether no finding of the scans stops the rest."""
    accepted = accepted_findings(options.accepted)
    for deployment, host, repository in private(options.store, options.flavour):
        registry = ecr(deployment.region)
        if pushed_before(registry, repository, options.tag, digest):
            print(f"{host}/{repository}:{options.tag}: already published")
        else:
            target = f"{options.registry}{host}/{repository}:{options.tag}"
            token = registry.get_authorization_token()["authorizationData"][0]["authorizationToken"]
            push(layout, options.tag, target, token, layout.parent, plain=bool(options.registry))
        found = findings(registry, repository, parts)
        for name, fix in found.items():
            print(f"{host}/{repository}: critical: {name}, {accepted.get(name) or FIXES[fix]}", flush=True)
        stopping = [name for name, fix in found.items() if fix != "NO" and name not in accepted]
        if stopping and not options.only_report:
            print(
                f"{host}/{repository}@{digest}: The scan has critical findings: {', '.join(stopping)}. Build the "
                f"image with their fixes. If they have none, add them with reasons to {options.accepted}.",
                file=sys.stderr,
            )
            return False
    return True


def assembled(layout: Path, archives: Sequence[Path], tag: str) -> tuple[str, dict[str, str]]:
    """Writes one index of the archives' images to a folder. Returns its digest, and the images' by platform."""
    for number, archive in enumerate(archives):
        skopeo("copy", f"oci-archive:{archive}", f"oci:{layout}:{number}")
    entries = []
    for entry in json.loads((layout / "index.json").read_text())["manifests"]:
        manifest = json.loads(blob(layout, entry["digest"]).read_bytes())
        about = json.loads(blob(layout, manifest["config"]["digest"]).read_bytes())
        platform = {"architecture": about["architecture"], "os": about["os"]}
        entries.append({key: entry[key] for key in ("mediaType", "digest", "size")} | {"platform": platform})
    platforms = {f"{one['platform']['os']}/{one['platform']['architecture']}": one["digest"] for one in entries}
    if len(platforms) < len(archives):
        raise SystemExit(
            f"{len(archives)} archives have only {len(platforms)} different architectures. Pass one archive for each."
        )
    entries.sort(key=lambda one: str(one["platform"]["architecture"]))
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, separators=(",", ":")).encode()
    digest = f"sha256:{hashlib.sha256(index).hexdigest()}"
    blob(layout, digest).write_bytes(index)
    named = {"mediaType": INDEX, "digest": digest, "size": len(index), "annotations": {NAME: tag}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return digest, platforms


def blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def private(store: str, flavour: str) -> list[tuple[Deployment, str, str]]:
    """Returns the regions that run this flavour from their own registry, with its host and the repository."""
    opened = open_store(store)
    found = []
    for key in opened.keys("deployments/"):
        deployment = get_record(opened, Deployment, key)
        if deployment_key(deployment.region) != key:
            raise SystemExit(
                f"{key}: The record is of region `{deployment.region}`. Run `pulumi up` for the named one."
            )
        images = {worker.image.partition("@")[0] for worker in deployment.workers if worker.flavour == flavour}
        for image in sorted(images):
            host, _, repository = image.partition("/")
            if host.startswith(f"{deployment.account}.dkr.ecr"):
                found.append((deployment, host, repository.partition(":")[0]))
    if not found:
        raise SystemExit(f"{store}: No region runs `{flavour}` from its own registry. Run `pulumi up` for one first.")
    return found


def ecr(region: str) -> Any:
    return boto3.client("ecr", region)


def pushed_before(registry: Any, repository: str, tag: str, digest: str) -> bool:
    try:
        found = registry.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ImageNotFoundException":
            return False
        raise
    if found[0]["imageDigest"] != digest:
        raise SystemExit(
            f"{repository}:{tag}: The tag has the digest {found[0]['imageDigest']}, not {digest}. "
            "Tags are immutable. Choose another one."
        )
    return True


def push(layout: Path, tag: str, target: str, token: str, folder: Path, *, plain: bool = False) -> None:
    """Pushes the whole index unchanged. The login is in a file, since other users can read a command line."""
    host = target.partition("/")[0]
    login = folder / "login.json"
    login.touch(mode=0o600)
    login.write_text(json.dumps({"auths": {host: {"auth": token}}}))
    unsafe = ["--dest-tls-verify=false"] if plain else []
    skopeo(
        "copy",
        "--all",
        "--preserve-digests",
        *unsafe,
        f"--dest-authfile={login}",
        f"oci:{layout}:{tag}",
        f"docker://{target}",
    )
    login.unlink()
    print(f"{target}: pushed", flush=True)


def accepted_findings(path: Path) -> dict[str, str]:
    """Returns the reasons by the ids of accepted findings. SystemExit for an id without a reason."""
    listed = yaml.safe_load(path.read_text()) or {}
    reasons = listed.values() if isinstance(listed, dict) else [None]
    if not all(isinstance(reason, str) and reason.strip() for reason in reasons):
        raise SystemExit(f"{path}: Write each accepted finding as `CVE-2026-1234: REASON`.")
    return {str(name): f"accepted: {reason}" for name, reason in listed.items()}


def findings(registry: Any, repository: str, digests: Sequence[str]) -> dict[str, str]:
    """Waits for the scans of all images. Returns the critical findings by id, with their `fixAvailable`.

    It is YES, NO or PARTIAL in enhanced scanning, and "" in basic scanning, which reports no fixes.
    """
    found: dict[str, str] = {}
    for digest in digests:
        for name, fix in _findings(registry, repository, digest):
            found[name] = fix if found.get(name, fix) == fix else "PARTIAL"
    return dict(sorted(found.items()))


def _findings(registry: Any, repository: str, digest: str) -> list[tuple[str, str]]:
    image = {"repositoryName": repository, "imageId": {"imageDigest": digest}}
    give_up_at = time.monotonic() + SCAN_LIMIT_S
    while True:
        try:
            scan = registry.describe_image_scan_findings(**image)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ScanNotFoundException":
                raise
            scan = {"imageScanStatus": {"status": "PENDING"}}  # the scan has not begun
        status = scan["imageScanStatus"]["status"]
        if status in SCANNED:
            break
        if status not in SCANNING or time.monotonic() > give_up_at:
            raise SystemExit(
                f"{repository}@{digest}: The scan did not complete: "
                f"{scan['imageScanStatus'].get('description', status)}. Start it again in the registry."
            )
        time.sleep(5)
    found = []
    while True:
        page = scan.get("imageScanFindings", {})
        found += [(one["name"], one.get("severity"), "") for one in page.get("findings", ())]
        found += [
            (one["packageVulnerabilityDetails"]["vulnerabilityId"], one.get("severity"), one.get("fixAvailable", ""))
            for one in page.get("enhancedFindings", ())
            if one.get("status") != "SUPPRESSED"  # by a rule of Amazon Inspector
        ]
        if "nextToken" not in scan:
            return [(name, fix) for name, severity, fix in found if severity == "CRITICAL"]
        scan = registry.describe_image_scan_findings(**image, nextToken=scan["nextToken"])


def skopeo(*words: str) -> None:
    subprocess.run(["skopeo", *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
