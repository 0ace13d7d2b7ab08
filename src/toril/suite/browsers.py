"""Devices and networks that a browser can be told to stand for, under the names a suite gives them.

Devices are Playwright's descriptors (playwright 1.65, `playwright.devices`): viewport, scale and user agent; the engine
stays Chromium, also for an iPhone. Networks are the presets of Chrome's DevTools (NetworkManager.ts), where the latency
is what DevTools adds to each request so that a page loads as with the round trip in the name.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BeforeValidator

from toril.errors import SuiteError
from toril.records import Browser, Device, Network

IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/27.2 Mobile/15E148 Safari/604.1"
ANDROID = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/159.0.0.0 Mobile Safari/537.36"

DEVICES = {
    one.name: one
    for one in (
        Device(name="Desktop", width=1280, height=720),
        Device(name="Desktop HiDPI", width=1280, height=720, scale=2),
        Device(
            name="iPhone 13",
            width=390,
            height=664,
            scale=3,
            mobile=True,
            user_agent=f"Mozilla/5.0 (iPhone; CPU iPhone OS 15_0 like Mac OS X) {IOS}",
        ),
        Device(
            name="iPhone 15",
            width=393,
            height=659,
            scale=3,
            mobile=True,
            user_agent=f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {IOS}",
        ),
        Device(
            name="iPad Mini",
            width=768,
            height=1024,
            scale=2,
            mobile=True,
            user_agent=f"Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) {IOS}",
        ),
        Device(
            name="Pixel 7",
            width=412,
            height=839,
            scale=2.625,
            mobile=True,
            user_agent=f"Mozilla/5.0 (Linux; Android 14; Pixel 7) {ANDROID}",
        ),
        Device(
            name="Galaxy S24",
            width=360,
            height=780,
            scale=3,
            mobile=True,
            user_agent=f"Mozilla/5.0 (Linux; Android 14; SM-S921U) {ANDROID}",
        ),
        Device(
            name="Moto G4",
            width=360,
            height=640,
            scale=3,
            mobile=True,
            user_agent=f"Mozilla/5.0 (Linux; Android 7.0; Moto G (4)) {ANDROID}",
        ),
    )
}
NETWORKS = {
    one.name: one
    for one in (
        Network(name="3g", latency_ms=2000, down_bytes_s=50_000, up_bytes_s=50_000),
        Network(name="slow-4g", latency_ms=562.5, down_bytes_s=180_000, up_bytes_s=84_375),
        Network(name="fast-4g", latency_ms=165, down_bytes_s=1_012_500, up_bytes_s=168_750),
    )
}
TIMINGS = (" (TTFB)", " (DOM ready)", " (LCP)", "browser start")  # how the labels end that browsers give by themselves
BROWSER_ENGINES = ("selenium", "playwright")


def _one_of(known: Mapping[str, object], what: str, value: object) -> str:
    text = str(value)
    for name in known:
        if text.lower().replace(" ", "-") == name.lower().replace(" ", "-"):
            return name
    near = difflib.get_close_matches(text.lower()[:60], [name.lower() for name in known], n=1)
    named = next((name for name in known if near and name.lower() == near[0]), None)
    fix = f"did you mean `{named}`?" if named else f"known are {', '.join(known)}"
    raise ValueError(f"no {what} that is known; {fix}")


DeviceName = Annotated[str, BeforeValidator(lambda value: _one_of(DEVICES, "device", value))]
NetworkName = Annotated[str, BeforeValidator(lambda value: _one_of(NETWORKS, "network", value))]


def browser_of(device: str | None, network: str | None) -> Browser:
    """What a browser stands for, in full."""
    return Browser(device=DEVICES[device or "Desktop"], network=None if network is None else NETWORKS[network])


def check_browsers(names: Iterable[str], executors: Mapping[str, str], source: str) -> None:
    """Settings for executions that are there and drive a browser; SuiteError otherwise."""
    for name in names:
        driving = [one for one, executor in executors.items() if executor in BROWSER_ENGINES]
        if name not in driving:
            what = "drives no browser" if name in executors else "is no execution"
            near = difflib.get_close_matches(name[:60], driving, n=1)
            known = f"known are {', '.join(driving[:10])}" if driving else "no execution of this suite drives one"
            fix = f"did you mean `{near[0]}`?" if near else known
            raise SuiteError(f"{source}: toril.browsers.{name[:60]} {what}; {fix}")
