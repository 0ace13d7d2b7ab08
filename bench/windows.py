"""Measures the windows of a report page: the size of its data, the time to make it, to draw the page, and a window.

    python bench/windows.py                                      the rows of bench/README.md
    python bench/windows.py --rate 100 [--labels 20] [--seconds 600]     those of one run

Two locations measure half of the rate each (requests per second of a label, log-normal, σ = 0.5; 5 % fail). `page` is
the time from opening the file in Chromium until the charts are drawn and the measurements are read, `window` that until
all tables have the figures of another window: medians of five. There is no peer: no other report can do this.
"""

import argparse
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.exports import measured
from tests.measured import START, execution, left
from toril.programs import find_program
from toril.reports import Bundle, encoded_size, render
from toril.summary import Completeness, summarise
