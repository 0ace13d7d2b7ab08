"""The language host of a Python project, as the engine attaches to it.

A program runs as the host of Pulumi's own distribution runs it: in an interpreter of its own, started in the project's
folder, which knows engine and monitor by their addresses (compare pulumi-language-python-exec of pulumi 3.272).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from tests.infra.engine.server import listening

EXECUTOR = Path(__file__).with_name("execute.py")
SHOWN_CHARACTERS = 4000  # of what a program printed before it failed


@dataclass(frozen=True, slots=True)
class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """`pulumi-language-python`, with the interpreter that runs the tests."""

    environment: Mapping[str, str]
    engines: dict[str, str] = field(default_factory=dict)  # connection → the address of the engine at its other end

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
        program = Path(request.info.program_directory, request.info.entry_point)
        settings = {
            "program": str(program),
            "arguments": list(request.args),
            "engine": self.engines[context.peer()],
            "monitor": request.monitor_address,
            "project": request.project,
            "root": request.info.root_directory,
            "stack": request.stack,
            "organization": request.organization,
            "parallel": request.parallel,
            "dry_run": request.dryRun,
            "config": dict(request.config),
            "secret_keys": list(request.configSecretKeys),
        }
        done = subprocess.run(
            [sys.executable, "-u", EXECUTOR],
            input=json.dumps(settings),
            cwd=request.pwd or program,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return language_pb2.RunResponse()
        # What the program did wrong it has told the engine itself; this is for all else.
        said = (done.stdout + done.stderr)[-SHOWN_CHARACTERS:]
        return language_pb2.RunResponse(error=f"the program ended with {done.returncode}\n{said}")


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[int]:
    """The host, on a free port of loopback; programs run with this environment."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    host = Host({**inherited, **environment})
    with listening(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)) as port:
        yield port
