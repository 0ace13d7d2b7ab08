package toril;

import kg.apc.jmeter.threads.SteppingThreadGroup;
import org.apache.jmeter.threads.JMeterThread;

/** The plug-in's group, which starts this worker's threads at their times in the steps of all. */
public class Stepping extends SteppingThreadGroup {
    private boolean scheduling;

    @Override
    public int getNumThreads() {
        return scheduling ? super.getNumThreads() : Part.count(this, super.getNumThreads());
    }

    @Override
    protected void scheduleThread(JMeterThread thread, long beganAt) {
        Part.number(thread, Part.threads(this, super.getNumThreads())[thread.getThreadNum()]);
        scheduling = true; // the times depend on the number of all threads
        super.scheduleThread(thread, beganAt);
        scheduling = false;
    }
}
