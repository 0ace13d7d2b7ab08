package toril;

import com.blazemeter.jmeter.threads.arrivals.FreeFormArrivalsThreadGroup;
import com.blazemeter.jmeter.threads.arrivals.FreeFormArrivalsThreadStarter;
import org.apache.jmeter.engine.StandardJMeterEngine;
import org.apache.jmeter.threads.ListenerNotifier;
import org.apache.jorphan.collections.ListedHashTree;

/** The plug-in's group, which starts this worker's arrivals at their times in the schedule of all. */
public class FreeFormArrivals extends FreeFormArrivalsThreadGroup {
    @Override
    public void start(int number, ListenerNotifier notifier, ListedHashTree tree, StandardJMeterEngine engine) {
        Thread waker = Arrivals.wakerOf(this);
        super.start(number, notifier, tree, engine);
        waker.interrupt();
    }

    @Override
    protected Thread getThreadStarter(int number, ListenerNotifier notifier, ListedHashTree tree, StandardJMeterEngine engine) {
        return new FreeFormArrivalsThreadStarter(number, notifier, tree, engine, this) {
            private final Arrivals.Turn turn = new Arrivals.Turn(FreeFormArrivals.this);

            @Override
            public synchronized boolean needMoreArrivals() throws InterruptedException {
                do {
                    if (!super.needMoreArrivals()) {
                        return turn.end();
                    }
                } while (!turn.isOwn(scheduledCount));
                return !turn.over;
            }
        };
    }
}
