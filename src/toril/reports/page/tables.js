// The heading of a column sorts its table; the total stays on top. Long tables have a filter.
function sortable(table) {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const name = head.textContent;
    const button = make("button", { type: "button" }, name);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const down = before ? before === "ascending" : head.classList.contains("number");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value;
      const text = (row) => row.cells[column].textContent;
      const compare = (a, b) => (value(a) !== undefined ? value(a) - value(b) : text(a).localeCompare(text(b), "en", { numeric: true }));
      const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("total"));
      rows.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
      table.tBodies[0].append(...rows);
      announce(`sorted by ${name}, ${down ? "descending" : "ascending"}`);
    });
  });
}

const LONG_TABLE = 15;
let filters = 0;
function filterable(table) {
  const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("total"));
  if (rows.length < LONG_TABLE) return;
  const id = `filter-${++filters}`;
  const input = make("input", { type: "search", id, autocomplete: "off" });
  const count = make("span", {});
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    const left = rows.filter((row) => !row.hidden).length;
    count.textContent = wanted ? `${left} of ${rows.length}` : "";
    if (wanted) announce(`${left} of ${rows.length} rows`);
  });
  table.closest(".scroll").before(make("p", { class: "filter" }, make("label", { for: id }, "Filter"), input, count));
}
