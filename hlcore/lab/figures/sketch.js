// Axes into which a curve is drawn: by the pointer, or by arrow keys (left, right: where; up, down: how high).

const LEFT = 58, RIGHT = 14, TOP = 12, BOTTOM = 38, HEIGHT = 210;
const FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";

function render({ model, el }) {
  const say = (text) => model.get("words")[text] || text; // in the language asked for: hlcore/words.py
  const plan = model.get("plan"), [x0, x1] = plan.across, [y0, y1] = plan.up, last = plan.points - 1;
  const canvas = document.createElement("canvas");
  canvas.className = "hl-sketch"; canvas.tabIndex = 0; canvas.setAttribute("role", "application");
  canvas.dataset.lmSuppressShortcuts = "true";
  canvas.style.cssText = `display:block;width:100%;height:${HEIGHT}px;cursor:crosshair;touch-action:none`;
  el.style.flex = "1 1 100%"; el.style.minWidth = "0"; el.style.maxWidth = "760px"; el.appendChild(canvas);
  let pen = 0, before = null, alive = true;

  const place = { X: (k) => LEFT + (k / last) * (canvas.clientWidth - LEFT - RIGHT), Y: (v) => HEIGHT - BOTTOM - ((v - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM) };
  const draw = () => {
    const w = canvas.clientWidth, scale = window.devicePixelRatio || 1, { X, Y } = place;
    if (!alive || !w) return;
    canvas.width = Math.round(w * scale); canvas.height = Math.round(HEIGHT * scale);
    const c = canvas.getContext("2d"), theme = model.get("theme");
    const [r, g, b] = (getComputedStyle(el).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
    const look = theme[(r + g + b) / 3 > 140 ? "dark" : "light"], shade = (a) => `rgba(${look.tone},${a})`;
    c.setTransform(scale, 0, 0, scale, 0, 0); c.clearRect(0, 0, w, HEIGHT);
    c.font = `12px ${FONT}`; c.textBaseline = "middle"; c.lineWidth = 1;
    for (let q = 0; q <= 4; q++) {
      const x = X((q / 4) * last), y = Y(y0 + (q / 4) * (y1 - y0));
      c.strokeStyle = shade(0.12);
      c.beginPath(); c.moveTo(x, TOP); c.lineTo(x, HEIGHT - BOTTOM); c.moveTo(LEFT, y); c.lineTo(w - RIGHT, y); c.stroke();
      c.fillStyle = shade(0.7);
      c.textAlign = "right"; c.fillText(String(Number((y0 + (q / 4) * (y1 - y0)).toPrecision(3))), LEFT - 7, y);
      c.textAlign = q === 4 ? "right" : "center"; c.fillText(String(Number((x0 + (q / 4) * (x1 - x0)).toPrecision(4))), x, HEIGHT - BOTTOM + 11);
    }
    c.fillStyle = shade(0.87); c.textAlign = "center"; c.fillText(plan.x, (LEFT + w - RIGHT) / 2, HEIGHT - 9);
    c.save(); c.translate(11, (TOP + HEIGHT - BOTTOM) / 2); c.rotate(-Math.PI / 2); c.fillText(plan.y, 0, 0); c.restore();
    const curve = (values, ink, dash, width) => {
      c.strokeStyle = ink; c.setLineDash(dash); c.lineWidth = width; c.beginPath();
      let down = false;
      values.forEach((v, k) => {
        if (v === null) { down = false; return; }
        const y = Y(Math.min(Math.max(v, y0), y1));
        if (down) c.lineTo(X(k), y); else c.moveTo(X(k), y);
        down = true;
      });
      c.stroke(); c.setLineDash([]);
    };
    const drawn = model.get("drawn"), found = model.get("found");
    curve(drawn, look.inks[1], [7, 4], 2.5);
    if (found.length) curve(found, look.inks[0], [], 2.5);
    if (document.activeElement === canvas) {
      c.strokeStyle = theme.mark; c.lineWidth = 1.5;
      c.beginPath(); c.arc(X(pen), Y(drawn[pen] ?? (y0 + y1) / 2), 5, 0, 7); c.stroke();
    }
    const n = drawn.filter((v) => v !== null).length;
    const told = n === 0 ? say("Draw with the pointer, or with the arrow keys") : "";
    if (told) { c.fillStyle = shade(0.7); c.textAlign = "center"; c.font = `14px ${FONT}`; c.fillText(told, (LEFT + w - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2); }
    const at = x0 + (pen / last) * (x1 - x0), high = drawn[pen];
    canvas.setAttribute("aria-label", `${plan.y}, ${plan.x}: ${say("to be drawn: arrow keys move and raise the pen")}. ${Number(at.toPrecision(4))}: ${high === null ? say("nothing is drawn") : Number(high.toPrecision(3))}; ${n}/${plan.points}`);
    canvas.dataset.drawn = n; canvas.dataset.found = found.length; // what tests read
  };
  // set the height at place k, and everything between it and the place before
  const mark = (k, v) => {
    if (model.get("found").length) return;
    const drawn = [...model.get("drawn")], high = Math.min(Math.max(v, y0), y1);
    const from = before === null ? [k, high] : before, way = Math.abs(k - from[0]);
    for (let i = 0; i <= way; i++) drawn[from[0] + Math.sign(k - from[0]) * i] = way ? from[1] + ((high - from[1]) * i) / way : high;
    before = [k, high]; pen = k;
    model.set("drawn", drawn); draw();
  };
  const point = (event) => {
    const box = canvas.getBoundingClientRect(), w = box.width - LEFT - RIGHT, h = HEIGHT - TOP - BOTTOM;
    const k = Math.round(((event.clientX - box.left - LEFT) / w) * last);
    mark(Math.min(Math.max(k, 0), last), y0 + ((HEIGHT - BOTTOM - (event.clientY - box.top)) / h) * (y1 - y0));
  };
  canvas.addEventListener("pointerdown", (event) => { before = null; canvas.setPointerCapture(event.pointerId); point(event); });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  // ipywidgets holds changes back while the kernel is busy, and a button pressed after them would overtake them; this not
  const tell = () => model.send({ drawn: model.get("drawn") });
  canvas.addEventListener("pointerup", () => { before = null; tell(); });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!move) return;
    event.preventDefault(); event.stopPropagation();
    const drawn = model.get("drawn"), here = drawn[pen] ?? (y0 + y1) / 2;
    before = [pen, here];
    mark(Math.min(Math.max(pen + move[0], 0), last), here + (move[1] * (y1 - y0)) / 40);
    tell();
  });
  for (const what of ["focus", "blur"]) canvas.addEventListener(what, draw);
  const changes = ["drawn", "found", "theme"].map((what) => `change:${what}`);
  changes.forEach((what) => model.on(what, draw));
  const observer = new ResizeObserver(draw);
  observer.observe(canvas);
  return () => { alive = false; observer.disconnect(); changes.forEach((what) => model.off(what, draw)); };
}

export default { render };
