package toril;

import org.apache.jmeter.threads.SetupThreadGroup;

/** A group of JMeter that starts this worker's threads only. */
public class Setup extends SetupThreadGroup {
    @Override
    public int getNumThreads() {
        return Part.count(this, super.getNumThreads());
    }
}
