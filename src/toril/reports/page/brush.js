// Chooses a window of time: by drag or touch on a chart, by keys, by the numbers in its bar, or by the page's address.
// The address keeps window, label and theme: #window=120-240&label=checkout&theme=dark
const address = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
let kept = address();
function remember(values) {
  for (const [name, value] of Object.entries(values)) if (value) kept.set(name, value); else kept.delete(name);
  history.replaceState(history.state, "", kept.size ? "#" + kept : location.pathname + location.search);
}

let bar = null;
function window_bar() {
  const field = (name) => make("input", { type: "number", id: "window-" + name, min: "0", max: String(measured.length), step: String(measured.step), inputmode: "numeric" });
  bar = { from: field("from"), to: field("to"), said: make("span", { class: "said" }) };
  const zoom = make("button", { type: "button", class: "quiet" }, "Zoom"), whole = make("button", { type: "button", class: "quiet" }, "Whole run");
  for (const input of [bar.from, bar.to]) input.addEventListener("change", () => choose([Number(bar.from.value), Number(bar.to.value)]));
  zoom.addEventListener("click", () => zoom_to(brushing.span));
  whole.addEventListener("click", () => choose(null));
  bar.element = make("div", { class: "window", role: "group", "aria-label": "Window of time" },
    make("label", { for: "window-from" }, "From"), bar.from, make("label", { for: "window-to" }, "to"), bar.to, "s", zoom, whole, bar.said);
  const hint = document.getElementById("chart-keys"), keys_of_zoom = /Drag to zoom.*?zoom out\./;
  if (hint) hint.textContent = hint.textContent.replace(keys_of_zoom, "Drag to choose a window, or press Shift with ← or → and then Enter; Escape returns to the whole run.");
  document.querySelector('[data-charts="course"]').closest("section").before(bar.element);
}

const over_time = () => plots.filter(({ drawn, chart }) => drawn && !is_apart(chart));
function zoom_to(span) {
  for (const { drawn, own } of over_time()) drawn.setScale("x", span ? { min: span[0], max: span[1] } : { min: own[0], max: own.at(-1) });
}

// Shows the figures of whole steps that hold the span; of the run without a span, or for all of it.
function choose(span, is_new = true) {
  const { step, length } = measured;
  if (span) {
    const [low, high] = [Math.min(...span), Math.max(...span)].map((at) => Math.min(length, Math.max(0, at)));
    const from = Math.min(Math.floor(low / step) * step, Math.floor((length - 1) / step) * step);
    span = [from, Math.min(length, Math.max(from + step, Math.ceil(high / step) * step))];
    if (span[0] === 0 && span[1] === length || span.some(Number.isNaN)) span = null;
  }
  if (!span) zoom_to(null);
  brushing.span = span;
  [bar.from.value, bar.to.value] = span ?? [0, length];
  bar.element.classList.toggle("set", span !== null);
  show_figures(span);
  label_figures();
  for (const { drawn } of over_time()) drawn.redraw(false);
  const steps = step > 1 ? `, in steps of ${step} s` : "";
  bar.said.textContent = span ? `Figures of this window${steps}. Criteria, reasons, generators and percentile charts stay those of the run.` : `Choose a window on any chart or here${steps}: tables show its figures.`;
  if (!is_new) return;
  remember({ window: span && span.join("-") });
  announce(span ? `figures of ${clock(span[0])} to ${clock(span[1])}` : "figures of the whole run");
}

// Marks the span in all charts over time, without choosing it.
function mark(span) {
  brushing.marked = span;
  for (const { drawn } of over_time()) {
    const [left, right] = (span ?? [0, 0]).map((at) => drawn.valToPos(at, "x"));
    drawn.setSelect({ left, width: right - left, top: 0, height: span ? drawn.over.clientHeight : 0 }, false);
  }
}

const LEAST_DRAG = 5; // pixels
function brush(plot) {
  const { over } = plot.drawn;
  let begun = null;
  const at = ({ clientX }) => plot.drawn.posToVal(Math.min(over.clientWidth, Math.max(0, clientX - over.getBoundingClientRect().left)), "x");
  over.addEventListener("mousedown", (event) => event.stopImmediatePropagation(), true); // uPlot would hide the mark
  over.addEventListener("pointerdown", (event) => { if (event.button === 0 && event.isPrimary) begun = { x: event.clientX, at: at(event) }; });
  over.addEventListener("pointermove", (event) => {
    if (!begun || (!brushing.marked && Math.abs(event.clientX - begun.x) < LEAST_DRAG)) return;
    over.setPointerCapture(event.pointerId);
    mark([begun.at, at(event)].sort((a, b) => a - b));
  });
  const end = () => { begun = null; mark(null); };
  over.addEventListener("pointerup", () => {
    const span = brushing.marked;
    end();
    if (span) (measured ? choose : zoom_to)(span);
  });
  over.addEventListener("pointercancel", end); // the finger scrolls the page
}

// Shift and arrows mark from the cursor, Enter chooses; the rest belongs to `keys`.
function brush_by_key(event, second) {
  if (!measured) return;
  if (event.key === "Enter" && brushing.marked) {
    const span = brushing.marked;
    mark(null);
    choose(span);
  } else if (event.shiftKey && second !== undefined) {
    brushing.anchor ??= brushing.cursor ?? second;
    mark([brushing.anchor, second].sort((a, b) => a - b));
    announce(`${clock(brushing.marked[0])} to ${clock(brushing.marked[1])}; Enter shows its figures`);
  } else if (event.key === "Escape") {
    mark(null);
    if (brushing.span) choose(null);
  }
  if (!event.shiftKey) brushing.anchor = null;
  brushing.cursor = second ?? brushing.cursor;
}

function follow_address() {
  if (location.hash && !location.hash.includes("=")) return kept.size && remember({}); // a link to a section
  const wanted = (kept = address()), theme = wanted.get("theme"), span = (wanted.get("window") ?? "").split("-").map(Number);
  if (theme === "dark" || theme === "light") {
    root.dataset.theme = theme;
    dispatchEvent(new CustomEvent("themechange"));
  }
  if (wanted.has("label")) choose_label(wanted.get("label"));
  if (measured && wanted.has("window") && span.length === 2) {
    choose(span, false);
    remember({ window: brushing.span && brushing.span.join("-") }); // as chosen: within the run, in whole steps
  }
}

// The console's measurements have up to 3 MiB: they load when a person goes to a chart or asks. Returns what to remove then.
function asked_for() {
  const button = make("button", { type: "button", class: "quiet" }, "Figures of a part of the run"), offer = make("div", { class: "window" }, button);
  const charts = document.querySelector('[data-charts="course"]').closest("section");
  charts.before(offer);
  return new Promise((resolve) => {
    button.addEventListener("click", () => resolve(offer), { once: true });
    for (const kind of ["pointerover", "focusin"]) charts.addEventListener(kind, () => resolve(offer), { once: true });
  });
}

async function windows() {
  addEventListener("hashchange", () => {
    follow_address();
    if (bar && kept.has("window")) bar.element.scrollIntoView({ block: "start" }); // from a link to these seconds
  });
  document.getElementById("theme")?.addEventListener("click", () => setTimeout(() => remember({ theme: root.dataset.theme })));
  follow_address();
  if (!brushing.possible || !document.querySelector('[data-charts="course"]')) return;
  const offer = document.getElementById("measured").dataset.address && !page.span && !kept.has("window") ? await asked_for() : null;
  await read_measured();
  offer?.remove();
  if (!measured) return;
  [...Object.keys(measured.tables), "errors"].forEach(table_of);
  window_bar();
  choose(page.span ?? null, false);
  follow_address();
}
