package toril;

import org.apache.jmeter.engine.StandardJMeterEngine;
import org.apache.jmeter.threads.ListenerNotifier;
import org.apache.jmeter.threads.ThreadGroup;
import org.apache.jorphan.collections.ListedHashTree;

/** A thread group that starts this worker's threads at their times in the ramp-up of all, with their numbers. */
public class Threads extends ThreadGroup {
    private volatile boolean ended;

    @Override
    public void start(int number, ListenerNotifier notifier, ListedHashTree tree, StandardJMeterEngine engine) {
        int whole = getNumThreads();
        long rampUp = 1000L * getRampUp();
        setNumThreads(0);
        setProperty(DELAYED_START, false); // it would end the group before its first thread
        super.start(number, notifier, tree, engine);
        long began = System.currentTimeMillis();
        for (int thread : Part.threads(this, whole)) {
            if (ended) {
                break;
            }
            setNumThreads(thread); // the number of the next thread
            long due = began + rampUp * thread / whole;
            addNewThread((int) Math.max(0, due - System.currentTimeMillis()), engine);
        }
        setNumThreads(whole);
    }

    @Override
    public void stop() {
        ended = true;
        super.stop();
    }

    @Override
    public void tellThreadsToStop(boolean now) {
        ended = true;
        super.tellThreadsToStop(now);
    }
}
