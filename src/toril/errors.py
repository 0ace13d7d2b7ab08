"""The errors that toril reports to its users.

UserError                    exit code 2: the input is wrong; the message says where, what and the fix
├── SuiteError               a suite's file, key or value
│   └── CriterionError       one pass/fail criterion
├── StoreError               a store, run folder or record that cannot be read or written
│   ├── ExpiredCredentialsError  a bucket's answer to credentials that were good before
│   └── RunOverError         what can only be done to a run that is not over yet
├── OptionError              a command-line option
│   └── NoSuchRunError       a run that the store does not have
└── InfrastructureError      exit code 4: could not start, capacity, permission, a missing program

`toril.cli` catches UserError once; any other exception is a bug and keeps its traceback (exit code 70).
"""


class UserError(Exception):
    """A problem that the user can correct; its message is shown without a traceback.

    `code` names the cause and never changes, such as `unknown-key`: programs and tests compare it, not the message.
    """

    exit_code = 2

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class SuiteError(UserError):
    """A suite that cannot be planned: `<file>: <path in the document> is <what>; <fix>`."""


class CriterionError(SuiteError):
    """A criterion that is not in the language, or that could never be judged."""


class StoreError(UserError):
    """A store, run or record that is missing, unreadable or of another version."""


class ExpiredCredentialsError(StoreError):
    """A store that refuses credentials because their time is over; with new ones it goes on."""


class RunOverError(StoreError):
    """A run that has ended, asked for what only a run that goes on can do."""


class OptionError(UserError):
    """An option of the command that does not fit."""


class NoSuchRunError(OptionError):
    """A run by a name that the store does not have."""


class InfrastructureError(UserError):
    """The run could not be started or carried out, whatever the system under test does."""

    exit_code = 4
