"""Follows pages of docs/how-to as a person would, in one shell a page, against the embedded cloud.

    with reader(folder) as person:
        person.follows("set-up-aws")

The reader types each `sh` block, and the lines after `$` of each `console` block, in their order. A block after
"Write `FILE`:" is saved as that file.

Real: `pulumi` with its state in S3 and its secrets under a KMS key, `aws`, `skopeo`, git, `image/build`, `toril`.
Stand-ins: podman, which would build for minutes; the installation of what the tests have installed; the answer `yes`
to `pulumi up`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cloud.embedded import Cloud, embedded_cloud, web_identity_token
from tests.cloud.oci import INDEX, Registry, index
from tests.cloud.proxy import aws_proxy
from tests.cloud.stand_in import DIGEST, IMAGES, WORKER
from tests.infra.engine.stacks import engine
from tests.targets import target

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs/how-to"
UV = shutil.which("uv") or str(ROOT / ".tools/uv/bin/uv")
FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
WRITE = re.compile(r"\bWrite `(?P<file>[^`]+)`[^`]*:\s*\Z")
REPOSITORY = "toril/worker"
OWN, DOCKER_HUB = "acme/toril", "registry-1.docker.io"  # an image of the reader's own, and its upstream
SERVICE, OF_AN_IMAGE = "https://shop.example.com", "sha256:" + 32 * "0a"  # on the pages
FIPS_REGIONS, FIPS_REGION = "us-east-1 us-east-2 us-west-2", "us-east-1"  # on the page, and of the reader
SHOWN_CHARACTERS = 6000

PROJECT = "project_path:acme/shop:ref_type:branch:ref:main"  # on GitLab
WORD = "typed"  # the answer to each `read` of a page
# First lines of the blocks that no test can run.
LEFT_OUT = {
    "sudo apt-get install curl git make python3-venv awscli podman skopeo \\": "installs what the tests have",
    "aws ssm delete-parameter --name /toril/main/console/session-key": "exists after the first visit of a person",
}

# A person answers `yes` to what a preview shows.
PULUMI = """#!/bin/sh
case $1 in
    up|destroy) set -- "$@" --yes --skip-preview ;;
    stack) [ "$2" != rm ] || set -- "$@" --yes ;;
esac
exec {program} "$@" --non-interactive
"""

# `make .venv/installed` would install what runs this test; assets are what it builds beside that. Downloads of make do
# not come from AWS.
MAKE = """#!/bin/sh
unset {proxied}
{usual}
[ -e .venv ] || ln -s {root}/.venv .venv
for built in src/toril/reports/assets src/toril/console/vendor; do
    [ -e $built ] || cp -r {root}/$built $built
done
exec {make} -o .venv/installed UV={uv} "$@"
"""

# An image for the worker's tasks, which are processes: `podman save` writes one without files.
PODMAN = """#!{python}
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.image.archives import archive
words = sys.argv[1:]
if words[0] == "build":
    Path("{folder}/platform").write_text(words[words.index("--platform") + 1])
elif words[0] == "save":
    made = archive(Path("{folder}"), Path("{folder}/platform").read_text().rpartition("/")[2])
    made.rename(words[words.index("--output") + 1])
else:
    sys.exit(f"The stand-in for podman has no `{{words[0]}}`.")
"""


# A later page's shell: the environment of toril is active, as each page asks. On a busy machine a run that should pass
# may prove nothing (3).
AGAIN = """. .venv/bin/activate
toril() {
    command toril "$@" || case $1 in run) [ $? = 3 ] ;; *) false ;; esac
}
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What a reader does with one block: the line where it begins, and the shell's commands."""

    line: int
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A person with an account and an empty folder."""

    cloud: Cloud
    folder: Path
    environment: dict[str, str]
    service: str

    def follows(self, page: str) -> str:
        """Does all steps of a page but those of `LEFT_OUT`. Returns the output."""
        steps = [step for step in steps_of(page) if step.script.partition("\n")[0] not in LEFT_OUT]
        text = "".join(f"echo '──── {page}.md:{step.line}'\n{step.script}" for step in steps)
        script = text.replace(SERVICE, self.service).replace(OF_AN_IMAGE, DIGEST).replace(FIPS_REGIONS, FIPS_REGION)
        checkout = self.folder / "toril"
        before = AGAIN if checkout.exists() else ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", before + script],
            cwd=checkout if checkout.exists() else self.folder,
            env={**self.environment, **self._job()},
            input=f"{WORD}\n" * 9,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-SHOWN_CHARACTERS:]}"
        return done.stdout

    def _job(self) -> dict[str, str]:
        """Returns the variables of a job of GitLab, whose token is valid for five minutes."""
        token = web_identity_token(iss="https://gitlab.com", aud="sts.amazonaws.com", sub=PROJECT)
        return {"TOKEN": token, "ROLE": f"arn:aws:iam::{self.cloud.account}:role/toril/main/toril-run"}


def steps_of(page: str) -> list[Step]:
    """Returns the steps of a page, in order."""
    text = (GUIDES / f"{page}.md").read_text()
    return [
        Step(text.count("\n", 0, block.start()) + 1, script)
        for block in FENCE.finditer(text)
        if (script := _script(block["kind"], textwrap.dedent(block["text"]), text[: block.start()]))
    ]


def _script(kind: str, text: str, before: str) -> str:
    """Returns the commands for a block after the text `before`; empty for one that only shows something."""
    if kind == "sh":
        return text
    if kind == "console":
        return "".join(f"{typed}\n" for typed in re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE))
    if written := WRITE.search(before):
        file = shlex.quote(written["file"])
        return f"mkdir -p \"$(dirname {file})\"\ncat > {file} <<'END OF BLOCK'\n{text}END OF BLOCK\n"
    return ""


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """Yields a person who has the programs of the pages, an empty AWS account, and toril's repository to clone."""
    programs, home = folder / "programs", folder / "home"
    for made in (programs, home):
        made.mkdir()
    with (
        embedded_cloud() as cloud,
        aws_proxy(cloud) as proxy,
        engine(cloud.url) as pulumi,
        target(delay_s=0.005) as service,
    ):
        cloud.set_image(REPOSITORY, WORKER, environment={"PATH": os.environ["PATH"]})
        upstream = Registry(cloud.upstream(DOCKER_HUB))
        for one in IMAGES.values():
            upstream.push(OWN, one)
        upstream.push_manifest(OWN, index(IMAGES), INDEX, ["1"])
        cloud.set_upstream(DOCKER_HUB, login=(WORD, WORD))
        own = {key: value for key, value in pulumi.environment.items() if key.startswith("PULUMI_")}
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):  # the pages choose both
            del own[name]
        _install(programs, folder, pulumi.program, proxy.settings())
        _repository(folder / "remote.git", home)
        caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        # The compiler of `image/build` downloads modules, which the proxy does not have.
        build = [str(ROOT / "tools/build"), "vegeta", f"{caches}/toril", "arm64"]
        subprocess.run(build, env={**os.environ, "UV": UV}, check=True, capture_output=True)
        environment = proxy.environment(
            **own,
            HOME=str(home),
            XDG_CACHE_HOME=caches,
            PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
            PYTHONPATH=str(ROOT),
            NO_COLOR="1",
        )
        work = folder / "work"
        work.mkdir()
        yield Reader(cloud=cloud, folder=work, environment=environment, service=service.url)


def _install(programs: Path, folder: Path, pulumi: str, settings: dict[str, str]) -> None:
    """Writes the programs of a reader's PATH."""
    usual = "".join(f"export {key}={shlex.quote(os.environ[key])}\n" for key in settings if key in os.environ)
    texts = {
        "pulumi": PULUMI.format(program=pulumi),
        "make": MAKE.format(root=ROOT, make=shutil.which("make"), uv=UV, proxied=" ".join(settings), usual=usual),
        "podman": PODMAN.format(python=sys.executable, root=str(ROOT), folder=folder),
    }
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (programs / "aws").symlink_to(ROOT / ".tools/cloud/bin/aws")


def _repository(remote: Path, home: Path) -> None:
    """Makes a remote repository of the working tree, which is what `git clone` of toril's address gets."""
    people = {
        "user.name": "Ada",
        "user.email": "ada@example.com",
        f"url.{remote}.insteadOf": "https://github.com/YOUR_ORG/toril",
    }
    environment = {**os.environ, "HOME": str(home), "GIT_DIR": str(remote)}

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=ROOT, env=environment, check=True, capture_output=True)

    git("init", "--bare", "--initial-branch", "main", str(remote))
    for key, value in people.items():
        git("config", "--global", key, value)
    git("--work-tree", str(ROOT), "add", "--all")
    git("--work-tree", str(ROOT), "commit", "--quiet", "--message", "As it is here")
