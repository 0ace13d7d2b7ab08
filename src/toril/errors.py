"""The errors and notes that toril reports to its users.

- Note: a warning or a remark, which ends nothing
- UserError: wrong input, exit code 2
  - SuiteError: a file, key or value of a suite
    - CriterionError: one pass/fail criterion
  - StoreError: a store, run folder or record that cannot be read or written
    - ExpiredCredentialsError: credentials of a bucket that have expired
    - RunOverError: a command for a running run, after its end
  - OptionError: a command-line option
    - NoSuchRunError: a run-id that the store does not have
  - InfrastructureError: missing capacity, permission or program, exit code 4

`toril.cli` catches UserError once. Any other exception is a bug: it keeps its traceback and exits with code 70.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """A warning or a remark; `code` names the cause and never changes."""

    code: str
    message: str


class UserError(Exception):
    """A problem that the user can correct. Its message says where, what and the fix, and is shown without a traceback.

    `code` names the cause, such as `unknown-key`, and never changes. Programs and tests compare it, not the message.
    """

    exit_code = 2

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class SuiteError(UserError):
    """A suite that cannot be planned: `<file>: <path in the document>: <problem>. <Fix>.`

    `others`: further problems that were found at the same time.
    """

    others: tuple[Note, ...] = ()


class CriterionError(SuiteError):
    """A criterion with a syntax error, or one that no run could decide."""


class StoreError(UserError):
    """A store, run or record that is missing, unreadable or from another version of toril."""


class ExpiredCredentialsError(StoreError):
    """A store that rejects expired credentials. New credentials solve the problem."""


class RunOverError(StoreError):
    """A command that needs a running run, given a run that has ended."""


class OptionError(UserError):
    """A command-line option with an unusable value."""


class NoSuchRunError(OptionError):
    """A run-id that the store does not have."""


class InfrastructureError(UserError):
    """The environment prevented the run from starting or finishing. The system under test is not the cause."""

    exit_code = 4
