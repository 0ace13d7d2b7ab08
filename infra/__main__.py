"""Entry point of `pulumi up`. Pulumi puts only this folder on the path; the imports need its parent."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.program import main

main()
