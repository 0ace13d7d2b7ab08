"""Writes a first suite and its workflow.

`options` parses each option or answer into a value, or raises an OptionError with the fix.
`companions` finds the files that a JMX, a Python script or a Taurus file needs.
`init` turns a draft into texts and files. It writes all files or none, and overwrites no files of the user.
"""

from toril.authoring.init import Created, create, refuse_taken
from toril.authoring.options import ACTION, InitOptions

__all__ = ["ACTION", "Created", "InitOptions", "create", "refuse_taken"]
