// The figures of a window, as `reports/windows.py` computes them, without intervals; those of the run stay beside them.
const PERCENTS = { p50: 50, p75: 75, p90: 90, p95: 95, p99: 99, "p99.9": 99.9, "p99.99": 99.99 };
const CELLS = ["requests", "failed", "req/s", "mean", "p50", "p90", "p95", "p99", "p99.9", "max", "received"];

// A twin of `stats/quantiles.py`.
function rank_of(percent, samples) {
  const parts = BigInt(Math.round(percent * 1e6)) * BigInt(samples);
  return Math.max(1, Number((parts + 99999999n) / 100000000n));
}

// ── figures of a label, a location or an execution

// Returns the planned seconds in the window.
const planned = (view, from, to) => view.spans.reduce((sum, [start, end]) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)), 0);

function figures(view, [from, to]) {
  const found = pool(view, from, to), { samples, failures } = found, { resolution } = view;
  const planned_s = planned(view, from, to);
  const rps = planned_s > 0 ? rounded(samples / planned_s, 3) : 0;
  const unfinished = view.unfinished.reduce((sum, [second, count]) => sum + (second >= from && second < to ? count : 0), 0);
  const notable = failures / samples > 0.01;
  const time = (us) => ({ text: words.time(us, resolution), small: [], value: us ?? -1 });
  const times = Object.entries(PERCENTS).map(([name, percent]) => [name, time(samples ? found.percentile(percent) : null)]);
  const failed_p95 = () => time(pool(view, from, to, (row) => !measured.ok[measured.series[row]]).percentile(95));
  const share = failures ? words.share(failures, samples) : "0", mark = notable ? " †" : "";
  return {
    pool: found, samples, failures, unfinished, notable, failed_p95,
    requests: { text: words.number(samples), small: unfinished ? [`${words.number(unfinished)} unfinished`] : [], value: samples },
    failed: { text: share, small: failures ? [words.number(failures)] : [], value: samples ? failures / samples : 0, tone: !failures ? "dim" : notable ? "bad" : "some" },
    "req/s": { text: words.number(rps), small: [], value: rps },
    min: time(samples ? found.min : null),
    mean: time(samples ? rounded(found.sum / samples) : null),
    stdev: () => time(rounded(Math.sqrt(found.spread) / samples)),
    ...Object.fromEntries(times.map(([name, one]) => [name, { ...one, bare: one.text, text: one.text + mark }])),
    max: time(samples ? found.max : null),
    received: { text: words.size(found.bytes), small: [], value: found.bytes },
    ttfb: found.ttfbs ? time(rounded(found.ttfb / found.ttfbs)) : null,
    connect: found.connects ? time(rounded(found.connect / found.connects)) : null,
  };
}

// Returns the rows beside the charts of a label: name and value.
function beside_of(own) {
  const found = [["requests", own.requests.text], ["failed", own.failed.text], ["throughput", own["req/s"].text + "/s"]];
  if (!own.samples) return found;
  const times = { min: own.min, mean: own.mean, "std. deviation": own.stdev(), ...Object.fromEntries(Object.keys(PERCENTS).map((name) => [name, own[name]])), max: own.max };
  for (const [name, one] of Object.entries(times)) found.push([name, one.bare ?? one.text]);
  for (const [name, one] of [["first byte, mean", own.ttfb], ["connect, mean", own.connect], ["p95 of failed", own.failures ? own.failed_p95() : null]]) if (one) found.push([name, one.text]);
  return found;
}

// Returns the kinds of errors with their counts, most frequent first.
const errors = (found) => [...found.errors].sort(([a, few], [b, many]) => many - few || a - b);

// ── the page

const as_served = new Map(); // element → its nodes, class and sort value
function write(element, nodes, { value, tone } = {}) {
  if (!as_served.has(element)) as_served.set(element, { nodes: [...element.childNodes], name: element.getAttribute("class"), value: element.dataset.value });
  element.replaceChildren(...nodes);
  if (tone !== undefined) element.setAttribute("class", tone);
  if (value !== undefined) element.dataset.value = value;
}
function restore() {
  for (const [element, { nodes, name, value }] of as_served) {
    element.replaceChildren(...nodes);
    if (name !== null) element.setAttribute("class", name);
    if (value !== undefined) element.dataset.value = value;
  }
  as_served.clear();
  document.getElementById("in-window")?.remove();
}
const small = (texts) => texts.map((text) => make("small", {}, text));
const of_whole_run = (text) => make("small", { class: "of-run" }, `run ${text}`);

// Shows the figures of the window, or those of the run.
function show_figures(span) {
  restore();
  if (!span) return;
  for (const [id, views] of Object.entries(measured.tables)) {
    const table = table_of(id);
    table?.of_run.forEach((row, place) => {
      const view = measured.views[views[place]], own = view && figures(view, span);
      [...row.cells].slice(-CELLS.length).forEach((cell, column) => {
        const one = own ? own[CELLS[column]] : { text: "–", small: [], value: -1 };
        write(cell, [one.text, ...small(one.small), of_whole_run(cell.firstChild.textContent)], one);
      });
    });
  }
  const total = figures(measured.views[measured.tables.label[0]], span);
  show_errors(total.pool.errors);
  const facts = { requests: { ...total.requests, small: [] }, failed: total.failed, throughput: { text: total["req/s"].text + "/s", small: [] }, p95: total.p95, ...(total.unfinished ? { unfinished: { text: words.number(total.unfinished), small: [] } } : {}) };
  const list = make("dl", { class: "facts" }, ...Object.entries(facts).map(([name, one]) => make("div", {}, make("dt", {}, name), make("dd", {}, one.text, ...small(one.small)))));
  document.querySelector(".hero")?.append(make("div", { id: "in-window" }, make("h2", {}, `In ${in_words(span)}`), list));
  const about = `figures of the ${measured.steady ? "steady part of the window" : "window"}, from ${words.number(span[0])} s to ${words.number(span[1])} s`;
  for (const table of document.querySelectorAll("table[data-table]")) {
    const remark = table.closest("section")?.querySelector("h2 small");
    if (remark && (table.dataset.table === "errors" || measured.tables[table.dataset.table])) write(remark, [about]);
  }
  for (const note of document.querySelectorAll(".note")) if (note.textContent.startsWith("†")) write(note, [failed_note(total)]);
}

function failed_note({ failures, failed_p95 }) {
  const times = "† more than 1 % of these requests failed; the figures include their times";
  return failures ? `${times}. The p95 of the failed requests alone is ${failed_p95().text}` : times;
}

function show_errors(counts) {
  table_of("errors")?.of_run.forEach((row, kind) => {
    const count = counts.get(kind) ?? 0;
    write(row.lastElementChild, [words.number(count), of_whole_run(row.lastElementChild.firstChild.textContent)], { value: count });
  });
}

// The rows of a table in the order of the report, whatever a reader sorts.
function table_of(id) {
  const table = document.querySelector(`table[data-table="${id}"]`);
  if (table) table.of_run ??= [...table.tBodies[0].rows];
  return table;
}

// Shows only the kept requests that ended in the window.
function show_exchanges(span) {
  const all = [...document.querySelectorAll("[data-second]")], is_inside = ({ dataset: { second } }) => !span || (second >= span[0] && second < span[1]);
  if (!all.length) return;
  for (const one of all) one.hidden = !is_inside(one);
  for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector("[data-second]:not([hidden])");
  document.getElementById("in-window-exchanges")?.remove();
  if (span) document.querySelector(".exchanges").before(make("p", { id: "in-window-exchanges", class: "note" }, `${all.filter(is_inside).length} of ${all.length} exchanges in this window.`));
}

// Returns a percentile chart with a line of the window, from the view of its label; other charts as they are.
function with_curve(chart, view) {
  const own = chart.nines && measured?.views[view], found = own && brushing.span ? pool(own, ...brushing.span) : null;
  if (!found?.samples) return chart;
  const last = Math.log10(2 * found.samples) + 1e-9;
  const values = chart.nines.map((nine) => nine > last ? null : found.percentile(100 - 100 / 10 ** nine) / 1000);
  return { ...chart, lines: [...chart.lines, { name: `in ${in_words(brushing.span)}`, look: "second dashed", values }] };
}

// Draws the window into the percentile chart of the whole run.
let curve = null;
function show_curve() {
  curve ??= plots.find(({ chart, element }) => chart.nines && element.closest('[data-charts="course"]'));
  if (!curve) return;
  const drawn = figure(with_curve(curve.whole ??= curve.chart, measured.labels[0]), curve.element.className === "wide");
  curve.element.replaceWith(drawn.element);
  curve.drawn.destroy();
  plots.splice(plots.indexOf(curve), 1);
  draw(drawn);
  curve = Object.assign(drawn, { whole: curve.whole });
}
