package toril;

import org.apache.jmeter.testelement.TestElement;
import org.apache.jmeter.threads.JMeterThread;
import org.apache.jmeter.util.JMeterUtils;

/**
 * This worker's part of the plan's threads and arrivals, by the property `toril.part`: `WEIGHT WEIGHT:WORKERS:BEFORE …`.
 *
 * All threads of the plan form one sequence, from 0. `src/toril/load/interleave.py` computes the same places.
 */
final class Part {
    static final String FIRST = "toril.first"; // property of a group: the place of its first thread
    private static long weight;
    private static long[][] groups;

    private Part() {}

    /** Returns the place in the sequence of this worker's thread or arrival `own`. */
    static long placeOf(long own) {
        read();
        long place = 0;
        for (long[] group : groups) {
            long numerator = (2 * own + 1) * group[0] - weight;
            long ahead = Math.floorDiv(numerator, 2 * weight);
            boolean rest = Math.floorMod(numerator, 2 * weight) > 0;
            place += group[2] * (ahead + 1) + (group[1] - group[2]) * (ahead + (rest ? 1 : 0));
        }
        return place;
    }

    /** Returns the number of this worker's places before `place`. */
    static long before(long place) {
        long low = 0;
        long high = place;
        while (low < high) {
            long middle = (low + high) / 2;
            if (placeOf(middle) < place) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** Returns this worker's threads of a group with this many, as numbers within the group. */
    static int[] threads(TestElement group, int whole) {
        long first = group.getPropertyAsLong(FIRST);
        long own = before(first);
        int[] numbers = new int[(int) (before(first + whole) - own)];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (int) (placeOf(own + i) - first);
        }
        return numbers;
    }

    static int count(TestElement group, int whole) {
        long first = group.getPropertyAsLong(FIRST);
        return (int) (before(first + whole) - before(first));
    }

    /** Sets the thread's number within its group, also in its name, where `__threadNum` reads it. */
    static void number(JMeterThread thread, int number) {
        String name = thread.getThreadName();
        thread.setThreadNum(number);
        thread.setThreadName(name.substring(0, name.lastIndexOf('-') + 1) + (number + 1));
    }

    private static synchronized void read() {
        if (groups != null) {
            return;
        }
        String[] words = JMeterUtils.getProperty("toril.part").split(" ");
        long[][] read = new long[words.length - 1][];
        for (int i = 1; i < words.length; i++) {
            String[] numbers = words[i].split(":");
            read[i - 1] = new long[] {Long.parseLong(numbers[0]), Long.parseLong(numbers[1]), Long.parseLong(numbers[2])};
        }
        weight = Long.parseLong(words[0]);
        groups = read;
    }
}
