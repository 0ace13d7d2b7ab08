// Names of the lines and their values at the cursor, with the time at the top. A click hides a line. One tab stop per chart, arrows inside.
// The two edges of a band are one entry: `is_low` is its lower edge, the line after the upper one.
const is_band = (line) => line.look === "band", is_low = (line) => line.look === "band low";
function range_of(low, high) {
  const [unit] = high.match(/ \S+$|\/s$/) ?? [""];
  return `${unit && low.endsWith(unit) ? low.slice(0, -unit.length) : low} … ${high}`;
}

function legend(plot) {
  const { chart } = plot;
  const at = make("p", { class: "at" });
  const entries = chart.lines.map((line, place) => {
    const words = line.look.split(" ");
    const swatch = make("span", { class: "swatch" + (["dashed", "hollow", "dots"].filter((one) => words.includes(one)).map((one) => " " + one)[0] ?? (words[0] === "band" ? " area" : "")), "aria-hidden": "true" });
    swatch.style.setProperty("--own", `var(--${words[0]})`);
    const value = make("span", { class: "value" });
    const button = make("button", { type: "button", "aria-pressed": "true", tabindex: place ? "-1" : "0" }, swatch, make("span", { class: "name" }, line.name), value);
    button.addEventListener("click", () => {
      const show = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(show));
      plot.drawn.setSeries(place + 1, { show });
      if (is_band(line)) plot.drawn.setSeries(place + 2, { show });
      if (chart.stacked) plot.drawn.setData(drawn_data(plot), false);
    });
    return { button, value };
  });
  const seen = entries.filter((_, place) => !is_low(chart.lines[place]));
  const list = make("ul", { class: "legend" }, ...seen.map(({ button }) => make("li", {}, button)));
  list.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const now = seen.findIndex(({ button }) => button === document.activeElement);
    if (move === undefined || now < 0) return;
    event.preventDefault();
    const next = (now + move + seen.length) % seen.length;
    seen.forEach(({ button }, place) => { button.tabIndex = place === next ? 0 : -1; });
    seen[next].button.focus();
  });
  plot.legend = { entries, at };
  show_at_rest(plot);
  return list;
}

// Shows the highest value of each line while no cursor is in the chart; during a run and in a trend, the last one.
function show_at_rest({ chart, columns, legend: { entries, at } }) {
  entries.forEach(({ value }, place) => {
    const known = columns[place].filter((one) => one !== null);
    const last = known.length ? known[known.length - 1] : null;
    value.textContent = is_band(chart.lines[place]) ? "" : page.live ? shown(last, chart.unit) : chart.axis === "runs" ? "last " + shown(last, chart.unit) : "max " + shown(Math.max(...known), chart.unit);
    value.classList.remove("now");
  });
  at.textContent = "";
}

function moment(plot, index) {
  if (plot.chart.nines) return percentile(plot.own[index]);
  if (plot.chart.axis) return page[plot.chart.axis].names[index];
  return page.step > 1 && !plot.chart.x ? `${clock(plot.own[index])}, ±${page.step / 2} s` : clock(plot.own[index]);
}

function show_values(plot) {
  const index = plot.drawn?.cursor.idx;
  if (index === null || index === undefined) return show_at_rest(plot);
  plot.legend.entries.forEach(({ value }, place) => {
    const now = plot.columns[place][index];
    value.textContent = is_band(plot.chart.lines[place]) ? range_of(shown(plot.columns[place + 1][index], plot.chart.unit), shown(now, plot.chart.unit)) : shown(now, plot.chart.unit);
    value.classList.add("now");
  });
  plot.legend.at.textContent = "at " + moment(plot, index) + (breached(plot, index).length ? ", breach" : "");
}

// Returns the criteria that are breached at that moment.
function breached(plot, index) {
  return is_apart(plot.chart) ? [] : page.breaches.filter(({ from, to }) => plot.own[index] >= from && plot.own[index] < to).map(({ text }) => text);
}

function description(plot, index) {
  const broken = breached(plot, index);
  return moment(plot, index) + ": " + plot.chart.lines.map((line, place) => `${line.name} ${shown(plot.columns[place][index], plot.chart.unit)}`).join(", ") + (broken.length ? "; breached: " + broken.join(", ") : "");
}
