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
      if (Number.isNaN(at.getTime())) continue; // a report may have any text
      one.textContent = format.format(at);
      one.title = one.dateTime;
    }
  }

  // Keys: `g` and a letter opens a page; a row is focused by j and k, selected by x.
  let before = "";
  const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], .CodeMirror, dialog[open]");
  function keys(event) {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      if (event.key === "k") { event.preventDefault(); palette(); }
      if (event.key === "s") focus_on(event, document.querySelector("[data-key-save]"), true);
      if (event.key === "Enter") focus_on(event, document.querySelector("dialog[open] [data-key-start], :not(dialog *)[data-key-start]"), true);
    }
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
  // The palette: the server finds suites, runs and pages; this page adds its own actions.
  function palette() {
    const dialog = document.getElementById("palette");
    if (!dialog || dialog.open || document.querySelector("dialog[open]")) return;
    dialog.showModal();
    const input = dialog.querySelector("input");
    input.value = "";
    input.focus();
    htmx.trigger(input, "open");
  }
  function own_actions(name, selector, wanted, add) {
    const shown = [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility() && !one.disabled);
    const named = shown.map((one) => [one.getAttribute("aria-label") ?? one.textContent.trim(), one]);
    const found = named.filter(([name]) => wanted.every((part) => name.toLowerCase().includes(part)));
    if (!found.length) return;
    const group = document.createElement("div"), title = document.createElement("p");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", title.textContent = name);
    title.setAttribute("aria-hidden", "true");
    group.append(title, ...found.map(([name, one]) => {
      const line = Object.assign(document.createElement("a"), { href: "#", textContent: name, tabIndex: -1 });
      line.setAttribute("role", "option");
      line.addEventListener("click", (event) => { event.preventDefault(); document.getElementById("palette").close(); one.click(); });
      return line;
    }));
    add(group);
  }
  function choose(by) {
    const options = [...document.querySelectorAll("#found [role=option]")], now = options.findIndex((one) => one.ariaSelected === "true");
    const next = options[(now + by + options.length) % options.length];
    options.forEach((one, number) => { one.id = `found-${number}`; one.ariaSelected = String(one === next); });
    document.querySelector("#palette input").setAttribute("aria-activedescendant", next ? next.id : "");
    next?.scrollIntoView({ block: "nearest" });
  }
  function palette_of(dialog) {
    const list = document.getElementById("found"), input = dialog.querySelector("input");
    const enter = () => list.querySelector("[aria-selected=true]")?.click();
    let stale = false, entered = false; // Enter waits for the answer to what was typed
    input.addEventListener("input", () => { stale = true; });
    document.getElementById("find").addEventListener("click", (event) => { event.preventDefault(); palette(); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("htmx:afterSwap", () => {
      const wanted = input.value.toLowerCase().split(" ").filter(Boolean);
      own_actions("This page", "main .heading .actions :is(a, button), [data-key-stop]", wanted, (group) => list.prepend(group));
      own_actions("Console", "#theme, #help", wanted, (group) => list.append(group));
      if (!list.querySelector("[role=option]")) list.replaceChildren(Object.assign(document.createElement("p"), { textContent: `Nothing has “${input.value}”.` }));
      choose(1);
      if (entered) enter();
      stale = entered = false;
    });
    input.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (by) { event.preventDefault(); choose(by); }
      if (event.key === "Enter") { event.preventDefault(); entered = stale; if (!stale) enter(); }
    });
  }
  function focus_on(event, element, click = false) {
    if (!element) return;
    event.preventDefault();
    element.focus();
    if (click) element.click();
  }
  function move(by) {
    const links = [...document.querySelectorAll("[data-row]")];
    const now = links.findIndex((link) => link.closest("tr, li")?.contains(document.activeElement));
    links[Math.min(links.length - 1, Math.max(0, now + by))]?.focus();
  }

  // A form with data-guard asks before its changes are lost.
  let changed = false;
  document.addEventListener("input", (event) => { if (event.target.closest("form[data-guard]")) changed = true; });
  document.addEventListener("submit", (event) => { if (event.target.matches("form[data-guard]")) changed = false; });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

  // What somebody typed is kept until the console has taken it. A form that meets an error, such as an expired session,
  // is filled in again when its page is opened. The editor's drafts are kept by editor.js, and forgotten here.
  const TYPED = "toril-typed", DRAFT = "toril-draft:";
  const FIELDS = "textarea, select, input:not([type=hidden], [type=password], [type=file], [type=radio])";
  const recall = (storage, key) => { try { return JSON.parse(storage.getItem(key)); } catch { return null; } };
  const property = (field) => (field.type === "checkbox" ? "checked" : "value");
  const written = (field) => { // by the server
    if (!field.options) return field[property(field) === "checked" ? "defaultChecked" : "defaultValue"];
    return ([...field.options].find((one) => one.defaultSelected) ?? field.options[0])?.value;
  };
  // The action and the hidden fields tell forms apart, such as those of two schedules or rates.
  const identity = (form) => [form.getAttribute("action"), ...[...form.querySelectorAll("[type=hidden]:not([name=csrf])")].map((one) => one.value)].join();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.getAttribute("method") !== "post" || "draft" in form.dataset) return;
    const values = Object.fromEntries([...form.querySelectorAll(FIELDS)].map((one) => [one.name, one[property(one)]]));
    const typed = { form: identity(form), page: location.pathname, values };
    try { sessionStorage.setItem(TYPED, JSON.stringify(typed)); } catch { /* no storage */ }
  });
  function settle() {
    const from = document.referrer.startsWith(`${location.origin}/`) ? new URL(document.referrer).pathname : "";
    const drafts = Object.keys(localStorage).filter((key) => key.startsWith(DRAFT)).map((key) => [localStorage, key]);
    for (const [storage, key] of [[sessionStorage, TYPED], ...drafts]) {
      const kept = recall(storage, key);
      if (!kept || kept.page !== from || kept.refused || kept.submitted === false) continue;
      if (document.querySelector("[data-refused]")) storage.setItem(key, JSON.stringify({ ...kept, refused: true }));
      else storage.removeItem(key);
    }
  }
  function fill_again(within) {
    const kept = recall(sessionStorage, TYPED);
    for (const form of kept ? within.querySelectorAll("form[method=post]") : []) {
      if (identity(form) !== kept.form) continue;
      for (const field of form.querySelectorAll(FIELDS)) {
        const name = property(field);
        if (field.name in kept.values && field[name] === written(field)) field[name] = kept.values[field.name];
      }
      if (form.hasAttribute("hx-trigger")) form.dispatchEvent(new Event("change")); // what depends on the fields
    }
  }

  // <button data-dialog="id"> opens a dialog; a dialog closes by its own buttons and by Escape.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) { event.preventDefault(); document.getElementById(opener.dataset.dialog).showModal(); }
    const copied = event.target.closest("[data-copy]");
    if (copied) copy(copied, copied.dataset.copy);
    if (event.target.closest("[data-unselect]")) {
      for (const one of document.querySelectorAll("#chosen td :checked")) one.checked = false;
      chosen();
    }
    const closer = event.target.closest("[data-close]");
    const open = closer?.closest("dialog");
    if (open) { event.preventDefault(); open.close(); }
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
    const button = event.target.closest("[data-copy-link]");
    if (button) copy(button, location.href);
  });
  async function copy(button, text) {
    await navigator.clipboard.writeText(text);
    button.dataset.words ??= button.textContent;
    button.textContent = document.getElementById("live").textContent = "Copied";
    setTimeout(() => { button.textContent = button.dataset.words; }, 2000);
  }
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
  // A list with a <select data-refresh> or [data-poll] is read again, but not while somebody chooses rows or reads a menu.
  let read_at = Date.now();
  function refresh() {
    const every_s = Number(document.querySelector("[data-refresh]")?.value ?? document.querySelector("[data-poll]")?.dataset.poll);
    const busy = document.hidden || document.querySelector("#rows td :checked, dialog[open], details[open], #rows :focus");
    if (!every_s || busy || Date.now() - read_at < 1000 * every_s) return;
    read_at = Date.now();
    htmx.ajax("GET", location.href, { target: "#rows", select: "#rows", swap: "outerHTML" });
  }
  setInterval(refresh, 1000);
  // <select data-submit> and <input data-submit> send their form on change.
  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-submit]")) event.target.form.requestSubmit();
    chosen();
  });
  // Buttons for the selected rows of a list: how many they would change, and which.
  function chosen() {
    const form = document.getElementById("chosen");
    if (!form) return;
    const ids = form.querySelectorAll("td input[name=run]:checked");
    for (const button of form.querySelectorAll("[data-chosen]")) button.disabled = ids.length < Number(button.dataset.chosen) || ids.length > Number(button.dataset.most ?? Infinity);
    for (const one of form.querySelectorAll("[data-selected], [data-unselect]")) one.hidden = !ids.length;
    form.querySelector("[data-selected]").textContent = `${ids.length} selected`;
    for (const one of form.querySelectorAll("[data-count]")) one.textContent = ids.length === 1 ? "1 run" : `${ids.length || "the selected"} runs`;
  }
  // An error of a part of the page is shown above the list, or in the open dialog; what was typed stays.
  function complain(text) {
    document.getElementById("problem")?.remove();
    if (!text) return;
    const banner = Object.assign(document.createElement("div"), { id: "problem", className: "banner failed" });
    banner.setAttribute("role", "alert");
    banner.append(Object.assign(document.createElement("p"), { textContent: text }));
    const dialog = document.querySelector("dialog[open]"), rows = document.getElementById("rows");
    if (dialog) dialog.prepend(banner); else if (rows) rows.before(banner); else document.getElementById("main").prepend(banner);
  }
  document.addEventListener("htmx:responseError", (event) => {
    const text = event.detail.xhr.responseText;
    const found = new DOMParser().parseFromString(text, "text/html").querySelector(".empty p");
    complain(found ? found.textContent : "The console answered with an error.");
  });
  document.addEventListener("htmx:sendError", () => complain("The console does not answer. Is it still running?"));
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) complain(""); });
  // Empty fields of a search stay out of the address.
  const is_search = (form) => form?.matches?.("form.toolbar:not([method=post])");
  document.addEventListener("htmx:configRequest", (event) => {
    const form = event.detail.elt.closest("form");
    if (!is_search(form) || event.detail.verb !== "get") return;
    for (const [name, value] of Object.entries(event.detail.parameters)) if (value === "") delete event.detail.parameters[name];
  });
  document.addEventListener("formdata", (event) => {
    if (!is_search(event.target)) return;
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });

  document.addEventListener("keydown", keys);
  document.addEventListener("htmx:load", (event) => { times(event.detail.elt); chosen(); fill_again(event.detail.elt); });
  document.addEventListener("DOMContentLoaded", () => {
    try { settle(); fill_again(document); } catch { /* no storage */ }
    theme();
    times(document);
    charts();
    chosen();
    for (const one of document.querySelectorAll("nav [aria-current]")) { // in view on narrow screens
      const nav = one.parentElement;
      nav.scrollLeft = Math.max(0, one.offsetLeft + one.offsetWidth - nav.offsetLeft - nav.clientWidth);
    }
    for (const button of document.querySelectorAll("[data-copy-link]")) button.hidden = !navigator.clipboard;
    const asked = location.hash && document.getElementById(location.hash.slice(1)); // as in `/suites/shop#copy`
    if (asked instanceof HTMLDialogElement) asked.showModal();
    const help = document.getElementById("help"), found = document.getElementById("palette");
    if (found) palette_of(found);
    if (help) { help.hidden = false; help.addEventListener("click", () => document.getElementById("keys").showModal()); }
  });
})();
