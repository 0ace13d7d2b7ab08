"""What a cold start of the console imports: no library that only some pages need."""

import subprocess
import sys
from pkgutil import iter_modules

import pytest

from toril.console import api, pages

HEAVY = {"numpy", "rich", "typer", "boto3", "mcp", "httpx", "uvicorn", "authlib", "joserfc"}


@pytest.mark.live
def test_a_cold_start_imports_no_library_of_a_few_pages() -> None:
    parts = (module for part in (pages, api) for module in iter_modules(part.__path__, f"{part.__name__}."))
    modules = ["toril.console.app", *(module.name for module in parts)]
    script = f"import sys, {', '.join(modules)}; print(*{HEAVY!r}.intersection(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
