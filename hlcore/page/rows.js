// The rows over time of a run, as hlcore/lab/figures/time_rows.py plans them for the panel's canvas.

const SMOOTH = 100, TARGET = -1; // records over which the loss is averaged; the ink of what is given

// the mean of up to SMOOTH records before each of the last `last`
function smooth(values, last) {
  const total = [0];
  for (const v of values) total.push(total[total.length - 1] + v);
  return Float64Array.from({ length: last }, (_, k) => {
    const end = values.length - last + k + 1, begin = Math.max(0, end - SMOOTH);
    return (total[end] - total[begin]) / (end - begin);
  });
}

// at most about `most` points that keep the least and the largest of every stretch; stretches begin at multiples of
// their length, counted from record `first`, so that a moving window does not shimmer
function thinned(x, ys, first, most) {
  if (x.length <= most) return [x, ...ys];
  const size = Math.ceil((2 * x.length) / most), found = [[], ...ys.map(() => [])];
  for (let a = 0; a < x.length;) {
    const b = Math.min(x.length, a + size - ((first + a) % size)), middle = a + ((b - a) >> 1);
    found[0].push(x[a], x[middle]);
    ys.forEach((y, k) => {
      let low = a, high = a;
      for (let i = a; i < b; i++) { if (y[i] < y[low]) low = i; if (y[i] > y[high]) high = i; }
      found[k + 1].push(y[Math.min(low, high)], y[Math.max(low, high)]);
    });
    a = b;
  }
  return found.map((column) => Float64Array.from(column));
}

// (columns, plan) of the last `window` records in the rows whose symbols are shown
function planned(run, window, shown, most) {
  const { say } = parts, { told } = run, t = run.last("t", window), n = t.length, start = n ? t[0] : 0;
  const lines = (name, entries) => entries.map((entry, k) => ({ name: entry, ink: k, values: run.last(name + k, window) }));
  const all = [
    { symbol: "y", what: say("row y"), weight: 1.5, log: false, lines: [
      { name: say("line y"), ink: 0, width: 2, values: run.last("y", window) },
      { name: say("line target"), ink: TARGET, values: run.last("target", window) }] },
    ...told.quantities.map(({ name, symbol, entries }) => ({
      symbol, what: say(`row ${name}`), weight: 1, log: false, lines: lines(name, entries) })),
    { symbol: "L", what: say("row L"), weight: 1.1, log: true, lines: [
      { name: say("line mean"), ink: 0, width: 2.2, values: smooth(run.last("L", window + SMOOTH), n) },
      { name: "L", ink: TARGET, width: 1, faint: true, values: run.last("L", window) }] },
    { symbol: "H'", what: say("row H"), weight: 1, log: false, lines: [{ name: "H'", ink: 0, values: run.last("H", window) }] },
  ].filter((row) => shown.has(row.symbol));
  const columns = thinned(t.map((v) => v - start), all.flatMap((row) => row.lines.map((one) => one.values)), run.count - n, most);
  const rows = all.map((row) => ({ ...row, lines: n ? row.lines.map(({ values, ...one }) => one) : [] }));
  const marks = run.marks.filter(([at]) => n && at >= start).slice(-12);
  return [n ? columns : [], { rows, start, marks, axis: say("axis"), about: all.map((row) => `${row.symbol} ${row.what}`).join("; ") }];
}

export default { planned, thinned, smooth };
