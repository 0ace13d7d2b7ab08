// Draws the charts of a finished run, and makes its tables sortable.
for (const name of ["pairs", "course", "scripts", "generators", "server"]) {
  const place = document.querySelector(`[data-charts="${name}"]`);
  if (place) place_charts(place, page[name]);
}
labels();
trends();
windows();
document.querySelectorAll("table.sortable").forEach((table) => { sortable(table); filterable(table); });
repaint();
