// Draws behind and over the lines: shades for excluded and breached times, changes of a trend, thresholds of criteria.
const FONT = "11px system-ui, sans-serif";

function shades(plot, chart) {
  if (chart.nines) return;
  const { ctx, bbox } = plot;
  const at = (seconds) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, plot.valToPos(seconds, "x", true)));
  const fill = (from, to, name) => {
    ctx.fillStyle = colour(name);
    ctx.fillRect(at(from), bbox.top, Math.max(0, at(to) - at(from)), bbox.height);
  };
  ctx.save();
  if (chart.axis) {
    for (const { from, to, tone } of chart.ranges ?? []) fill(from, to, tone);
    for (const [one, other] of chart.joins ?? []) if (chart.lines[other]) join(plot, chart.lines[one].values, chart.lines[other].values);
    for (const [row, { at: place, text }] of (chart.cuts ?? []).entries()) changed(plot, at(place), text, row % 3);
    ctx.restore();
    return;
  }
  if (page.steady) {
    fill(0, page.steady[0], "shade");
    fill(page.steady[1], page.seconds + 1e6, "shade");
  }
  if (brushing.span) {
    fill(-1e6, brushing.span[0], "outside");
    fill(brushing.span[1], page.seconds + 1e6, "outside");
  }
  for (const breach of page.breaches) fill(breach.from, breach.to, "breach");
  for (const [row, change] of (page.changes || []).entries()) changed(plot, at(change.at), change.text, row % 3);
  ctx.restore();
}

// Joins the two values at each place by a line.
function join(plot, ones, others) {
  const { ctx } = plot;
  ctx.strokeStyle = colour("base");
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ones.forEach((one, place) => {
    if (one === null || others[place] === null) return;
    const across = plot.valToPos(place, "x", true);
    ctx.moveTo(across, plot.valToPos(one, "y", true)); ctx.lineTo(across, plot.valToPos(others[place], "y", true));
  });
  ctx.stroke();
}

// Draws the time of a change of the load by a user, or of another change; `row` keeps texts of neighbours apart.
function changed(plot, across, text, row = 0) {
  const { ctx, bbox } = plot, ratio = devicePixelRatio;
  ctx.strokeStyle = ctx.fillStyle = colour("planned");
  ctx.lineWidth = ratio;
  ctx.setLineDash([2 * ratio, 3 * ratio]);
  ctx.beginPath(); ctx.moveTo(across, bbox.top); ctx.lineTo(across, bbox.top + bbox.height); ctx.stroke();
  ctx.setLineDash([]);
  const { fits, width } = fitting(plot, text);
  const right = across + 4 * ratio + width > bbox.left + bbox.width;
  ctx.textAlign = right ? "right" : "left";
  ctx.textBaseline = "top";
  ctx.fillText(fits, across + (right ? -4 : 4) * ratio, bbox.top + (2 + 14 * row) * ratio);
}

function fitting(plot, text) {
  const { ctx, bbox } = plot;
  ctx.font = FONT.replace("11px", 11 * devicePixelRatio + "px");
  let fits = text;
  while (fits.length > 4 && ctx.measureText(fits).width > bbox.width * 0.8) fits = fits.slice(0, -2).trimEnd();
  if (fits !== text) fits += "…";
  return { fits, width: ctx.measureText(fits).width };
}

// Draws a text at the right of its line; moves it left or down if it would cover another text.
function written(plot, text, y, ink, taken) {
  const { ctx, bbox } = plot, ratio = devicePixelRatio, size = 14 * ratio;
  const { fits, width } = fitting(plot, text);
  let right = bbox.left + bbox.width - 4 * ratio;
  const other = () => taken.find((one) => Math.abs(one.y - y) < size && right > one.left && right - width < one.right);
  for (let found = other(); found; found = other()) {
    right = found.left - 10 * ratio;
    if (right - width < bbox.left) {
      right = bbox.left + bbox.width - 4 * ratio;
      y += size;
    }
  }
  const left = right - width;
  taken.push({ left, right, y });
  ctx.fillStyle = colour("card", 0.82);
  ctx.fillRect(left - 3 * ratio, y - 13 * ratio, width + 6 * ratio, size);
  ctx.fillStyle = ink;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText(fits, left, y);
}

// Draws one line per threshold without overlapping texts; an arrow at the edge marks thresholds beyond the chart.
function thresholds(plot, chart) {
  const { ctx, bbox } = plot, ratio = devicePixelRatio, right = bbox.left + bbox.width;
  const taken = [];
  ctx.save();
  for (const mark of chart.marks) {
    const ink = colour_of(mark.outcome);
    const place = plot.valToPos(mark.at, "y", true);
    const bottom = bbox.top + bbox.height, below = place > bottom + 1, beyond = below || place < bbox.top - 1;
    ctx.strokeStyle = ctx.fillStyle = ink;
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([5 * ratio, 4 * ratio]);
    if (!beyond) {
      ctx.beginPath(); ctx.moveTo(bbox.left, place); ctx.lineTo(right, place); ctx.stroke();
    }
    if (mark.percent !== undefined && !beyond) {
      const across = plot.valToPos(-Math.log10(1 - mark.percent / 100), "x", true);
      if (across >= bbox.left && across <= right) {
        ctx.lineWidth = ratio;
        ctx.beginPath(); ctx.moveTo(across, bottom); ctx.lineTo(across, place); ctx.stroke();
        ctx.setLineDash([]);
        ctx.beginPath(); ctx.arc(across, place, 4.5 * ratio, 0, 7); ctx.fill();
      }
    }
    ctx.setLineDash([]);
    const top = bbox.top + 15 * ratio;
    const foot = below ? bottom - 2 * ratio : beyond ? top : Math.max(top, place - 2 * ratio);
    written(plot, mark.text + (below ? " ↓" : beyond ? " ↑" : ""), foot, ink, taken);
  }
  ctx.restore();
}
