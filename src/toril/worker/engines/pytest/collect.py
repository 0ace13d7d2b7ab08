"""Imports the tests of a script as pytest does. If that fails, it prints the exception's traceback, and exits with 1.

Started by path (`python -P collect.py ARGUMENTS`), so that it imports nothing of toril. ARGUMENTS are pytest's.
"""

# mypy: disable-error-code="no-untyped-def"

import sys
import traceback

import pytest


class Importing:
    """A plugin that prints why a file cannot be imported. pytest's own text is no Python traceback."""

    failed = False

    def pytest_exception_interact(self, call) -> None:
        self.failed = True
        error = call.excinfo.value
        traceback.print_exception(error.__cause__ or error)


if __name__ == "__main__":
    importing = Importing()
    sys.path.insert(0, ".")
    pytest.main(["-p", "no:cacheprovider", "--collect-only", "--quiet", *sys.argv[1:]], plugins=[importing])
    sys.exit(int(importing.failed))
