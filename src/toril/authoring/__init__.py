"""A first suite and its workflow: what is wanted → files as values → on disk, all of them or none.

readers     one option or answer: its text → a value, or an OptionError with the fix
wanted      what options and answers say together, with defaults; what does not go together is refused
companions  the files that a JMX, a Python script or a Taurus file takes along
render      the texts of suite and workflow
place       writes all or nothing, and nothing over what is there
start       the whole story
"""

from toril.authoring.start import Started, refuse_taken, start
from toril.authoring.wanted import ACTION, Wanted

__all__ = ["ACTION", "Started", "Wanted", "refuse_taken", "start"]
