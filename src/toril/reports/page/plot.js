// One chart: a figure with its caption, its canvas and its legend.
const plots = [];
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800];
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const NINES = [0, Math.log10(2), 1, Math.log10(20), 2, 3, 4, 5, 6, 7];

function height() { return innerWidth < 640 ? 190 : 230; }

function look(line, values, filled = line.look.includes("filled") && 0.13) {
  const words = line.look.split(" ");
  const ink = words[0], has = (word) => words.includes(word);
  const dots = has("dots") || has("hollow"), faint = ink === "base" && !dots, band = ink === "band";
  const alone = values.filter((value) => value !== null).length === 1;
  return {
    label: line.name,
    stroke: band ? undefined : () => colour(ink),
    width: faint || ink.startsWith("place") ? 1.25 : ink === "strong" ? 2.25 : 1.6,
    dash: has("dashed") ? [6, 4] : undefined,
    fill: filled ? () => colour(ink, filled) : undefined,
    paths: dots ? () => null : has("steps") && !alone ? uPlot.paths.stepped({ align: 1 }) : undefined,
    points: { show: dots || has("points") || (alone && !band), size: 7, fill: () => colour(has("hollow") ? "card" : ink) },
    spanGaps: has("points"),
  };
}

// Starts at zero and includes near thresholds; curves over decades and trends get a logarithmic axis.
function range(chart, columns) {
  const known = columns.flat().filter((value) => value !== null);
  const low = Math.min(...known), most = Math.max(...known);
  if (chart.signed) {
    const shown = [0, ...known, ...chart.marks.map((mark) => mark.at)];
    return { range: () => [Math.min(...shown) * 1.15 - 0.01, Math.max(...shown) * 1.15 + 0.01] };
  }
  if (chart.log && low > 0) {
    const middle = Math.sqrt(low * most); // noise alone does not fill the chart
    return { distr: 3, range: () => [Math.min(low * 0.96, middle / 1.25), Math.max(most * 1.04, middle * 1.25)] };
  }
  if (chart.nines && low > 0 && most / low > 20) {
    const near = chart.marks.map((mark) => mark.at).filter((at) => at > low / 4 && at < most * 4);
    return { distr: 3, range: () => [Math.min(low, ...near) * 0.85, Math.max(most, ...near) * 1.25] };
  }
  return {
    range: (plot, _, high) => {
      const top = Math.max(high ?? 0, 0);
      const near = chart.marks.map((mark) => mark.at).filter((at) => at <= 3 * top || (chart.unit === "%" && at <= 100));
      const reach = Math.max(top, ...near) * 1.1;
      return [0, reach > 0 ? reach : 1];
    },
  };
}

function decades(plot) {
  const { min, max } = plot.scales.y, found = [];
  if (max / min < 8) {
    const least = (max - min) / 5, power = 10 ** Math.floor(Math.log10(least));
    const step = power * ([1, 2, 5].find((one) => one * power >= least) ?? 10);
    for (let at = Math.ceil(min / step) * step; at <= max; at += step) found.push(Number(at.toPrecision(9)));
    return found;
  }
  for (let decade = 10 ** Math.floor(Math.log10(min)); decade <= max; decade *= 10) {
    for (const step of max / min > 300 ? [1] : [1, 2, 5]) if (step * decade >= min && step * decade <= max) found.push(step * decade);
  }
  return found;
}

// Skips percentiles whose names would touch.
function spaced(drawn, splits) {
  let last = -Infinity;
  return splits.filter((at) => {
    const place = drawn.valToPos(at, "x");
    if (place - last < 46) return false;
    last = place;
    return true;
  });
}

function options(plot) {
  const { chart, columns, own } = plot;
  const grid = { stroke: () => colour("line"), width: 1 };
  const axis = { stroke: () => colour("dim"), grid, ticks: { ...grid, size: 5 }, font: FONT };
  const scale = range(chart, columns);
  const bands = chart.stacked ? chart.lines.map((line, place) => ({ series: [place + 1, place], fill: () => colour(line.look.split(" ")[0], 0.45) })).slice(1) : chart.lines.flatMap((line, place) => (line.look === "band" ? [{ series: [place + 1, place + 2], fill: () => colour("band") }] : []));
  const last = own[own.length - 1], brushed = brushing.possible && !is_apart(chart);
  return {
    width: plot.box.clientWidth || 300,
    height: height(),
    legend: { show: false },
    bands,
    cursor: { y: false, points: { size: 7 }, drag: { x: !brushed, y: false, setScale: true }, ...(chart.nines ? {} : { sync: { key: chart.axis ?? "run", scales: ["x", null] } }) },
    scales: { x: { time: false, range: (_, low, high) => page.live ? recent() : (plot.own.length === 1 ? [last - 1, last + 1] : chart.axis ? [low - 0.5, high + 0.5] : [low, high]) }, y: scale },
    axes: [
      chart.nines
        ? { ...axis, size: 30, splits: (drawn) => spaced(drawn, NINES.filter((at) => at <= last + 0.01)), values: (_, ticks) => ticks.map((at) => percentile(at)) }
        : chart.axis ? { ...axis, size: 30, incrs: COUNTS, space: 60, values: (_, ticks) => ticks.map((at) => page[chart.axis].ticks[at] ?? "") }
        : { ...axis, size: 30, incrs: STEPS, space: 60, values: (_, ticks) => ticks.map(clock) },
      { ...axis, size: 62, values: (_, ticks) => ticks.map((at) => (at === null ? "" : tick(at, chart.unit))), ...(scale.distr === 3 ? { splits: decades, filter: (_, ticks) => ticks } : {}) },
    ],
    series: [{}, ...chart.lines.map((line, place) => look(line, columns[place], chart.stacked && !place ? 0.45 : undefined))],
    hooks: {
      drawClear: [(drawn) => shades(drawn, chart)],
      draw: [(drawn) => thresholds(drawn, chart)],
      setCursor: [() => show_values(plot)],
    },
  };
}

// The charts of a running load test show its last `page.live` seconds.
function recent() {
  const last = Math.max(page.live, page.x.length ? page.x[page.x.length - 1] : 0);
  return [last - page.live, last];
}

function summary_of(chart, columns) {
  return chart.title + (chart.note ? ", " + chart.note : "") + ": " + chart.lines.map((line, place) => {
    const known = columns[place].filter((value) => value !== null);
    if (!known.length) return `${line.name} without values`;
    return `${line.name} from ${shown(Math.min(...known), chart.unit)} to ${shown(Math.max(...known), chart.unit)}`;
  }).join("; ") + chart.marks.map((mark) => `; ${mark.outcome === "limit" ? "limit " + shown(mark.at, chart.unit) : `criterion ${mark.text}: ${mark.outcome}`}`).join("");
}

function figure(chart, wide) {
  const columns = chart.lines.map((line) => line.values);
  const own = chart.nines ?? chart.x ?? (chart.axis ? [...page[chart.axis].names.keys()] : page.x);
  const box = make("div", { class: "plot", tabindex: "0", role: "group", "aria-roledescription": "chart", "aria-label": summary_of(chart, columns) });
  const caption = make("figcaption", {}, make("h3", {}, chart.title));
  if (chart.note) caption.append(make("small", {}, chart.note));
  const element = make("figure", wide ? { class: "wide" } : {}, caption, box);
  const plot = { chart, columns, own, box, element, drawn: null, legend: null };
  element.append(legend(plot), plot.legend.at);
  return plot;
}

// The columns as they are drawn: each shown line of a stack stands on those before it.
function drawn_data({ chart, own, columns, drawn }) {
  let sum = own.map(() => 0);
  const stacked = () => columns.map((column, place) => (sum = column.map((value, at) => sum[at] + (drawn?.series[place + 1].show === false ? 0 : value ?? 0))));
  return [own, ...(chart.stacked ? stacked() : columns)];
}

function draw(plot) {
  plot.drawn?.destroy();
  plot.drawn = new uPlot(options(plot), drawn_data(plot), plot.box);
  plots.push(plot);
  keys(plot);
  if (brushing.possible && !is_apart(plot.chart)) brush(plot);
  if (link_at(plot, 0)) plot.drawn.over.classList.add("linked");
  plot.drawn.over.addEventListener("click", (event) => follow(plot, event.ctrlKey || event.metaKey));
}

function place_charts(element, charts) {
  const made = charts.map((chart, place) => figure(chart, charts.length % 2 === 1 && place === charts.length - 1));
  element.append(...made.map((plot) => plot.element));
  made.forEach(draw);
  return made;
}
