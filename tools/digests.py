"""Sets the image digests of stacks' workers: python -m tools.digests STACK… [--handed '{"slim": "sha256:…"}']

A digest in Pulumi.STACK.yaml stays. Otherwise the digest in --handed is set, or else the deployed one, so that an `up`
without a new image changes none. Only the settings in this working tree change; `pulumi up` reads them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
STACK = "pulumi:pulumi:Stack"
FLAVOUR = re.compile(r"[a-z][a-z0-9-]*")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("stacks", nargs="+", metavar="STACK", help="Stacks whose settings to change.")
    parser.add_argument("--handed", default="", help="New digests by flavour, as JSON. Empty: none.")
    options = parser.parse_args()
    handed = checked(options.handed)
    for stack in options.stacks:
        set_digests(stack, handed)
    return 0


def set_digests(stack: str, handed: dict[str, str]) -> None:
    settings = Path(f"Pulumi.{stack}.yaml")
    written = (yaml.safe_load(settings.read_text()) if settings.exists() else None) or {}
    # `stack output` would open the provider of the stack's secrets, for which the role preview has no right
    state = json.loads(pulumi("stack", "export", "--stack", stack))
    for flavour, digest in sorted({**deployed(state), **handed}.items()):
        if flavour in pinned(written):
            print(f"{stack}: {settings} pins the digest of {flavour}, which stays.", file=sys.stderr)
            continue
        pulumi("config", "set", "--path", f"toril:flavours.{flavour}.digest", digest, "--stack", stack)
        print(f"{stack}: {flavour} {digest}")


def checked(handed: str) -> dict[str, str]:
    """Returns the validated value of --handed. Exits if it is anything but digests by flavour."""
    found = json.loads(handed) if handed.strip() else {}
    if not isinstance(found, dict) or not all(
        FLAVOUR.fullmatch(flavour) and isinstance(digest, str) and DIGEST.fullmatch(digest)
        for flavour, digest in found.items()
    ):
        raise SystemExit(f'--handed: Expected digests by flavour, as in {{"slim": "sha256:…"}}, got `{handed}`.')
    return found


def deployed(state: dict[str, Any]) -> dict[str, str]:
    """Returns, by flavour, the digests of the deployed images that have one."""
    resources = state["deployment"].get("resources") or []
    images = [one.get("outputs", {}).get("images") or {} for one in resources if one["type"] == STACK]
    found = {flavour: str(image).partition("@")[2] for one in images for flavour, image in one.items()}
    return {flavour: digest for flavour, digest in found.items() if DIGEST.fullmatch(digest)}


def pinned(written: dict[str, Any]) -> set[str]:
    """Returns the flavours with a digest in the stack's file."""
    flavours = (written.get("config") or {}).get("toril:flavours") or {}
    return {flavour for flavour, one in flavours.items() if isinstance(one, dict) and one.get("digest")}


def pulumi(*words: str) -> str:
    done = subprocess.run(["pulumi", *words, "--non-interactive"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"pulumi {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
