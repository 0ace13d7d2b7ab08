"""What toril changes in a JMeter test plan after bzt has put the load into it.

- Transactions report themselves *and* their requests (JMeter can also hide the requests in their transaction).
- bzt's ConcurrencyThreadGroup gives way to JMeter's own ThreadGroup where both mean the same: the former cuts off the
  requests in flight when a test ends, the latter lets them finish.
- The plan waits at the gate. A timer in a thread group without threads delays nothing, but JMeter tells every element
  that the test starts, one after the other, before it starts any thread; the timer's BeanShell script (`GATE_SCRIPT`)
  takes its time over that. Unlike a sampler in a setUp group it needs no thread and is in nobody's scope, and the
  suite's own setUp groups wait as well.
"""

from pathlib import Path
from typing import Any

from bzt.jmx import JMX
from lxml import etree

Tree = Any  # lxml's; what XPath finds in one has no better type

GATE_PROPERTY = "beanshell.timer.init"  # the file that JMeter reads into every BeanShell timer
CONCURRENCY_GROUP = "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup"
PLAIN_ON_ERROR = {
    None,
    "",
    "continue",
    "startnextloop",
}  # a plain group never restarts a user who was stopped by an error

GATE_SCRIPT = """
import java.io.*;
import java.net.*;
import org.apache.jmeter.engine.StandardJMeterEngine;
import org.apache.jmeter.protocol.http.sampler.HTTPSamplerProxy;
import org.apache.jmeter.threads.*;
import org.apache.jorphan.collections.SearchByClass;
{inherited}
setAccessibility(true);
parked = new File("{parked}");
gate = new File("{gate}");
end = new File("{end}");

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

warmUp() {{
    server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
    inThread(serve(server));
    inThread(request(server.getLocalPort())).join(3000);
    server.close();
}}

// A throughput timer lets all who wait for it go when its schedule is over; by then they must have been told to stop.
endAt(millis) {{
    run() {{
        long left = millis - System.currentTimeMillis();
        if (left > 0) Thread.sleep(left);
        StandardJMeterEngine.stopEngine();
    }}
    return this;
}}

// A throughput timer would make up at once for the part of the first whole second that is over.
startSmoothly(millis) {{
    try {{
        timers = new SearchByClass(Class.forName("kg.apc.jmeter.timers.VariableThroughputTimer"));
        StandardJMeterEngine.engine.test.traverse(timers);
        for (timer : timers.getSearchResults()) {{
            timer.cntDelayed = 1; // it would warn that nobody waits
            timer.checkNextSecond((double) (millis - millis % 1000));
            timer.cntDelayed = 0;
            timer.cntSent = Math.round(timer.rps * (millis % 1000) / 1000.0);
        }}
    }} catch (Throwable problem) {{
        log.warn("The throughput may start with a burst", problem);
    }}
}}

// The Shutdown command has the plug-in's thread groups cut off their requests; this lets them finish.
endGently(engine) {{
    run() {{
        while (!end.exists()) Thread.sleep(50);
        try {{
            engine.running = false;
            for (int i = 0; i < 5; i++) {{
                for (group : engine.groups) {{
                    if (group.getClass().getName().startsWith("com.blazemeter.jmeter.threads.")) {{
                        group.threadStarter.startTime = 0.0; // long over
                        for (thread : new ArrayList(group.threads)) thread.stop();
                    }} else {{
                        group.stop();
                    }}
                }}
                Thread.sleep(50);
            }}
        }} catch (Throwable problem) {{
            log.warn("Not ended gently", problem);
            StandardJMeterEngine.stopEngine();
        }}
    }}
    return this;
}}

testStarted() {{
    if (gate.exists()) return;
    if (!parked.exists()) {{
        try {{
            warmUp();
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
    startSmoothly(System.currentTimeMillis());
    inThread(endGently(StandardJMeterEngine.engine));
    long length = {length_ms};
    if (length > 0) inThread(endAt(start + length));
}}
"""


def gate_script(*, parked: Path, gate: Path, end: Path, inherited: str | None, length_s: float) -> str:
    """The BeanShell script of the gate; `inherited` is the suite's own file under the same property.

    With a `length_s` it also tells the threads to stop that long after the gate has opened.
    """
    source = f'try {{ source("{inherited}"); }} catch (Throwable problem) {{ log.error("{inherited}", problem); }}'
    source = source if inherited else ""
    return GATE_SCRIPT.format(
        parked=parked, gate=gate, end=end, inherited=source, warm_requests=20, length_ms=int(length_s * 1000)
    )


def rewrite(path: Path, *, plain_groups: bool) -> bool:
    """Change the plan at `path` as the module's text says; `plain_groups` when bzt, not the suite, chose the groups.

    True when plug-in groups are left, which know no gentle end.
    """
    plan: Tree = etree.parse(path)
    show_requests_of_transactions(plan)
    for included in _included(plan, path.parent):
        part: Tree = etree.parse(included)
        show_requests_of_transactions(part)
        part.write(included, encoding="UTF-8", xml_declaration=True)
    if plain_groups:
        _prefer_plain_groups(plan)
        _outlast_the_groups(plan)
    _add_gate(plan)
    plan.write(path, encoding="UTF-8", xml_declaration=True)
    return bool(plan.xpath("//*[starts-with(name(), 'com.blazemeter.jmeter.threads.')]"))


def show_requests_of_transactions(plan: Tree) -> None:
    for controller in plan.iter("TransactionController"):
        for old in controller.xpath("*[@name='TransactionController.parent']"):
            controller.remove(old)
        controller.append(JMX._bool_prop("TransactionController.parent", False))


def _included(plan: Tree, folder: Path) -> list[Path]:
    """The plans that this one includes, and those that they include."""
    found: list[Path] = []
    queue: list[Tree] = [plan]
    while queue:
        for name in queue.pop().xpath("//IncludeController/stringProp[@name='IncludeController.includepath']/text()"):
            path = (folder / name).resolve()
            if path.is_file() and path not in found:
                found.append(path)
                queue.append(etree.parse(path))
    return found


def _prefer_plain_groups(plan: Tree) -> None:
    for group in list(plan.iter(CONCURRENCY_GROUP)):
        values = {child.get("name"): child.text for child in group}
        if values.get("Iterations") or values.get("ThreadGroup.on_sample_error") not in PLAIN_ON_ERROR:
            continue
        plain = JMX.get_thread_group(
            concurrency=_number(values.get("TargetLevel")),
            rampup=_number(values.get("RampUp")),
            hold=_number(values.get("Hold")),
            testname=group.get("testname"),
            on_error=values.get("ThreadGroup.on_sample_error") or "continue",
            same_user=values.get("same_user_on_next_iteration") != "false",
        )
        plain.set("enabled", group.get("enabled", "true"))
        group.getparent().replace(group, plain)


def _outlast_the_groups(plan: Tree) -> None:
    """bzt's throughput timer counts from a whole second, up to one too early: let it go on for one more."""
    for schedule in plan.xpath(
        f"//{JMX.THR_TIMER}[@testname='Throughput_Limiter']/collectionProp[@name='load_profile']"
    ):
        for length in schedule.xpath("collectionProp[last()]/stringProp[3]"):
            if (length.text or "").isdigit():
                length.text = str(int(length.text) + 1)


def _number(text: str | None) -> int | str:
    """A property's number, or the expression it is."""
    text = (text or "0").strip()
    return int(text) if text.isdigit() else text


def _add_gate(plan: Tree) -> None:
    top = plan.getroot().find("hashTree/hashTree")
    group = JMX.get_thread_group(concurrency=1, testname="toril: the gate")
    group.tag = "PostThreadGroup"
    group.set("testclass", "PostThreadGroup")
    group.set("guiclass", "PostThreadGroupGui")
    for threads in group.xpath("*[@name='ThreadGroup.num_threads']"):
        threads.text = "0"
    timer = etree.Element("BeanShellTimer", guiclass="TestBeanGUI", testclass="BeanShellTimer", testname="the gate")
    for name in ("filename", "parameters", "script"):
        timer.append(JMX._string_prop(name, ""))
    timer.append(JMX._bool_prop("resetInterpreter", False))
    children = etree.Element("hashTree")
    children.extend([timer, etree.Element("hashTree")])
    top.extend([group, children])
