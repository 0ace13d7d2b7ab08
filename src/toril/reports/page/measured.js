// The measurements of the run by step and series, and the sums of any part of them. `reports/measured.py` writes the text.
let measured = null;

async function read_measured() {
  const element = document.getElementById("measured");
  const answer = element.dataset.address && (await fetch(element.dataset.address)); // in the console
  const text = (answer ? (answer.ok ? await answer.text() : "") : element.textContent).trim();
  if (!text) return;
  const packed = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const body = new Uint8Array(await new Response(plain).arrayBuffer());
  const size = new DataView(body.buffer).getUint32(0, true);
  const found = JSON.parse(new TextDecoder().decode(body.subarray(4, 4 + size)));
  let at = 4 + size;
  for (const [name, count, planes] of found.columns) {
    const values = (found[name] = new (planes < 4 ? Int32Array : Float64Array)(count));
    for (let plane = 0, weight = 1; plane < planes; plane += 1, weight *= 256) {
      for (let place = 0; place < count; place += 1) values[place] += weight * body[at++];
    }
  }
  found.steps = summed(found.step_gap);
  found.ends = summed(found.pairs);
  found.error_ends = summed(found.errors);
  for (let row = 0, pair = 0; row < found.ends.length; row += 1) {
    for (let bucket = 0; pair < found.ends[row]; pair += 1) found.gap[pair] = bucket += found.gap[pair];
  }
  found.top = found.gap.reduce((top, bucket) => Math.max(top, bucket), 0);
  measured = found;
}

// Replaces each number by the sum of all numbers up to it.
function summed(values) {
  for (let place = 1; place < values.length; place += 1) values[place] += values[place - 1];
  return values;
}

const shift_of = (bucket) => Math.max(0, (bucket >> 10) - 1);
const lowest = (bucket) => (bucket - (shift_of(bucket) << 10)) * 2 ** shift_of(bucket);
const highest = (bucket) => (bucket - (shift_of(bucket) << 10) + 1) * 2 ** shift_of(bucket) - 1;

// Returns the first row at or after the second.
function row_at(second) {
  let low = 0, high = measured.steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (measured.steps[middle] * measured.step < second) low = middle + 1; else high = middle;
  }
  return low;
}

// The samples of some rows.
class Pool {
  constructor() {
    for (const name of ["samples", "failures", "bytes", "above", "high", "low", "ttfb", "ttfbs", "connect", "connects", "max"]) this[name] = 0;
    this.min = Infinity;
    this.counts = new Float64Array(measured.top + 1); // by bucket
    this.errors = new Map(); // by kind
  }

  add(row) {
    const all = measured, pairs = [row ? all.ends[row - 1] : 0, all.ends[row]], samples = all.samples[row];
    this.samples += samples;
    this.failures += all.ok[all.series[row]] ? 0 : samples;
    this.bytes += all.bytes[row];
    this.above += all.above[row];
    this.high += all.above_high[row];
    this.low += all.above_low[row];
    this.ttfb += all.ttfb[row];
    this.ttfbs += samples - all.without_ttfb[row];
    this.connect += all.connect[row];
    this.connects += all.connects[row];
    this.min = Math.min(this.min, lowest(all.gap[pairs[0]]) + all.min_above[row]);
    this.max = Math.max(this.max, highest(all.gap[pairs[1] - 1]) - all.max_below[row]);
    for (let pair = pairs[0]; pair < pairs[1]; pair += 1) this.counts[all.gap[pair]] += all.count[pair];
    for (let place = row ? all.error_ends[row - 1] : 0; place < all.error_ends[row]; place += 1) {
      const kind = all.kind[place];
      this.errors.set(kind, (this.errors.get(kind) ?? 0) + all.times[place]);
    }
  }

  // The buckets with samples, ascending.
  get used() {
    if (this.found) return this.found;
    this.found = [];
    for (let bucket = 0; bucket < this.counts.length; bucket += 1) if (this.counts[bucket]) this.found.push(bucket);
    return this.found;
  }

  get sum() { return this.used.reduce((sum, bucket) => sum + lowest(bucket) * this.counts[bucket], this.above); }

  // n² × the variance, exact.
  get spread() {
    let squares = (BigInt(this.high) << 32n) + BigInt(this.low);
    for (const bucket of this.used) squares += BigInt(lowest(bucket)) ** 2n * BigInt(this.counts[bucket]);
    const spread = BigInt(this.samples) * squares - BigInt(this.sum) ** 2n;
    return Number(spread > 0n ? spread : 0n);
  }

  bucket_at(rank) {
    let below = 0;
    return this.used.find((bucket) => (below += this.counts[bucket]) >= rank);
  }

  percentile(percent) { return Math.min(highest(this.bucket_at(rank_of(percent, this.samples))), this.max); }
}

// Returns the view's rows from `from` to before `to`.
function* rows_of(view, from, to) {
  view.member ??= measured.ok.map((_, series) => view.series.includes(series));
  for (let row = row_at(from), end = row_at(to); row < end; row += 1) if (view.member[measured.series[row]]) yield row;
}

function pool(view, from, to, is_wanted = () => true) {
  const found = new Pool();
  for (const row of rows_of(view, from, to)) if (is_wanted(row)) found.add(row);
  return found;
}
