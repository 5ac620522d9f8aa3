// One canvas: rows of lines over a shared time axis, or a phase portrait. A frame costs the browser a few milliseconds.

const LIGHT = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]; // Okabe and Ito
const DARK = ["#56B4E9", "#E69F00", "#2FBF97", "#E39CC4"];
const DASH = [[], [7, 4], [2, 3], [9, 3, 2, 3]]; // the same said without colour
const MARK = "#D55E00";
const LEFT = 58, RIGHT = 12, TOP = 32, BOTTOM = 36, BAND = 20;
const FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";
const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";

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

function path(c, x, y, X, Y) {
  c.beginPath();
  let pen = false;
  for (let i = 0; i < y.length; i++) {
    if (!Number.isFinite(y[i])) { pen = false; continue; }
    if (pen) c.lineTo(X(x[i]), Y(y[i]));
    else { c.moveTo(X(x[i]), Y(y[i])); pen = true; }
  }
  c.stroke();
}

function unpack(model) {
  const raw = model.get("frame"), plan = model.get("plan");
  const bytes = raw && raw.byteLength ? raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength) : new ArrayBuffer(0);
  const all = new Float32Array(bytes), n = plan.points || 0;
  const drawn = model.get("maps"), maps = drawn && drawn.byteLength ? new Uint8Array(drawn.buffer, drawn.byteOffset, drawn.byteLength) : [];
  return { plan, maps, columns: Array.from({ length: n ? all.length / n : 0 }, (_, k) => all.subarray(k * n, (k + 1) * n)) };
}

// all units of a quantity: a row each, blue below zero, orange above, the stronger the farther from it
const COLD = [0, 114, 178], WARM = [213, 94, 0];
const sheet = document.createElement("canvas");
function drawMap(c, bytes, { units, moments, from, to }, X, upper, lower) {
  sheet.width = moments; sheet.height = units;
  const ink = sheet.getContext("2d"), image = ink.createImageData(moments, units);
  for (let i = 0; i < bytes.length; i++) {
    const v = bytes[i] - 128, colour = v < 0 ? COLD : WARM;
    image.data.set([...colour, Math.min(255, 2 * Math.abs(v))], 4 * i);
  }
  ink.putImageData(image, 0, 0);
  const half = (to - from) / Math.max(1, moments - 1) / 2; // a moment is as wide as the distance to the next
  c.imageSmoothingEnabled = false;
  c.drawImage(sheet, X(from - half), upper, X(to + half) - X(from - half), lower - upper);
}

function drawRows(c, w, h, look, { plan, columns, maps }, view, pointer, picked) {
  const [x, ...ys] = columns, rows = plan.rows || [];
  const right = w - RIGHT, full = x && x.length > 1 ? [x[0], x[x.length - 1]] : [0, 1];
  const [t0, t1] = view || full;
  const X = (t) => LEFT + ((t - t0) / (t1 - t0)) * (right - LEFT);
  const room = h - TOP - BOTTOM, whole = rows.reduce((sum, r) => sum + r.weight, 0);
  let at = null; // the record under the pointer
  if (x && x.length && pointer !== null && pointer >= LEFT && pointer <= right) {
    const t = t0 + ((pointer - LEFT) / (right - LEFT)) * (t1 - t0);
    at = 0;
    while (at < x.length - 1 && Math.abs(x[at + 1] - t) <= Math.abs(x[at] - t)) at++;
  }
  const marks = (plan.marks || []).map(([t, text]) => [t - plan.start, text]).filter(([t]) => t >= t0 && t <= t1);
  const time = ticks(t0 + plan.start, t1 + plan.start, Math.max(2, Math.floor((right - LEFT) / 110)));
  let top = TOP, line = 0, map = 0;
  for (const row of rows) {
    const height = (room * row.weight) / whole, upper = top + BAND, lower = top + height - 4;
    const shown = row.lines.map((_, k) => (row.log ? ys[line + k].map((v) => Math.log10(Math.max(v, 1e-12))) : ys[line + k]));
    const seen = view ? shown.map((y) => y.filter((_, i) => x[i] >= t0 && x[i] <= t1)) : shown;
    const [lo, hi] = bounds(seen);
    const Y = (v) => lower - ((v - lo) / (hi - lo)) * (lower - upper);
    c.lineWidth = 1; c.setLineDash([]); c.font = `11px ${FONT}`; c.textBaseline = "middle";
    const grid = ticks(lo, hi, Math.max(3, Math.floor((lower - upper) / 28)));
    const whole10 = row.map ? [] : row.log ? grid.at.filter((v) => Number.isInteger(v)) : grid.at;
    for (const v of whole10) {
      const y = Math.round(Y(v)) + 0.5;
      c.strokeStyle = v === 0 && !row.log ? look.axis : look.grid;
      c.beginPath(); c.moveTo(LEFT, y); c.lineTo(right, y); c.stroke();
      c.fillStyle = look.soft; c.textAlign = "right";
      c.fillText(row.log ? power(v) : grid.label(v), LEFT - 7, y);
    }
    c.strokeStyle = look.grid;
    for (const v of time.at) {
      const px = Math.round(X(v - plan.start)) + 0.5;
      c.beginPath(); c.moveTo(px, upper); c.lineTo(px, lower); c.stroke();
    }
    c.save(); c.beginPath(); c.rect(LEFT, upper - 2, right - LEFT, lower - upper + 4); c.clip();
    if (row.map) {
      const size = row.map.units * row.map.moments;
      drawMap(c, maps.subarray(map, map + size), row.map, X, upper, lower);
      map += size;
    }
    drawMarks(c, marks, X, upper, lower);
    const order = [...row.lines.keys()].sort((a, b) => (row.lines[b].ink === -2) - (row.lines[a].ink === -2)); // ghosts behind
    for (const k of order) {
      const one = row.lines[k];
      c.strokeStyle = look.ink(one.ink); c.setLineDash(look.dash(one.ink)); c.lineWidth = one.width || 1.7;
      c.globalAlpha = one.faint ? 0.35 : 1;
      path(c, x || [], shown[k] || [], X, Y);
      if (at !== null) { c.globalAlpha = 1; c.fillStyle = look.ink(one.ink); c.beginPath(); c.arc(X(x[at]), Y(shown[k][at]), 3, 0, 7); c.fill(); }
    }
    c.restore();
    // the band above the curves: symbol, what it is, and the lines by name with their values
    const y = top + BAND / 2;
    c.textAlign = "left"; c.fillStyle = look.text; c.font = `bold 13px ${FONT}`; c.fillText(row.symbol, LEFT, y);
    let pen = LEFT + c.measureText(row.symbol).width + 7;
    c.font = `12px ${FONT}`; c.fillStyle = look.soft; c.fillText(row.what, pen, y);
    pen += c.measureText(row.what).width + 22;
    if (!row.log && !row.map && grid.shared) { c.textAlign = "right"; c.fillText("×" + power(grid.shared), LEFT - 7, y); c.textAlign = "left"; }
    c.font = `11px ${FONT}`;
    const told = row.lines.map((one, k) => {
      const values = ys[line + k], value = values && values.length ? short(values[at === null ? values.length - 1 : at]) : "";
      return `${one.name} ${value}`;
    });
    const wide = told.reduce((sum, text) => sum + 48 + c.measureText(text).width, pen - 18) > right;
    row.lines.forEach((one, k) => {
      if (one.quiet) return;
      const text = wide ? one.name : told[k], need = 30 + c.measureText(text).width;
      if (pen + need > right) { if (pen < right) c.fillText("…", pen, y); pen = Infinity; return; }
      c.strokeStyle = look.ink(one.ink); c.setLineDash(look.dash(one.ink)); c.lineWidth = 2;
      c.beginPath(); c.moveTo(pen, y); c.lineTo(pen + 24, y); c.stroke();
      c.setLineDash([]); c.fillStyle = look.text; c.fillText(text, pen + 30, y);
      pen += need + 18;
    });
    top += height; line += row.lines.length;
  }
  c.setLineDash([]); c.font = `11px ${FONT}`; c.fillStyle = look.soft; c.textAlign = "center"; c.textBaseline = "middle";
  for (const v of time.at) c.fillText(time.label(v), X(v - plan.start), h - BOTTOM + 10);
  c.fillText(at === null ? "time t" + (time.shared ? " ×" + power(time.shared) : "") : `t = ${(x[at] + plan.start).toPrecision(6) * 1}`, at === null ? (LEFT + right) / 2 : Math.min(Math.max(X(x[at]), LEFT + 30), right - 30), h - 9);
  if (at !== null) {
    c.strokeStyle = look.axis; c.lineWidth = 1;
    c.beginPath(); c.moveTo(X(x[at]), TOP); c.lineTo(X(x[at]), h - BOTTOM); c.stroke();
  }
  labelMarks(c, marks, X, right);
  const back = picked === null ? -1 : X(picked - plan.start);
  if (back >= LEFT && back <= right) { // the time to go back to
    c.strokeStyle = look.text; c.fillStyle = look.text; c.lineWidth = 1.2;
    c.beginPath(); c.moveTo(back, TOP); c.lineTo(back, h - BOTTOM); c.stroke();
    c.beginPath(); c.moveTo(back - 5, TOP - 7); c.lineTo(back + 5, TOP - 7); c.lineTo(back, TOP + 1); c.fill();
  }
  if (!x || !x.length) {
    c.fillStyle = look.text; c.font = `15px ${FONT}`; c.textAlign = "center";
    c.fillText("Play, or take a Step", (LEFT + right) / 2, TOP + BAND + 34);
  }
}

// where a setting changed: a dashed line in every row ...
function drawMarks(c, marks, X, upper, lower) {
  c.strokeStyle = MARK; c.lineWidth = 1.3; c.setLineDash([4, 3]);
  for (const [t] of marks) { c.beginPath(); c.moveTo(X(t), upper - 2); c.lineTo(X(t), lower); c.stroke(); }
  c.setLineDash([]);
}

// ... and its label above, where there is room for it, the newest first
function labelMarks(c, marks, X, right) {
  const taken = [[], []];
  c.font = `bold 11px ${FONT}`; c.textBaseline = "middle"; c.textAlign = "center"; c.fillStyle = MARK;
  for (const [t, text] of [...marks].reverse()) {
    const half = c.measureText(text).width / 2 + 5, mid = Math.min(Math.max(X(t), LEFT + half), right - half);
    const level = taken.findIndex((row) => row.every(([a, b]) => mid + half < a || mid - half > b));
    if (level < 0) continue;
    taken[level].push([mid - half, mid + half]);
    c.fillText(text, mid, level === 0 ? TOP - 7 : TOP - 21);
  }
}

function drawPhase(c, w, h, look, { plan, columns }) {
  const [x, y] = columns, left = LEFT, right = w - RIGHT, upper = BAND, lower = h - BOTTOM;
  const [x0, x1] = bounds(x ? [x] : []), [y0, y1] = bounds(y ? [y] : []);
  const X = (v) => left + ((v - x0) / (x1 - x0)) * (right - left), Y = (v) => lower - ((v - y0) / (y1 - y0)) * (lower - upper);
  c.lineWidth = 1; c.font = `11px ${FONT}`; c.textBaseline = "middle";
  const gx = ticks(x0, x1, Math.max(2, Math.floor((right - left) / 70))), gy = ticks(y0, y1, Math.max(2, Math.floor((lower - upper) / 45)));
  for (const v of gx.at) {
    const px = Math.round(X(v)) + 0.5;
    c.strokeStyle = v === 0 ? look.axis : look.grid; c.beginPath(); c.moveTo(px, upper); c.lineTo(px, lower); c.stroke();
    c.fillStyle = look.soft; c.textAlign = "center"; c.fillText(gx.label(v), px, lower + 10);
  }
  for (const v of gy.at) {
    const py = Math.round(Y(v)) + 0.5;
    c.strokeStyle = v === 0 ? look.axis : look.grid; c.beginPath(); c.moveTo(left, py); c.lineTo(right, py); c.stroke();
    c.fillStyle = look.soft; c.textAlign = "right"; c.fillText(gy.label(v), left - 7, py);
  }
  c.fillStyle = look.text; c.font = `12px ${FONT}`; c.textAlign = "center";
  c.fillText(plan.x + (gx.shared ? "  ×" + power(gx.shared) : ""), (left + right) / 2, h - 9);
  c.textAlign = "left"; c.fillText(plan.y + (gy.shared ? "  ×" + power(gy.shared) : ""), left, upper - 11);
  if (!x || !x.length) return;
  const pieces = 8, n = x.length;
  c.strokeStyle = look.ink(0); c.lineWidth = 1.4; c.lineJoin = "round";
  for (let k = 0; k < pieces; k++) { // the older, the fainter
    const a = Math.floor((k * n) / pieces), b = Math.min(n, Math.floor(((k + 1) * n) / pieces) + 1);
    c.globalAlpha = 0.25 + (0.75 * (k + 1)) / pieces;
    path(c, x.subarray(a, b), y.subarray(a, b), X, Y);
  }
  c.globalAlpha = 1; c.fillStyle = MARK;
  const px = X(x[n - 1]), py = Y(y[n - 1]);
  c.beginPath(); c.moveTo(px, py - 7); c.lineTo(px + 7, py); c.lineTo(px, py + 7); c.lineTo(px - 7, py); c.closePath(); c.fill();
}

function appearance(el) {
  const text = getComputedStyle(el).color, [r, g, b] = (text.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  const dark = (r + g + b) / 3 > 140, inks = dark ? DARK : LIGHT, tone = dark ? "255,255,255" : "0,0,0";
  return {
    dark, text: `rgba(${tone},0.87)`, soft: `rgba(${tone},0.62)`, grid: `rgba(${tone},0.10)`, axis: `rgba(${tone},0.34)`,
    ink: (k) => (k < 0 ? `rgba(${tone},${k === -1 ? 0.55 : 0.34})` : inks[k % inks.length]),
    dash: (k) => (k === -1 ? [3, 3] : k < 0 ? [] : DASH[k % DASH.length]),
  };
}

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "hl-scope"; canvas.setAttribute("role", "img");
  canvas.style.cssText = "display:block;width:100%;touch-action:pan-y";
  el.style.width = "100%"; el.style.minWidth = "0"; el.appendChild(canvas);
  let view = null, pointer = null, pressed = null, waiting = 0, alive = true;

  const draw = () => {
    waiting = 0;
    const w = canvas.clientWidth, h = model.get("height"), scale = window.devicePixelRatio || 1;
    if (!alive || !w) return;
    const W = Math.round(w * scale), H = Math.round(h * scale);
    if (canvas.width !== W || canvas.height !== H) { canvas.width = W; canvas.height = H; canvas.style.height = `${h}px`; }
    const c = canvas.getContext("2d"), look = appearance(el), data = unpack(model);
    c.setTransform(scale, 0, 0, scale, 0, 0); c.clearRect(0, 0, w, h);
    canvas.setAttribute("aria-label", data.plan.about || "");
    (data.plan.rows ? drawRows : drawPhase)(c, w, h, look, data, view, pointer, model.get("picked"));
    if (pressed !== null && pointer !== null) {
      c.fillStyle = look.grid; c.fillRect(Math.min(pressed, pointer), TOP, Math.abs(pointer - pressed), h - TOP - BOTTOM);
    }
    canvas.dataset.frames = Number(canvas.dataset.frames || 0) + 1; // what tests read
    canvas.dataset.points = data.plan.points || 0;
    canvas.dataset.marks = (data.plan.marks || []).length;
    canvas.dataset.maps = (data.plan.rows || []).filter((row) => row.map).length;
    canvas.dataset.theme = look.dark ? "dark" : "light";
  };
  const soon = () => { if (!waiting) waiting = requestAnimationFrame(draw); };
  const place = (event) => event.clientX - canvas.getBoundingClientRect().left;
  const timeAt = (px) => {
    const x = unpack(model).columns[0], [a, b] = view || (x && x.length ? [x[0], x[x.length - 1]] : [0, 1]);
    return a + ((px - LEFT) / (canvas.clientWidth - RIGHT - LEFT)) * (b - a);
  };
  canvas.addEventListener("pointermove", (event) => { pointer = place(event); soon(); });
  canvas.addEventListener("pointerleave", () => { pointer = pressed = null; soon(); });
  if (model.get("plan").rows) {
    canvas.title = "click: choose a time to go Back to; drag: zoom into a stretch; double click: all of it again";
    canvas.style.cursor = "crosshair";
    canvas.addEventListener("pointerdown", (event) => { pressed = place(event); });
    canvas.addEventListener("pointerup", (event) => {
      const end = place(event);
      if (pressed !== null && Math.abs(end - pressed) > 8) {
        view = [timeAt(Math.min(pressed, end)), timeAt(Math.max(pressed, end))];
      } else if (pressed !== null && model.get("plan").points && end >= LEFT && end <= canvas.clientWidth - RIGHT) {
        model.set("picked", timeAt(end) + model.get("plan").start); model.save_changes();
      }
      pressed = null; soon();
    });
    canvas.addEventListener("dblclick", () => { view = null; soon(); });
  }
  model.on("change:picture", () => { // the figure as a file, on paper of the theme's colour
    const paper = document.createElement("canvas"), c = paper.getContext("2d");
    paper.width = canvas.width; paper.height = canvas.height;
    c.fillStyle = appearance(el).dark ? "#111111" : "#ffffff"; c.fillRect(0, 0, paper.width, paper.height);
    c.drawImage(canvas, 0, 0);
    const link = document.createElement("a");
    link.href = paper.toDataURL("image/png"); link.download = model.get("picture").name; link.click();
  });
  model.on("change:frame", soon); model.on("change:plan", soon); model.on("change:height", soon); model.on("change:picked", soon);
  const observer = new ResizeObserver(soon);
  observer.observe(canvas);
  soon();
  return () => { alive = false; observer.disconnect(); model.off("change:frame", soon); model.off("change:plan", soon); };
}

export default { render };
