// The bar with the exact numbers of a window, and the measurements behind its figures.
let bar = null;
function window_bar() {
  const field = (name) => make("input", { type: "number", id: "window-" + name, min: "0", max: String(measured.length), step: String(measured.step), inputmode: "numeric" });
  bar = { from: field("from"), to: field("to") };
  const zoom = make("button", { type: "button", class: "quiet" }, "Zoom"), whole = make("button", { type: "button", class: "quiet" }, "Whole run");
  for (const input of [bar.from, bar.to]) input.addEventListener("change", () => choose([Number(bar.from.value), Number(bar.to.value)]));
  zoom.addEventListener("click", () => zoom_to(brushing.span));
  whole.addEventListener("click", () => choose(null));
  const steps = measured.step > 1 ? `, in steps of ${measured.step} s` : "";
  const said = make("span", { class: "said" }, `Choose a window on any chart or here${steps}: its figures stand beside those of the run.`);
  bar.element = make("div", { class: "window", role: "group", "aria-label": "Window of time" },
    make("label", { for: "window-from" }, "From"), bar.from, make("label", { for: "window-to" }, "to"), bar.to, "s", zoom, whole, said);
  charts_over_time().before(bar.element);
}

function show_window(span) {
  [bar.from.value, bar.to.value] = span ?? [0, measured.length];
  show_figures(span);
  show_exchanges(span);
  show_curve(span);
  label_figures();
  return "Criteria, reasons, generators and the verdict are those of the run.";
}

const charts_over_time = () => document.querySelector('[data-charts="course"]')?.closest("section");

// The console's measurements have up to 3 MiB: they load when a person goes to a chart or asks. Returns what to remove then.
function asked_for() {
  const button = make("button", { type: "button", class: "quiet" }, "Errors by second, figures of a part of the run"), offer = make("div", { class: "window" }, button);
  const charts = charts_over_time();
  charts.before(offer);
  return new Promise((resolve) => {
    button.addEventListener("click", () => resolve(offer), { once: true });
    for (const kind of ["pointerover", "focusin"]) charts.addEventListener(kind, () => resolve(offer), { once: true });
  });
}

// The errors per second by kind, from the measurements. A page on its own has this chart already.
const MOST_KINDS = 6;
function show_kinds() {
  const { step, error_ends: ends } = measured, view = measured.views[measured.labels[0]];
  if (!view || page.course.some((chart) => chart.stacked)) return;
  const empty = () => new Array(Math.ceil(measured.length / step)).fill(0), other = empty(), kinds = measured.kinds.map(empty);
  for (const row of rows_of(view, 0, measured.length)) {
    if (measured.ok[measured.series[row]]) continue;
    const at = measured.steps[row];
    other[at] += measured.samples[row] / step;
    for (let place = row ? ends[row - 1] : 0; place < ends[row]; place += 1) {
      kinds[measured.kind[place]][at] += measured.times[place] / step;
      other[at] -= measured.times[place] / step;
    }
  }
  const sum = (values) => values.reduce((all, value) => all + value, 0);
  const found = kinds.map((values, kind) => ({ name: measured.kinds[kind], values })).filter(({ values }) => sum(values)).sort((one, two) => sum(two.values) - sum(one.values));
  for (const { values } of found.slice(MOST_KINDS)) values.forEach((value, at) => { other[at] += value; });
  const lines = found.slice(0, MOST_KINDS).map((line, place) => ({ ...line, look: `place${place} steps` }));
  if (sum(other) > 0.5) lines.push({ name: "other kinds", values: other, look: "planned steps" });
  const chart = { title: "Errors by kind", unit: "/s", note: "stacked: the top line is all errors", stacked: true, marks: [], x: other.map((_, at) => at * step), lines };
  if (lines.length) place_charts(document.querySelector('[data-charts="course"]'), [chart]);
}

async function windows() {
  addEventListener("hashchange", () => {
    follow_address();
    if (kept.has("window")) charts_over_time()?.scrollIntoView({ block: "start" }); // from a link to these seconds
  });
  document.getElementById("theme")?.addEventListener("click", () => setTimeout(() => remember({ theme: root.dataset.theme })));
  follow_address();
  if (!brushing.possible) return;
  const hint = document.getElementById("chart-keys"), keys_of_zoom = /Drag to zoom.*?zoom out\./;
  if (hint) hint.textContent = hint.textContent.replace(keys_of_zoom, "Drag to choose a window, or press Shift with ← or → and then Enter; Escape returns to the whole run.");
  const element = document.getElementById("measured");
  if (element && "DecompressionStream" in window) {
    const offer = element.dataset.address && !page.span && !kept.has("window") ? await asked_for() : null;
    await read_measured();
    offer?.remove();
  }
  if (!measured) return open_windows();
  [...Object.keys(measured.tables), "errors"].forEach(table_of);
  window_bar();
  show_kinds();
  open_windows({ length: () => measured.length, step: measured.step, show: show_window });
}
