"""A first suite and its workflow.

options     one option or answer: its text → a value, or an OptionError with the fix; all together: a draft
companions  the files that a JMX, a Python script or a Taurus file takes along
init        the story: a draft → texts → files on disk, all or none, and nothing over the user's files
"""

from toril.authoring.init import Created, create, refuse_taken
from toril.authoring.options import ACTION, InitOptions

__all__ = ["ACTION", "Created", "InitOptions", "create", "refuse_taken"]
