// Reads charts with the arrow keys and announces the values; other charts over time follow.
function keys(plot) {
  if (plot.keyed) return;
  plot.keyed = true;
  plot.box.addEventListener("keydown", (event) => {
    const { drawn, own } = plot;
    const page_of = Math.max(1, Math.round(own.length / 20));
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page_of, PageDown: page_of, Home: -Infinity, End: Infinity }[event.key];
    if (brushing.possible && !is_apart(plot.chart) && move === undefined) brush_by_key(event);
    if (event.key === "Enter") follow(plot, event.ctrlKey || event.metaKey);
    if (event.key === "Escape") {
      for (const other of together(plot)) {
        const room = other.chart.axis ? 0.5 : 0;
        other.drawn.setScale("x", { min: other.own[0] - room, max: other.own[other.own.length - 1] + room });
        other.drawn.setCursor({ left: -10, top: -10 });
      }
      return;
    }
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { min, max } = drawn.scales.x;
    const first = Math.max(0, own.findIndex((at) => at >= min));
    const past = own.findIndex((at) => at > max);
    const final = past < 0 ? own.length - 1 : past - 1;
    const now = drawn.cursor.idx ?? (move < 0 ? final + 1 : first - 1);
    const next = Math.min(final, Math.max(first, now + move));
    for (const other of together(plot)) other.drawn.setCursor({ left: other.drawn.valToPos(own[next], "x"), top: 10 }, true, false);
    announce(description(plot, next));
    if (brushing.possible && !is_apart(plot.chart)) brush_by_key(event, own[next]);
  });
}

function together(plot) {
  return plot.chart.nines ? [plot] : plots.filter(({ drawn, chart }) => drawn && !chart.nines && chart.axis === plot.chart.axis);
}

// Returns the address of a place on the axis, such as a run's page; undefined if it has none.
const link_at = ({ chart }, index) => (chart.axis ? page[chart.axis].links?.[index] : undefined);

function follow(plot, apart) {
  const link = link_at(plot, plot.drawn.cursor.idx);
  if (link) open(link, apart ? "_blank" : "_self");
}
