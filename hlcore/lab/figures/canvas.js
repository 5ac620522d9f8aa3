// One canvas: rows of lines and maps over a shared time axis, or lines and points in a plane. A frame costs the
// browser a few milliseconds. Colours come from Python, with the frames: hlcore/palette.py.

const LEFT = 58, RIGHT = 12, TOP = 28, BOTTOM = 34, BAND = 18, LEAST = 30; // a row is no lower
const FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";
const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const speaking = (model) => (text) => model.get("words")?.[text] || text; // in the language asked for: hlcore/words.py
const KINDS = { rows: drawRows, plane: drawPlane }; // by name: `plan.kind` says which

const power = (e) => "10" + (e < 0 ? "⁻" : "") + [...String(Math.abs(e))].map((d) => SUPER[d]).join("");

function short(v) {
  if (!Number.isFinite(v)) return "–";
  const size = Math.abs(v);
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? v.toExponential(1) : String(Number(v.toPrecision(3)));
  return text.replace("-", "−").replace("e-", "e−").replace("e+", "e");
}

// ticks at 1, 2 or 5 times a power of ten, and the power that all of them share
function ticks(lo, hi, most) {
  const raw = (hi - lo) / most;
  const decade = 10 ** Math.floor(Math.log10(raw));
  const step = decade * [1, 2, 5, 10].find((k) => k * decade >= raw);
  const first = Math.ceil(lo / step - 1e-9), count = Math.floor(hi / step + 1e-9) - first + 1;
  const at = Array.from({ length: count > 0 && count < 1000 ? count : 0 }, (_, k) => (first + k) * step);
  const largest = Math.max(Math.abs(lo), Math.abs(hi));
  const shared = largest < 1e-2 || largest >= 1e5 ? Math.floor(Math.log10(largest)) : 0;
  const digits = Math.max(0, -Math.floor(Math.log10(step * 1.0001)) + shared);
  return { at, shared, label: (v) => (v / 10 ** shared).toFixed(digits).replace("-", "−") };
}

function bounds(columns) {
  let lo = Infinity, hi = -Infinity;
  for (const y of columns) for (const v of y) { if (v < lo) lo = v; if (v > hi) hi = v; }
  if (!(lo <= hi)) return [-1, 1];
  const pad = hi > lo ? 0.07 * (hi - lo) : 0.1 * Math.abs(hi) || 1;
  return [lo - pad, hi + pad];
}

// A column of pixels is entered, goes to its extremes and is left: what lies between cannot be seen. In pieces, since a
// browser without a GPU takes more time for the outline of one long line than for that of many short ones.
function path(c, x, y, X, Y) {
  c.lineJoin = "bevel"; c.beginPath();
  let column = NaN, first = 0, low = 0, high = 0, last = 0, pen = false, n = 0;
  const close = () => {
    if (c.column) { c.column(column, low, high, last); return; }
    if (high > first) c.lineTo(column, high);
    if (low < first) c.lineTo(column, low);
    if (last !== low) c.lineTo(column, last);
  };
  for (let i = 0; i < y.length; i++) {
    const v = y[i];
    if (v - v !== 0) { if (pen) close(); pen = false; column = NaN; continue; }
    const px = Math.round(X(x[i])), py = Y(v);
    if (px === column) { if (py < low) low = py; else if (py > high) high = py; last = py; continue; }
    if (pen) { close(); if (++n % 96 === 0) { c.stroke(); c.beginPath(); c.moveTo(column, last); } c.lineTo(px, py); }
    else { c.moveTo(px, py); pen = true; }
    column = px; first = low = high = last = py;
  }
  if (pen) close();
  c.stroke();
}

// the area between two curves, where both are there
function between(c, x, low, high, X, Y) {
  const there = [...x.keys()].filter((i) => Number.isFinite(low[i]) && Number.isFinite(high[i]));
  if (!there.length) return;
  c.beginPath();
  for (const i of there) c.lineTo(X(x[i]), Y(low[i]));
  for (const i of there.reverse()) c.lineTo(X(x[i]), Y(high[i]));
  c.fill();
}

// A pen that `path` takes in the place of a canvas, and that sets pixels itself: without a GPU a browser needs a hundred
// times as long for the outline of a line of many points. Steep pieces row by row, flat ones column by column.
const paper = document.createElement("canvas"), blank = new Map();
class Pen {
  constructor(c, left, upper, right, lower) {
    this.c = c; this.scale = c.getTransform().a;
    this.left = Math.floor(left * this.scale); this.upper = Math.floor(upper * this.scale);
    this.w = Math.max(1, Math.ceil(right * this.scale) - this.left); this.h = Math.max(1, Math.ceil(lower * this.scale) - this.upper);
    const size = `${this.w}×${this.h}`;
    if (blank.size > 12) blank.clear(); // of a size that is no more
    if (!blank.has(size)) blank.set(size, new ImageData(this.w, this.h));
    this.image = blank.get(size); this.data = this.image.data; this.data.fill(0);
  }
  dip(colour, alpha, width, dash) { // a colour as the look has it
    const parts = colour[0] === "#" ? [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)) : colour.match(/[\d.]+/g).map(Number);
    [this.r, this.g, this.b] = parts; this.alpha = 255 * alpha * (parts[3] ?? 1);
    this.half = (width * this.scale) / 2; this.dash = dash.map((d) => d * this.scale); this.rest = this.dash[0]; this.k = 0;
  }
  column(x, low, high, last) { // once where it is not dashed
    if (this.dash.length) { this.lineTo(x, high); this.lineTo(x, low); this.lineTo(x, last); return; }
    this.moveTo(x, low); this.lineTo(x, high); this.moveTo(x, last);
  }
  beginPath() {}
  stroke() {}
  moveTo(x, y) { this.x = x * this.scale - this.left; this.y = y * this.scale - this.upper; }
  lineTo(x, y) {
    const x0 = this.x, y0 = this.y;
    this.moveTo(x, y);
    if (!this.dash.length) { this.piece(x0, y0, this.x, this.y); return; }
    const dx = this.x - x0, dy = this.y - y0, length = Math.hypot(dx, dy);
    for (let at = 0; at < length;) {
      const end = Math.min(length, at + this.rest);
      // a piece inks the pixel in which it ends, too: half a pixel less at either end of a dash
      const from = at + 0.5 * (this.rest === this.dash[this.k]), to = end - 0.5 * (this.rest - (end - at) < 1e-3);
      if (this.k % 2 === 0 && to > from) this.piece(x0 + (dx * from) / length, y0 + (dy * from) / length, x0 + (dx * to) / length, y0 + (dy * to) / length);
      this.rest -= end - at; at = end;
      if (this.rest < 1e-3) { this.k = (this.k + 1) % this.dash.length; this.rest = this.dash[this.k]; }
    }
  }
  piece(x0, y0, x1, y1) {
    const dx = Math.abs(x1 - x0), dy = Math.abs(y1 - y0);
    if (!(dx + dy > 0 && dx + dy < 1e6)) return;
    if (dx >= dy) this.run(x0, y0, x1, y1, this.w, this.h, 1, this.w);
    else this.run(y0, x0, y1, x1, this.h, this.w, this.w, 1);
  }
  run(a0, b0, a1, b1, along, across, step, stride) { // a: the axis along which it goes, a pixel at a time
    if (a1 < a0) [a0, b0, a1, b1] = [a1, b1, a0, b0];
    const slope = (b1 - b0) / (a1 - a0), thick = this.half * Math.sqrt(1 + slope * slope);
    const end = Math.min(along - 1, Math.floor(a1)), { data, alpha, r, g, b: blue } = this;
    for (let a = Math.max(0, Math.floor(a0)); a <= end; a++) {
      const mid = b0 + slope * (Math.min(Math.max(a + 0.5, a0), a1) - a0), from = mid - thick, to = mid + thick;
      for (let b = Math.max(0, Math.floor(from)), last = Math.min(across, Math.ceil(to)); b < last; b++) {
        const i = 4 * (a * step + b * stride), ink = alpha * (Math.min(b + 1, to) - Math.max(b, from)), old = data[i + 3];
        if (old === 0 || (data[i] === r && data[i + 1] === g && data[i + 2] === blue)) {
          if (ink > old) { data[i] = r; data[i + 1] = g; data[i + 2] = blue; data[i + 3] = ink; }
          continue;
        }
        const under = old * (1 - ink / 255), both = ink + under;
        data[i] = (r * ink + data[i] * under) / both; data[i + 1] = (g * ink + data[i + 1] * under) / both;
        data[i + 2] = (blue * ink + data[i + 2] * under) / both; data[i + 3] = both;
      }
    }
  }
  lift() { // on the canvas with it, pixel by pixel
    if (paper.width !== this.w || paper.height !== this.h) { paper.width = this.w; paper.height = this.h; }
    paper.getContext("2d").putImageData(this.image, 0, 0);
    this.c.save(); this.c.resetTransform(); this.c.drawImage(paper, this.left, this.upper); this.c.restore();
  }
}

const line = (c, x0, y0, x1, y1) => { c.beginPath(); c.moveTo(x0, y0); c.lineTo(x1, y1); c.stroke(); };

function unpack(model) {
  const raw = model.get("frame"), plan = model.get("plan");
  const bytes = raw && raw.byteLength ? raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength) : new ArrayBuffer(0);
  const all = new Float32Array(bytes), n = plan.points || 0;
  const drawn = model.get("maps"), maps = drawn && drawn.byteLength ? new Uint8Array(drawn.buffer, drawn.byteOffset, drawn.byteLength) : [];
  return { plan, maps, columns: Array.from({ length: n ? all.length / n : 0 }, (_, k) => all.subarray(k * n, (k + 1) * n)) };
}

// a row of cells per unit, in one colour below zero and another above, the stronger the farther from it
const sheet = document.createElement("canvas");
function drawMap(c, bytes, { units, moments, from, to }, look, X, upper, lower) {
  sheet.width = moments; sheet.height = units;
  const ink = sheet.getContext("2d"), image = ink.createImageData(moments, units);
  for (let i = 0; i < bytes.length; i++) {
    const v = bytes[i] - 128;
    image.data.set([...(v < 0 ? look.below : look.above), Math.min(255, 2 * Math.abs(v))], 4 * i);
  }
  ink.putImageData(image, 0, 0);
  const half = (to - from) / Math.max(1, moments - 1) / 2; // a moment is as wide as the distance to the next
  c.imageSmoothingEnabled = false;
  c.drawImage(sheet, X(from - half), upper, X(to + half) - X(from - half), lower - upper);
}

function drawRows(c, w, h, look, { plan, columns, maps }, { view, pointer, picked, places, hovered, talls }) {
  const share = (row) => talls[row.symbol] ?? row.weight; // while it is dragged
  const [x, ...ys] = columns, rows = plan.rows || [];
  const right = w - RIGHT, full = x && x.length > 1 ? [x[0], x[x.length - 1]] : [0, 1];
  const [t0, t1] = view || full;
  const X = (t) => LEFT + ((t - t0) / (t1 - t0)) * (right - LEFT);
  const room = h - TOP - BOTTOM, whole = rows.reduce((sum, r) => sum + share(r), 0);
  places.length = 0;
  let at = null; // the record under the pointer, or under the time cursor
  const here = pointer === null && picked !== null ? X(picked - plan.start) : pointer;
  if (x && x.length && here !== null && here >= LEFT && here <= right) {
    const t = t0 + ((here - LEFT) / (right - LEFT)) * (t1 - t0);
    at = 0;
    while (at < x.length - 1 && Math.abs(x[at + 1] - t) <= Math.abs(x[at] - t)) at++;
  }
  const marks = (plan.marks || []).map(([t, text]) => [t - plan.start, text]).filter(([t]) => t >= t0 && t <= t1);
  const time = ticks(t0 + plan.start, t1 + plan.start, Math.max(2, Math.floor((right - LEFT) / 110)));
  let top = TOP, first = 0, map = 0;
  for (const row of rows) {
    const height = (room * share(row)) / whole, upper = top + BAND, lower = top + height - 4;
    const shown = row.lines.map((_, k) => (row.log ? ys[first + k].map((v) => Math.log10(Math.max(v, 1e-12))) : ys[first + k]));
    const drawn = shown.filter((_, k) => !row.lines[k].band && !row.lines[k].edge); // a wide band may leave the row
    const [lo, hi] = bounds(view ? drawn.map((y) => y.filter((_, i) => x[i] >= t0 && x[i] <= t1)) : drawn);
    const Y = (v) => lower - ((v - lo) / (hi - lo)) * (lower - upper);
    c.lineWidth = 1; c.setLineDash([]); c.font = `11px ${FONT}`; c.textBaseline = "middle";
    const grid = ticks(lo, hi, Math.max(3, Math.floor((lower - upper) / 28)));
    for (const v of row.map ? [] : row.log ? grid.at.filter(Number.isInteger) : grid.at) {
      const y = Math.round(Y(v)) + 0.5;
      c.strokeStyle = v === 0 && !row.log ? look.axis : look.grid; line(c, LEFT, y, right, y);
      c.fillStyle = look.soft; c.textAlign = "right";
      c.fillText(row.log ? power(v) : grid.label(v), LEFT - 7, y);
    }
    c.strokeStyle = look.grid;
    for (const v of time.at) { const px = Math.round(X(v - plan.start)) + 0.5; line(c, px, upper, px, lower); }
    c.save(); c.beginPath(); c.rect(LEFT, upper - 2, right - LEFT, lower - upper + 4); c.clip();
    if (row.map) {
      const size = row.map.units * row.map.moments;
      drawMap(c, maps.subarray(map, map + size), row.map, look, X, upper, lower);
      map += size;
    }
    drawMarks(c, marks, look, X, upper, lower);
    const order = [...row.lines.keys()].filter((k) => !row.lines[k].band && !row.lines[k].edge);
    order.sort((a, b) => (row.lines[b].ink === -2) - (row.lines[a].ink === -2)); // ghosts behind
    row.lines.forEach((one, k) => {
      if (one.band) { c.fillStyle = look.ink(one.ink); c.globalAlpha = 0.25; between(c, x, shown[k], shown[k + 1], X, Y); c.globalAlpha = 1; }
    });
    const quill = new Pen(c, LEFT, upper - 2, right, lower + 2);
    for (const k of order) {
      const one = row.lines[k];
      quill.dip(look.ink(one.ink), (one.faint ? 0.35 : 1) * (plan.ahead ? 0.42 : 1), one.width || 1.7, look.dash(one.ink));
      path(quill, x || [], shown[k] || [], X, Y);
    }
    if (row.lines.length) quill.lift();
    for (const k of at === null ? [] : order) {
      c.fillStyle = look.ink(row.lines[k].ink); c.beginPath(); c.arc(X(x[at]), Y(shown[k][at]), 3, 0, 7); c.fill();
    }
    c.restore();
    // the band above the curves: symbol, what it is, and the lines by name with their values
    const y = top + BAND / 2;
    c.textAlign = "left"; c.fillStyle = look.text; c.font = `bold 13px ${FONT}`; c.fillText(row.symbol, LEFT, y);
    const near = LEFT + c.measureText(row.symbol).width + 7;
    c.font = `12px ${FONT}`;
    const beyond = near + c.measureText(row.what).width + 22;
    c.font = `11px ${FONT}`;
    const named = row.lines.map((one, k) => {
      const values = ys[first + k], value = values && values.length ? short(values[at === null ? (plan.last ?? values.length) - 1 : at]) : "";
      return { ...one, told: one.band ? one.name : `${one.name} ${value}` };
    }).filter((one) => !one.quiet);
    // where there is little room the values go first, then what the row is, then half of the strokes
    const edge = right - (plan.pick ? 16 : 0), forms = [["told", beyond, 24, 18], ["name", beyond, 24, 18], ["name", near, 24, 18], ["name", near, 14, 9]];
    const fits = ([what, pen, stroke, gap]) => named.reduce((sum, one) => sum + stroke + 6 + c.measureText(one[what]).width + gap, pen - gap) <= edge;
    const [what, start, stroke, gap] = forms.find((form) => !named.length || fits(form)) || forms.at(-1);
    if (start === beyond) { c.font = `12px ${FONT}`; c.fillStyle = look.soft; c.fillText(row.what, near, y); }
    if (!row.log && !row.map && grid.shared) { c.textAlign = "right"; c.fillStyle = look.soft; c.font = `12px ${FONT}`; c.fillText("×" + power(grid.shared), LEFT - 7, y); c.textAlign = "left"; }
    c.font = `11px ${FONT}`;
    let pen = start;
    for (const one of named) {
      const need = stroke + 6 + c.measureText(one[what]).width;
      if (pen + need > edge) { c.fillStyle = look.text; c.fillText("…", Math.min(pen, Math.max(pen - gap + 2, right - c.measureText("…").width)), y); break; }
      c.strokeStyle = look.ink(one.ink); c.setLineDash(look.dash(one.ink)); c.lineWidth = one.band ? 9 : 2; c.globalAlpha = one.band ? 0.25 : 1; line(c, pen, y, pen + stroke, y); c.globalAlpha = 1;
      c.setLineDash([]); c.fillStyle = look.text; c.fillText(one[what], pen + stroke + 6, y);
      pen += need + gap;
    }
    if (plan.pick && hovered !== null && hovered >= top && hovered < top + height) {
      c.textAlign = "right"; c.fillStyle = look.soft; c.font = `14px ${FONT}`; c.fillText("×", right, y); c.textAlign = "left";
    }
    places.push({ symbol: row.symbol, top, bottom: top + height, tall: share(row) });
    top += height; first += row.lines.length;
  }
  c.setLineDash([]); c.font = `11px ${FONT}`; c.fillStyle = look.soft; c.textAlign = "center"; c.textBaseline = "middle";
  for (const v of time.at) c.fillText(time.label(v), X(v - plan.start), h - BOTTOM + 10);
  c.fillText(at === null ? (plan.axis || look.say("time t")) + (time.shared ? " ×" + power(time.shared) : "") : `${plan.axis ? plan.axis.split(" ").pop() : "t"} = ${(x[at] + plan.start).toPrecision(6) * 1}`, at === null ? (LEFT + right) / 2 : Math.min(Math.max(X(x[at]), LEFT + 30), right - 30), h - 9);
  if (at !== null) { c.strokeStyle = look.axis; c.lineWidth = 1; line(c, X(x[at]), TOP, X(x[at]), h - BOTTOM); }
  labelMarks(c, marks, look, X, right);
  const back = picked === null ? -1 : X(picked - plan.start);
  if (back >= LEFT && back <= right) { // the time to go back to
    c.strokeStyle = look.text; c.fillStyle = look.text; c.lineWidth = 1.2; line(c, back, TOP, back, h - BOTTOM);
    c.beginPath(); c.moveTo(back - 5, TOP - 7); c.lineTo(back + 5, TOP - 7); c.lineTo(back, TOP + 1); c.fill();
  }
  if (plan.ahead) {
    c.fillStyle = look.text; c.font = `bold 12px ${FONT}`; c.textAlign = "right"; c.fillText(plan.ahead, right, TOP - 13);
  }
  if (!x || !x.length) {
    c.fillStyle = look.text; c.font = `15px ${FONT}`; c.textAlign = "center";
    c.fillText("Play, or take a Step", (LEFT + right) / 2, TOP + BAND + 34);
  }
}

// where a setting changed: a dashed line in every row ...
function drawMarks(c, marks, look, X, upper, lower) {
  c.strokeStyle = look.mark; c.lineWidth = 1.3; c.setLineDash([4, 3]);
  for (const [t] of marks) line(c, X(t), upper - 2, X(t), lower);
  c.setLineDash([]);
}

// ... and its label above, where there is room for it, the newest first
function labelMarks(c, marks, look, X, right) {
  const taken = [[], []];
  c.font = `bold 11px ${FONT}`; c.textBaseline = "middle"; c.textAlign = "center"; c.fillStyle = look.mark;
  for (const [t, text] of [...marks].reverse()) {
    const half = c.measureText(text).width / 2 + 5, mid = Math.min(Math.max(X(t), LEFT + half), right - half);
    const level = taken.findIndex((row) => row.every(([a, b]) => mid + half < a || mid - half > b));
    if (level < 0) continue;
    taken[level].push([mid - half, mid + half]);
    c.fillText(text, mid, level === 0 ? TOP - 7 : TOP - 20);
  }
}

// layers, each of two columns: a "line", "points", "words" (one a point), a "trail" that fades towards its beginning and
// ends in a mark, or "room": not drawn, but kept in sight
function drawPlane(c, w, h, look, { plan, columns }) {
  const left = LEFT, right = w - RIGHT, upper = BAND, lower = h - BOTTOM, layers = plan.layers || [];
  const pairs = layers.map((_, k) => [columns[2 * k] || [], columns[2 * k + 1] || []]);
  let [x0, x1] = bounds(pairs.map(([x]) => x)), [y0, y1] = bounds(pairs.map(([, y]) => y));
  if (plan.equal) { // one scale for both axes
    const unit = Math.max((x1 - x0) / (right - left), (y1 - y0) / (lower - upper)) / 2;
    const x = (x0 + x1) / 2, y = (y0 + y1) / 2, a = unit * (right - left), b = unit * (lower - upper);
    [x0, x1, y0, y1] = [x - a, x + a, y - b, y + b];
  }
  const X = (v) => left + ((v - x0) / (x1 - x0)) * (right - left), Y = (v) => lower - ((v - y0) / (y1 - y0)) * (lower - upper);
  c.lineWidth = 1; c.setLineDash([]); c.font = `11px ${FONT}`; c.textBaseline = "middle";
  const gx = ticks(x0, x1, Math.max(2, Math.floor((right - left) / 70))), gy = ticks(y0, y1, Math.max(2, Math.floor((lower - upper) / 45)));
  if (plan.bare) gx.at.length = gy.at.length = 0; // a picture without axes
  for (const v of gx.at) {
    const px = Math.round(X(v)) + 0.5;
    c.strokeStyle = v === 0 ? look.axis : look.grid; line(c, px, upper, px, lower);
    c.fillStyle = look.soft; c.textAlign = "center"; c.fillText(gx.label(v), px, lower + 10);
  }
  for (const v of plan.bare ? [] : gy.at) {
    const py = Math.round(Y(v)) + 0.5;
    c.strokeStyle = v === 0 ? look.axis : look.grid; line(c, left, py, right, py);
    c.fillStyle = look.soft; c.textAlign = "right"; c.fillText(gy.label(v), left - 7, py);
  }
  c.fillStyle = look.text; c.font = `12px ${FONT}`; c.textAlign = "left";
  const within = (text, from, y) => c.fillText(text, Math.max(2, Math.min(from, w - 2 - c.measureText(text).width)), y); // not cut
  const across = plan.x + (gx.shared && !plan.bare ? "  ×" + power(gx.shared) : "");
  within(across, (left + right - c.measureText(across).width) / 2, h - 9);
  within(plan.y + (gy.shared && !plan.bare ? "  ×" + power(gy.shared) : ""), left, upper - 11);
  pairs.forEach(([x, y], k) => {
    const one = layers[k];
    let n = x.length;
    while (n && !Number.isFinite(x[n - 1])) n -= 1; // a shorter column
    if (!n || one.draw === "room") return;
    c.strokeStyle = c.fillStyle = one.colour || look.ink(one.ink); c.lineWidth = one.width || 1.4; c.lineJoin = "round";
    c.setLineDash(one.draw === "line" ? look.dash(one.ink) : []);
    if (one.draw === "line") path(c, x, y, X, Y);
    else if (one.draw === "points") {
      for (let i = 0; i < n; i++) if (Number.isFinite(y[i])) { c.beginPath(); c.arc(X(x[i]), Y(y[i]), one.size || 3.5, 0, 7); c.fill(); }
    } else if (one.draw === "words") {
      c.font = `${one.size || 12}px ${FONT}`; c.textAlign = one.align || "center"; c.textBaseline = "middle";
      for (let i = 0; i < n; i++) if (Number.isFinite(y[i])) c.fillText(one.words[i], X(x[i]), Y(y[i]));
    } else {
      const pieces = 8;
      for (let p = 0; p < pieces; p++) { // the older, the fainter
        const a = Math.floor((p * n) / pieces), b = Math.min(n, Math.floor(((p + 1) * n) / pieces) + 1);
        c.globalAlpha = (0.25 + (0.75 * (p + 1)) / pieces) * (plan.ahead === undefined ? 1 : 0.42);
        path(c, x.subarray(a, b), y.subarray(a, b), X, Y);
      }
      c.globalAlpha = 1; c.fillStyle = look.mark;
      if (plan.ahead !== undefined) return; // nothing is there yet
      const px = X(x[n - 1]), py = Y(y[n - 1]);
      c.beginPath(); c.moveTo(px, py - 7); c.lineTo(px + 7, py); c.lineTo(px, py + 7); c.lineTo(px - 7, py); c.closePath(); c.fill();
    }
  });
  return (px, py) => [x0 + ((px - left) / (right - left)) * (x1 - x0), y0 + ((lower - py) / (lower - upper)) * (y1 - y0)];
}

function appearance(el, theme) {
  const text = getComputedStyle(el).color, [r, g, b] = (text.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  const dark = (r + g + b) / 3 > 140, { inks, tone, paper } = theme[dark ? "dark" : "light"], { dashes, mark } = theme;
  const shade = (alpha) => `rgba(${tone},${alpha})`, rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return {
    dark, paper, mark, text: shade(0.87), soft: shade(0.62), grid: shade(0.1), axis: shade(0.34),
    below: rgb(theme.below), above: rgb(theme.above),
    ink: (k) => (k === -3 ? mark : k < 0 ? shade(k === -1 ? 0.55 : 0.34) : inks[k % inks.length]),
    dash: (k) => (k === -1 ? [3, 3] : k < 0 ? [] : dashes[k % dashes.length]),
  };
}

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "hl-scope"; canvas.setAttribute("role", "img");
  canvas.style.cssText = "display:block;width:100%;touch-action:pan-y";
  el.style.width = "100%"; el.style.minWidth = "0"; el.appendChild(canvas);
  el.classList.toggle("hl-fill", !model.get("height")); // as high as its place: lab/screen.css
  let pointAt = null, view = null, pointer = null, pressed = null, waiting = 0, alive = true, zoom = 1;
  const wide = () => canvas.clientWidth / zoom; // in the lengths in which all is drawn
  const tall = () => { // above the curves: as much of the screen as leaves room for them
    const height = model.get("height"), room = parseFloat(getComputedStyle(el).getPropertyValue("--hl-room"));
    if (!height) return canvas.clientHeight / zoom;
    return (el.closest(".hl-figures") && room ? Math.min(1.25 * height, Math.max(190, 0.34 * room)) : height) / zoom;
  };

  const draw = () => {
    waiting = 0;
    zoom = Number(getComputedStyle(el).getPropertyValue("--hl-zoom")) || 1; // larger in full screen: lab/screen.js
    const w = wide(), h = tall(), scale = (window.devicePixelRatio || 1) * zoom;
    if (!alive || !w || !h) return;
    const W = Math.round(w * scale), H = Math.round(h * scale);
    if (canvas.width !== W || canvas.height !== H) { canvas.width = W; canvas.height = H; canvas.style.height = `${h * zoom}px`; }
    const c = canvas.getContext("2d"), look = { ...appearance(el, model.get("theme")), say: speaking(model) }, data = unpack(model), { plan } = data;
    c.setTransform(scale, 0, 0, scale, 0, 0); c.clearRect(0, 0, w, h);
    el.style.setProperty("--hl-least", `${TOP + BOTTOM + LEAST * (plan.rows || []).length}px`); // lab/screen.css
    canvas.setAttribute("aria-label", plan.about || "");
    pointAt = KINDS[plan.kind]?.(c, w, h, look, data, { view, pointer, picked: dragged === undefined ? model.get("picked") : dragged, places, hovered, talls });
    tellRoom(h - TOP - BOTTOM);
    if (pressed !== null && pointer !== null) {
      c.fillStyle = look.grid; c.fillRect(Math.min(pressed, pointer), TOP, Math.abs(pointer - pressed), h - TOP - BOTTOM);
    }
    canvas.dataset.frames = Number(canvas.dataset.frames || 0) + 1; // what tests read
    canvas.dataset.points = plan.ahead === undefined ? plan.points || 0 : 0;
    canvas.dataset.ahead = plan.ahead === undefined ? 0 : plan.points;
    canvas.dataset.rows = (plan.rows || []).map((row) => row.symbol).join(" ");
    canvas.dataset.marks = (plan.marks || []).length;
    canvas.dataset.maps = (plan.rows || []).filter((row) => row.map).length;
    canvas.dataset.theme = look.dark ? "dark" : "light";
  };
  // rows: their lower edges are dragged to make them taller, their names to move them, their × hides them
  const places = [], talls = {};
  let hovered = null, grip = null, later = 0;
  const tellRoom = (room) => {
    const whole = Math.round(room);
    clearTimeout(later);
    if (model.get("plan").pick && Math.abs(whole - model.get("room")) > 6)
      later = setTimeout(() => { if (alive) { model.set("room", whole); model.save_changes(); } }, 120);
  };
  const ask = (changes) => { model.set("rows", changes); model.save_changes(); };
  const height = (event) => (event.clientY - canvas.getBoundingClientRect().top) / zoom;
  const gripAt = (x, y) => {
    const low = tall() - BOTTOM, there = model.get("picked") !== null;
    if (model.get("plan").points && (y > low || (there && Math.abs(x - cursorAt()) <= 5))) return { what: "time" };
    const k = places.findIndex((row) => y < row.bottom - 4);
    const edge = places.findIndex((row) => Math.abs(y - row.bottom) <= 4);
    if (edge >= 0 && edge < places.length - 1) return { what: "tall", k: edge, from: y };
    if (k < 0 || y > places[k].top + BAND || y < places[k].top) return null;
    if (x > wide() - RIGHT - 14) return { what: "hide", k };
    return x < LEFT + 40 ? { what: "move", k } : null;
  };
  const pull = (y) => { // both neighbours of an edge share what they have
    const a = places[grip.k], b = places[grip.k + 1], both = a.bottom - a.top + b.bottom - b.top, sum = a.tall + b.tall;
    const part = Math.min(0.9, Math.max(0.1, (y - a.top) / both));
    talls[a.symbol] = part * sum; talls[b.symbol] = (1 - part) * sum;
  };
  // the time cursor, drawn along by its line or by the time axis; beyond the last record it is let go
  let dragged;
  const drag = (px, done) => {
    const x = unpack(model).columns[0], t = timeAt(Math.max(px, LEFT)), last = x[(model.get("plan").last ?? x.length) - 1];
    dragged = t >= last ? null : t + model.get("plan").start;
    if (done) clearTimeout(waits);
    if (done || !waits) next();
  };
  let waits = 0, asked; // one question at a time: a kernel answers by a frame, or not within a while
  const next = () => {
    waits = 0;
    if (dragged === undefined || dragged === asked) return;
    go(asked = dragged);
    waits = setTimeout(next, 400);
  };
  const answered = () => { if (waits) { clearTimeout(waits); next(); } };
  const go = (t) => { if (model.send) model.send({ picked: t }); else { model.set("picked", t); model.save_changes(); } }; // a page has no kernel
  const letGo = (y) => {
    const names = places.map((row) => row.symbol);
    if (grip.what === "time") drag(pointer, true);
    else if (grip.what === "tall") ask({ tall: { ...talls } });
    else if (grip.what === "hide") ask({ shown: { [names[grip.k]]: false } });
    else {
      const to = places.findIndex((row) => y < row.bottom), [name] = names.splice(grip.k, 1);
      names.splice(to < 0 ? names.length : to, 0, name);
      ask({ order: names });
    }
    grip = null;
  };
  const soon = () => { if (!waiting) waiting = requestAnimationFrame(draw); };
  const place = (event) => (event.clientX - canvas.getBoundingClientRect().left) / zoom;
  const timeAt = (px) => {
    const x = unpack(model).columns[0], [a, b] = view || (x && x.length ? [x[0], x[x.length - 1]] : [0, 1]);
    return a + ((px - LEFT) / (wide() - RIGHT - LEFT)) * (b - a);
  };
  const cursorAt = () => {
    const a = timeAt(LEFT), b = timeAt(wide() - RIGHT);
    return LEFT + ((model.get("picked") - model.get("plan").start - a) / (b - a)) * (wide() - RIGHT - LEFT);
  };
  canvas.addEventListener("pointermove", (event) => {
    pointer = place(event); hovered = height(event);
    if (grip?.what === "tall") pull(hovered);
    else if (grip?.what === "time") drag(pointer, false);
    else if (!grip && model.get("plan").pick) {
      const found = gripAt(pointer, hovered);
      canvas.style.cursor = found ? { tall: "row-resize", move: "grab", hide: "pointer", time: "ew-resize" }[found.what] : "crosshair";
    }
    soon();
  });
  canvas.addEventListener("pointerleave", () => { pointer = pressed = hovered = null; soon(); });
  if (model.get("plan").kind === "rows") {
    const pick = model.get("plan").pick;
    const say = speaking(model), zooms = say("drag: zoom into a stretch; double click: all of it again");
    canvas.title = pick ? [say("click: the time cursor jumps there; drag it by its line, or along the time axis"), zooms, say("drag a row by its symbol or its lower edge, × hides it: see the tab rows")].join("; ") : zooms;
    canvas.style.cursor = "crosshair";
    canvas.addEventListener("pointerdown", (event) => {
      grip = pick ? gripAt(place(event), height(event)) : null;
      if (grip) canvas.setPointerCapture(event.pointerId); else pressed = place(event);
      if (grip?.what === "time") { pointer = place(event); drag(pointer, false); soon(); }
    });
    canvas.addEventListener("pointerup", (event) => {
      if (grip) { pointer = place(event); letGo(height(event)); return; }
      const end = place(event);
      if (pressed !== null && Math.abs(end - pressed) > 8) {
        view = [timeAt(Math.min(pressed, end)), timeAt(Math.max(pressed, end))];
      } else if (pick && pressed !== null && model.get("plan").points && end >= LEFT && end <= wide() - RIGHT) {
        go(timeAt(end) + model.get("plan").start);
      }
      pressed = null; soon();
    });
    canvas.addEventListener("dblclick", () => { view = null; soon(); });
  }
  canvas.addEventListener("click", (event) => {
    if (!pointAt || !model.get("plan").spots) return;
    const box = canvas.getBoundingClientRect();
    model.set("spot", pointAt(event.clientX - box.left, event.clientY - box.top)); model.save_changes();
  });
  model.on("change:picture", () => { // the figure as a file, on paper of the theme's colour
    const sheet = document.createElement("canvas"), c = sheet.getContext("2d");
    sheet.width = canvas.width; sheet.height = canvas.height;
    c.fillStyle = appearance(el, model.get("theme")).paper; c.fillRect(0, 0, sheet.width, sheet.height);
    c.drawImage(canvas, 0, 0);
    const link = document.createElement("a");
    link.href = sheet.toDataURL("image/png"); link.download = model.get("picture").name; link.click();
  });
  const changes = ["frame", "maps", "plan", "height", "picked", "theme"].map((what) => `change:${what}`);
  changes.forEach((what) => model.on(what, soon));
  const settled = () => { answered(); if (!grip && !waits) dragged = asked = undefined; if (!grip) for (const name in talls) delete talls[name]; };
  model.on("change:plan", settled);
  const observer = new ResizeObserver(soon);
  observer.observe(canvas);
  soon();
  return () => { alive = false; observer.disconnect(); changes.forEach((what) => model.off(what, soon)); model.off("change:plan", settled); clearTimeout(later); clearTimeout(waits); };
}

export default { render };
