package toril;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.jmeter.assertions.AssertionResult;
import org.apache.jmeter.control.TransactionController;
import org.apache.jmeter.engine.util.NoThreadClone;
import org.apache.jmeter.protocol.http.sampler.HTTPSampleResult;
import org.apache.jmeter.samplers.SampleEvent;
import org.apache.jmeter.samplers.SampleListener;
import org.apache.jmeter.samplers.SampleResult;
import org.apache.jmeter.testelement.AbstractTestElement;
import org.apache.jmeter.testelement.TestStateListener;
import org.apache.jmeter.threads.JMeterContextService;
import org.apache.jmeter.util.JMeterUtils;

/**
 * Writes requests with their responses as lines of JSON: the first failures of each label and error, and the slowest
 * request of some labels. The worker (worker/engines/jmeter/executor.py) says which, and masks the lines.
 *
 * A plan may have several of these listeners, and they share one state. A sample that is not kept costs two look-ups.
 * It runs on Java 11 and newer, as a suite may have a JMeter and a Java of its own.
 */
public class Evidence extends AbstractTestElement implements SampleListener, TestStateListener, NoThreadClone {
    private static final int MOST_KINDS = 300; // of failures
    private static final long MOST_BYTES = 20L << 20;
    private static final long MOST_BYTES_A_SECOND = 2L << 20;
    private static final int MOST_HEADS = 1000; // failures beyond a limit, of which the worker hides credentials
    private static final long MOST_BYTES_OF_HEADS = 4L << 20;
    private static final long FLUSH_MS = 250;
    private static final int MOST_CHARS = 1000; // of a variable
    private static final String FILE = "<actual file content, not shown here>"; // JMeter's text in place of a body
    private static final Pattern INTERNAL = Pattern.compile("(__jm|JMeterThread\\.|START\\.|TESTSTART\\.).*");
    private static final Pattern EXPECTED =
        Pattern.compile("(?:Test failed: )?(.*?) expected (.*?)(?:, but .*)?", Pattern.DOTALL);
    private static final Pattern CHARSET = Pattern.compile("charset=\"?([^\";\\s]+)", Pattern.CASE_INSENSITIVE);
    private static final Pattern NOT_SENT =
        Pattern.compile("(HttpHost)?Connect(Timeout)?Exception|UnknownHostException|NoRouteToHostException");
    private static final Pattern CUT_OFF = Pattern.compile(
        ".*([Cc]losed|abort|shut ?down|[Ii]nterrupted).*", Pattern.DOTALL); // messages of requests that a stop cut off

    private static Keeper keeper;

    @Override
    public void sampleOccurred(SampleEvent event) {
        keeper.offer(event.getResult());
    }

    @Override
    public void testStarted() {
        synchronized (Evidence.class) {
            if (keeper == null) {
                keeper = new Keeper(new File(JMeterUtils.getProperty("toril.keep")));
            }
        }
    }

    @Override
    public void testEnded() {
        keeper.flush();
    }

    @Override
    public void testStarted(String host) {
        testStarted();
    }

    @Override
    public void testEnded(String host) {
        testEnded();
    }

    @Override
    public void sampleStarted(SampleEvent event) {}

    @Override
    public void sampleStopped(SampleEvent event) {}

    /** The slowest request of a label, held until the next flush. */
    private static final class Slowest {
        private final AtomicLong most = new AtomicLong(-1);
        private SampleResult held;

        void offer(SampleResult result, long took, boolean written) {
            if (took > most.get() && !TransactionController.isFromTransactionController(result)) {
                synchronized (this) {
                    if (took > most.get()) {
                        most.set(took);
                        held = written ? null : result;
                    }
                }
            }
        }

        synchronized SampleResult take() {
            SampleResult taken = held;
            held = null;
            return taken;
        }
    }

    private static final class Keeper {
        private final ObjectMapper json = new ObjectMapper();
        private final int failures;
        private final int mostBody;
        private final boolean everything;
        private final File cutOff; // exists once the worker cuts off the requests in flight
        private final FileOutputStream lines;
        private final Map<String, Slowest> slowest = new HashMap<>();
        private final Slowest slowestOfAll;
        private final Map<List<String>, AtomicInteger> kinds = new ConcurrentHashMap<>(); // of failures
        private final Set<List<String>> beyond = ConcurrentHashMap.newKeySet(); // kinds of which only the head is kept
        private long bytes;
        private long bytesOfHeads;
        private long second;
        private long bytesInSecond;
        private long leftOut;
        private long reportedLeftOut;

        Keeper(File settings) {
            try {
                JsonNode asked = json.readTree(settings);
                failures = asked.get("failures").asInt();
                mostBody = asked.get("body").asInt();
                everything = asked.get("everything").asBoolean();
                cutOff = new File(asked.get("cut_off").asText());
                lines = new FileOutputStream(asked.get("lines").asText(), true);
                asked.get("slowest").forEach(label -> slowest.put(label.asText(), new Slowest()));
            } catch (IOException error) {
                throw new IllegalStateException("cannot read " + settings, error);
            }
            slowestOfAll = slowest.remove("");
            Executors.newSingleThreadScheduledExecutor(work -> {
                Thread thread = new Thread(work, "toril evidence");
                thread.setDaemon(true);
                return thread;
            }).scheduleWithFixedDelay(this::flush, FLUSH_MS, FLUSH_MS, TimeUnit.MILLISECONDS);
        }

        void offer(SampleResult result) {
            if (everything) {
                write("tried", result);
                return;
            }
            boolean written = !result.isSuccessful() && isNew(result);
            if (written) {
                write("failure", result);
            }
            long took = result.getTime();
            if (slowestOfAll != null) {
                slowestOfAll.offer(result, took, written);
            }
            Slowest ofLabel = slowest.get(result.getSampleLabel());
            if (ofLabel != null) {
                ofLabel.offer(result, took, written);
            }
        }

        private boolean isNew(SampleResult result) {
            if (failures == 0) {
                return false;
            }
            List<String> kind = List.of(orEmpty(result.getSampleLabel()), code(result), error(result));
            AtomicInteger count = kinds.get(kind);
            if (count == null) {
                if (kinds.size() >= MOST_KINDS) {
                    if (beyond.size() < MOST_HEADS && beyond.add(kind)) {
                        leaveOut(line("failure", result));
                    }
                    return false;
                }
                count = kinds.computeIfAbsent(kind, one -> new AtomicInteger());
            }
            return count.get() < failures && !wasCutOff(result) && count.getAndIncrement() < failures;
        }

        /** Such requests are no samples, but unfinished. */
        private boolean wasCutOff(SampleResult result) {
            return !answered(result) && CUT_OFF.matcher(code(result) + error(result)).matches() && cutOff.exists();
        }

        void flush() {
            take("", slowestOfAll);
            slowest.forEach(this::take);
            if (leftOut > reportedLeftOut) {
                reportedLeftOut = leftOut;
                append(Map.of("left_out", leftOut));
            }
        }

        private void take(String label, Slowest one) {
            SampleResult result = one == null ? null : one.take();
            if (result != null && !wasCutOff(result)) {
                write("slowest", result);
            }
        }

        private void write(String why, SampleResult result) {
            if (TransactionController.isFromTransactionController(result) && firstFailed(result) == null) {
                return; // it has no request of its own, and the ones within it are samples themselves
            }
            append(line(why, result));
        }

        /** Counts a request beyond a limit. Of a failure it writes the head, with values to hide in messages. */
        private synchronized void leaveOut(Map<String, Object> fields) {
            leftOut++;
            if (!Boolean.FALSE.equals(fields.get("ok"))) {
                return;
            }
            Map<String, Object> head = new LinkedHashMap<>(fields);
            head.put("why", "head");
            head.put("request", null);
            head.put("response", null);
            try {
                byte[] line = bytes(head);
                if (bytesOfHeads + line.length <= MOST_BYTES_OF_HEADS) {
                    bytesOfHeads += line.length;
                    lines.write(line);
                }
            } catch (IOException error) {
                // the load matters more
            }
        }

        private byte[] bytes(Map<String, Object> fields) throws IOException {
            return (json.writeValueAsString(fields) + "\n").getBytes(StandardCharsets.UTF_8);
        }

        private synchronized void append(Map<String, Object> fields) {
            try {
                byte[] line = bytes(fields);
                long now = System.currentTimeMillis() / 1000;
                bytesInSecond = line.length + (now == second ? bytesInSecond : 0);
                second = now;
                bytes += line.length;
                if (bytes > MOST_BYTES || bytesInSecond > MOST_BYTES_A_SECOND && !everything) {
                    bytes -= line.length;
                    leaveOut(fields);
                } else {
                    lines.write(line);
                }
            } catch (IOException error) {
                leftOut++; // the load matters more
            }
        }

        private Map<String, Object> line(String why, SampleResult result) {
            boolean transaction = TransactionController.isFromTransactionController(result);
            boolean answered = answered(result) && !transaction;
            boolean ok = result.isSuccessful();
            List<String> notes = new ArrayList<>();
            SampleResult shown = lastHop(result);
            boolean unsent = NOT_SENT.matcher(code(result)).matches();
            List<String[]> sent = headers(unsent ? "" : shown.getRequestHeaders());
            byte[] request = unsent ? null : request(shown, sent, notes);
            if (unsent) {
                notes.add("The request was not sent: there was no connection.");
            }
            byte[] response = answered ? shown.getResponseData() : null;
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("why", why);
            line.put("label", result.getSampleLabel());
            line.put("kind", transaction ? "transaction" : "request");
            line.put("ok", ok);
            line.put("rc", code(result));
            line.put("error", ok ? "" : error(result));
            line.put("started_s", result.getStartTime() / 1000.0);
            line.put("response_us", result.getTime() * 1000);
            line.put("ttfb_us", answered ? result.getLatency() * 1000 : null);
            boolean connected = answered && result.getConnectTime() > 0; // in whole ms: 0 may be a new connection, too
            line.put("connect_us", connected ? result.getConnectTime() * 1000 : null);
            line.put("method", shown instanceof HTTPSampleResult ? ((HTTPSampleResult) shown).getHTTPMethod() : "");
            line.put("url", transaction ? "" : shown.getUrlAsString());
            line.put("request_headers", sent);
            line.put("request", cut(request));
            line.put("request_bytes", request == null ? 0 : request.length);
            line.put("status", answered ? status(result) : null);
            line.put("response_headers", headers(answered ? shown.getResponseHeaders() : ""));
            line.put("response", cut(response));
            line.put("response_bytes", response == null ? 0 : size(shown, response));
            line.put("asserted", asserted(result));
            line.put("variables", everything ? variables() : List.of());
            line.put("connection", connected ? "new" : "");
            line.put("remote", "");
            line.put("hops", Math.max(0, hops(result).length - 1));
            line.put("notes", notes);
            return line;
        }

        private byte[] cut(byte[] data) {
            return data == null || data.length <= mostBody ? data : Arrays.copyOf(data, mostBody);
        }
    }

    /** Returns the code as the worker records it: for an exception its class name without the package. */
    private static String code(SampleResult result) {
        String code = orEmpty(result.getResponseCode());
        return code.endsWith("Exception") ? code.substring(code.lastIndexOf('.') + 1) : code;
    }

    /** Returns the message as the worker records it. */
    private static String error(SampleResult result) {
        String failed = orEmpty(result.getFirstAssertionFailureMessage());
        String text = failed.isEmpty() ? orEmpty(result.getResponseMessage()) : failed;
        return text.isEmpty() ? "unknown error" : text;
    }

    private static boolean answered(SampleResult result) {
        return !orEmpty(result.getResponseCode()).startsWith("Non HTTP");
    }

    private static AssertionResult firstFailed(SampleResult result) {
        for (AssertionResult one : result.getAssertionResults()) {
            if (one.isFailure() || one.isError()) {
                return one;
            }
        }
        return null;
    }

    private static Integer status(SampleResult result) {
        return code(result).matches("\\d{3}") ? Integer.valueOf(code(result)) : null;
    }

    private static List<String[]> headers(String text) {
        List<String[]> found = new ArrayList<>();
        for (String line : orEmpty(text).split("\\R")) {
            int colon = line.indexOf(':');
            if (colon > 0) {
                found.add(new String[] {line.substring(0, colon), line.substring(colon + 1).strip()});
            }
        }
        return found;
    }

    /** Returns the request's body, and adds the cookies to its headers, which JMeter has apart from them. */
    private static byte[] request(SampleResult result, List<String[]> sent, List<String> notes) {
        if (!(result instanceof HTTPSampleResult)) {
            String data = orEmpty(result.getSamplerData());
            return data.isEmpty() ? null : data.getBytes(StandardCharsets.UTF_8);
        }
        HTTPSampleResult http = (HTTPSampleResult) result;
        if (!orEmpty(http.getCookies()).isEmpty()) {
            sent.add(new String[] {"Cookie", http.getCookies()});
        }
        String body = orEmpty(http.getQueryString());
        if (body.isEmpty()) {
            return null;
        }
        Charset charset = StandardCharsets.UTF_8;
        int length = -1;
        for (String[] header : sent) {
            Matcher named = CHARSET.matcher(header[1]);
            if (header[0].equalsIgnoreCase("Content-Type") && named.find() && Charset.isSupported(named.group(1))) {
                charset = Charset.forName(named.group(1));
            } else if (header[0].equalsIgnoreCase("Content-Length") && header[1].matches("\\d{1,9}")) {
                length = Integer.parseInt(header[1]);
            }
        }
        for (Charset one : new Charset[] {charset, StandardCharsets.UTF_8, StandardCharsets.ISO_8859_1}) {
            byte[] bytes = body.getBytes(one);
            if (length < 0 || bytes.length == length) {
                return bytes;
            }
        }
        notes.add("The body that was sent has " + length + " bytes. JMeter does not show files and binary parts.");
        return body.equals(FILE) ? null : body.getBytes(charset);
    }

    /** Returns the length of the response's body, of which JMeter stores a part if it is large. */
    private static long size(SampleResult result, byte[] stored) {
        int most = JMeterUtils.getPropDefault("httpsampler.max_bytes_to_store_per_request", 0);
        return most > 0 && stored.length >= most ? result.getBodySizeAsLong() : stored.length;
    }

    private static List<Map<String, Object>> asserted(SampleResult result) {
        List<Map<String, Object>> found = new ArrayList<>();
        for (AssertionResult one : result.getAssertionResults()) {
            boolean ok = !one.isFailure() && !one.isError();
            String message = orEmpty(one.getFailureMessage());
            Matcher expected = EXPECTED.matcher(message);
            String wanted = !ok && expected.matches() ? expected.group(1) + " " + expected.group(2) : "";
            String name = orEmpty(one.getName());
            found.add(Map.of("name", name, "ok", ok, "expected", wanted.strip(), "message", ok ? "" : message));
        }
        return found;
    }

    private static List<String[]> variables() {
        List<String[]> found = new ArrayList<>();
        JMeterContextService.getContext().getVariables().entrySet().forEach(one -> {
            if (one.getValue() != null && !INTERNAL.matcher(one.getKey()).matches()) {
                String text = one.getValue().toString();
                found.add(new String[] {one.getKey(), text.substring(0, Math.min(text.length(), MOST_CHARS))});
            }
        });
        return found;
    }

    /** Returns the result of the last redirect, or this one. */
    private static SampleResult lastHop(SampleResult result) {
        SampleResult[] hops = hops(result);
        return hops.length == 0 ? result : hops[hops.length - 1];
    }

    /** Returns the results of a request and its redirects; none if it has none. The page of resources comes first. */
    private static SampleResult[] hops(SampleResult result) {
        SampleResult[] parts = result.getSubResults();
        while (parts.length > 0 && !isRedirect(parts[0])) {
            parts = parts[0].getSubResults();
        }
        return parts;
    }

    private static boolean isRedirect(SampleResult result) {
        return result instanceof HTTPSampleResult && ((HTTPSampleResult) result).isRedirect();
    }

    private static String orEmpty(String text) {
        return text == null ? "" : text;
    }
}
