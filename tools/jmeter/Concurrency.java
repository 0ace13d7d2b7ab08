package toril;

import com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup;

/** The plug-in's group with this worker's part of the threads. */
public class Concurrency extends ConcurrencyThreadGroup {
    @Override
    public int getTargetLevelAsInt() {
        return Part.count(this, super.getTargetLevelAsInt());
    }
}
