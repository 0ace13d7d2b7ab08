// Shared by the other scripts: data of the page, elements, numbers with units, colours of the theme.
const page = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function number(value, most = 2) {
  return value.toLocaleString("en", { maximumFractionDigits: most });
}

function shown(value, unit) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (unit === "ms") {
    if (size >= 10000) return (value / 1000).toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 }) + " s";
    const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3; // as `toril.text.time`
    return value.toLocaleString("en", { minimumFractionDigits: size ? digits : 0, maximumFractionDigits: digits }) + " ms";
  }
  const text = number(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4);
  return unit === "/s" ? text + "/s" : unit ? text + " " + unit : text;
}

// Returns a short number for an axis: 250 ms, 1.5 s, 40 %.
function tick(value, unit) {
  if (unit === "ms") return value >= 1000 ? number(value / 1000, 2) + " s" : number(value, 3) + " ms";
  if (Math.abs(value) >= 1e9) return number(value / 1e9, 2) + " G" + unit;
  if (Math.abs(value) >= 1e6) return number(value / 1e6, 2) + " M" + unit;
  return number(value, 3) + (unit === "/s" ? "/s" : unit ? " " + unit : "");
}

function clock(seconds) {
  if (page.seconds <= 120 && seconds < 120) return number(seconds, 1) + " s";
  const whole = Math.floor(seconds);
  const two = (part) => String(part).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// Charts with an axis of their own show percentiles, runs or pairs; all others share the time since the start signal.
const is_apart = (chart) => Boolean(chart.nines || chart.axis);

const percentile = (nines) => nines === 0 ? "min" : Number((100 - 100 / 10 ** nines).toPrecision(Math.max(2, Math.floor(nines) + 2))) + " %";

// The chosen window in seconds, and the one that is being marked; null: the whole run.
const brushing = { possible: document.querySelector('[data-charts="course"]') !== null, span: null, marked: null };

const live = document.getElementById("live");
function announce(text) { live.textContent = text; }

// A custom property does not resolve light-dark(); a computed colour does.
const probe = make("span", { hidden: "", class: "probe" });
document.body.append(probe);
let palette = new Map();
function colour(name, alpha = 1) {
  if (!palette.has(name)) {
    probe.style.color = `var(--${name})`;
    palette.set(name, getComputedStyle(probe).color);
  }
  const found = palette.get(name);
  return alpha === 1 ? found : found.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}

const OUTCOMES = { passed: "passed", failed: "failed", limit: "text" };
const colour_of = (outcome) => colour(OUTCOMES[outcome] || "inconclusive");
