"""The language host of a Python project, as the engine attaches to it.

A folder's program runs like in Pulumi's own host (compare pulumi-language-python-exec of pulumi 3.272). It gets a new
interpreter in the project's folder, and the addresses of engine and monitor. A test's function runs in this process.
It does not use the Automation API's host. After a failed update, that host leaves an event loop open (pulumi 3.272),
and pytest blames a later test.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from tests.infra.engine import execute
from tests.infra.engine.server import listening

SHOWN_CHARACTERS = 4000  # of a failed program's output
Settings = Mapping[str, Any]
Runner = Callable[[Settings], str | None]  # runs a program with the engine's settings; returns None or an error


@dataclass(frozen=True, slots=True)
class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """`pulumi-language-python`, with the interpreter that runs the tests."""

    runner: Runner
    engines: dict[str, str] = field(default_factory=dict)  # connection → address of its engine

    def Handshake(self, request: Any, context: Any) -> Any:
        self.engines[context.peer()] = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="3.272.0")

    def About(self, request: Any, context: Any) -> Any:
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        return language_pb2.GetRequiredPackagesResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Any:
        yield from ()

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:
        settings = {
            "program": str(Path(request.info.program_directory, request.info.entry_point)),
            "arguments": list(request.args),
            "folder": request.pwd or request.info.program_directory,
            "engine": self.engines[context.peer()],
            "monitor": request.monitor_address,
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization,
            "parallel": request.parallel,
            "dry_run": request.dryRun,
            "config": dict(request.config),
            "secret_keys": list(request.configSecretKeys),
        }
        errors: list[str | None] = []
        over = threading.Event()

        def run() -> None:
            try:
                errors.append(self.runner(settings))
            finally:
                over.set()

        # If the engine has ended, its program could wait for answers forever.
        context.add_callback(over.set)
        threading.Thread(target=run, daemon=True).start()
        over.wait()
        return language_pb2.RunResponse(error=(errors or ["The program did not end"])[0] or "")


def in_this_process(program: execute.Program) -> Runner:
    return lambda settings: execute.run(settings, program)


def in_an_interpreter(environment: Mapping[str, str]) -> Runner:
    """Returns a runner of the project's program with this environment."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}

    def run(settings: Settings) -> str | None:
        done = subprocess.run(
            [sys.executable, "-u", "-m", execute.__name__],
            input=json.dumps(settings),
            cwd=settings["folder"],
            env={**inherited, **environment, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=False,
        )
        output = (done.stdout + done.stderr)[-SHOWN_CHARACTERS:]
        return None if done.returncode == 0 else f"The program exited with code {done.returncode}.\n{output}"

    return run


@contextmanager
def serving(runner: Runner) -> Iterator[int]:
    """Runs the host on a free loopback port. Yields the port."""
    host = Host(runner)
    with listening(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)) as port:
        yield port
