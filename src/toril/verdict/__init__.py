"""The verdict of a run: passed, failed or inconclusive, with all reasons.

- `judge`: the verdict of a run, and of a functional run
- `rules`: the rules of a pass: planned load, answered requests, no failure of the script
- `validity`: invalid response times, and missing data
- `evaluation`: one criterion, judged by its subject
- `samples`, `load`, `generators`, `servers`: criteria on samples, on the achieved load, on the health of the
  generators, and on CloudWatch metrics of the system under test
- `windows`: the values of a criterion in seconds and windows
- `evidence`: the judged data: samples, planned time, missing data
- `result`: the result of one criterion, and its message
- `live`: stop criteria during the run

The order of a decision:

1. A saturated generator, a late start, a late load change, or an inaccurate clock invalidates response times and load:
   inconclusive. It does not excuse a breach of a criterion on failures, response codes, checks or rates, or on the
   generators themselves. Nor does it excuse CloudWatch values and counters that are too high.
2. A breach fails the run if no possible value of the missing samples could undo it.
3. Missing or surplus data, or a broken rule of `toril.verdict.rules`: inconclusive.
4. Any other run passes. Without criteria it passes too, and the reason states that nothing was judged.

The test cases decide a functional run: one failed case fails it, even if data is missing. So does one failed request
of a try.

A reason has a code, which never changes, and a message for people. Reasons of the outcome come first.

| code                   | outcome      | reason                                                                    |
|------------------------|--------------|---------------------------------------------------------------------------|
| `breach`               | failed       | a criterion was breached, and no missing data could have changed it       |
| `failed-test`          | failed       | a test case failed (an assertion) or broke                                |
| `failed-request`       | failed       | a request, a transaction or the script of a try failed                    |
| `not-as-recorded`      | failed       | a response of a try is not as recorded                                    |
| `log-in-page`          | failed       | a redirect leads a try that never logs in to a log-in page                |
| `saturated`            | inconclusive | a worker had no spare capacity, so its measurements are not reliable      |
| `late-start`           | inconclusive | first users later than 1 s (10 % of the ramp-up if that is longer)        |
| `unsure-clock`         | inconclusive | a worker's clock is, or may be, off by more than 1 s                      |
| `late-rate`            | inconclusive | a worker applied a load change more than 1 s late                         |
| `excused-breach`       | inconclusive | a criterion on times or load was breached, with one of the four above, or |
|                        |              | only with the samples of seconds in which a generator was over a limit    |
| `breach-may-not-stand` | inconclusive | a criterion was breached, but missing data could have prevented it        |
| `pass-may-not-stand`   | inconclusive | a criterion was kept, but missing data could have breached it             |
| `setup-failed`         | inconclusive | `toril.setup` failed, so there was no load                                |
| `teardown-failed`      | inconclusive | `toril.teardown` failed, or did not run to its end                        |
| `fault-failed`         | inconclusive | a fault was not started, had no effect, or did not end in time            |
| `lost-worker`          | inconclusive | a worker did not report to the end                                        |
| `damaged-file`         | inconclusive | an interval file is missing or cannot be read                             |
| `missing-samples`      | inconclusive | workers recorded more requests than their files hold                      |
| `surplus-samples`      | inconclusive | the files of workers hold more requests than they recorded                |
| `unreadable-records`   | inconclusive | an engine wrote unreadable records                                        |
| `stopped`              | inconclusive | stopped early by a person, a signal, the time limit or lost workers       |
| `ended-early`          | inconclusive | an execution ended before its time, or users before their iterations      |
| `unreached-load`       | inconclusive | user-seconds < 98 % of the plan, or requests sent outside ± 5 % of it     |
| `dropped-sends`        | inconclusive | unsent requests: more than 1 % of the due ones, and more than one second's|
| `no-success`           | inconclusive | no request of an execution succeeded                                      |
| `unanswered`           | inconclusive | a criterion or the load depends on unanswered requests                    |
| `stalled`              | inconclusive | users waited so long for responses that percentiles ignore an outage      |
| `script-errors`        | inconclusive | the script failed without a failed request, and no criterion judges that  |
| `script-failed`        | inconclusive | the script itself reports that the run failed                             |
| `missing-value`        | inconclusive | > 1 % of a label's responses lack a value that another request needs      |
| `dead-label`           | inconclusive | each request of a label failed, and no criterion on failures names it     |
| `unjudged-failures`    | inconclusive | > 10 % of a label (20 or more) failed, and no criterion covers these      |
| `failed-checks`        | inconclusive | a check of the script failed, and no criterion judges it                  |
| `too-many-tag-values`  | inconclusive | a tag has more values than toril keeps apart                              |
| `too-many-metrics`     | inconclusive | a script measures more names than toril keeps apart                       |
| `no-samples`           | inconclusive | a criterion has no samples to judge                                       |
| `unknown-label`        | inconclusive | no sample has the criterion's label; the message names the nearest labels |
| `unknown-metric`       | inconclusive | no script measured the criterion's metric, or it has another kind         |
| `not-measured`         | inconclusive | the engine does not record the criterion's subject                        |
| `not-priced`           | inconclusive | a part of the service has no listed price, or its use is unknown          |
| `too-few-samples`      | inconclusive | the 95 % interval of a percentile is open, and does not prove a breach    |
| `no-tests`             | inconclusive | no test case ran, or all were skipped                                     |
| `kept`                 | passed       | no criterion was breached                                                 |
| `never-a-full-window`  | passed       | kept, but the timeframe is longer than the judged time                    |
| `nothing-judged`       | passed       | the suite has no criteria; the run is complete                            |
| `tests-passed`         | passed       | no test case failed, and at least one passed                              |
| `capacity`             | a note       | the result of a search for a capacity                                     |
| `changed-rate`         | a note       | `toril adjust` changed the load during the run                            |
| `few-rows`             | a note       | load ended early, and each row of a data source was used at most once     |
| `unused-rows`          | a note       | a lost worker had rows that no other worker gets                          |
| `unfinished`           | a note       | many requests had no response yet when the run ended                      |
| `engine-note`          | a note       | a remark of the engine                                                    |
| `excluded-failures`    | a note       | requests failed outside the steady state, and no criterion counts them    |

A criterion has one of these codes, or `triggered`: it was breached, but `as non-failed`. Two codes belong to criteria
only: `pass-may-not-stand`, since the missing data is a reason of the run already, and `never-a-full-window`, since the
run's reason is `kept`.
"""

from toril.verdict.judge import EXCUSES, EXIT_CODES, differing, exit_code, judge, judge_tests, judge_try
