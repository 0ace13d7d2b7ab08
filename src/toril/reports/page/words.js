// Writes numbers exactly as `toril.text` does. A tie goes to the even digit, as in Python; `toFixed` takes the larger one.
const MORE_DIGITS = 40; // an exact tie has only zeros there
function fixed(value, digits) {
  const size = Math.abs(value);
  let text = size.toFixed(digits);
  const tie = size.toFixed(digits + MORE_DIGITS).slice(-MORE_DIGITS) === "5" + "0".repeat(MORE_DIGITS - 1);
  if (tie && text.at(-1) % 2) text = text.slice(0, -1) + (text.at(-1) - 1);
  return (value < 0 ? "-" : "") + text;
}
const rounded = (value, digits = 0) => Number(fixed(value, digits));
const grouped = (text) => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));
const bare = (text) => (text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text);

const words = {
  number(value) {
    if (Number.isInteger(value)) return grouped(fixed(value, 0));
    if (value > 0 && value < 0.001) return "< 0.001";
    const size = Math.abs(value);
    return bare(grouped(fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3)));
  },
  time(us, resolution = 1) {
    if (us === null) return "–";
    if (us === 0 && resolution <= 1) return "0 ms";
    if (us < 0) return "−" + words.time(-us, resolution);
    if (us < resolution && resolution > 1) return `< ${words.number(resolution / 1000)} ms`;
    const ms = us / 1000;
    if (ms >= 10000) return grouped(fixed(ms / 1000, 1)) + " s";
    const digits = ms >= 99.95 || resolution >= 1000 ? 0 : ms >= 9.995 ? 1 : ms >= 0.9995 ? 2 : 3;
    return grouped(fixed(ms, digits)) + " ms";
  },
  percent(value) {
    if (value > 0 && value < 0.01) return "< 0.01 %";
    if (value >= 99.995 && value < 100) return "> 99.99 %";
    return bare(grouped(fixed(value, 2))) + " %";
  },
  share: (part, whole) => (whole ? words.percent((100 * part) / whole) : "–"),
  size(bytes) {
    const units = ["GiB", "MiB", "KiB", "B"];
    while (Math.abs(bytes) >= 1024 && units.length > 1) { bytes /= 1024; units.pop(); }
    return `${words.number(rounded(bytes, 2))} ${units.at(-1)}`;
  },
  interval([low, high], text, resolution) {
    if (low === null && high === null) return "too few";
    const unit = " " + text.split(" ").at(-1);
    const ends = [low === null ? "0" : words.time(low, resolution), high === null ? "∞" : words.time(high, resolution)];
    if (!ends.every((end) => "0∞".includes(end) || end.endsWith(unit))) return ends.join(" … ");
    return ends.map((end) => (end.endsWith(unit) ? end.slice(0, -unit.length) : end).replace("< ", "<")).join(" … ");
  },
};
