"""The real Pulumi engine over an emulated AWS, for tests.

    with engine(cloud.url) as pulumi:
        pulumi.cli("stack", "init", "hub", cwd=project)            # the literal command
        stack = pulumi.stack("us-east-1", program=main)            # the same by the Automation API
        assert stack.up() == {"create": 4}

The state is in its own folder. The engine downloads nothing, and reads none of the user's settings.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from tests.infra.engine import language, server
from tests.infra.engine.cloud import Access, Called

Config = Mapping[str, automation.ConfigValue | str]
ROOT = Path(__file__).parents[3]
PASSPHRASE = "a passphrase of the tests"


@cache
def pulumi_program() -> str:
    """Returns the path of Pulumi: $PULUMI, set by `make test`, or the program that `make pulumi` builds."""
    if named := os.environ.get("PULUMI"):
        return named
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "toril")
    done = subprocess.run([ROOT / "tools/pulumi/build", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


class IsolatedCommand(automation.PulumiCommand):
    """The Automation API's command without the tests' environment, which it would pass on (pulumi 3.272)."""

    def __init__(self, program: str) -> None:
        self.command = program
        version = subprocess.run([program, "version"], capture_output=True, text=True, check=True, env={})
        self.version = VersionInfo.parse(version.stdout.strip().removeprefix("v"))

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> automation.CommandResult:
        done = subprocess.run(
            [self.command, "--non-interactive", *args],
            cwd=cwd,
            env=dict(additional_env),
            capture_output=True,
            text=True,
            check=False,
        )
        for text, callback in ((done.stdout, on_output), (done.stderr, on_error)):
            if callback:
                for line in text.splitlines():
                    callback(line)
        result = automation.CommandResult(done.stdout, done.stderr, done.returncode)
        if done.returncode != 0:
            raise create_command_error(result)
        return result


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of an inline program. The operations return counts, such as `{"create": 4, "same": 1}`."""

    automation: automation.Stack

    def preview(self, **options: Any) -> dict[str, int]:
        return self._run("preview", **options)

    def up(self, **options: Any) -> dict[str, int]:
        return self._run("up", "--yes", "--skip-preview", **options)

    def refresh(self, **options: Any) -> dict[str, int]:
        return self._run("refresh", "--yes", "--skip-preview", **options)

    def destroy(self, **options: Any) -> dict[str, int]:
        return self._run("destroy", "--yes", "--skip-preview", **options)

    def _run(self, *words: str, on_output: Callable[[str], Any] | None = None, **flags: bool) -> dict[str, int]:
        """Runs one command. `flags` are options such as `expect_no_changes=True`.

        The Automation API's own operations then read outputs and history, which takes as long as a small update.
        """
        workspace = self.automation.workspace
        given = [f"--{name.replace('_', '-')}" for name, on in flags.items() if on]
        shown = ["--color", "never", "--suppress-progress"]
        environment = {**workspace.env_vars, "PULUMI_DEBUG_COMMANDS": "true"}  # shows --event-log
        with tempfile.NamedTemporaryFile("r") as log:
            asked = [*words, *given, *shown, "--event-log", log.name, "--stack", self.automation.name]
            workspace.pulumi_command.run(asked, workspace.work_dir, environment, on_output)
            summaries = [event["summaryEvent"] for event in map(json.loads, log) if "summaryEvent" in event]
        return dict(summaries[-1]["resourceChanges"])

    def outputs(self) -> dict[str, Any]:
        return {name: output.value for name, output in self.automation.outputs().items()}

    def configure(self, config: Config) -> None:
        """Sets these values and keeps the others."""
        values = {
            name: v if isinstance(v, automation.ConfigValue) else automation.ConfigValue(v)
            for name, v in config.items()
        }
        self.automation.set_all_config(values)

    def export(self) -> dict[str, Any]:
        """Returns the deployment with encrypted secrets; the Automation API's own export decrypts them."""
        workspace = self.automation.workspace
        asked = ["stack", "export", "--stack", self.automation.name]
        exported = workspace.pulumi_command.run(asked, workspace.work_dir, workspace.env_vars)
        return dict(json.loads(exported.stdout)["deployment"])

    def resources(self) -> dict[str, dict[str, Any]]:
        """Returns the deployment's resources by URN."""
        return {resource["urn"]: resource for resource in self.export().get("resources", [])}


@dataclass(frozen=True, slots=True)
class Engine:
    """`pulumi` with the attached provider and a folder for its state."""

    program: str
    home: Path
    environment: Mapping[str, str]
    provider: server.Running
    hosts: ExitStack  # of inline programs

    @property
    def log(self) -> Sequence[Called]:
        """The AWS calls so far, in order."""
        return self.provider.log

    def cli(self, *arguments: str, cwd: Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Runs the literal command. With `check`, fails with the output of a failed command."""
        done = subprocess.run(
            [self.program, *arguments, "--non-interactive"],
            cwd=cwd,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"pulumi {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done

    def stack(
        self, name: str, *, program: Callable[[], Any], config: Config | None = None, project: str = "toril"
    ) -> Stack:
        """Returns the stack of that name with an inline program, and makes it if necessary."""
        folder = self.home / "projects" / f"{project}.{name}"  # keeps the stack's configuration
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Pulumi.yaml").write_text(json.dumps({"name": project, "runtime": "python"}))
        host = self.hosts.enter_context(language.serving(language.in_this_process(program)))
        environment = {**self.environment, "PULUMI_DEBUG_LANGUAGES": f"python:{host}"}
        made = automation.create_or_select_stack(
            stack_name=name,
            work_dir=str(folder),
            opts=automation.LocalWorkspaceOptions(
                pulumi_home=self.environment["PULUMI_HOME"],
                pulumi_command=IsolatedCommand(self.program),
                env_vars=environment,
            ),
        )
        stack = Stack(made)
        stack.configure(config or {})
        return stack


@contextmanager
def engine(
    cloud_url: str, *, access: Access | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Engine]:
    """Yields an engine. `environment` is added to that of the engine and of the literal command's programs."""
    with tempfile.TemporaryDirectory(prefix="toril-pulumi-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        program = pulumi_program()
        for name in ("state", "home"):
            (home / name).mkdir()
        own = {
            "HOME": str(home),
            "PATH": os.pathsep.join((str(Path(program).parent), os.environ.get("PATH", os.defpath))),
            "PULUMI_HOME": str(home / "home"),
            "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "LANG": "C.UTF-8",
            **(environment or {}),
        }
        with (
            server.serving(access or Access(url=cloud_url)) as provider,
            language.serving(language.in_an_interpreter(own)) as host,
            ExitStack() as hosts,
        ):
            attached = {
                "PULUMI_DEBUG_PROVIDERS": f"aws:{provider.port}",
                "PULUMI_DEBUG_LANGUAGES": f"python:{host}",
            }
            yield Engine(program, home, own | attached, provider, hosts)
