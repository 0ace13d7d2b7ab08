"""Previews stacks without their secrets: python -m tools.preview STACK… [--out FILE] [--drift]

`pulumi preview` first opens the provider of a stack's secrets, but a preview of a pull request must not have that
right. So this command previews a copy, in its own folder and with a passphrase that protects nothing. It exports the
stored state and replaces each secret, there and in the settings, by WITHHELD. It cannot compare secrets: a difference
of withheld values alone may be none, and no drift of a secret's value is found.

The diff goes to stdout, and as Markdown to --out. Credentials that a person put into the cloud by hand are masked.
With --drift, the command first reads the resources from the cloud; the exit code is 1 if anything except secrets
differs from the program.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from toril.secrets.masking import mask

SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi's key of special values; the next one marks a secret
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - Pulumi's mark of a secret, equal in all states
WITHHELD = "withheld"
# To refresh a secret's version, the provider reads the secret, for which the role `drift` has no right.
REFRESHED = ("--refresh", "--exclude", "**aws:secretsmanager/secretVersion:SecretVersion::**")
UNCONFIRMED = "AWS deletes a mail subscription that is not confirmed within 48 hours."
LONGEST = 60_000  # characters of all diffs; a comment has at most 65,536
UNCHANGED = ("same", "read", "refresh", "create-replacement", "delete-replaced")  # the last two accompany a `replace`


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("stacks", nargs="+", metavar="STACK", help="Stacks to preview, the hub first.")
    parser.add_argument("--out", type=Path, help="Write the diffs to this file, as Markdown.")
    parser.add_argument("--drift", action="store_true", help="Compare with the cloud; exit with 1 on differences.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toril-preview-") as folder:
        pulumi = copied(Path(folder), options.stacks)
        diffs = {stack: pulumi.preview(stack, options.drift) for stack in options.stacks}
        drifted = {stack: pulumi.drifted(stack) if options.drift else [] for stack in options.stacks}
    differing = [stack for stack, steps in drifted.items() if steps]
    for stack, diff in diffs.items():
        print(f"== {stack}\n{diff}")
    if options.out:
        options.out.write_text("".join(section(stack, diff, LONGEST // len(diffs)) for stack, diff in diffs.items()))
    if differing:
        print(f"The cloud differs from the program: {', '.join(differing)}. See the diffs above.", file=sys.stderr)
    for stack in differing:
        if any(map(unsubscribed, drifted[stack])):
            print(f"{stack}: {UNCONFIRMED} Run `pulumi up --refresh --stack {stack}`, and confirm.", file=sys.stderr)
    return 1 if differing else 0


class Copy:
    """A copy of the project and its state, both without secrets."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        (folder / "state").mkdir()
        self.environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": WITHHELD,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def run(self, *words: str) -> str:
        return run(*words, cwd=self.project, environment=self.environment)

    def preview(self, stack: str, drift: bool) -> str:
        refresh = REFRESHED if drift else ()
        return mask(self.run("preview", "--diff", "--color", "never", *refresh, "--stack", stack))

    def drifted(self, stack: str) -> list[dict[str, Any]]:
        """Returns the steps of a preview by which the cloud differs from the program, except withheld values."""
        preview = json.loads(self.run("preview", "--json", *REFRESHED, "--stack", stack))
        return [step for step in preview.get("steps", []) if counts(step)]


def copied(folder: Path, stacks: list[str]) -> Copy:
    copy = Copy(folder)
    copy.project.mkdir()
    here = Path.cwd()
    shutil.copy(here / "Pulumi.yaml", copy.project)
    for name in ("infra", "src", ".venv"):
        (copy.project / name).symlink_to(here / name)
    for stack in stacks:
        settings = here / f"Pulumi.{stack}.yaml"
        written = yaml.safe_load(settings.read_text()) if settings.exists() else {}
        config = (written or {}).get("config") or {}
        secret = {path for key, value in config.items() for path in secrets([key], value)}
        kept = {key: without(value) for key, value in config.items()}
        (copy.project / settings.name).write_text(
            yaml.safe_dump({"config": {k: v for k, v in kept.items() if v != {}}})
        )
        copy.run("stack", "init", stack)
        for path in sorted(secret):
            copy.run("config", "set", "--secret", "--path", path, WITHHELD, "--stack", stack)
        state = json.loads(run("stack", "export", "--stack", stack, cwd=here, environment=os.environ))
        bare = copy.project / "state.json"
        salt = yaml.safe_load((copy.project / settings.name).read_text())["encryptionsalt"]
        bare.write_text(json.dumps(withheld(state, {"type": "passphrase", "state": {"salt": salt}})))
        copy.run("stack", "import", "--force", "--file", str(bare), "--stack", stack)
    return copy


def withheld(state: Any, provider: Mapping[str, Any]) -> Any:
    """Returns a deployment with each secret replaced by WITHHELD and with `provider` as its secrets provider."""
    if isinstance(state, list):
        return [withheld(item, provider) for item in state]
    if not isinstance(state, dict):
        return state
    if state.get(SIGNATURE) == SECRET:
        return {SIGNATURE: SECRET, "plaintext": json.dumps(WITHHELD)}
    kept = {key: withheld(value, provider) for key, value in state.items() if key != "pending_operations"}
    return {**kept, "secrets_providers": provider} if "secrets_providers" in kept else kept


def secrets(path: list[str | int], value: Any) -> Iterator[str]:
    """Returns the paths of encrypted settings, for `pulumi config set --path`."""
    if isinstance(value, dict) and set(value) == {"secure"}:
        first, *rest = path
        yield str(first) + "".join(f'["{part}"]' if isinstance(part, str) else f"[{part}]" for part in rest)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from secrets([*path, key], item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from secrets([*path, index], item)


def without(value: Any) -> Any:
    """Returns a setting without its encrypted parts."""
    if isinstance(value, dict):
        kept = {
            key: without(item)
            for key, item in value.items()
            if not (isinstance(item, dict) and set(item) == {"secure"})
        }
        return {key: item for key, item in kept.items() if item != {}}
    return value


def counts(step: Mapping[str, Any]) -> bool:
    """Whether a step of a preview changes more than withheld values."""
    if step["op"] in UNCHANGED:
        return False
    if step["op"] not in ("update", "replace"):
        return True
    old, new = (step.get(state, {}).get("inputs", {}) for state in ("oldState", "newState"))
    differing = [key for key in {*old, *new} if old.get(key) != new.get(key)]
    return any(not (_is_secret(old.get(key)) and _is_secret(new.get(key))) for key in differing)


def unsubscribed(step: Mapping[str, Any]) -> bool:
    """Whether a step makes a mail subscription that the state has, but the cloud has not."""
    return bool(step["op"] == "create" and ":TopicSubscription::" in step["urn"])


def _is_secret(value: Any) -> bool:
    return value == "[secret]" or (isinstance(value, dict) and value.get(SIGNATURE) == SECRET)


def section(stack: str, diff: str, longest: int) -> str:
    """Returns a stack's diff as Markdown, truncated to `longest` characters. The diff cannot close its code fence."""
    shown = diff if len(diff) <= longest else diff[:longest] + "\n… truncated; see the job's log for the rest\n"
    fence = "`" * max(3, *(len(run) + 1 for run in _ticks(shown)))
    return f"<details><summary>Stack <code>{stack}</code></summary>\n\n{fence}diff\n{shown}\n{fence}\n\n</details>\n\n"


def _ticks(text: str) -> list[str]:
    found = "".join(letter if letter == "`" else " " for letter in text).split()
    return found or [""]


def run(*words: str, cwd: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["pulumi", *words, "--non-interactive"],
        cwd=cwd,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(mask(f"pulumi {' '.join(words)}\n{done.stdout}{done.stderr}"))
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
