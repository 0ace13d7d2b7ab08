"""Where Chromium and its driver lie: one answer for the worker that starts them and the doctor that looks for them."""

import os
import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
DRIVERS = ("chromedriver", "chromium.chromedriver")


def chromium() -> str | None:
    """$TORIL_CHROMIUM, or the first of the usual names that is installed; None when there is none."""
    return _found("TORIL_CHROMIUM", (*BROWSERS, MAC))


def chromedriver() -> str | None:
    """$TORIL_CHROMEDRIVER, or what is installed; None when there is none."""
    return _found("TORIL_CHROMEDRIVER", DRIVERS)


def _found(variable: str, names: tuple[str, ...]) -> str | None:
    named = os.environ.get(variable)
    if named:  # what is named and is not there is an error, no reason to take another one
        return shutil.which(os.path.expanduser(named))  # noqa: PTH111 - a name is looked for as it is
    return next((found for name in names if (found := shutil.which(name))), None)
