package toril;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.List;
import java.util.ListIterator;
import java.util.Map;
import org.apache.jmeter.engine.util.NoThreadClone;
import org.apache.jmeter.testbeans.TestBeanHelper;
import org.apache.jmeter.testelement.AbstractTestElement;
import org.apache.jmeter.testelement.TestElement;
import org.apache.jmeter.testelement.ThreadListener;
import org.apache.jmeter.threads.AbstractThreadGroup;
import org.apache.jmeter.threads.JMeterContextService;
import org.apache.jmeter.threads.JMeterThread;
import org.apache.jmeter.threads.PostThreadGroup;
import org.apache.jmeter.threads.SamplePackage;
import org.apache.jmeter.threads.SetupThreadGroup;
import org.apache.jmeter.threads.TestCompiler;
import org.apache.jmeter.timers.Timer;
import org.apache.jmeter.util.JMeterUtils;

/**
 * Makes the threads of a duet's arm send within its turns only. Between them the clock of a thread stands still, so that
 * delays continue in the next turn, as if nothing had interrupted the arm.
 *
 * It is the last timer of each sampler. The other timers owe their delays to it, because JMeter would sleep them in real
 * time. `src/toril/worker/engines/turns.py` computes the same times.
 */
public class Turns extends AbstractTestElement implements Timer, ThreadListener, NoThreadClone {
    private static final double SHORT_S = 1e-6; // not worth a sleep
    private static final double FACTOR = JMeterUtils.getPropDefault("timer.factor", 1.0f); // JMeter's, of random delays
    private static final ThreadLocal<Clock> CLOCK = ThreadLocal.withInitial(Clock::new);
    private static Plan plan;

    @Override
    public void threadStarted() {
        JMeterThread thread = JMeterContextService.getContext().getThread();
        Map<?, ?> packages = (Map<?, ?>) field(TestCompiler.class, field(JMeterThread.class, thread, "compiler"), "samplerConfigMap");
        for (Object one : packages.values()) {
            hold(((SamplePackage) one).getTimers());
        }
        CLOCK.get().holds = true;
    }

    @Override
    public void threadFinished() {}

    @Override
    public long delay() {
        AbstractThreadGroup group = JMeterContextService.getContext().getThreadGroup();
        Clock clock = CLOCK.get();
        if (!clock.holds) { // JMeter only logs what threadStarted throws
            throw new IllegalStateException("The timers of this thread are not held. See the error before this one.");
        }
        if (group instanceof SetupThreadGroup || group instanceof PostThreadGroup) {
            return clock.owed();
        }
        try {
            clock.pause(plan());
        } catch (InterruptedException interrupted) { // the load ends
            Thread.currentThread().interrupt();
        }
        return 0;
    }

    private void hold(List<Timer> timers) {
        for (ListIterator<Timer> each = timers.listIterator(); each.hasNext();) {
            Timer timer = each.next();
            if (timer != this) {
                each.set(new Held(timer));
            }
        }
    }

    private static Object field(Class<?> kind, Object of, String name) {
        try {
            Field field = kind.getDeclaredField(name);
            field.setAccessible(true);
            return field.get(of);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException("This version of JMeter has no " + name + ". Use JMeter 5.6.3.", error);
        }
    }

    private static synchronized Plan plan() {
        if (plan == null) {
            plan = new Plan(new File(JMeterUtils.getProperty("toril.turns")));
        }
        return plan;
    }

    /** A timer of the plan whose delay is slept by the thread's clock. */
    private static final class Held extends AbstractTestElement implements Timer {
        private final transient Timer timer;

        Held(Timer timer) {
            this.timer = timer;
        }

        @Override
        public long delay() {
            TestBeanHelper.prepare((TestElement) timer);
            long delay = timer.delay();
            CLOCK.get().owedMs += timer.isModifiable() ? Math.round(delay * FACTOR) : delay;
            return 0;
        }

        @Override
        public void setRunningVersion(boolean running) {
            ((TestElement) timer).setRunningVersion(running);
        }

        @Override
        public void recoverRunningVersion() {
            ((TestElement) timer).recoverRunningVersion();
        }
    }

    /** The clock of one thread. It stands still while the thread is paused. */
    private static final class Clock {
        private long owedMs; // by the timers of this sample
        private double pausedS;
        private boolean holds; // the other timers
        private boolean begun;

        long owed() {
            long owed = owedMs;
            owedMs = 0;
            return owed;
        }

        void pause(Plan plan) throws InterruptedException {
            Spans turns = plan.turns;
            double now = plan.now();
            if (!begun) { // users ramp up in the warm-up of their own arm
                pausedS = now - Math.min(now, turns.first());
                begun = true;
            }
            double ownS = now - pausedS + owed() / 1e3;
            double left;
            while ((left = Math.max(turns.at(ownS) - now, turns.waitS(now))) > SHORT_S) {
                Thread.sleep((long) Math.ceil(1e3 * Math.min(left, 3600)));
                now = plan.now();
            }
            pausedS = now - turns.ownS(now);
        }
    }

    /** The turns of this process, and the time of its gate. */
    private static final class Plan {
        private final double gate;
        private final Spans turns;

        Plan(File settings) {
            try {
                JsonNode asked = new ObjectMapper().readTree(settings);
                String opened = new String(
                    Files.readAllBytes(new File(asked.get("gate").asText()).toPath()), StandardCharsets.US_ASCII);
                gate = Double.parseDouble(opened.trim());
                turns = new Spans(new ObjectMapper().convertValue(asked.get("turns"), double[][].class));
            } catch (IOException error) {
                throw new IllegalStateException("cannot read " + settings, error);
            }
        }

        double now() {
            return System.currentTimeMillis() / 1e3 - gate;
        }
    }

    /** The turns of one arm. Times of the run are seconds since the gate; own times count its turns only. */
    public static final class Spans {
        private final double[][] spans; // begin and end of each turn, in order of time
        private final double[] own; // at the begins, and at the end

        public Spans(double[][] spans) {
            this.spans = spans;
            own = new double[spans.length + 1];
            for (int turn = 0; turn < spans.length; turn++) {
                own[turn + 1] = own[turn] + spans[turn][1] - spans[turn][0];
            }
        }

        double first() {
            return own[Math.min(1, spans.length)];
        }

        public double ownS(double at) {
            int turn = begun(at) - 1;
            return turn < 0 ? 0 : own[turn] + Math.min(at, spans[turn][1]) - spans[turn][0];
        }

        public double at(double ownS) {
            double wanted = Math.max(ownS, 0);
            int turn = 0;
            while (turn < spans.length && own[turn + 1] <= wanted) {
                turn++;
            }
            return turn < spans.length ? spans[turn][0] + wanted - own[turn] : Double.POSITIVE_INFINITY;
        }

        public double waitS(double at) {
            int turn = begun(at);
            if (turn > 0 && at < spans[turn - 1][1]) {
                return 0;
            }
            return turn < spans.length ? spans[turn][0] - at : Double.POSITIVE_INFINITY;
        }

        private int begun(double at) {
            int turn = 0;
            while (turn < spans.length && spans[turn][0] <= at) {
                turn++;
            }
            return turn;
        }
    }
}
