// Follows a run: polls its progress, and changes texts, bars and charts in place. `page.run` says which run, and how it is.
const EVERY_MS = 2000, MOST_MS = 30000, OLD_S = 10;
const run = page.run;
let tag = null, since = page.x.length ? page.x[page.x.length - 1] : null, last_column = since;
let control = { changes: 0, marks: [], planned: {} };
let heard = performance.now() - 1000 * run.age_s, wait_ms = EVERY_MS, timer = 0, failures = 0;

// ── texts

function span(seconds) {
  const whole = Math.round(seconds), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  if (whole < 60) return `${whole} s`;
  return [[hours, "h"], [minutes, "min"], [hours ? 0 : whole % 60, "s"]].filter(([value]) => value).map(([value, unit]) => `${value} ${unit}`).join(" ");
}
function dollars(usd) { // as text.py writes it
  const digits = usd < 1 ? 3 : 2, style = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return usd && usd < 0.0005 ? "<$0.001" : "$" + usd.toLocaleString("en", style);
}
const KINDS = {
  us: (value) => shown(value / 1000, "ms"), rate: (value) => shown(value, "/s"), count: (value) => number(value, 0),
  span, share: (value) => number(100 * value, 0) + " %", usd: dollars, text: String,
};
const at = (object, path) => path.split(".").reduce((value, name) => value?.[name], object);
function write(element, text) { if (element.textContent !== text) element.textContent = text; }
function fill(within, object) {
  for (const element of within.querySelectorAll("[data-at]")) {
    const value = at(object, element.dataset.at);
    write(element, value === null || value === undefined ? "–" : KINDS[element.dataset.as](value));
  }
}

// An element with data-if is shown while its figure is known, one with data-unless while it is not.
function show_known(object) {
  const is_known = (path) => !["", null].includes(at(object, path) ?? null);
  for (const element of document.querySelectorAll("[data-if]")) element.hidden = !is_known(element.dataset.if);
  for (const element of document.querySelectorAll("[data-unless]")) element.hidden = is_known(element.dataset.unless);
}

const MARKS = { passed: "✔", failed: "✘", triggered: "!" };

// ── tables and lists: a row for each name stays where it is; new ones follow

function rows(table, items) {
  table.closest("section").hidden = !items.length;
  const body = table.tBodies[0], known = new Map([...body.rows].map((row) => [row.dataset.name, row]));
  for (const item of items) {
    const name = item[table.dataset.key];
    let row = known.get(name);
    if (!row) {
      row = table.querySelector("template").content.firstElementChild.cloneNode(true);
      row.dataset.name = name;
      body.append(row);
    }
    fill(row, item);
    for (const cell of row.querySelectorAll("[data-bad]")) cell.classList.toggle("bad", at(item, cell.dataset.bad) > 0);
    for (const one of row.querySelectorAll("[data-some]")) one.hidden = !at(item, one.dataset.some);
    row.querySelector("svg")?.setAttribute("viewBox", `0 0 ${item.workers_planned || 1} 1`);
    let x = 0;
    for (const part of row.querySelectorAll("[data-part]")) {
      const count = item[part.dataset.part] ?? 0;
      part.setAttribute("x", x); part.setAttribute("width", count);
      x += count;
    }
  }
}
function list(element, texts) {
  const wanted = JSON.stringify(texts);
  if (element.dataset.shown === wanted) return;
  element.dataset.shown = wanted;
  element.replaceChildren(...texts.map(([state, text]) => make("li", { class: state }, ...(state ? [make("b", {}, `${MARKS[state] || "?"} ${state} `)] : []), text)));
  element.closest("section").hidden = !texts.length;
}

// ── charts

function extend(recent) {
  const count = recent.rps.length;
  if (!count) return;
  if (recent.from_s !== last_column + 1 || last_column === null) {
    page.x.length = 0;
    for (const { columns } of plots) for (const column of columns) column.length = 0;
  }
  for (let index = 0; index < count; index += 1) page.x.push(recent.from_s + index);
  last_column = since = page.x[page.x.length - 1];
  const over = Math.max(0, page.x.length - page.live - 1);
  page.x.splice(0, over);
  page.seconds = last_column;
  for (const { chart, columns } of plots) {
    chart.lines.forEach((line, place) => {
      columns[place].push(...recent[line.field].map((value) => (value === null ? null : value / chart.divisor)));
      columns[place].splice(0, over);
    });
  }
  redraw();
  if (brushing.span) pin(brushing.span, figures_of(brushing.span));
}

// The exact sums of a window, as long as the charts have its seconds; percentiles of seconds cannot be added.
let of_window = {};
function figures_of(span) {
  if (!span) return "";
  const [from, to] = span, row = document.querySelector(".outline"), bar = document.getElementById("control");
  if (row && bar) row.style.top = getComputedStyle(bar).position === "sticky" ? `${bar.offsetHeight}px` : "";
  if (of_window.span !== span) of_window = { span, text: "Charts only: they no longer have all of its seconds. Its figures come with the report." };
  if (!of_window.is_whole && page.x[0] <= from) {
    const sum = (field) => plots.flatMap(({ chart, columns }) => chart.lines.flatMap((line, place) => line.field === field ? columns[place] : [])).reduce((all, value, place) => all + (page.x[place] >= from && page.x[place] < to ? value : 0), 0);
    of_window.is_whole = last_column >= to - 1;
    of_window.text = `${number(sum("rps"), 0)} requests, ${number(sum("failures"), 0)} failed, ${shown(sum("rps") / (to - from), "/s")}. Percentiles come with the report.`;
  }
  return of_window.text;
}
function redraw() {
  page.changes = control.marks.filter((mark) => mark.at >= recent()[0]);
  for (const plot of plots) {
    plot.legend.entries.forEach(({ button }, place) => { button.parentElement.hidden = page.x.length > 0 && plot.columns[place].every((value) => value === null); });
    plot.drawn.setData([plot.own, ...plot.columns]);
    show_values(plot);
    plot.box.setAttribute("aria-label", summary_of(plot.chart, plot.columns));
  }
}

// ── the control bar: the server draws it after each action, and after those of other people

const is_going_on = (state) => ["starting", "running", "stopping"].includes(state);
function controlled() {
  const bar = document.getElementById("control");
  if (!bar) return;
  control = JSON.parse(bar.dataset.control);
  run.state = control.state;
  document.title = `${control.title} · toril`;
  write(document.getElementById("live"), bar.querySelector("[role]:not([hidden])")?.textContent ?? "");
  document.getElementById("stop")?.close();
  redraw();
}
function renew() {
  if (!document.activeElement.closest("#control input, #stop")) htmx.ajax("GET", `/runs/${encodeURIComponent(run.id)}/control`, { target: "#control", swap: "outerHTML" });
}
function choose_execution(event) {
  if (!event.target.matches("[data-chooser]")) return;
  for (const one of document.querySelectorAll("#control [data-for]")) one.hidden = one.dataset.for !== event.target.value;
}
document.addEventListener("change", choose_execution);
document.addEventListener("htmx:load", (event) => { if (event.detail.elt.id === "control") controlled(); });

// ── the page

function show(progress) {
  if (progress.changes < control.changes) { // the coordinator has not read the last change yet
    for (const one of progress.rates) one.rps = control.planned[one.execution] ?? one.rps;
  }
  fill(document.getElementById("run"), { ...progress, left_s: Math.max(0, progress.planned_s - progress.elapsed_s) });
  show_known(progress);
  const bar = document.getElementById("bar");
  if (progress.phase === "preparing") { bar.max = progress.workers.planned || 1; bar.value = progress.workers.ready; }
  else if (progress.planned_s) { bar.max = progress.planned_s; bar.value = Math.min(progress.elapsed_s, progress.planned_s); }
  else bar.removeAttribute("value");
  for (const one of document.querySelectorAll("#phases li")) {
    if (one.dataset.phase === progress.phase) one.setAttribute("aria-current", "step"); else one.removeAttribute("aria-current");
  }
  for (const table of document.querySelectorAll("table[data-rows]")) rows(table, progress[table.dataset.rows]);
  list(document.getElementById("criteria-now"), progress.criteria.map((one) => [one.outcome, one.message]));
  list(document.getElementById("notes-now"), progress.notes.map((one) => ["", one.message]));
  for (const element of document.querySelectorAll("[data-left]")) {
    write(element, saving(progress));
  }
  extend(progress.recent);
}

function saving(progress) {
  const usd = run.hourly_usd * Math.max(0, progress.planned_s - progress.elapsed_s) / 3600;
  return usd ? `, saves about ${dollars(usd)}` : "";
}

function age() {
  const seconds = (performance.now() - heard) / 1000, element = document.getElementById("age");
  write(element, failures ? `no answer; next try in ${Math.ceil(wait_ms / 1000)} s` : `${Math.round(seconds)} s ago`);
  element.classList.toggle("old", failures > 0 || seconds > OLD_S);
}

// A reload of another page would send a refused rate again. This one keeps the window in its address.
function again() {
  const own = `/runs/${encodeURIComponent(run.id)}`;
  if (location.pathname === own) location.reload(); else location.replace(own);
}

async function poll() {
  try {
    const headers = tag ? { "if-none-match": tag } : {};
    const answer = await fetch(`/api/v1/runs/${encodeURIComponent(run.id)}/live${since === null ? "" : `?since=${since}`}`, { headers, cache: "no-store" });
    if (answer.status === 401 || answer.status === 404) return again();
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      tag = answer.headers.get("etag");
      if (is_going_on(found.state) !== is_going_on(run.state) || (found.progress !== null) !== run.begun || found.progress?.phase === "ended") return again();
      heard = performance.now() - 1000 * found.age_s;
      if (found.progress) show(found.progress);
      if (run.begun && (found.state !== run.state || found.progress.changes > control.changes)) renew();
    }
    failures = 0;
    wait_ms = EVERY_MS;
  } catch {
    failures += 1;
    wait_ms = Math.min(MOST_MS, EVERY_MS * 2 ** failures);
  }
  if (run.begun) age();
  later();
}
function later() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, wait_ms);
}

if (run.begun) {
  place_charts(document.querySelector('[data-charts="course"]'), page.course);
  redraw();
  controlled();
  open_windows({ length: () => last_column === null ? 0 : last_column + 1, show: figures_of });
  addEventListener("hashchange", follow_address);
  setInterval(() => { if (!document.hidden) age(); }, 1000);
}
document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else poll(); });
later();
