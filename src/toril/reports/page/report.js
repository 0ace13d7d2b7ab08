"use strict";
(() => {
  const { x, charts } = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const css = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const shown = (value, unit) => {
    if (value === null || value === undefined) return "–";
    const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
    return value.toLocaleString("en", { maximumFractionDigits: digits }) + (unit === "/s" ? "/s" : unit ? " " + unit : "");
  };
  const plots = [];

  const percentile = (nines) => nines === null ? "–" : Number((100 - 100 / 10 ** nines).toPrecision(Math.floor(nines) + 2)) + " %";

  function line(spec, unit) {
    const colour = css(spec.colour);
    const single = spec.values.length === 1;
    return {
      label: spec.name,
      stroke: colour,
      width: 2,
      dash: spec.colour === "planned" ? [6, 4] : undefined,
      fill: spec.area ? colour + "33" : undefined,
      paths: spec.steps && !single ? uPlot.paths.stepped({ align: 1 }) : undefined,
      points: { show: single },
      value: (_, value) => shown(value, unit),
    };
  }

  function options(chart, width) {
    const grid = { stroke: css("line"), width: 1 };
    const axis = { stroke: css("dim"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
    return {
      width,
      height: 220,
      cursor: { ...(chart.nines ? {} : { sync: { key: "run" } }), y: false, points: { size: 7 } },
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(high * 1.08, 1)] } },
      axes: [
        chart.nines
          ? { ...axis, splits: () => [0, Math.log10(2), 1, Math.log10(20), 2, 3, 4, 5, 6].filter((at) => at <= Math.max(...chart.nines)), values: (_, ticks) => ticks.map(percentile) }
          : { ...axis, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick + " s" : "")) },
        { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => shown(tick, chart.unit)) },
      ],
      series: [
        chart.nines ? { label: "percentile", value: (_, value) => percentile(value) } : { label: "second", value: (_, value) => (value === null ? "–" : String(value)) },
        ...chart.lines.map((spec) => line(spec, chart.unit))],
    };
  }

  function draw() {
    for (const plot of plots) {
      if (plot.chart) plot.chart.destroy();
      plot.chart = new uPlot(options(plot.spec, plot.box.clientWidth), [plot.x, ...plot.spec.lines.map((spec) => spec.values)], plot.box);
    }
  }

  function build() {
    const place = document.getElementById("charts");
    for (const spec of charts) {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const box = document.createElement("div");
      caption.textContent = spec.title;
      box.className = "plot";
      box.tabIndex = 0;
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", spec.title + ": " + spec.lines.map((one) => {
        const known = one.values.filter((value) => value !== null);
        return one.name + " from " + shown(Math.min(...known), spec.unit) + " to " + shown(Math.max(...known), spec.unit);
      }).join(", "));
      figure.append(caption, box);
      place.append(figure);
      const plot = { spec, box, x: spec.nines || x, chart: null };
      plots.push(plot);
      box.addEventListener("keydown", (event) => step(event, plot));
    }
    draw();
    let pending = 0;
    new ResizeObserver(() => {
      cancelAnimationFrame(pending);
      pending = requestAnimationFrame(() => plots.forEach(({ chart, box }) => {
        if (chart.width !== box.clientWidth && box.clientWidth) chart.setSize({ width: box.clientWidth, height: 220 });
      }));
    }).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    addEventListener("beforeprint", draw);
  }

  // A chart is read with the arrow keys; those of the same seconds follow.
  function step(event, { chart, spec, x: own }) {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") chart.setScale("x", { min: own[0], max: own[own.length - 1] });
    if (move === undefined) return;
    event.preventDefault();
    const now = chart.cursor.idx ?? (move < 0 ? own.length : -1);
    const next = Math.min(own.length - 1, Math.max(0, now + move));
    for (const other of spec.nines ? [{ chart }] : plots.filter((plot) => !plot.spec.nines)) {
      other.chart.setCursor({ left: other.chart.valToPos(own[next], "x"), top: 10 }, false);
    }
  }

  // A column's heading sorts its table; the total stays on top.
  function sortable(table) {
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const falls = head.getAttribute("aria-sort") !== "descending" && head.classList.contains("number");
        const rises = head.getAttribute("aria-sort") === "ascending";
        const down = head.hasAttribute("aria-sort") ? rises : falls;
        table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].dataset.value;
        const compare = (a, b) => key(a) !== undefined ? key(a) - key(b) : a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", { numeric: true });
        const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("total"));
        rows.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
        table.tBodies[0].append(...rows);
      });
    });
  }

  if (charts.length) build();
  document.querySelectorAll("table.sortable").forEach(sortable);
})();
