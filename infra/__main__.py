"""What `pulumi up` runs; the program's folder is on the path, its parent has to be."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.program import main

main()
