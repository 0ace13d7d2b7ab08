"""Replaces marketplace actions in local workflow runs: same inputs, outputs and errors.

`write(folder)` writes an action for each; its step runs `python stand_ins.py <name>` with the inputs as JSON.
Variables configure them: STAND_IN_REPOSITORIES (name → path), STAND_IN_ARTIFACTS (a folder), STAND_IN_UV,
STAND_IN_CLOUD (address of the embedded cloud) and STAND_IN_IDENTITY (the id token of the job).
"""

import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

Inputs = Mapping[str, str]
Outputs = dict[str, str]

# Action → inputs with defaults. An action that is not listed here is refused before the workflow runs.
INPUTS: dict[str, dict[str, str]] = {
    "actions/checkout": {
        "repository": "${{ github.repository }}",
        "ref": "",
        "path": ".",
        "fetch-depth": "1",
        "persist-credentials": "true",
        "token": "",
    },
    "actions/upload-artifact": {
        "name": "artifact",
        "path": "",
        "if-no-files-found": "warn",
        "retention-days": "",
        "compression-level": "6",
        "overwrite": "false",
        "include-hidden-files": "false",
    },
    "actions/download-artifact": {
        "name": "",
        "pattern": "",
        "path": ".",
        "merge-multiple": "false",
        "github-token": "",
        "repository": "${{ github.repository }}",
        "run-id": "${{ github.run_id }}",
    },
    "astral-sh/setup-uv": {
        "version": "",
        "version-file": "",
        "python-version": "",
        "enable-cache": "auto",
        "cache-dependency-glob": "",
        "cache-suffix": "",
        "prune-cache": "true",
        "checksum": "",
        "github-token": "",
        "working-directory": "",
        "ignore-nothing-to-cache": "false",
    },
    "aws-actions/configure-aws-credentials": {
        "role-to-assume": "",
        "aws-region": "",
        "role-duration-seconds": "3600",
        "role-session-name": "GitHubActions",
        "mask-aws-account-id": "true",
        "allowed-account-ids": "",
        "unset-current-credentials": "false",
    },
    "actions/cache": {"path": "", "key": "", "restore-keys": ""},
}
OUTPUTS = {
    "actions/checkout": ["ref", "commit"],
    "actions/upload-artifact": ["artifact-id", "artifact-url", "artifact-digest"],
    "actions/download-artifact": ["download-path"],
    "aws-actions/configure-aws-credentials": ["aws-account-id"],
    "actions/cache": ["cache-hit"],
}
FORBIDDEN_IN_NAMES = re.compile(r'["<>|*?:\r\n\\/]')
FORBIDDEN_IN_PATHS = re.compile(r'["<>|*?:\r\n]')


def write(folder: Path) -> dict[str, Path]:
    """Writes an action for each below the folder; returns the folder of each action."""
    return {name: _written(folder / name.replace("/", "-"), name) for name in INPUTS}


def _written(folder: Path, name: str) -> Path:
    step = {
        "id": "it",
        "if": "always()",  # the step that uses the action decides whether it runs, also in a cancelled job
        "shell": "bash",
        "run": f'"$STAND_IN_PYTHON" "$STAND_IN" {name}',
        "env": {"INPUTS": "${{ toJSON(inputs) }}"},
    }
    action = {
        "name": f"stand-in for {name}",
        "inputs": {key: {"default": default} for key, default in INPUTS[name].items()},
        "outputs": {key: {"value": f"${{{{ steps.it.outputs.{key} }}}}"} for key in OUTPUTS.get(name, [])},
        "runs": {"using": "composite", "steps": [step]},
    }
    folder.mkdir(parents=True)
    (folder / "action.yml").write_text(json.dumps(action))  # JSON is YAML
    return folder


def checkout(inputs: Inputs) -> Outputs:
    """Checks out one commit, or all with `fetch-depth: 0`. There are no credentials."""
    repositories: dict[str, str] = json.loads(os.environ["STAND_IN_REPOSITORIES"])
    wanted = inputs["repository"]
    if wanted not in repositories:
        sys.exit(f"Not Found: there is no repository {wanted} here")
    own = wanted == os.environ["GITHUB_REPOSITORY"]
    ref = inputs["ref"] or (os.environ["GITHUB_SHA"] if own else "HEAD")
    folder = Path(os.environ["GITHUB_WORKSPACE"], inputs["path"])
    folder.mkdir(parents=True, exist_ok=True)
    depth = [] if inputs["fetch-depth"] == "0" else ["--depth", inputs["fetch-depth"]]
    refs = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"] if not depth else []
    git = ["git", "-c", "advice.detachedHead=false", "-C", str(folder)]
    _run("git", "init", "--quiet", "--initial-branch", "main", str(folder))
    _run(*git, "remote", "add", "origin", f"file://{repositories[wanted]}")
    _run(*git, "fetch", "--quiet", "--no-tags", *depth, "origin", ref, *refs)
    _run(*git, "checkout", "--quiet", "--force", "FETCH_HEAD")
    return {"ref": ref, "commit": _run(*git, "rev-parse", "HEAD").strip()}


def upload_artifact(inputs: Inputs) -> Outputs:
    """Uploads as the action does: skips hidden files by default, and refuses a second artifact of a name."""
    name, hidden = inputs["name"], inputs["include-hidden-files"] == "true"
    if FORBIDDEN_IN_NAMES.search(name) or not name:
        sys.exit(f"The artifact name is not valid: {name!r}")
    roots = [Path(os.environ["GITHUB_WORKSPACE"], line.strip()) for line in inputs["path"].splitlines() if line.strip()]
    if any(character in str(root) for root in roots for character in "*?!["):
        sys.exit("this stand-in takes no patterns")
    there = [root for root in roots if root.exists() and (hidden or not root.name.startswith("."))]
    files = sorted({file for root in there for file in _files(root, hidden=hidden)})
    if not files:
        problem = "No files were found with the provided path: " + ", ".join(map(str, roots))
        if inputs["if-no-files-found"] == "error":
            sys.exit(problem)
        say(f"::warning::{problem}" if inputs["if-no-files-found"] == "warn" else problem)
        return {}
    folder = _run_folder(os.environ["GITHUB_RUN_ID"]) / name
    if folder.exists():
        if inputs["overwrite"] != "true":
            sys.exit("(409) Conflict: an artifact with this name already exists on the workflow run")
        shutil.rmtree(folder)
    above = roots[0] if len(roots) == 1 and roots[0].is_dir() else Path(os.path.commonpath([r.parent for r in roots]))
    digest = hashlib.sha256()
    for file in files:
        inner = file.relative_to(above)
        if FORBIDDEN_IN_PATHS.search(str(inner)):
            sys.exit(f"The path for one of the files in artifact is not valid: {inner}")
        (folder / inner).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / inner)
        digest.update(file.read_bytes())
    number = int(digest.hexdigest()[:6], 16)
    address = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}/actions/runs"
    address += f"/{os.environ['GITHUB_RUN_ID']}/artifacts/{number}"
    say(f"Artifact {name} has been successfully uploaded: {len(files)} files")
    return {"artifact-id": str(number), "artifact-url": address, "artifact-digest": digest.hexdigest()}


def _files(root: Path, *, hidden: bool) -> list[Path]:
    if root.is_file():
        return [root]
    found = [path for path in root.rglob("*") if path.is_file()]
    return [p for p in found if hidden or not any(part.startswith(".") for part in p.relative_to(root).parts)]


def download_artifact(inputs: Inputs) -> Outputs:
    """Downloads artifacts; those of another run need a token, as on GitHub."""
    of_run = inputs["run-id"] if inputs["github-token"] else os.environ["GITHUB_RUN_ID"]
    folder = _run_folder(of_run)
    into = Path(os.environ["GITHUB_WORKSPACE"], inputs["path"])
    if inputs["name"]:
        if not (folder / inputs["name"]).is_dir():
            sys.exit(f"Unable to download artifact(s): Artifact not found for name: {inputs['name']}")
        shutil.copytree(folder / inputs["name"], into, dirs_exist_ok=True)
    else:
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        chosen = [one for one in found if fnmatch.fnmatch(one.name, inputs["pattern"] or "*")]
        for one in chosen:
            shutil.copytree(one, into if inputs["merge-multiple"] == "true" else into / one.name, dirs_exist_ok=True)
        say(f"Total of {len(chosen)} artifact(s) downloaded")
    return {"download-path": str(into)}


def _run_folder(run_id: str) -> Path:
    return Path(os.environ["STAND_IN_ARTIFACTS"], run_id)


def setup_uv(inputs: Inputs) -> Outputs:
    """Uses uv and Python of this machine for every version, without downloads."""
    uv = Path(os.environ["STAND_IN_UV"])
    _append("GITHUB_PATH", str(uv.parent))
    _append("GITHUB_ENV", f"UV_PYTHON={os.environ['STAND_IN_PYTHON']}")
    return {}


def configure_aws_credentials(inputs: Inputs) -> Outputs:
    """Assumes the role in the embedded cloud, which checks its trust policy; needs `id-token: write`."""
    if not os.environ.get("STAND_IN_CLOUD"):
        sys.exit("Credentials could not be loaded, please check your action inputs: there is no cloud here")
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": inputs["role-to-assume"],
        "RoleSessionName": inputs["role-session-name"],
        "DurationSeconds": inputs["role-duration-seconds"],
        "WebIdentityToken": os.environ["STAND_IN_IDENTITY"],
    }
    request = urllib.request.Request(os.environ["STAND_IN_CLOUD"], data=urllib.parse.urlencode(asked).encode())
    request.add_header("Host", f"sts.{inputs['aws-region']}.amazonaws.com")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        sys.exit(f"Could not assume role with OIDC: {error.read().decode()}")
    given = {name: _element(text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    for name, value in {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
        "AWS_REGION": inputs["aws-region"],
        "AWS_DEFAULT_REGION": inputs["aws-region"],
        "AWS_ENDPOINT_URL": os.environ["STAND_IN_CLOUD"],
    }.items():
        _append("GITHUB_ENV", f"{name}={value}")
    return {"aws-account-id": inputs["role-to-assume"].split(":")[4]}


def _element(text: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else sys.exit(f"no {name} in {text}")


def cache(inputs: Inputs) -> Outputs:
    """Restores no cache."""
    return {"cache-hit": "false"}


ACTIONS: dict[str, Callable[[Inputs], Outputs]] = {
    "actions/checkout": checkout,
    "actions/upload-artifact": upload_artifact,
    "actions/download-artifact": download_artifact,
    "astral-sh/setup-uv": setup_uv,
    "aws-actions/configure-aws-credentials": configure_aws_credentials,
    "actions/cache": cache,
}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def _append(variable: str, line: str) -> None:
    with Path(os.environ[variable]).open("a") as file:
        file.write(f"{line}\n")


if __name__ == "__main__":
    for key, value in ACTIONS[sys.argv[1]](json.loads(os.environ["INPUTS"])).items():
        _append("GITHUB_OUTPUT", f"{key}={value}")
