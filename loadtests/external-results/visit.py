"""An external tool: one user makes 40 visits and writes a JTL row for each. Usage: python visit.py FILE"""

import os
import sys
import time
from urllib.error import HTTPError
from urllib.request import urlopen

HEADER = "timeStamp,elapsed,label,responseCode,responseMessage,success,bytes,allThreads"
PAGES = {"products": "/products", "product": "/product/17"}

with open(sys.argv[1], "w", encoding="utf-8") as results:  # noqa: PTH123 - typical of such tools
    print(HEADER, file=results, flush=True)
    for visit in range(40):
        label = list(PAGES)[visit % len(PAGES)]
        began = time.time()
        try:
            with urlopen(os.environ["SHOP_URL"] + PAGES[label], timeout=10) as answer:  # noqa: S310 - the suite's own
                code, size = answer.status, len(answer.read())
        except HTTPError as error:
            code, size = error.code, 0
        took_ms = round((time.time() - began) * 1000)
        success = str(code < 400).lower()
        print(f"{round(began * 1000)},{took_ms},{label},{code},,{success},{size},1", file=results, flush=True)
        time.sleep(0.1)
