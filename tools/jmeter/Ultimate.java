package toril;

import kg.apc.jmeter.threads.UltimateThreadGroup;
import org.apache.jmeter.threads.JMeterThread;

/** The plug-in's group, which starts this worker's threads at their times in the schedule of all. */
public class Ultimate extends UltimateThreadGroup {
    private int scheduled; // threads of all workers

    @Override
    public int getNumThreads() {
        return Part.count(this, super.getNumThreads());
    }

    @Override
    protected void scheduleThread(JMeterThread thread, long beganAt) {
        int number = Part.threads(this, super.getNumThreads())[thread.getThreadNum()];
        for (; scheduled <= number; scheduled++) {
            super.scheduleThread(thread, beganAt); // the last one counts
        }
        Part.number(thread, number);
    }
}
