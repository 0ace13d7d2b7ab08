// Redraws the charts after a change of theme or width and for print.
const themes = matchMedia("(prefers-color-scheme: dark)");

function repaint() {
  palette = new Map();
  for (const { drawn } of plots) drawn.redraw(false);
}

function set_up_print() {
  let chosen, folded = [];
  addEventListener("beforeprint", () => {
    chosen = root.dataset.theme;
    root.dataset.theme = "light";
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const fold of folded) fold.open = true;
    repaint();
  });
  addEventListener("afterprint", () => {
    if (chosen) root.dataset.theme = chosen; else delete root.dataset.theme;
    for (const fold of folded) fold.open = false;
    repaint();
  });
}

function fit() {
  for (const { drawn, box } of plots) if (box.clientWidth && drawn.width !== box.clientWidth) drawn.setSize({ width: box.clientWidth, height: height() });
}

set_up_print();
themes.addEventListener("change", repaint);
addEventListener("themechange", repaint);
let pending = 0;
new ResizeObserver(() => { cancelAnimationFrame(pending); pending = requestAnimationFrame(fit); }).observe(document.getElementById("main"));
