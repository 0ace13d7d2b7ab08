// One label at a time: the chooser, the charts and the figures of the label. A trend has the same chooser.
// Fills the chooser with a list of entries and buttons to step through it; returns the list.
function chooser_of(element, title, entries, chosen) {
  const noun = title.toLowerCase(), id = noun + "-chosen";
  const select = make("select", { id }, ...entries.map(({ name }, index) => make("option", { value: String(index) }, name)));
  const step = (by, text, name) => {
    const button = make("button", { type: "button", class: "quiet", "aria-label": name }, text);
    button.addEventListener("click", () => {
      select.value = String((Number(select.value) + by + entries.length) % entries.length);
      chosen();
      announce(entries[select.value].name);
    });
    return button;
  };
  element.append(make("label", { for: id }, title), select, step(-1, "←", "previous " + noun), step(1, "→", "next " + noun));
  select.addEventListener("change", chosen);
  return select;
}

// Puts these charts in the place of others.
function replace_charts(place, made, charts) {
  for (const plot of made) {
    plot.drawn.destroy();
    plots.splice(plots.indexOf(plot), 1);
  }
  place.replaceChildren();
  return place_charts(place, charts);
}

function labels() {
  const chooser = document.getElementById("chooser");
  if (!chooser) return;
  const place = document.querySelector('[data-charts="labels"]'), beside = document.getElementById("beside");
  const chosen = () => { show(); remember({ label: page.labels[select.value].name }); };
  const select = chooser_of(chooser, "Label", page.labels, chosen);
  let made = [];
  const show = () => {
    made = replace_charts(place, made, page.labels[select.value].charts.map((chart) => with_curve(chart, brushing.span && measured?.labels[select.value])));
    fill_beside();
  };
  const fill_beside = () => {
    const label = page.labels[select.value], own = brushing.span && measured?.views[measured.labels[select.value]];
    const found = own ? figures(own, brushing.span) : null, names = found ? errors(found.pool).slice(0, 5) : [];
    const of_run = new Map(label.figures.map(([name, value]) => [name, of_whole_run(value)]));
    const shown = found ? beside_of(found).map(([name, value]) => [name, value, of_run.get(name)]) : label.figures;
    const list = make("dl", {}, ...shown.map(([name, value, under]) => make("div", {}, make("dt", {}, name), make("dd", {}, value, ...(under ? [under.nodeType ? under : make("small", {}, under)] : [])))));
    beside.replaceChildren(make("h3", { class: "hidden" }, "Figures of " + label.name), list);
    const counted = found ? names.map(([kind, count]) => [measured.kinds[kind], words.number(count)]) : label.errors;
    if (counted.length) beside.append(make("ul", { "aria-label": "most frequent errors" }, ...counted.map(([text, count]) => make("li", {}, make("b", {}, count), " × " + text))));
  };
  select.value = String(page.label);
  show();
  label_figures = show;
  choose_label = (name) => {
    const found = page.labels.findIndex((label) => label.name === name);
    if (found < 0 || select.value === String(found)) return;
    select.value = String(found);
    show();
  };
}

// The charts of a trend: one label and location at a time.
function trends() {
  const chooser = document.getElementById("trend-chooser"), place = document.querySelector('[data-charts="trend"]');
  if (!chooser || !page.trend.length) return;
  let made = [];
  const show = () => { made = replace_charts(place, made, page.trend[select.value].charts); };
  const select = chooser_of(chooser, "Series", page.trend, show);
  show();
}
