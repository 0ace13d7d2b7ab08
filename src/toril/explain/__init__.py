"""Where toril is published, and what its codes mean.

`make owner NAME=…` writes OWNER. While it is empty, texts name what works without an address, such as
`toril explain CODE`.
"""

OWNER = ""
REPOSITORY = f"https://github.com/{OWNER}/toril" if OWNER else ""
SITE = f"https://{OWNER}.github.io/toril" if OWNER else ""
ACTION = f"{OWNER}/toril@v0" if OWNER else ""
