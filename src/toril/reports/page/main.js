// Draws the page, and redraws it after a change of theme or width and for print.
const themes = matchMedia("(prefers-color-scheme: dark)");
const toggle = document.getElementById("theme");

// A page opened from a file may have no storage, or no access to it.
function stored_theme() { try { return localStorage.getItem("toril-theme"); } catch { return null; } }
function store_theme(theme) { try { localStorage.setItem("toril-theme", theme); } catch { /* the theme then lasts as long as the page */ } }

const is_dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : themes.matches);
function repaint() {
  palette = new Map();
  toggle.textContent = is_dark() ? "Light" : "Dark";
  toggle.setAttribute("aria-label", `Switch to the ${is_dark() ? "light" : "dark"} theme`);
  for (const { drawn } of plots) drawn.redraw(false);
}

function set_up_theme() {
  const stored = stored_theme();
  if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    root.dataset.theme = is_dark() ? "light" : "dark";
    store_theme(root.dataset.theme);
    repaint();
  });
  themes.addEventListener("change", repaint);
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

set_up_theme();
for (const name of ["course", "generators", "server"]) {
  const place = document.querySelector(`[data-charts="${name}"]`);
  if (place) place_charts(place, page[name]);
}
labels();
document.querySelectorAll("table.sortable").forEach((table) => { sortable(table); filterable(table); });
repaint();
let pending = 0;
new ResizeObserver(() => { cancelAnimationFrame(pending); pending = requestAnimationFrame(fit); }).observe(document.getElementById("main"));
