"""What a run means: passed, failed or inconclusive, with every reason for it.

In this order:

1. A saturated generator, a late start, a change of load that was seen late, or an unsure clock falsifies times, and the
   load with them: inconclusive. It does not excuse a breach of a criterion on failures or response codes, none on the
   generators themselves (that is what it asks about), and none on servers whose CloudWatch values are too high (they
   measured that themselves).
2. A breach fails the run, if it would stand even if every sample that was planned and is missing spoke against it.
3. Anything missing or surplus, or a broken rule of `toril.verdict.rules`: inconclusive.
4. What is left has passed; without criteria too, and then it says that nothing was judged.

Reasons have a code that stays the same, and a message for people. Those of the outcome come first.

| code                   | makes it     | because                                                                   |
|------------------------|--------------|---------------------------------------------------------------------------|
| `breach`               | failed       | a criterion came true, and nothing that is missing could have changed it  |
| `saturated`            | inconclusive | a worker had no room left to measure with                                 |
| `late-start`           | inconclusive | first users later than 1 s (10 % of the ramp-up if that is longer)        |
| `unsure-clock`         | inconclusive | a worker's clock is off by more than 1 s, or may be                       |
| `late-rate`            | inconclusive | a worker saw more than 1 s late that its load was to change               |
| `excused-breach`       | inconclusive | a criterion on times or load came true, but one of the four above holds   |
| `breach-may-not-stand` | inconclusive | a criterion came true, but what is missing could have prevented it        |
| `pass-may-not-stand`   | inconclusive | a criterion was kept, but what is missing could have breached it          |
| `lost-worker`          | inconclusive | a worker did not report to the end                                        |
| `damaged-file`         | inconclusive | an interval file is missing or cannot be read                             |
| `missing-samples`      | inconclusive | workers recorded more requests than their files hold                      |
| `surplus-samples`      | inconclusive | the files of workers hold more requests than they recorded                |
| `unreadable-records`   | inconclusive | an engine wrote records that could not be read                            |
| `stopped`              | inconclusive | ended early by a person, a signal, the time limit or lost workers         |
| `ended-early`          | inconclusive | an execution ended before its time, or users before their iterations      |
| `unreached-load`       | inconclusive | user-seconds < 98 % of the plan, or requests sent outside ± 5 % of it     |
| `dropped-sends`        | inconclusive | more than 1 % of the due requests, and of one second's, were never sent   |
| `no-success`           | inconclusive | not one request of an execution succeeded                                 |
| `unanswered`           | inconclusive | a criterion or the load depends on requests that were never answered      |
| `script-errors`        | inconclusive | the script failed where no request did, and no criterion judges that      |
| `script-failed`        | inconclusive | the script itself says that the run failed                                |
| `dead-label`           | inconclusive | each request of a label failed, and no criterion on failures names it     |
| `unjudged-failures`    | inconclusive | > 10 % of a label (20 or more) failed, and no criterion judges failures   |
| `no-samples`           | inconclusive | nothing that a criterion judges was measured                              |
| `unknown-label`        | inconclusive | the same, and nothing has the criterion's label; the nearest are named    |
| `not-measured`         | inconclusive | the engine does not record what a criterion judges                        |
| `too-few-samples`      | inconclusive | the 95 % interval of a percentile is open, and does not prove a breach    |
| `kept`                 | passed       | no criterion came true                                                    |
| `never-a-full-window`  | passed       | kept, but its timeframe is longer than what it judges: never a full one   |
| `nothing-judged`       | passed       | the suite has no criteria; the run is complete                            |

A criterion has one of these codes too, or `triggered`: it came true, but `as non-failed`. `pass-may-not-stand` is the
criterion's own only: that something is missing is a reason already. So is `never-a-full-window`: the verdict's reason
is `kept`, and says so.
"""

from toril.verdict.judge import (
    EXCUSES,
    EXIT_CODES,
    ended_early,
    exit_code,
    judge,
    missing,
)

__all__ = [
    "EXCUSES",
    "EXIT_CODES",
    "ended_early",
    "exit_code",
    "judge",
    "missing",
]
