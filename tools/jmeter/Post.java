package toril;

import org.apache.jmeter.threads.PostThreadGroup;

/** A group of JMeter that starts this worker's threads only. */
public class Post extends PostThreadGroup {
    @Override
    public int getNumThreads() {
        return Part.count(this, super.getNumThreads());
    }
}
