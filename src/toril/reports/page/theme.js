// The button that switches the theme of a page on its own.
const toggle = document.getElementById("theme");

// A page opened from a file may have no storage, or no access to it.
function stored_theme() { try { return localStorage.getItem("toril-theme"); } catch { return null; } }
function store_theme(theme) { try { localStorage.setItem("toril-theme", theme); } catch { /* the theme then lasts as long as the page */ } }

const is_dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : themes.matches);
function show_theme() {
  toggle.textContent = is_dark() ? "Light" : "Dark";
  toggle.setAttribute("aria-label", `Switch to the ${is_dark() ? "light" : "dark"} theme`);
  dispatchEvent(new CustomEvent("themechange"));
}

const stored = address().get("theme") ?? stored_theme();
if (stored === "light" || stored === "dark") root.dataset.theme = stored;
toggle.hidden = false;
toggle.addEventListener("click", () => {
  root.dataset.theme = is_dark() ? "light" : "dark";
  store_theme(root.dataset.theme);
  show_theme();
});
themes.addEventListener("change", show_theme);
show_theme();
