// Redraws the charts after a change of theme or width and for print.
const themes = matchMedia("(prefers-color-scheme: dark)");

function repaint() {
  palette = new Map();
  for (const { drawn } of plots) drawn.redraw(false);
}

const ON_PAPER = { width: 330, height: 125 }; // two beside each other on A4 or Letter
let chosen, on_paper = false;
function set_up_print() {
  addEventListener("beforeprint", () => {
    on_paper = true;
    chosen = root.dataset.theme;
    root.dataset.theme = "light";
    palette = new Map();
    for (const { drawn } of plots) drawn.setSize(ON_PAPER);
  });
  addEventListener("afterprint", () => {
    if (chosen) root.dataset.theme = chosen; else delete root.dataset.theme;
    on_paper = false;
    fit();
    repaint();
  });
}

function fit() {
  for (const { drawn, box } of plots) if (!on_paper && box.clientWidth && drawn.width !== box.clientWidth) drawn.setSize({ width: box.clientWidth, height: height() });
}

set_up_print();
themes.addEventListener("change", repaint);
addEventListener("themechange", repaint);
let pending = 0;
new ResizeObserver(() => { cancelAnimationFrame(pending); pending = requestAnimationFrame(fit); }).observe(document.getElementById("main"));
