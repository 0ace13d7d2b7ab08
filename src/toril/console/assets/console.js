"use strict";
// Theme, keys, local times, unsaved changes and dialogs. Each works on fragments too: htmx:load runs for new content.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const is_dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);

  function theme() {
    const button = document.getElementById("theme");
    if (!button) return;
    const show = () => {
      button.textContent = is_dark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `Switch to the ${is_dark() ? "light" : "dark"} theme`);
      dispatchEvent(new CustomEvent("themechange"));
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = is_dark() ? "light" : "dark";
      try { localStorage.setItem("toril-theme", root.dataset.theme); } catch { /* lasts as long as the page */ }
      show();
    });
    dark.addEventListener("change", show);
    show();
  }

  // Times: in the reader's zone, with the distance from now in the title.
  const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
  function times(within) {
    for (const one of within.querySelectorAll("time[data-time]")) {
      const at = new Date(one.dateTime);
      one.textContent = format.format(at);
      one.title = one.dateTime;
    }
  }

  // Keys: `g` and a letter opens a page; a row is focused by j and k, selected by x.
  let before = "";
  const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], .CodeMirror, dialog[open]");
  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const pair = before + event.key;
    before = event.key === "g" ? "g " : "";
    const page = document.querySelector(`nav a[data-keys="${CSS.escape(pair)}"]`);
    if (page) page.click();
    else if (event.key === "?") document.getElementById("keys").showModal();
    else if (event.key === "/") focus_on(event, document.querySelector("[data-search]"));
    else if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
    else if (event.key === "x") document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click();
    else if (event.key === "c") document.querySelector("[data-key-c]")?.click();
    else if (event.key === ".") focus_on(event, document.querySelector("[data-key-stop]"), true);
  }
  function focus_on(event, element, click = false) {
    if (!element) return;
    event.preventDefault();
    element.focus();
    if (click) element.click();
  }
  function move(by) {
    const links = [...document.querySelectorAll("tr a[data-row]")];
    const now = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    links[Math.min(links.length - 1, Math.max(0, now + by))]?.focus();
  }

  // A form with data-guard asks before its changes are lost.
  let changed = false;
  document.addEventListener("input", (event) => { if (event.target.closest("form[data-guard]")) changed = true; });
  document.addEventListener("submit", (event) => { if (event.target.matches("form[data-guard]")) changed = false; });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

  // <button data-dialog="id"> opens a dialog; a dialog closes by its own buttons and by Escape.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) { event.preventDefault(); document.getElementById(opener.dataset.dialog).showModal(); }
    const copied = event.target.closest("[data-copy]");
    if (copied) navigator.clipboard.writeText(copied.dataset.copy).then(() => { document.getElementById("live").textContent = "Copied"; });
    const closer = event.target.closest("[data-close]");
    if (closer) closer.closest("dialog").close();
  });
  // A menu closes by Escape, and by a click elsewhere.
  for (const kind of ["click", "keydown"]) {
    document.addEventListener(kind, (event) => {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        if (event.key === "Escape" || (kind === "click" && !menu.contains(event.target))) menu.open = false;
      }
    });
  }
  // A link to this page, with the state of its view.
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-copy-link]")) return;
    navigator.clipboard.writeText(location.href).then(() => { document.getElementById("live").textContent = "Copied the link"; });
  });
  // Charts with much data load it after the page.
  async function charts() {
    const data = document.querySelector("script[data-from]");
    if (!data) return;
    const answer = await fetch(data.dataset.from);
    if (!answer.ok) return;
    data.textContent = await answer.text();
    const script = document.createElement("script");
    script.src = data.dataset.script;
    document.body.append(script);
  }
  // A list with a <select data-refresh> is read again, but not while somebody chooses rows or reads a menu.
  let read_at = Date.now();
  function refresh() {
    const every_s = Number(document.querySelector("[data-refresh]")?.value);
    const busy = document.hidden || document.querySelector("#rows td :checked, dialog[open], details[open]");
    if (!every_s || busy || Date.now() - read_at < 1000 * every_s) return;
    read_at = Date.now();
    htmx.ajax("GET", location.href, { target: "#rows", select: "#rows", swap: "outerHTML" });
  }
  setInterval(refresh, 1000);
  // <select data-submit> and <input data-submit> send their form on change.
  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-submit]")) event.target.form.requestSubmit();
  });
  document.addEventListener("htmx:responseError", (event) => {
    const text = event.detail.xhr.responseText;
    const found = new DOMParser().parseFromString(text, "text/html").querySelector(".empty p");
    document.getElementById("live").textContent = found ? found.textContent : "The console answered with an error.";
  });

  document.addEventListener("keydown", keys);
  document.addEventListener("htmx:load", (event) => times(event.detail.elt));
  document.addEventListener("DOMContentLoaded", () => {
    theme();
    times(document);
    charts();
    for (const button of document.querySelectorAll("[data-copy-link]")) button.hidden = !navigator.clipboard;
    const asked = location.hash && document.getElementById(location.hash.slice(1)); // as in `/suites/shop#copy`
    if (asked instanceof HTMLDialogElement) asked.showModal();
    const help = document.getElementById("help");
    if (help) { help.hidden = false; help.addEventListener("click", () => document.getElementById("keys").showModal()); }
  });
})();
