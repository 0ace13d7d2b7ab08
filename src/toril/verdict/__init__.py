"""What a run means: passed, failed or inconclusive, with every reason for it.

judge       the verdict of a run, and of a functional run
rules       what a pass states: the load was reached, requests were answered, the script had no complaint
validity    what invalidates times, and what data is missing
evaluation  one criterion, judged by its subject …
samples     … on samples
load        … on the load that was reached
generators  … on the health of the load generators
servers     … on CloudWatch's metrics of the system under test
windows     the values of a criterion in seconds and windows
evidence    what is judged: samples, planned time, missing data
result      the result of one criterion, and its message
live        stop criteria, followed during the run

A verdict is decided in this order:

1. A saturated generator, a late start, a late change of the load, or an unsure clock invalidates times, and the load
   with them: inconclusive. It does not excuse a breach of a criterion on failures or response codes, none on the
   generators themselves (which asks about just that), and none on servers whose CloudWatch values are too high (they
   were measured there).
2. A breach fails the run, if it would stand even if every planned and missing sample spoke against it.
3. Missing or surplus data, or a broken rule of `toril.verdict.rules`: inconclusive.
4. Everything else has passed; without criteria too, and then the reason says that nothing was judged.

A functional run is decided by its test cases: one that failed fails the run, whatever is missing.

Reasons have a code that stays the same, and a message for people. Those of the outcome come first.

| code                   | makes it     | because                                                                   |
|------------------------|--------------|---------------------------------------------------------------------------|
| `breach`               | failed       | a criterion came true, and no missing data could have changed it          |
| `failed-test`          | failed       | a test case failed (an assertion), or broke                               |
| `saturated`            | inconclusive | a worker had no capacity left to measure with                             |
| `late-start`           | inconclusive | first users later than 1 s (10 % of the ramp-up if that is longer)        |
| `unsure-clock`         | inconclusive | a worker's clock is off by more than 1 s, or may be                       |
| `late-rate`            | inconclusive | a worker applied a change of its load more than 1 s late                  |
| `excused-breach`       | inconclusive | a criterion on times or load came true, but one of the four above holds   |
| `breach-may-not-stand` | inconclusive | a criterion came true, but missing data could have prevented it           |
| `pass-may-not-stand`   | inconclusive | a criterion was kept, but missing data could have breached it             |
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
| `script-failed`        | inconclusive | the script itself reports that the run failed                             |
| `dead-label`           | inconclusive | each request of a label failed, and no criterion on failures names it     |
| `unjudged-failures`    | inconclusive | > 10 % of a label (20 or more) failed, and no criterion judges failures   |
| `no-samples`           | inconclusive | a criterion has no samples to judge                                       |
| `unknown-label`        | inconclusive | the same, and nothing has the criterion's label; the nearest are named    |
| `not-measured`         | inconclusive | the engine does not record what a criterion judges                        |
| `too-few-samples`      | inconclusive | the 95 % interval of a percentile is open, and does not prove a breach    |
| `no-tests`             | inconclusive | no test case was carried out, or all of them were skipped                 |
| `kept`                 | passed       | no criterion came true                                                    |
| `never-a-full-window`  | passed       | kept, but its timeframe is longer than what it judges: never a full one   |
| `nothing-judged`       | passed       | the suite has no criteria; the run is complete                            |
| `tests-passed`         | passed       | no test case failed, and at least one passed                              |
| `capacity`             | a note       | the result of a search for a capacity                                     |
| `changed-rate`         | a note       | `toril adjust` changed the load while it went on                          |
| `unfinished`           | a note       | many requests had no answer yet when the run ended                        |
| `engine-note`          | a note       | the engine's own remark                                                   |
| `excluded-failures`    | a note       | requests failed outside the steady load, and are in no criterion          |
| `unjudged-codes`       | a note       | many requests failed with response codes that no criterion names          |

A criterion has one of these codes too, or `triggered`: it came true, but `as non-failed`. `pass-may-not-stand` is the
criterion's own only: missing data is a reason already. So is `never-a-full-window`: the verdict's reason is `kept`,
and says so.
"""

from toril.verdict.judge import EXCUSES, EXIT_CODES, exit_code, judge, judge_tests
