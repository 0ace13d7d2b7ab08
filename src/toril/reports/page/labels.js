// One label at a time: the chooser, the charts and the figures of the label.
function labels() {
  const chooser = document.getElementById("chooser");
  if (!chooser) return;
  const place = document.querySelector('[data-charts="labels"]'), beside = document.getElementById("beside");
  const select = make("select", { id: "label-chosen" }, ...page.labels.map((label, index) => make("option", { value: String(index) }, label.name)));
  const step = (by, text, name) => {
    const button = make("button", { type: "button", class: "quiet", "aria-label": name }, text);
    button.addEventListener("click", () => {
      select.value = String((Number(select.value) + by + page.labels.length) % page.labels.length);
      show();
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
    const figures = make("dl", {}, ...label.figures.map(([name, value, interval]) => make("div", {}, make("dt", {}, name), make("dd", {}, value, ...(interval ? [make("small", {}, interval)] : [])))));
    beside.replaceChildren(make("h3", { class: "hidden" }, "Figures of " + label.name), figures);
    if (label.errors.length) beside.append(make("ul", { "aria-label": "most frequent errors" }, ...label.errors.map(([text, count]) => make("li", {}, make("b", {}, count), " × " + text))));
  };
  select.addEventListener("change", show);
  select.value = String(page.label);
  show();
}
