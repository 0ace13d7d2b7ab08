"""What runs inside JMeter: it parks the test, warms the JVM up, keeps a throughput exact, and ends requests gently.

BeanShell, because JMeter reads it from a file into a timer (`plan.py`) without compiling anything first.
"""

from pathlib import Path

from toril.worker.engines.jmeter.sends import SENDS_SCRIPT

GATE_PROPERTY = "beanshell.timer.init"  # the file that JMeter reads into every BeanShell timer

GATE_SCRIPT = (
    """
import java.io.*;
import java.net.*;
import org.apache.jmeter.engine.StandardJMeterEngine;
import org.apache.jmeter.reporters.ResultCollector;
import org.apache.jmeter.protocol.http.sampler.HTTPSamplerProxy;
import org.apache.jmeter.threads.*;
import org.apache.jorphan.collections.SearchByClass;
{inherited}
setAccessibility(true);
parked = new File("{parked}");
gate = new File("{gate}");
end = new File("{end}");
engine = null;

"""
    + SENDS_SCRIPT
    + """
// Load and compile what a first request needs, with a few to a server of our own that lives as long as they do.
// In threads of their own: threads of users inherit the HTTP clients of the thread that starts them.
inThread(what) {{
    Thread thread = new Thread((Runnable) what);
    thread.setDaemon(true);
    thread.start();
    return thread;
}}

serve(server) {{
    run() {{
        answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok".getBytes();
        try {{
            for (int i = 0; i < {warm_requests}; i++) {{
                Socket socket = server.accept();
                socket.getInputStream().read(new byte[4096]);
                socket.getOutputStream().write(answer);
                socket.close();
            }}
        }} catch (Exception e) {{}}
    }}
    return this;
}}

request(port) {{
    run() {{
        try {{
            JMeterContextService.getContext().setVariables(new JMeterVariables());
            for (int i = 0; i < {warm_requests}; i++) {{
                HTTPSamplerProxy sampler = new HTTPSamplerProxy();
                sampler.setName("warm-up");
                sampler.setProtocol("http");
                sampler.setDomain("127.0.0.1");
                sampler.setPort(port);
                sampler.setPath("/");
                sampler.setMethod("GET");
                sampler.setFollowRedirects(true);
                sampler.setConnectTimeout("1000");
                sampler.setResponseTimeout("1000");
                sampler.sample();
                sampler.threadFinished();
            }}
        }} catch (Throwable problem) {{
            log.warn("Not warmed up", problem);
        }}
    }}
    return this;
}}

flushPreferences() {{ // else the JVM does it when it ends, for half a second of CPU that an early end may not have
    run() {{
        root = java.util.prefs.Preferences.userRoot(); // of a class that no script may look into
        java.util.prefs.Preferences.class.getMethod("flush", new Class[0]).invoke(root, new Object[0]);
    }}
    return this;
}}

warmUp() {{
    inThread(flushPreferences());
    server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
    inThread(serve(server));
    inThread(request(server.getLocalPort())).join(3000);
    server.close();
}}

// Its first script costs a cold JVM seconds.
warmUpGroovy() {{
    try {{
        engine = org.apache.jmeter.util.JSR223TestElement.getInstance().getEngineByName("groovy");
        engine.eval("def warm = [1, 2].collect {{ it + 1 }}; System.getenv('PATH') + warm.toString()");
    }} catch (Throwable problem) {{
        log.warn("Groovy is not warmed up", problem);
    }}
}}


// Left alone, a throughput timer forgets at each whole second what it still owed, makes up at once for the part of the
// first one that is over, is ahead by as much, knows no fraction of a request per second, and lets those who wait for
// it oversleep.
throughputTimers() {{
    timers = new SearchByClass(Class.forName("kg.apc.jmeter.timers.VariableThroughputTimer"));
    StandardJMeterEngine.engine.test.traverse(timers);
    return timers.getSearchResults();
}}

keepRate(timer, startedAt) {{
    double ahead = startedAt % 1000 / 1000.0; // of a second: its schedule began with the whole one
    double planned = -1; // in the schedule's second before
    double owed = 1 - 1e-6; // the first request is due at once
    long now = startedAt;
    long second = startedAt / 1000;
    long before;
    long seen;
    enterSecond(now) {{
        timer.cntDelayed++; // it would warn that nobody waits
        timer.checkNextSecond((double) (now - now % 1000));
        timer.cntDelayed--;
        if (timer.stopping) return;
        double next = timer.rps;
        if (planned >= 0) {{
            timer.rps = ahead * planned + (1 - ahead) * next;
            timer.msecPerReq = 1000.0 / timer.rps;
        }}
        planned = next;
    }}
    allow(double seconds) {{
        double most = Math.max(2, timer.rps / 50);
        if (owed > most) dropped[0] += owed - most;
        owed = Math.min(owed, most) + timer.rps * seconds;
        before = (long) (Math.ceil(timer.rps) - Math.floor(owed));
        timer.cntSent = seen = before;
    }}
    sleptThrough() {{ // the beginning of this second: what is due in it stays due, that of whole seconds is dropped
        synchronized (timer) {{
            boolean begun = timer.time >= now - now % 1000; // by a user who woke up by himself
            long sent = begun ? timer.cntSent : 0L;
            owed -= (begun ? seen : timer.cntSent) - before;
            enterSecond(now);
            dropped[0] += timer.rps * (now / 1000 - second - 1);
            allow(1.0);
            timer.cntSent += sent;
            second = now / 1000;
            timer.notify();
        }}
    }}
    run() {{
        try {{
            synchronized (timer) {{
                enterSecond(now);
                allow((1000 - now % 1000) / 1000.0);
                timer.notify();
            }}
            while (!timer.stopping) {{
                now = System.currentTimeMillis();
                long left = 1000 - now % 1000;
                if (now / 1000 > second) sleptThrough();
                if (left <= 5) {{
                    synchronized (timer) {{ // nobody may enter the next second before the count of this one is read
                        owed -= timer.cntSent - before;
                        Thread.sleep(left);
                        enterSecond(now + left);
                        allow(1.0);
                        second = (now + left) / 1000;
                        timer.notify();
                    }}
                    continue;
                }}
                long due = (long) Math.ceil(timer.cntSent * timer.msecPerReq) - now % 1000;
                if (due <= 0) {{
                    // It is looked at every 10 ms; what was owed before this second is a fiftieth of one at most.
                    if (timer.cntDelayed > 0) late.add(Math.max(0L, Math.min(-due, now % 1000 + 20) - 10));
                    synchronized (timer) {{
                        timer.notify();
                    }}
                }}
                seen = timer.cntSent;
                Thread.sleep(Math.max(1, Math.min(left - 4, Math.max(10, due))));
            }}
        }} catch (Throwable problem) {{
            log.warn("The throughput may be inexact", problem);
        }}
    }}
    return this;
}}

// No thread begins another request, and each finishes the one that it is in. JMeter's own ways have the plug-in's
// groups cut off requests, a throughput timer let its waiting users go one by one, each with a request, and a plain
// group's schedule send users home before a last think time.
endGently(long at, timers) {{
    run() {{
        long left = 50;
        while (!end.exists() && left > 0) {{
            if (at > 0) left = Math.min(50, at - System.currentTimeMillis());
            if (left > 0) Thread.sleep(left);
        }}
        try {{
            engine.running = false;
            for (timer : timers) timer.stopping = true; // ends its keepRate
            for (int i = 0; i < 500 && (i < 5 || JMeterContextService.getNumberOfThreads() > 0); i++) {{
                if (i < 5) for (group : engine.groups) stopThreads(group);
                for (timer : timers) {{
                    synchronized (timer) {{
                        timer.msecPerReq = 0.0;
                        timer.notifyAll();
                    }}
                }}
                Thread.sleep(20);
            }}
        }} catch (Throwable problem) {{
            log.warn("Not ended gently", problem);
            StandardJMeterEngine.stopEngine();
        }}
    }}
    return this;
}}

stopThreads(group) {{
    if (group instanceof org.apache.jmeter.threads.ThreadGroup) {{
        group.stop();
        for (thread : new ArrayList(group.allThreads.values())) wake(thread);
    }} else if (group.getClass().getName().startsWith("com.blazemeter.jmeter.threads.")) {{
        group.threadStarter.startTime = 0.0; // long over
        for (thread : new ArrayList(group.threads)) {{
            thread.stop();
            wake(thread.getOSThread());
        }}
    }} else {{
        group.stop();
    }}
}}

wake(thread) {{ // out of a think time, after which it sends nothing any more
    if (thread == null || thread.getState() != Thread.State.TIMED_WAITING) return;
    for (frame : thread.getStackTrace()) {{
        if (!frame.getClassName().equals("org.apache.jmeter.threads.JMeterThread")) continue;
        if (frame.getMethodName().equals("delay")) thread.interrupt();
        return;
    }}
}}

// A group of the plug-in that a script stops does not wait for its threads: JMeter would close its record before the
// last samples are in it.
testEnded() {{
    long until = System.currentTimeMillis() + {grace_ms};
    while (JMeterContextService.getNumberOfThreads() > 0 && System.currentTimeMillis() < until) Thread.sleep(10);
    if (sends != null) tellUsers();
}}

testStarted() {{
    if (gate.exists()) return;
    if (!parked.exists()) {{
        try {{
            warmUp();
            if ({groovy}) warmUpGroovy();
        }} catch (Throwable problem) {{
            log.warn("Not warmed up", problem);
        }}
        parked.createNewFile();
    }}
    String line = null;
    while (line == null) {{
        if (gate.exists()) {{
            BufferedReader reader = new BufferedReader(new FileReader(gate));
            line = reader.readLine();
            reader.close();
        }}
        if (line == null) Thread.sleep(10);
    }}
    long start = (long) (Double.parseDouble(line.trim()) * 1000);
    long left = start - System.currentTimeMillis();
    if (left > 0) Thread.sleep(left);
    ResultCollector.instanceCount++; // keeps the record open: see testEnded
    engine = StandardJMeterEngine.engine;
    timers = new ArrayList();
    sends = new FileWriter("{sends}");
    try {{
        now = System.currentTimeMillis();
        timers = throughputTimers();
        if (timers.size() > 0) dropped[0] = 0.0;
        for (timer : timers) inThread(keepRate(timer, now));
        inThread(tellSends());
    }} catch (Throwable problem) {{
        log.warn("The throughput may be inexact", problem);
    }}
    inThread(endGently({length_ms} > 0 ? start + {length_ms} : 0L, timers));
}}
"""
)


def gate_script(
    *,
    parked: Path,
    gate: Path,
    end: Path,
    sends: Path,
    inherited: str | None,
    length_s: float,
    grace_s: float,
    groovy: bool = False,
) -> str:
    """The BeanShell script of the gate; `inherited` is the suite's own file under the same property.

    With a `length_s` it also tells the threads to stop that long after the gate has opened, with `groovy` it has
    Groovy ready by then. At the end JMeter waits `grace_s` for threads that are still busy.
    """
    source = f'try {{ source("{inherited}"); }} catch (Throwable problem) {{ log.error("{inherited}", problem); }}'
    source = source if inherited else ""
    return GATE_SCRIPT.format(
        parked=parked,
        gate=gate,
        end=end,
        sends=sends,
        inherited=source,
        warm_requests=20,
        length_ms=int(length_s * 1000),
        grace_ms=int(grace_s * 1000),
        groovy=str(groovy).lower(),
    )
