// A map of two settings: a cell for each pair, coloured by a number; a click, or arrow keys and Enter, choose one.

const LEFT = 50, RIGHT = 10, TOP = 8, BOTTOM = 58;
const FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";
const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const power = (e) => "10" + (e < 0 ? "⁻" : "") + [...String(Math.abs(e))].map((d) => SUPER[d]).join("");
const short = (v) => (Number.isFinite(v) ? String(Number(v.toPrecision(3))) : "–");

// an axis: edges of the cells, the place of a value in [0, 1], and ticks
function axis({ values, log }) {
  const to = (v) => (log ? Math.log10(v) : v), at = values.map(to), n = at.length;
  const half = n > 1 ? (at[n - 1] - at[0]) / (n - 1) / 2 : 0.5, lo = at[0] - half, hi = at[n - 1] + half;
  const ticks = [], raw = (hi - lo) / 4, step = log ? Math.max(1, Math.round(raw)) : [1, 2, 5, 10].map((k) => k * 10 ** Math.floor(Math.log10(raw))).find((k) => k >= raw);
  for (let k = Math.ceil(lo / step); k * step <= hi; k++) ticks.push([(k * step - lo) / (hi - lo), log ? power(k * step) : short(k * step)]);
  return { n, ticks, place: (v) => (to(v) - lo) / (hi - lo), cell: (part) => Math.min(n - 1, Math.max(0, Math.floor(part * n))) };
}

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "hl-settings-map"; canvas.tabIndex = 0; canvas.setAttribute("role", "application");
  canvas.dataset.lmSuppressShortcuts = "true";
  canvas.style.cssText = "display:block;width:100%;cursor:crosshair";
  el.style.width = "100%"; el.style.minWidth = "0"; el.classList.add("hl-fill"); el.appendChild(canvas);
  const say = (text) => model.get("words")[text] || text; // in the language asked for: hlcore/words.py
  let pen = null, alive = true, zoom = 1;

  const numbers = () => { const b = model.get("cells"); return b && b.byteLength ? new Float32Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength)) : new Float32Array(0); };
  const axes = () => { const { x, y } = model.get("plan"); return x ? [axis(x), axis(y)] : null; };
  const size = () => [canvas.clientWidth / zoom, canvas.clientHeight / zoom];

  const draw = () => {
    zoom = Number(getComputedStyle(el).getPropertyValue("--hl-zoom")) || 1;
    const [w, h] = size(), scale = (window.devicePixelRatio || 1) * zoom, plan = model.get("plan"), theme = model.get("theme");
    if (!alive || !w || !h) return;
    canvas.width = Math.round(w * scale); canvas.height = Math.round(h * scale);
    const c = canvas.getContext("2d"), [r, g, b] = (getComputedStyle(el).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
    const look = theme[(r + g + b) / 3 > 140 ? "dark" : "light"], shade = (a) => `rgba(${look.tone},${a})`;
    c.setTransform(scale, 0, 0, scale, 0, 0); c.clearRect(0, 0, w, h);
    c.font = `11px ${FONT}`; c.textBaseline = "middle"; c.textAlign = "center"; c.fillStyle = shade(0.7);
    const both = axes(), values = numbers();
    canvas.dataset.cells = values.length; canvas.dataset.border = plan.border?.length || 0; canvas.dataset.visited = plan.visited?.length || 0; // what tests read
    if (!both) { const hint = say("Map: what becomes of this run under each pair"); canvas.setAttribute("aria-label", hint); c.fillText(hint, w / 2, h / 2); return; }
    const [X, Y] = both, wide = w - LEFT - RIGHT, high = h - TOP - BOTTOM;
    const px = (part) => LEFT + part * wide, py = (part) => TOP + (1 - part) * high;
    const sorted = [...values].filter(Number.isFinite).sort((a, b) => a - b), last = sorted[sorted.length - 1];
    const lo = sorted[0], hi = lo > 0 ? Math.min(last, 10 * sorted[sorted.length >> 1]) : last; // what broke out has one colour
    const logged = sorted.length && lo > 0 && hi / lo > 20, level = (v) => Math.min(1, (logged ? Math.log(v / lo) / Math.log(hi / lo) : (v - lo) / (hi - lo)) || 0);
    const depths = theme.depths.map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)));
    const colour = (part) => { const at = part * (depths.length - 1), k = Math.min(depths.length - 2, Math.floor(at)); return `rgb(${depths[k].map((v, q) => Math.round(v + (depths[k + 1][q] - v) * (at - k)))})`; };
    const hatch = (x0, y0, x1, y1) => {
      c.save(); c.beginPath(); c.rect(x0, y0, x1 - x0, y1 - y0); c.clip(); c.strokeStyle = theme.mark; c.lineWidth = 1; c.beginPath();
      for (let d = -h; d < w; d += 6) { c.moveTo(d, h); c.lineTo(d + h, 0); }
      c.stroke(); c.restore();
    };
    c.save(); c.beginPath();
    values.forEach((v, k) => {
      const i = Math.floor(k / Y.n), j = k % Y.n, x0 = px(i / X.n), x1 = px((i + 1) / X.n), y0 = py((j + 1) / Y.n), y1 = py(j / Y.n);
      if (Number.isFinite(v)) { c.fillStyle = colour(level(v)); c.fillRect(x0, y0, x1 - x0 + 0.5, y1 - y0 + 0.5); } else c.rect(x0, y0, x1 - x0, y1 - y0);
    });
    c.clip(); hatch(LEFT, TOP, w - RIGHT, h - BOTTOM); c.restore();
    c.strokeStyle = shade(0.34); c.lineWidth = 1; c.strokeRect(LEFT, TOP, wide, high);
    c.fillStyle = shade(0.7);
    for (const [part, text] of X.ticks) { c.fillText(text, px(part), h - BOTTOM + 10); c.fillRect(px(part), h - BOTTOM, 1, 4); }
    c.textAlign = "right";
    for (const [part, text] of Y.ticks) { c.fillText(text, LEFT - 6, py(part)); c.fillRect(LEFT - 4, py(part), 4, 1); }
    c.fillStyle = shade(0.87); c.font = `bold 12px ${FONT}`; c.textAlign = "center"; c.fillText(plan.x.letter, LEFT + wide * (plan.border?.length ? 0.12 : 0.5), h - BOTTOM + 25);
    c.save(); c.translate(9, TOP + high / 2); c.rotate(-Math.PI / 2); c.fillText(plan.y.letter, 0, 0); c.restore();
    // what the colours are
    const y = h - 19, bar = Math.min(60, wide / 4);
    for (let k = 0; k < bar; k++) { c.fillStyle = colour(k / bar); c.fillRect(LEFT + k, y, 1.5, 8); }
    c.font = `11px ${FONT}`; c.textAlign = "left"; c.fillStyle = shade(0.8);
    const told = sorted.length ? `${plan.told} ${short(lo)} … ${last > hi ? ">" : ""}${short(hi)}` : plan.told;
    c.fillText(told, LEFT + bar + 6, y + 4);
    let to = LEFT + bar + 14 + c.measureText(told).width;
    if (sorted.length < values.length && to + 20 + c.measureText(plan.blank).width < w) { hatch(to, y, to + 14, y + 8); c.fillText(plan.blank, to + 18, y + 4); }
    c.save(); c.beginPath(); c.rect(LEFT, TOP, wide, high); c.clip();
    for (const [ink, width] of [[theme.edge, 4.5], [theme.shine, 2.2]]) {
      c.strokeStyle = ink; c.lineWidth = width; c.lineCap = "round"; c.beginPath();
      for (const [a, b, a2, b2] of plan.border || []) { c.moveTo(px(X.place(a)), py(Y.place(b))); c.lineTo(px(X.place(a2)), py(Y.place(b2))); }
      c.stroke();
    }
    const spot = ([a, b], fill, radius, square) => {
      const x = px(X.place(a)), y = py(Y.place(b));
      c.fillStyle = fill; c.strokeStyle = theme.shine; c.lineWidth = 4; c.beginPath();
      if (square) { c.moveTo(x, y - radius); c.lineTo(x + radius, y); c.lineTo(x, y + radius); c.lineTo(x - radius, y); c.closePath(); } else c.arc(x, y, radius, 0, 7);
      c.stroke(); c.strokeStyle = theme.edge; c.lineWidth = 2; c.stroke(); c.fill();
    };
    for (const [a, b, ink] of plan.visited || []) spot([a, b], look.inks[ink % look.inks.length], 5, false);
    if (plan.now) spot(plan.now, theme.mark, 7, true);
    c.restore();
    if (pen) {
      c.strokeStyle = theme.edge; c.lineWidth = 3; const box = [px(pen[0] / X.n), py((pen[1] + 1) / Y.n), wide / X.n, high / Y.n];
      c.strokeRect(...box); c.strokeStyle = theme.shine; c.lineWidth = 1.2; c.strokeRect(...box);
    }
    if (plan.border?.length) { // what the line is: beside the name of x
      c.font = `11px ${FONT}`; c.fillStyle = shade(0.8); c.textAlign = "right"; c.fillText(`${say("line")}: ${plan.says}`, w - RIGHT, h - BOTTOM + 25);
    }
    const here = pen && values[pen[0] * Y.n + pen[1]];
    const words = pen ? `${plan.x.letter} = ${short(plan.x.values[pen[0]])}, ${plan.y.letter} = ${short(plan.y.values[pen[1]])}: ${Number.isFinite(here) ? `${plan.told} ${short(here)}` : plan.blank}` : "";
    canvas.setAttribute("aria-label", `${plan.x.letter}, ${plan.y.letter}; ${say("arrow keys move, Enter lets that run play beside this one")}. ${plan.says ? `${say("line")}: ${plan.says}. ` : ""}${words}`);
    canvas.title = words ? `${words}; ${say("click: this run plays beside the present one")}` : "";
  };
  const cellAt = (event) => {
    const both = axes(), box = canvas.getBoundingClientRect(), [w, h] = size();
    const u = ((event.clientX - box.left) / zoom - LEFT) / (w - LEFT - RIGHT), v = (h - BOTTOM - (event.clientY - box.top) / zoom) / (h - TOP - BOTTOM);
    return both && u >= 0 && u <= 1 && v >= 0 && v <= 1 ? [both[0].cell(u), both[1].cell(v)] : null;
  };
  const choose = () => { if (!pen) return; const [, , n = 0] = model.get("spot"); model.set("spot", [...pen, n + 1]); model.save_changes(); };
  canvas.addEventListener("pointermove", (event) => { pen = cellAt(event); draw(); });
  canvas.addEventListener("pointerleave", () => { pen = null; draw(); });
  canvas.addEventListener("click", (event) => { pen = cellAt(event); choose(); });
  canvas.addEventListener("keydown", (event) => {
    const both = axes(), move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!both || (!move && event.key !== "Enter")) return;
    event.preventDefault(); event.stopPropagation();
    if (!move) { choose(); return; }
    const [i, j] = pen || [Math.floor(both[0].n / 2) - move[0], Math.floor(both[1].n / 2) - move[1]];
    pen = [Math.min(both[0].n - 1, Math.max(0, i + move[0])), Math.min(both[1].n - 1, Math.max(0, j + move[1]))];
    draw();
  });
  const changes = ["cells", "plan", "theme"].map((what) => `change:${what}`);
  changes.forEach((what) => model.on(what, draw));
  const observer = new ResizeObserver(draw);
  observer.observe(canvas);
  return () => { alive = false; observer.disconnect(); changes.forEach((what) => model.off(what, draw)); };
}

export default { render };
