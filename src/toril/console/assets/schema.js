"use strict";
// Completions and marks of the YAML view, from the JSON Schema of suites. It reads mappings and lists in blocks, line by
// line; what stands in braces or brackets is left to the server's check.
window.torilSchema = (() => {
  const KEY = /^("[^"]*"|'[^']*'|[^\s#"'[\]{},&*!|>%@`-][^#]*?|-[^\s#][^#]*?)\s*:(?=\s|$)\s*/;
  let root = null;
  async function load(address) { root = await (await fetch(address)).json(); }

  // The keys of a text, each with its line, its path and its value; "[]" is an item of a list.
  function rows(lines) {
    const found = [], stack = [];
    let text_from = Infinity; // the column from which a text in several lines is indented
    lines.forEach((line, number) => {
      const indent = line.search(/\S|$/);
      if (line.trim() && indent < text_from) text_from = Infinity;
      if (indent >= text_from || /^\s*(#|$|---|\.\.\.)/.test(line)) return;
      let column = indent, rest = line.slice(column);
      for (let dash; (dash = /^-(\s+|$)/.exec(rest)); rest = rest.slice(dash[0].length), column += dash[0].length) {
        while (stack.length && (stack.at(-1).column > column || (stack.at(-1).column === column && stack.at(-1).item))) stack.pop();
        stack.push({ column, step: "[]", item: true });
      }
      const match = KEY.exec(rest);
      if (!match) return;
      while (stack.length && stack.at(-1).column >= column) stack.pop();
      const key = match[1].replace(/^(["'])(.*)\1$/, "$2"), value = rest.slice(match[0].length).replace(/(^|\s)#.*$/, "").trim();
      stack.push({ column, step: key, item: false });
      found.push({ number, column, end: column + match[1].length, at: column + match[0].length, key, value, path: stack.map((one) => one.step) });
      if (/^[|>][+-]?\d?$/.test(value)) text_from = column + 1;
    });
    return found;
  }

  const resolved = (schema) => (schema?.$ref ? root.definitions[schema.$ref.split("/").at(-1)] : schema);
  // The alternatives of a schema; with `rules`, also what holds under a condition.
  function parts(schema, rules) {
    const whole = resolved(schema);
    if (typeof whole !== "object") return [];
    const inner = [...(whole.anyOf ?? []), ...(whole.oneOf ?? []), ...(whole.allOf ?? [])];
    if (rules) inner.push(whole.then, whole.else);
    return [whole, ...inner.filter(Boolean).flatMap((one) => parts(one, rules))];
  }
  const fitting = (schema, key) => Object.entries(schema.patternProperties ?? {}).filter(([pattern]) => new RegExp(pattern, "u").test(key)).map((pair) => pair[1]);
  function below(schema, step) {
    if (step === "[]") return schema.items ? [schema.items] : [];
    if (Object.hasOwn(schema.properties ?? {}, step)) return [schema.properties[step]];
    const others = fitting(schema, step);
    return others.length ? others : typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : [];
  }
  const at = (path, rules = false) => path.reduce((schemas, step) => schemas.flatMap((one) => parts(one, rules)).flatMap((one) => below(one, step)), [root]);

  function scalar(text) {
    if (/^(~|null|)$/i.test(text)) return null;
    if (/^(true|yes|on|false|no|off)$/i.test(text)) return /^(true|yes|on)$/i.test(text);
    if (/^[-+]?(\d[\d_]*(\.\d*)?|\.\d+)$/.test(text)) return Number(text.replaceAll("_", ""));
    return text.replace(/^(["'])(.*)\1$/, "$2");
  }
  function is(value, type) {
    if (type === "integer") return Number.isInteger(value);
    return type === (value === null ? "null" : typeof value);
  }
  function fits(value, written) {
    const schema = resolved(written), number = typeof value === "number", text = typeof value === "string";
    if (schema === true || schema === false) return schema;
    return (!schema.type || [schema.type].flat().some((type) => is(value, type)))
      && (!schema.enum || schema.enum.includes(value)) && (schema.const === undefined || schema.const === value)
      && (!text || ((!schema.pattern || new RegExp(schema.pattern, "u").test(value)) && value.length >= (schema.minLength ?? 0)))
      && (!number || (value >= (schema.minimum ?? -Infinity) && value <= (schema.maximum ?? Infinity) && value > (schema.exclusiveMinimum ?? -Infinity)))
      && (!schema.not || !fits(value, schema.not)) && (schema.allOf ?? []).filter((one) => !one.if).every((one) => fits(value, one))
      && (!schema.anyOf || schema.anyOf.some((one) => fits(value, one))) && (!schema.oneOf || number || text || schema.oneOf.some((one) => fits(value, one)));
  }
  function is_wrong(row) {
    const around = at(row.path.slice(0, -1), true).flatMap((one) => parts(one, true));
    if (around.some((one) => !Object.hasOwn(one.properties ?? {}, row.key) && fitting(one, row.key).includes(false))) return "Unknown key.";
    const closed = around.filter((one) => one.properties), known = around.some((one) => below(one, row.key).length);
    return closed.length && !known && closed.every((one) => one.additionalProperties === false) ? "Unknown key." : "";
  }
  function problem(row) {
    if (is_wrong(row)) return { ...row, message: is_wrong(row), from: row.column, to: row.end };
    const expected = at(row.path), plain = row.value && !/^[[{|>&*!]/.test(row.value);
    if (!plain || !expected.length || expected.some((one) => fits(scalar(row.value), one))) return null;
    const example = expected.flatMap((one) => parts(one, false)).map((one) => one.patternErrorMessage).find(Boolean);
    return { ...row, message: `This value does not fit. ${example ?? ""}`.trim(), from: row.at, to: row.at + row.value.length };
  }

  return {
    load,
    problems: (text) => (root ? rows(text.split("\n")).map(problem).filter(Boolean) : []),
    // The proposals at a place: keys of the mapping, or values of the key before the cursor.
    hints(lines, line, column) {
      if (!root) return null;
      const before = lines[line].slice(0, column), lead = /^\s*(?:-\s+)*/.exec(before)[0], key = KEY.exec(before.slice(lead.length));
      const word = /[^\s]*$/.exec(before)[0], above = lines.slice(0, line);
      if (!key && /\s/.test(before.slice(lead.length))) return null;
      const row = rows([...above, key ? before : `${lead}x:`]).at(-1);
      if (!row || row.number !== line) return null;
      const path = key ? row.path : row.path.slice(0, -1), found = at(path).flatMap((one) => parts(one, false));
      const entries = key
        ? found.flatMap((one) => [...(one.enum ?? []), ...(one.type === "boolean" ? [true, false] : [])]).filter((one) => one !== null && one !== "" && typeof one !== "object").map((one) => [String(one), "", String(one)])
        : found.flatMap((one) => Object.entries(one.properties ?? {})).map(([name, one]) => [name, one.description ?? "", `${name}: `]);
      const list = [...new Map(entries.map((one) => [one[0], one])).values()].filter(([name]) => name.startsWith(word));
      return list.length ? { list: list.map(([name, words, text]) => ({ text, displayText: name, words: words.split("\n")[0] })), from: column - word.length } : null;
    },
  };
})();
