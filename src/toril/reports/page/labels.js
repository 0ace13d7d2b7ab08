// One label at a time: the chooser, the charts and the figures of the label.
let label_figures = () => {}, choose_label = () => {};
function labels() {
  const chooser = document.getElementById("chooser");
  if (!chooser) return;
  const place = document.querySelector('[data-charts="labels"]'), beside = document.getElementById("beside");
  const select = make("select", { id: "label-chosen" }, ...page.labels.map((label, index) => make("option", { value: String(index) }, label.name)));
  const chosen = () => { show(); remember({ label: page.labels[select.value].name }); };
  const step = (by, text, name) => {
    const button = make("button", { type: "button", class: "quiet", "aria-label": name }, text);
    button.addEventListener("click", () => {
      select.value = String((Number(select.value) + by + page.labels.length) % page.labels.length);
      chosen();
      announce(page.labels[select.value].name);
    });
    return button;
  };
  chooser.append(make("label", { for: "label-chosen" }, "Label"), select, step(-1, "←", "previous label"), step(1, "→", "next label"));
  let made = [];
  const show = () => {
    for (const plot of made) {
      plot.drawn.destroy();
      plots.splice(plots.indexOf(plot), 1);
    }
    place.replaceChildren();
    const label = page.labels[select.value];
    made = place_charts(place, label.charts);
    fill_beside();
  };
  const fill_beside = () => {
    const label = page.labels[select.value], own = brushing.span && measured.views[measured.labels[select.value]];
    const found = own ? figures(own, brushing.span) : null, names = found ? errors(found.pool).slice(0, 5) : [];
    const list = make("dl", {}, ...(found ? beside_of(found) : label.figures).map(([name, value, interval]) => make("div", {}, make("dt", {}, name), make("dd", {}, value, ...(interval ? [make("small", {}, interval)] : [])))));
    beside.replaceChildren(make("h3", { class: "hidden" }, "Figures of " + label.name), list);
    const counted = found ? names.map(([kind, count]) => [measured.kinds[kind], words.number(count)]) : label.errors;
    if (counted.length) beside.append(make("ul", { "aria-label": "most frequent errors" }, ...counted.map(([text, count]) => make("li", {}, make("b", {}, count), " × " + text))));
  };
  select.addEventListener("change", chosen);
  select.value = String(page.label);
  show();
  label_figures = fill_beside;
  choose_label = (name) => {
    const found = page.labels.findIndex((label) => label.name === name);
    if (found < 0 || select.value === String(found)) return;
    select.value = String(found);
    show();
  };
}
