// What is drawn behind and over the lines: shades for the times that are left out or breached, thresholds of criteria.
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
  if (page.steady) {
    fill(0, page.steady[0], "shade");
    fill(page.steady[1], page.seconds + 1e6, "shade");
  }
  for (const breach of page.breaches) fill(breach.from, breach.to, "breach");
  ctx.restore();
}

function written(plot, text, x, y, ink, align) {
  const { ctx, bbox } = plot, ratio = devicePixelRatio;
  ctx.font = FONT.replace("11px", 11 * ratio + "px");
  ctx.textAlign = align;
  ctx.textBaseline = "bottom";
  let fits = text;
  while (fits.length > 4 && ctx.measureText(fits).width > bbox.width * 0.8) fits = fits.slice(0, -2).trimEnd();
  if (fits !== text) fits += "…";
  const width = ctx.measureText(fits).width, left = align === "right" ? x - width : x;
  ctx.fillStyle = colour("card", 0.82);
  ctx.fillRect(left - 3 * ratio, y - 13 * ratio, width + 6 * ratio, 14 * ratio);
  ctx.fillStyle = ink;
  ctx.fillText(fits, x, y);
}

// One line a threshold; texts make way for each other, and what is beyond the chart's top is told at its edge.
function thresholds(plot, chart) {
  const { ctx, bbox } = plot, ratio = devicePixelRatio, right = bbox.left + bbox.width;
  const taken = [];
  ctx.save();
  for (const mark of chart.marks) {
    const ink = colour_of(mark.outcome);
    const place = plot.valToPos(mark.at, "y", true);
    const beyond = place < bbox.top - 1;
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
        ctx.beginPath(); ctx.moveTo(across, bbox.top + bbox.height); ctx.lineTo(across, place); ctx.stroke();
        ctx.setLineDash([]);
        ctx.beginPath(); ctx.arc(across, place, 4.5 * ratio, 0, 7); ctx.fill();
      }
    }
    ctx.setLineDash([]);
    const size = 15 * ratio;
    let y = beyond ? bbox.top + size : Math.max(bbox.top + size, place - 2 * ratio);
    while (taken.some((other) => Math.abs(other - y) < size) && y < bbox.top + bbox.height) y += size / 3;
    taken.push(y);
    written(plot, mark.text + (beyond ? " ↑" : ""), right - 4 * ratio, y, ink, "right");
  }
  ctx.restore();
}
