"""Writes suites: a first one with its workflow, or one of a recording or a foreign format.

- options: parses each option or answer into a value, or raises an OptionError with the fix
- companions: the files that a JMX, a Python script or a Taurus file needs
- init: a first suite; `place` writes all files or none, and overwrites no files of the user
- form: a suite as fields that people edit
- recorded: the model that every reader fills
- readers: HAR, OpenAPI, Postman, curl, access logs and scripts
- recorder: Chromium, driven by a person or a script
- importing: filters → routes → correlation → credentials → draft → writer → place
- references: puts variables in the place of values
- readme: what an imported suite does and what it leaves out
- replaying: a second observation of a recording
- comparing, shapes: a try of a suite beside its recording
"""

from toril.authoring.init import Created, create, refuse_taken
from toril.authoring.options import InitOptions
