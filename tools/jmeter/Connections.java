package toril;

import java.io.FileDescriptor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketImpl;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.SSLSocket;
import org.apache.commons.lang3.tuple.Triple;
import org.apache.http.conn.ManagedHttpClientConnection;
import org.apache.http.conn.routing.HttpRoute;
import org.apache.http.impl.conn.PoolingHttpClientConnectionManager;
import org.apache.http.pool.PoolEntry;
import org.apache.http.pool.PoolEntryCallback;
import org.apache.jmeter.engine.util.NoThreadClone;
import org.apache.jmeter.processor.PostProcessor;
import org.apache.jmeter.protocol.http.sampler.HTTPHC4Impl;
import org.apache.jmeter.samplers.SampleMonitor;
import org.apache.jmeter.samplers.SampleResult;
import org.apache.jmeter.samplers.Sampler;
import org.apache.jmeter.testelement.AbstractTestElement;
import org.apache.jmeter.threads.JMeterContextService;

/**
 * Closes a user's idle connections that the service has closed, or that have been idle for about as long as the service
 * keeps one. It does so before each sample, outside of its time. `src/toril/worker/engines/in_process.py` does the same.
 *
 * A request whose idle connection was closed as it was sent gets a code of its own.
 */
public class Connections extends AbstractTestElement implements SampleMonitor, PostProcessor, NoThreadClone {
    private static final long IDLE_MS = 200;
    private static final double KEPT_SHARE = 0.9;
    private static final int SLOW_CHECK_MS = 5; // HttpClient's own check of an open connection takes a millisecond
    private static final String CODE = "IdleConnectionClosed";
    private static final String TEXT = "the service closed the idle connection just when the request was sent";

    private static final Map<HttpRoute, Service> SERVICES = new ConcurrentHashMap<>();
    private static final ThreadLocal<?> CLIENTS =
        (ThreadLocal<?>) field(HTTPHC4Impl.class, null, "HTTPCLIENTS_CACHE_PER_THREAD_AND_HTTPCLIENTKEY");
    private static final ThreadLocal<Used> USED = ThreadLocal.withInitial(Used::new);
    private static final Method ENUMERATE =
        method(PoolingHttpClientConnectionManager.class, "enumAvailable", PoolEntryCallback.class);
    private static final Method POLL = poll();

    /** What is known of the service behind a route. */
    private static final class Service {
        private long survivedMs; // the longest time after which an idle connection was open
        private long keptMs = Long.MAX_VALUE; // the shortest one after which it was closed

        synchronized boolean keeps(long idleMs) {
            if (keptMs < Long.MAX_VALUE && idleMs >= KEPT_SHARE * keptMs) {
                return false;
            }
            survivedMs = Math.max(survivedMs, idleMs);
            return true;
        }

        synchronized void learn(long idleMs) {
            if (idleMs >= Math.max(IDLE_MS, KEPT_SHARE * survivedMs)) {
                keptMs = Math.min(keptMs, idleMs);
            }
        }

        synchronized void lost(long idleMs) {
            survivedMs = 0; // the check came just before the end
            learn(idleMs);
        }
    }

    /** The idle connections of a thread at its last sample. */
    private static final class Used {
        private Service service;
        private long idleMs; // of the connection that was idle for longest
    }

    @Override
    public void sampleStarting(Sampler sampler) {
        Used used = USED.get();
        used.service = null;
        used.idleMs = 0;
        Map<?, ?> clients = (Map<?, ?>) CLIENTS.get();
        if (clients == null || clients.isEmpty()) {
            return;
        }
        PoolEntryCallback<HttpRoute, ManagedHttpClientConnection> check = entry -> check(entry, used);
        for (Object client : clients.values()) {
            invoke(ENUMERATE, ((Triple<?, ?, ?>) client).getRight(), check);
        }
    }

    private static void check(PoolEntry<HttpRoute, ManagedHttpClientConnection> entry, Used used) {
        Service service = SERVICES.computeIfAbsent(entry.getRoute(), route -> new Service());
        long idleMs = System.currentTimeMillis() - entry.getUpdated();
        if (isClosed(entry.getConnection(), idleMs)) {
            service.learn(idleMs);
            entry.close();
        } else if (!service.keeps(idleMs)) {
            entry.close();
        } else if (idleMs >= used.idleMs) {
            used.service = service;
            used.idleMs = idleMs;
        }
    }

    private static boolean isClosed(ManagedHttpClientConnection connection, long idleMs) {
        if (!connection.isOpen()) {
            return true;
        }
        if (POLL != null) {
            try {
                Socket socket = connection.getSocket();
                while (socket instanceof SSLSocket) {
                    socket = (Socket) field(Class.forName("sun.security.ssl.BaseSSLSocketImpl"), socket, "self");
                }
                SocketImpl impl = (SocketImpl) invoke(method(Socket.class, "getImpl"), socket);
                FileDescriptor descriptor = (FileDescriptor) invoke(method(SocketImpl.class, "getFileDescriptor"), impl);
                return (int) invoke(POLL, null, descriptor, 1, 0L) != 0; // an idle connection has nothing to read
            } catch (ClassNotFoundException | RuntimeException error) {
                // another kind of socket
            }
        }
        return idleMs >= SLOW_CHECK_MS && connection.isStale();
    }

    @Override
    public void sampleEnded(Sampler sampler) {}

    @Override
    public void process() {
        SampleResult result = JMeterContextService.getContext().getPreviousResult();
        Used used = USED.get();
        if (result == null || result.isSuccessful() || used.service == null || used.idleMs < IDLE_MS) {
            return;
        }
        String code = String.valueOf(result.getResponseCode());
        String text = String.valueOf(result.getResponseMessage());
        boolean closed = code.endsWith("NoHttpResponseException")
            || code.endsWith(SocketException.class.getName()) && text.matches(".*(reset|Broken pipe).*");
        if (closed) {
            used.service.lost(used.idleMs);
            result.setResponseCode(CODE);
            result.setResponseMessage(TEXT);
        }
    }

    /** Returns the JDK's call of poll(2) on Linux; null if it is not accessible. */
    private static Method poll() {
        try {
            if (!System.getProperty("os.name").equals("Linux")) {
                return null;
            }
            method(Socket.class, "getImpl");
            return method(Class.forName("sun.nio.ch.Net"), "poll", FileDescriptor.class, int.class, long.class);
        } catch (ClassNotFoundException | RuntimeException error) {
            return null;
        }
    }

    private static Object field(Class<?> kind, Object of, String name) {
        try {
            Field field = kind.getDeclaredField(name);
            field.setAccessible(true);
            return field.get(of);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(kind + " has no " + name, error);
        }
    }

    private static Method method(Class<?> kind, String name, Class<?>... parameters) {
        try {
            Method method = kind.getDeclaredMethod(name, parameters);
            method.setAccessible(true);
            return method;
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(kind + " has no " + name, error);
        }
    }

    private static Object invoke(Method method, Object of, Object... arguments) {
        try {
            return method.invoke(of, arguments);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(method + " failed", error);
        }
    }
}
