"""bzt's own configuration code and criteria as the oracle. No other module of these tests imports bzt."""

import datetime
import logging
import sys
import warnings
from copy import deepcopy
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # bzt's regular expressions, when its bytecode is not cached
    from bzt.cli import ConfigOverrider  # noqa: TID251 - the oracle
    from bzt.engine import Configuration, Engine  # noqa: TID251 - the oracle
    from bzt.modules.passfail import DataCriterion  # noqa: TID251 - the oracle
    from bzt.utils import RESOURCES_DIR, dehumanize_time  # noqa: TID251 - the oracle

    for module in list(sys.modules.values()):  # Hypothesis inspects each module; urwid's warn at the first access
        getattr(module, "__file__", None)

__all__ = ["RESOURCES", "criterion", "dehumanize_time", "included", "merged", "overridden", "string_to_config"]

RESOURCES = Path(RESOURCES_DIR)
LOG = logging.getLogger("oracle")


def plain(value):
    """Returns bzt's dictionaries as plain ones, with keys and dates as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, datetime.date) else value


def merged(paths):
    """Returns the files as bzt merges them."""
    config = Configuration()
    config.tab_replacement_spaces = 4
    config.load(paths)
    return plain(config)


def included(paths):
    """Returns the files and their included-configs as bzt's engine merges them; they must disable its update check."""
    engine = Engine(LOG)
    engine.config.merge({"settings": {"check-updates": False}})
    engine.configure(list(paths), read_config_files=False)
    found = plain(engine.config)
    for key in ("version", "included-configs", "install-id"):
        found.pop(key, None)
    found.pop("settings")
    return found


def overridden(config, overrides):
    """Returns the configuration after bzt's `-o`."""
    changed = Configuration()
    changed.merge(deepcopy(config))
    ConfigOverrider(LOG).apply_overrides(overrides, changed)
    return plain(changed)


def string_to_config(text):
    return dict(DataCriterion.string_to_config(text))


def criterion(fields):
    return DataCriterion(fields, None)
