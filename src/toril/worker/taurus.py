"""bzt without its command line, loop and judging: it reads the suite, prepares scripts and starts processes."""

import importlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from bzt import TaurusException, ToolError
from bzt.engine import Engine as BztEngine
from bzt.engine import Provisioning as BztProvisioning
from bzt.modules.aggregator import ConsolidatingAggregator
from bzt.modules.provisioning import Local
from bzt.utils import PIPE, BetterDict

from toril.engines import EngineContext, modules_of
from toril.engines.base import Engine
from toril.engines.generic import GenericEngine
from toril.errors import UserError
from toril.secrets.environment import is_withheld
from toril.worker.processes import lead_a_group_and_die_with_parent

OUTPUT_LINES = 12


class Taurus(BztEngine):  # type: ignore[misc]  # bzt has no types
    """bzt's engine, used for preparation only; the worker has its own loop."""

    def __init__(self, log: Any, contexts: Sequence[EngineContext], secrets: Mapping[str, str] | None = None) -> None:
        super().__init__(log)
        self.secrets = dict(secrets or {})
        self.contexts = contexts
        self.started: list[Any] = []
        self.leaders: list[int] = []  # of the engines' process groups

    def ready(self, configuration: Path) -> list[Engine]:
        """Read the configuration and prepare everything; returns the engines in the order of their contexts."""
        self.configure([str(configuration)])
        self.create_artifacts_dir()
        self.default_cwd = str(Path.cwd())
        self.set_pythonpath()
        self.eval_env()
        self.prepare()
        for service in self.services:
            service.startup()
            self.started.append(service)
        return list(self.provisioning.engines())

    def eval_env(self) -> None:
        """Insert variables as bzt does, then all secrets in one pass: bzt would replace references within values, too.

        bzt's `settings.env` would also read the worker's own credentials. Services keep their references, since command
        lines are public; their shell has the variables.
        """
        withheld = {name: os.environ.pop(name) for name in [*os.environ] if is_withheld(name)}
        super().eval_env()
        os.environ.update({name: value for name, value in withheld.items() if name not in os.environ})
        if not self.secrets:
            return
        reference = re.compile(r"\$\{(" + "|".join(map(re.escape, self.secrets)) + r")\}")

        def insert(value: Any, key: Any, container: Any) -> None:
            if isinstance(value, str):
                container[key] = reference.sub(lambda match: self.secrets[match[1]], value)

        services = self.config.pop("services", None)
        BetterDict.traverse(self.config, insert)
        if services is not None:
            self.config["services"] = services
        env = self.config.get("settings", force_set=True).get("env", force_set=True)
        os.environ.update({str(name): str(value) for name, value in env.items() if value is not None})
        os.environ.update(self.secrets)

    @property
    def slots(self) -> int | None:
        """The number of executions that may run at once; None without a limit."""
        settings = self.provisioning.settings
        return 1 if settings.get("sequential", False) else settings.get("capacity", None) or None

    def end(self, engines: Sequence[Engine]) -> None:
        """Shut services down and run bzt's post-processing. Failures are only logged: the records are complete."""
        shutdowns = [service.shutdown for service in self.started]
        for finish in [*shutdowns, *(module.post_process for module in [*engines, *self.services])]:
            try:
                finish()
            except (Exception, TaurusException) as error:
                self.log.warning("%s: %s", type(finish.__self__).__name__, error)

    def start_subprocess(self, args: Any, env: Any, cwd: str | None = None, **kwargs: Any) -> psutil.Popen:
        """Start a process in its own group, which ends with the worker."""
        shell = bool(kwargs.get("shell", False))
        process = psutil.Popen(
            args,
            stdin=kwargs.get("stdin") or subprocess.DEVNULL,
            stdout=kwargs.get("stdout") or PIPE,
            stderr=kwargs.get("stderr") or PIPE,
            cwd=cwd or self.default_cwd,
            env=env.get(),
            shell=shell,
            bufsize=0,
            close_fds=True,
            preexec_fn=lead_a_group_and_die_with_parent,
        )
        self.leaders.append(process.pid)
        return process


class Provisioning(Local):  # type: ignore[misc]  # bzt has no types
    """Local provisioning that gives each executor its context before preparing it."""

    def prepare(self) -> None:
        BztProvisioning.prepare(self)
        for executor, context in zip(self.executors, self.engine.contexts, strict=True):
            executor.context = context
        for executor in self.executors:
            executor.prepare()

    def engines(self) -> list[Engine]:
        engines: list[Engine] = []
        for executor in self.executors:
            if hasattr(executor, "batches"):
                engines.append(executor)
            else:
                readers = self.engine.aggregator.readers
                own = [reader for reader in readers if reader is getattr(executor, "reader", None)] or readers
                engines.append(GenericEngine(executor, executor.context, own))
        return engines


class EngineRecords(ConsolidatingAggregator):  # type: ignore[misc]  # bzt has no types
    """Replaces bzt's aggregator, whose class executors check for. It collects their readers and reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def prepare(self) -> None: ...

    def add_underling(self, underling: Any) -> None:
        self.readers.append(underling)

    def check(self) -> bool:
        return False

    def post_process(self) -> None: ...


def engine_settings(aliases: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Returns the default settings of the used engines by alias, for `modules.<alias>`."""
    known = modules_of(functional=True)
    return {alias: importlib.import_module(known[alias]).Executor.module_settings for alias in {*aliases} & {*known}}


def reason_of(error: BaseException) -> str:
    """Returns why preparation failed: bzt's error and the last lines of the tool's output."""
    text = str(error) or type(error).__name__
    if isinstance(error, ToolError) and getattr(error, "diagnostics", None):
        lines = [line for part in error.diagnostics for line in str(part).splitlines() if line.strip()]
        text = "\n".join([text, *lines[-OUTPUT_LINES:]])
    return text if isinstance(error, (TaurusException, UserError)) else f"{type(error).__name__}: {text}"


def remove_outer_settings() -> None:
    """Remove the variables of an outer bzt, which would change this one."""
    for name in ("TAURUS_ARTIFACTS_DIR", "GRACEFUL", "JTL", "WORKERS_LDJSON"):
        os.environ.pop(name, None)
