"use strict";
// Runs before the page is drawn, so that no other theme flashes up.
try {
  const stored = localStorage.getItem("toril-theme");
  if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
} catch { /* without storage, the system's theme counts */ }
