package toril;

import com.blazemeter.jmeter.threads.arrivals.ArrivalsThreadGroup;
import com.blazemeter.jmeter.threads.arrivals.ArrivalsThreadStarter;
import org.apache.jmeter.engine.StandardJMeterEngine;
import org.apache.jmeter.threads.ListenerNotifier;
import org.apache.jorphan.collections.ListedHashTree;

/** The plug-in's group, which starts this worker's arrivals at their times in the schedule of all. */
public class Arrivals extends ArrivalsThreadGroup {
    @Override
    public void start(int number, ListenerNotifier notifier, ListedHashTree tree, StandardJMeterEngine engine) {
        Thread waker = wakerOf(this);
        super.start(number, notifier, tree, engine);
        waker.interrupt();
    }

    /** Returns a thread that ends a group's wait for its first arrival, which may be another worker's. */
    static Thread wakerOf(ArrivalsThreadGroup group) {
        Thread waker = new Thread(() -> {
            try {
                while (true) {
                    Thread.sleep(10);
                    synchronized (group) {
                        group.notifyAll();
                    }
                }
            } catch (InterruptedException started) {
                // the group waits no longer
            }
        });
        waker.setDaemon(true);
        waker.start();
        return waker;
    }

    @Override
    protected Thread getThreadStarter(int number, ListenerNotifier notifier, ListedHashTree tree, StandardJMeterEngine engine) {
        return new ArrivalsThreadStarter(number, notifier, tree, engine, this) {
            private final Turn turn = new Turn(Arrivals.this);

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

    /** Whose turn an arrival is. */
    static final class Turn {
        private final ArrivalsThreadGroup group;
        private final long limit; // arrivals of all workers; 0: none
        private long own;
        boolean over;

        Turn(ArrivalsThreadGroup group) {
            this.group = group;
            long written = 0;
            try {
                written = Long.parseLong(group.getArrivalsLimit());
            } catch (NumberFormatException none) {
                // as the plug-in reads it
            }
            limit = written;
        }

        /** Returns whether the scheduled arrival, counted from 1, is this worker's, or beyond the limit. */
        boolean isOwn(long scheduled) {
            if (limit > 0 && scheduled > limit) {
                over = true;
                end();
                return true;
            }
            boolean mine = Part.placeOf(own) == scheduled - 1;
            own += mine ? 1 : 0;
            return mine;
        }

        boolean end() {
            group.setArrivalsLimit(String.valueOf(own)); // the plug-in has set the arrivals of all workers
            return false;
        }
    }
}
