// Marks the section in view in the outline; 1 to 9 go to the sections.
function outline() {
  const links = [...document.querySelectorAll("#outline a")], nav = document.getElementById("outline");
  const parts = links.map((link) => document.getElementById(link.hash.slice(1)));
  const mark_section = () => {
    const edge = parseFloat(getComputedStyle(root).scrollPaddingTop) + 2, at_end = innerHeight + scrollY >= root.scrollHeight - 2;
    const now = at_end && scrollY > 0 ? parts.length - 1 : Math.max(0, parts.findLastIndex((part) => part && part.getBoundingClientRect().top <= edge));
    if (links[now].hasAttribute("aria-current")) return;
    links.forEach((link, place) => { if (place === now) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current"); });
    nav.scrollLeft = links[now].offsetLeft - nav.offsetLeft - (nav.clientWidth - links[now].offsetWidth) / 2;
  };
  let due = 0;
  addEventListener("scroll", () => { cancelAnimationFrame(due); due = requestAnimationFrame(mark_section); }, { passive: true });
  mark_section();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
    links[Number(event.key) - 1]?.click();
  });
}
if (document.getElementById("outline")) outline();
