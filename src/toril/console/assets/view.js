// Keeps the label and the window of a report's charts in the address, so that a copied link shows the same.
const over_time = () => plots.filter((plot) => plot.drawn && !plot.chart.nines && !plot.chart.x);
const chooser = document.getElementById("label-chosen");

function remember() {
  const query = new URLSearchParams(location.search), [first] = over_time();
  const keep = (name, value) => { if (value === null) query.delete(name); else query.set(name, value); };
  if (first) {
    const { min, max } = first.drawn.scales.x;
    const whole = min <= first.own[0] && max >= first.own[first.own.length - 1];
    keep("window", whole ? null : `${Math.round(min)}-${Math.round(max)}`);
  }
  if (chooser) keep("label", Number(chooser.value) === page.label ? null : page.labels[chooser.value].name);
  const text = query.toString();
  if (text !== new URLSearchParams(location.search).toString()) history.replaceState(history.state, "", (text ? "?" + text : location.pathname) + location.hash);
}

function restore() {
  const query = new URLSearchParams(location.search);
  const label = page.labels ? page.labels.findIndex((one) => one.name === query.get("label")) : -1;
  if (chooser && label >= 0) {
    chooser.value = String(label);
    chooser.dispatchEvent(new Event("change"));
  }
  const found = /^(\d+)-(\d+)$/.exec(query.get("window") ?? "");
  if (found && Number(found[1]) < Number(found[2])) {
    for (const plot of over_time()) plot.drawn.setScale("x", { min: Number(found[1]), max: Number(found[2]) });
  }
}

restore();
for (const kind of ["change", "click", "dblclick", "keyup", "mouseup"]) document.addEventListener(kind, () => setTimeout(remember, 50));
