"use strict";
// The editor of suites: messages at their fields or lines, YAML with colours, and unsaved changes kept in this browser.
(() => {
  const editor = () => document.getElementById("editor");
  const MOST_BYTES = 50 * 1024 * 1024; // as runs/suites.py has it
  let code = null; // CodeMirror, in the YAML view
  let marks = [];
  let last_curve = null;
  let marking = 0;

  // The server checks the suite; its messages come as JSON beside the plan.
  function show_marks() {
    const found = document.querySelector("#check [data-marks]");
    marks = found ? JSON.parse(found.textContent) : [];
    for (const place of document.querySelectorAll("[data-error]")) {
      const mark = marks.find((one) => one.field === place.dataset.error);
      place.textContent = mark ? mark.message.replaceAll("`", "") : "";
      place.classList.toggle("warning", mark?.level === "warning");
      place.hidden = !mark;
      const input = editor().elements[place.dataset.error];
      if (input instanceof Element) {
        input.setAttribute("aria-invalid", String(mark?.level === "error"));
        if (mark) input.setAttribute("aria-describedby", place.id);
      }
    }
    const echoes = JSON.parse(document.querySelector("#check [data-echoes]")?.textContent ?? "{}");
    for (const place of document.querySelectorAll("[data-echo]")) {
      place.textContent = echoes[place.dataset.echo] ?? "";
      place.hidden = !place.textContent;
    }
    if (code) code.performLint();
    for (const words of document.querySelectorAll("[data-words]")) words.textContent = document.querySelector("#check h2 small")?.textContent ?? "";
    const line = document.querySelector("[data-line]");
    if (line) line.textContent = document.querySelector("#check [data-line-now]")?.textContent ?? "";
    // While the suite is wrong, the last curve stays.
    const curve = document.querySelector("#check .curve");
    if (curve) last_curve = curve.cloneNode(true);
    else if (last_curve && marks.some((mark) => mark.level === "error")) {
      last_curve.classList.add("old-curve");
      document.getElementById("check").append(last_curve);
    }
  }

  function yaml() {
    const area = document.querySelector("[data-yaml]");
    if (!area || !window.CodeMirror) return;
    code = CodeMirror.fromTextArea(area, {
      mode: "yaml", lineNumbers: true, indentUnit: 2, tabSize: 2, viewportMargin: Infinity, lineWrapping: true,
      gutters: ["CodeMirror-lint-markers", "CodeMirror-linenumbers"],
      lint: { lintOnChange: false, getAnnotations: annotations },
      extraKeys: { Tab: false, "Shift-Tab": false, "Ctrl-Space": "autocomplete" }, // Tab leaves the editor, as it leaves every field
      hintOptions: { hint: proposals, completeSingle: false },
    });
    torilSchema.load(area.dataset.schema).then(() => code.performLint());
    code.on("inputRead", (cm, change) => { if (/^[a-z]$/i.test(change.text[0]) && !cm.state.completionActive) cm.showHint(); });
    code.getInputField().setAttribute("aria-label", area.labels[0].textContent);
    code.on("changes", () => { code.save(); clearTimeout(marking); marking = setTimeout(() => code.performLint(), 300); area.dispatchEvent(new Event("input", { bubbles: true })); });
  }
  // What the schema says at once; the server's message about the same line says more.
  function annotations(text, options, cm) {
    const checked = server_marks(cm), lines = new Set(checked.map((one) => one.from.line));
    const own = torilSchema.problems(text).filter((one) => !lines.has(one.number));
    return [...checked, ...own.map((one) => ({
      from: CodeMirror.Pos(one.number, one.from), to: CodeMirror.Pos(one.number, one.to), message: `${one.key}: ${one.message}`, severity: "error",
    }))];
  }
  function proposals(cm) {
    const { line, ch } = cm.getCursor(), found = torilSchema.hints(cm.getValue().split("\n"), line, ch);
    if (!found) return null;
    const list = found.list.map((one) => ({ ...one, render: (item) => {
      item.append(one.displayText);
      if (one.words) item.append(Object.assign(document.createElement("small"), { textContent: one.words }));
    } }));
    return { list, from: CodeMirror.Pos(line, found.from), to: CodeMirror.Pos(line, ch) };
  }
  function server_marks(cm) {
    return marks.filter((mark) => mark.line && mark.line <= cm.lineCount()).map((mark) => ({
      from: CodeMirror.Pos(mark.line - 1, 0), to: CodeMirror.Pos(mark.line - 1), message: mark.message, severity: mark.level,
    }));
  }

  // A draft: every field, by the suite's name. It is offered again until console.js has seen that it was saved.
  const key = () => `toril-draft:${editor().dataset.draft}`;
  const values = () => Object.fromEntries([...new FormData(editor())].filter(([name, value]) => name !== "csrf" && typeof value === "string"));
  const stored = () => { try { return JSON.parse(localStorage.getItem(key())); } catch { return null; } };
  const store = (draft) => { try { localStorage.setItem(key(), JSON.stringify(draft)); } catch { /* no storage: the page warns before it is left */ } };
  const forget = () => { try { localStorage.removeItem(key()); } catch { /* nothing is stored */ } };
  let timer = 0;
  function keep() {
    clearTimeout(timer);
    timer = setTimeout(() => store({ at: Date.now(), values: values() }), 300);
  }
  function offer() {
    const banner = document.getElementById("draft"), draft = stored();
    if (!draft) return;
    const same = (one) => draft.values[one] === editor().elements[one]?.value;
    if ((same("version") && same("view") && JSON.stringify(draft.values) === JSON.stringify(values()))) { forget(); return; }
    banner.querySelector("time").textContent = new Date(draft.at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    banner.hidden = false;
    banner.querySelector("[data-discard]").addEventListener("click", () => { forget(); banner.hidden = true; });
    banner.querySelector("[data-restore]").addEventListener("click", () => restore(draft.values));
  }
  function restore(fields) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = editor().action;
    const now = { ...fields, csrf: editor().elements.csrf.value, do: fields.view };
    if (fields.view === "form" && fields.text === editor().elements.text.value) now.version = editor().elements.version.value;
    for (const [name, value] of Object.entries(now)) {
      const field = document.createElement("textarea");
      field.name = name;
      field.value = value;
      form.append(field);
    }
    form.hidden = true;
    document.body.append(form);
    form.submit();
  }

  const changed = () => editor().dispatchEvent(new Event("input", { bubbles: true }));
  // What was typed before the scripts listened to a new form.
  function catch_up() {
    const typed = (one) => (one.type === "checkbox" || one.type === "radio" ? one.checked !== one.defaultChecked : "defaultValue" in one && one.value !== one.defaultValue);
    if ([...editor().elements].some(typed)) changed();
  }

  // Another measure has another unit.
  document.addEventListener("change", (event) => {
    const unit = event.target.name?.endsWith(".subject") && document.getElementById(event.target.name.replace(/subject$/, "unit"));
    const usual = event.target.selectedOptions?.[0]?.dataset.unit;
    if (unit && usual !== undefined) unit.value = usual;
  });

  // Before an upload begins: its size.
  document.addEventListener("change", (event) => {
    const input = event.target;
    if (!input.matches("input[type=file]")) return;
    const bytes = [...input.files].reduce((sum, file) => sum + file.size, 0);
    input.setCustomValidity(bytes > MOST_BYTES ? `A suite has at most 50 MB; this is ${Math.ceil(bytes / 1e6)} MB.` : "");
    input.reportValidity();
  });

  // On AWS a function takes small bodies only: files go to the bucket first, and the form names them.
  async function send_ahead(form) {
    const input = form.elements.file;
    for (const file of input.files) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
      const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const headers = { "content-type": "application/json", "x-csrf-token": form.elements.csrf.value };
      const asked = await fetch("/api/v1/uploads", { method: "POST", headers, body: JSON.stringify({ sha256, size: file.size }) });
      const place = await asked.json();
      if (!asked.ok) throw new Error(place.title);
      if (!place.there) {
        const body = new FormData();
        for (const [name, value] of Object.entries(place.fields)) body.append(name, value);
        body.append("file", file);
        const sent = await fetch(place.url, { method: "POST", body });
        if (!sent.ok) throw new Error(`The bucket refused ${file.name}.`);
      }
      const named = document.createElement("input");
      named.type = "hidden";
      named.name = "uploaded";
      named.value = `${sha256}/${file.name}`;
      form.append(named);
    }
    input.disabled = true;
    form.submit();
  }
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-presigned]") || !event.target.elements.file.files.length) return;
    event.preventDefault();
    send_ahead(event.target).catch((error) => { document.getElementById("live").textContent = error.message; alert(error.message); });
  });

  // A changed row leaves the other parts of the form open, and the answers of tries in their places.
  let open = new Set();
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target === editor()) open = new Set([...editor().querySelectorAll("details[id][open]")].map((one) => one.id));
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target !== editor()) return;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    catch_up();
  });
  // The answer of a try is in sight.
  for (const name of ["htmx:beforeRequest", "htmx:afterSettle"]) {
    document.addEventListener(name, (event) => {
      const place = (event.detail.target ?? event.target).closest?.(".tried");
      if (name === "htmx:beforeRequest" && place === event.detail.target) place?.replaceChildren("Sending…");
      place?.scrollIntoView({ block: "nearest" });
    });
  }
  // Alt and an arrow move the step in which the focus is.
  document.addEventListener("keydown", (event) => {
    const verb = event.altKey && { ArrowUp: "up", ArrowDown: "down" }[event.key];
    const button = verb && event.target.closest?.("[data-step]")?.querySelector(`[value^="${verb}:"]`);
    if (!button) return;
    event.preventDefault();
    button.click();
  });
  // A message leads to its field, also in a closed part of the form.
  function show_field(field) {
    if (!field) return;
    for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    field.focus();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-focus]");
    if (!link) return;
    event.preventDefault();
    show_field(document.getElementById(link.hash.slice(1)));
  });
  document.addEventListener("htmx:afterSwap", () => { if (editor()) show_marks(); });
  document.addEventListener("input", (event) => { if (event.target.form && event.target.form === editor()) keep(); });
  document.addEventListener("submit", (event) => {
    if (event.target !== editor()) return;
    clearTimeout(timer);
    const saves = ["save", "try", "start"].includes(event.submitter?.value ?? "save");
    store({ at: Date.now(), page: location.pathname, values: values(), submitted: saves });
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (!editor()) return;
    yaml();
    show_marks();
    if ("unsaved" in editor().dataset) changed();
    else catch_up();
    if ("unsaved" in editor().dataset) keep();
    else offer();
  });
})();
