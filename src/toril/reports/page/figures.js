// The figures of a window, as `reports/windows.py` computes them, in place of those of the run.
const REACH = 1.9599639845400536, EXACT_VARIANCE = 100000, BEYOND = (1 - 0.95) / 2;
const PERCENTS = { p50: 50, p75: 75, p90: 90, p95: 95, p99: 99, "p99.9": 99.9, "p99.99": 99.99 };
const CELLS = ["requests", "failed", "req/s", "mean", "p50", "p90", "p95", "p99", "p99.9", "max", "received"];

// ── statistics: twins of `stats/quantiles.py`

function rank_of(percent, samples) {
  const parts = BigInt(Math.round(percent * 1e6)) * BigInt(samples);
  return Math.max(1, Number((parts + 99999999n) / 100000000n));
}

const known_ranks = new Map();
function quantile_ranks(percent, samples) {
  const key = `${percent} ${samples}`;
  if (!known_ranks.has(key)) known_ranks.set(key, ranks(percent / 100, samples));
  return known_ranks.get(key);
}
function ranks(share, samples) {
  if (samples < 1 || share <= 0 || share >= 1) return [null, null];
  if (samples * share * (1 - share) > EXACT_VARIANCE) {
    const middle = samples * share, reach = REACH * Math.sqrt(middle * (1 - share));
    return [Math.floor(middle - reach) - 1, Math.ceil(middle + reach) + 2];
  }
  const middle = Math.min(samples, rounded(samples * share)), reach = Math.ceil(10 * Math.sqrt(samples * share * (1 - share))) + 60;
  const first = Math.max(0, middle - reach), last = Math.min(samples, middle + reach);
  const odds = Math.log(share) - Math.log1p(-share), weights = new Float64Array(last - first + 1);
  for (let at = first; at < last; at += 1) weights[at - first + 1] = weights[at - first] + (Math.log((samples - at) / (at + 1)) + odds);
  const most = weights.reduce((a, b) => Math.max(a, b));
  weights.forEach((weight, place) => { weights[place] = Math.exp(weight - most); });
  const limit = BEYOND * weights.reduce((a, b) => a + b);
  let lower = 0, upper = weights.length - 1;
  for (let below = weights[0]; below <= limit; below += weights[lower]) lower += 1;
  for (let above = weights[upper]; above <= limit; above += weights[upper]) upper -= 1;
  return [first + lower >= 1 ? first + lower : null, first + upper + 1 <= samples ? first + upper + 1 : null];
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
  const times = {};
  for (const [name, percent] of Object.entries(PERCENTS)) {
    times[name] = time(samples ? found.percentile(percent) : null);
    if (samples) times[name].small = [words.interval(found.interval(percent, resolution), times[name].text, resolution)];
  }
  const failed_p95 = () => {
    const failed = pool(view, from, to, (row) => !measured.ok[measured.series[row]]), one = time(failed.percentile(95));
    return { ...one, small: [words.interval(failed.interval(95, resolution), one.text, resolution)] };
  };
  const share = failures ? words.share(failures, samples) : "0", mark = notable ? " †" : "";
  return {
    pool: found, samples, failures, unfinished, notable, failed_p95,
    requests: { text: words.number(samples), small: unfinished ? [`${words.number(unfinished)} unfinished`] : [], value: samples },
    failed: { text: share, small: failures ? [words.number(failures)] : [], value: samples ? failures / samples : 0, tone: !failures ? "dim" : notable ? "bad" : "some" },
    "req/s": { text: words.number(rps), small: [], value: rps },
    min: time(samples ? found.min : null),
    mean: time(samples ? rounded(found.sum / samples) : null),
    stdev: () => time(rounded(Math.sqrt(found.spread) / samples)),
    ...Object.fromEntries(Object.entries(times).map(([name, one]) => [name, { ...one, bare: one.text, text: one.text + mark }])),
    max: time(samples ? found.max : null),
    received: { text: words.size(found.bytes), small: [], value: found.bytes },
    ttfb: found.ttfbs ? time(rounded(found.ttfb / found.ttfbs)) : null,
    connect: found.connects ? time(rounded(found.connect / found.connects)) : null,
  };
}

// Returns the rows beside the charts of a label: name, value, interval.
function beside_of(own) {
  const found = [["requests", own.requests.text, ""], ["failed", own.failed.text, ""], ["throughput", own["req/s"].text + "/s", ""]];
  if (!own.samples) return found;
  const times = { min: own.min, mean: own.mean, "std. deviation": own.stdev(), ...Object.fromEntries(Object.keys(PERCENTS).map((name) => [name, own[name]])), max: own.max };
  for (const [name, one] of Object.entries(times)) found.push([name, one.bare ?? one.text, one.small[0] ?? ""]);
  for (const [name, one] of [["first byte, mean", own.ttfb], ["connect, mean", own.connect], ["p95 of failed", own.failures ? own.failed_p95() : null]]) if (one) found.push([name, one.text, one.small[0] ?? ""]);
  return found;
}

// Returns the kinds of errors with their counts, most frequent first.
function errors({ outcomes }) {
  const counts = new Map();
  for (const [outcome, count] of outcomes) {
    const [kind] = measured.outcome_kinds[outcome];
    if (kind >= 0 && count) counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return [...counts].sort(([a, few], [b, many]) => many - few || a - b);
}

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
  for (const row of table_of("errors")?.of_run ?? []) row.hidden = false;
}
const small = (texts) => texts.map((text) => make("small", {}, text));

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
        write(cell, [one.text, ...small(one.small)], one);
      });
    });
  }
  const total = figures(measured.views[measured.tables.label[0]], span);
  show_errors(new Map(errors(total.pool)));
  const facts = { requests: { ...total.requests, small: [] }, failed: total.failed, throughput: { text: total["req/s"].text + "/s", small: [] }, p95: total.p95, unfinished: { text: words.number(total.unfinished), small: [] }, users: { text: "–", small: [] } };
  for (const place of document.querySelectorAll(".facts > div")) {
    const one = facts[place.querySelector("dt").textContent];
    if (one) write(place.querySelector("dd"), [one.text, ...small(one.small)]);
  }
  const about = `figures of the ${measured.steady ? "steady part of the window" : "window"}, from ${words.number(span[0])} s to ${words.number(span[1])} s`;
  for (const table of document.querySelectorAll("table[data-table]")) {
    const remark = table.closest("section")?.querySelector("h2 small");
    if (remark && (table.dataset.table === "errors" || measured.tables[table.dataset.table])) write(remark, [about]);
  }
  for (const note of document.querySelectorAll(".note")) if (note.textContent.startsWith("†")) write(note, [failed_note(total)]);
}

function failed_note({ failures, failed_p95 }) {
  const times = "† more than 1 % of these requests failed; the figures include their times";
  if (!failures) return times;
  const { text, small } = failed_p95();
  return `${times}. The p95 of the failed requests alone is ${text} (${small[0]})`;
}

function show_errors(counts) {
  table_of("errors")?.of_run.forEach((row, kind) => {
    const count = counts.get(kind) ?? 0;
    write(row.lastElementChild, [words.number(count)], { value: count });
    row.hidden = !count;
  });
}

// The rows of a table in the order of the report, whatever a reader sorts.
function table_of(id) {
  const table = document.querySelector(`table[data-table="${id}"]`);
  if (table) table.of_run ??= [...table.tBodies[0].rows];
  return table;
}
