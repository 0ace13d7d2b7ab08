// Writes the numbers of a window as `toril.text` does. A tie goes to the even digit, as in Python; `toFixed` takes the larger one.
const MORE_DIGITS = 40; // an exact tie has only zeros there
function rounded(value, digits = 0) {
  const text = value.toFixed(digits), tie = value.toFixed(digits + MORE_DIGITS).endsWith("5" + "0".repeat(MORE_DIGITS - 1));
  return Number(tie && text.at(-1) % 2 ? text.slice(0, -1) + (text.at(-1) - 1) : text);
}
const fixed = (value, most, least = most) => rounded(value, most).toLocaleString("en", { maximumFractionDigits: most, minimumFractionDigits: least });

const words = {
  number(value) {
    if (value > 0 && value < 0.001) return "< 0.001";
    const size = Math.abs(value);
    return fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3, 0);
  },
  time(us, resolution = 1) {
    if (us === null) return "–";
    if (us === 0 && resolution <= 1) return "0 ms";
    if (us < resolution && resolution > 1) return `< ${words.number(resolution / 1000)} ms`;
    const ms = us / 1000;
    if (ms >= 10000) return fixed(ms / 1000, 1) + " s";
    return fixed(ms, ms >= 99.95 || resolution >= 1000 ? 0 : ms >= 9.995 ? 1 : ms >= 0.9995 ? 2 : 3) + " ms";
  },
  share(part, whole) {
    const value = (100 * part) / whole;
    if (value > 0 && value < 0.01) return "< 0.01 %";
    if (value >= 99.995 && value < 100) return "> 99.99 %";
    return fixed(value, 2, 0) + " %";
  },
  size(bytes) {
    const units = ["GiB", "MiB", "KiB", "B"];
    while (bytes >= 1024 && units.length > 1) { bytes /= 1024; units.pop(); }
    return `${words.number(rounded(bytes, 2))} ${units.at(-1)}`;
  },
};
