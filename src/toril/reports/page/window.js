// Chooses a window of time: by drag or touch on a chart, by keys, by a link, or by the page's address. A sticky row shows it.
// The address keeps window, label and theme: #window=120-240&label=checkout&theme=dark
const address = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
let kept = address();
function remember(values) {
  for (const [name, value] of Object.entries(values)) if (value) kept.set(name, value); else kept.delete(name);
  history.replaceState(history.state, "", kept.size ? "#" + kept : location.pathname + location.search);
}

// How this page measures time, and what it shows of a window; without measurements, only its charts.
const windows_here = {
  length: () => page.seconds,
  step: 1,
  show(span) {
    zoom_to(span);
    const form = document.getElementById("window"); // the console compares the figures of a window
    if (!form) return "Charts show this window. Figures are those of the whole run.";
    if (!span) return page.span && location.assign(form.dataset.whole);
    if (String(span) === String(page.span)) return "Charts and table show this window.";
    [form.elements.from.value, form.elements.to.value] = span.map((at) => `${at}s`);
    return make("button", { form: "window", class: "quiet" }, "Show its figures in the table");
  },
};
let label_figures = () => {}, choose_label = () => {};

const over_time = () => plots.filter(({ drawn, chart }) => drawn && !is_apart(chart));
function zoom_to(span) {
  for (const { drawn, own } of over_time()) if (own.length) drawn.setScale("x", span ? { min: span[0], max: span[1] } : { min: own[0], max: own.at(-1) });
}

// Shows the whole steps that hold the span; the run without a span, or for all of it.
function choose(span, is_new = true) {
  const { step } = windows_here, length = windows_here.length();
  if (span) {
    const [low, high] = [Math.min(...span), Math.max(...span)].map((at) => Math.min(length, Math.max(0, at)));
    const from = Math.min(Math.floor(low / step) * step, Math.floor((length - 1) / step) * step);
    span = [from, Math.min(length, Math.max(from + step, Math.ceil(high / step) * step))];
    if (span[0] === 0 && span[1] === length || span.some(Number.isNaN)) span = null;
  }
  if (!span) zoom_to(null);
  brushing.span = span;
  pin(span, windows_here.show(span));
  for (const { drawn } of over_time()) drawn.redraw(false);
  if (!is_new) return;
  remember({ window: span && span.join("-") });
  announce(span ? `figures of ${clock(span[0])} to ${clock(span[1])}` : "figures of the whole run");
}

// The sticky row with the chosen window.
const in_words = ([from, to]) => `${clock(from).replace(/ s$/, "")}–${clock(to)}`;
let pinned = null;
function pin(span, about) {
  if (!pinned && !span) return;
  if (!pinned) {
    pinned = { text: make("b"), about: make("span", { class: "said" }) };
    const chip = make("button", { type: "button", class: "chip" }, make("span", { class: "hidden" }, "Window "), pinned.text, make("span", { "aria-hidden": "true" }, " ✕"), make("span", { class: "hidden" }, ", remove it"));
    chip.addEventListener("click", () => { choose(null); chip.blur(); });
    pinned.row = make("div", { id: "pinned", class: "pinned" }, chip, pinned.about);
    let bar = document.querySelector(".bar, .outline");
    if (!bar) document.getElementById("main").prepend(bar = make("div", { class: "outline" }));
    bar.append(pinned.row);
  }
  pinned.row.hidden = !span;
  if (!span) return;
  pinned.text.textContent = `${in_words(span)} of ${clock(windows_here.length())}`;
  pinned.about.replaceChildren(about);
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
    if (span) choose(span);
  });
  over.addEventListener("pointercancel", end); // the finger scrolls the page
}

// Shift and arrows mark from the cursor, Enter chooses; the rest belongs to `keys`.
function brush_by_key(event, second) {
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
  if (windows_here.ready && windows_here.length() && wanted.has("window") && span.length === 2) {
    choose(span, false);
    remember({ window: brushing.span && brushing.span.join("-") }); // as chosen: within the run, in whole steps
  }
}

// The page is ready for windows.
function open_windows(here = {}) {
  Object.assign(windows_here, here, { ready: true });
  choose(brushing.span ?? page.span ?? null, false);
  follow_address();
}
