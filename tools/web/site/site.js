// The filter of the gallery: shows the rows of its table that have the chosen engine, need and words.
document.addEventListener("DOMContentLoaded", () => {
  const filter = document.querySelector(".gallery-filter");
  if (!filter) return;
  const rows = [...document.querySelectorAll(".md-content table tbody tr")];
  const chosen = (column) => filter.querySelector(`[data-column=${column}]`).value;
  const show = () => {
    const [engine, need, text] = ["engine", "need", "text"].map(chosen);
    for (const row of rows) {
      const cells = [...row.cells].map((cell) => cell.textContent.trim());
      const fits = (!engine || cells[2].split(", ").includes(engine)) && (!need || cells[3] === need);
      row.hidden = !fits || !row.textContent.toLowerCase().includes(text.toLowerCase());
    }
    const shown = rows.filter((row) => !row.hidden).length;
    filter.querySelector("[data-count]").textContent = `${shown} of ${rows.length} examples`;
  };
  filter.addEventListener("input", show);
  show();
});
