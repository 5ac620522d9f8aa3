// The valley of lab 01: HL, stepped here, over the path that torch.optim.SGD took, on a loss of two weights.

function valley() {
  const { el, say, data, short } = parts, told = data.valley, { shape, start, target, sgd } = told;
  const chosen = { ...told.settings }, view = parts.figure("plane", 340), words = el("p", { class: "status", role: "status" });

  // θ⁺ = θ - τβ ω⁺, ω⁺ = (1 - τη) ω + τφ ∂L/∂θ, whose first step is undampened, as torch has it
  const path = () => {
    let theta = [...start], omega = [0, 0];
    const found = [theta], { tau, eta, beta, phi } = chosen;
    for (let k = 0; k < sgd.length - 1; k++) {
      const e = shape.map((row) => row[0] * (theta[0] - target[0]) + row[1] * (theta[1] - target[1]));
      const g = [0, 1].map((i) => e.reduce((sum, x, r) => sum + (2 / e.length) * x * shape[r][i], 0));
      omega = omega.map((w, i) => (1 - tau * eta) * w + (k ? tau * phi : 1) * g[i]);
      theta = theta.map((x, i) => x - tau * beta * omega[i]);
      found.push(theta.every(Number.isFinite) ? theta : found[k]);
    }
    return found;
  };
  // lines of equal loss: ellipses (θ - θ*)ᵀ A (θ - θ*) = c, A = XᵀX / 2
  const ring = (c) => {
    const A = [0, 1].map((i) => [0, 1].map((j) => shape.reduce((sum, row) => sum + row[i] * row[j], 0) / shape.length));
    return Array.from({ length: 145 }, (_, k) => {
      const d = [Math.cos((k * Math.PI) / 72), Math.sin((k * Math.PI) / 72)];
      const r = Math.sqrt(c / (d[0] * (A[0][0] * d[0] + 2 * A[0][1] * d[1]) + A[1][1] * d[1] * d[1]));
      const p = [target[0] + r * d[0], target[1] + r * d[1]];
      return p.some((v, i) => v < told.from[i] || v > told.to[i]) ? [NaN, NaN] : p;
    });
  };
  const draw = () => {
    const hl = path(), layers = [], columns = [], near = (v) => Math.max(-8, Math.min(8, v));
    const add = (points, plan) => { columns.push(points.map((p) => p[0]), points.map((p) => p[1])); layers.push(plan); };
    for (let k = 0; k < 9; k++) add(ring(0.004 * 2.4 ** k), { draw: "line", ink: -2, width: 0.8 });
    add(sgd, { draw: "line", ink: 1, width: 5 }); add(hl.map((p) => p.map(near)), { draw: "line", ink: 0, width: 2 });
    add(hl.map((p) => p.map(near)), { draw: "points", ink: 0, size: 2.6 });
    add([start, target], { draw: "points", ink: -3, size: 5 });
    add([[start[0], start[1] + 0.17], [target[0], target[1] - 0.19]], { draw: "words", ink: -1, words: [say("valley start"), say("valley end")] });
    add([told.from, told.to], { draw: "room" });
    view.show(columns, [], { layers, x: "θ₁", y: "θ₂", about: say("valley") });
    const gap = Math.max(...hl.flatMap((p, k) => p.map((v, i) => Math.abs(v - sgd[k][i]))));
    const { tau, eta, beta, phi } = chosen;
    words.textContent = `${say(gap < 1e-12 ? "one path" : "two paths", { gap: gap.toExponential(1) })} ${say("as sgd", { lr: short(tau * beta), momentum: short(1 - tau * eta), dampening: short(1 - tau * phi) })}`;
    return gap;
  };
  const sliders = told.sliders.map(([name, , low, high]) => {
    const slider = el("input", { type: "range", min: low, max: high, step: 0.02, value: chosen[name], label: `setting ${name}` });
    const number = el("output", { class: "number" }, short(chosen[name]));
    const turn = (v) => { chosen[name] = Number(v.toFixed(4)); number.textContent = short(chosen[name]); draw(); };
    slider.addEventListener("input", () => turn(Number(slider.value)));
    const symbol = data.tracker.settings.find((one) => one.name === name).symbol;
    const box = el("div", { class: "dial" }, el("label", { class: "name" }, el("span", { class: "symbol" }, symbol), " ", el("span", { word: `setting ${name}` })), slider, number);
    return { box, back: () => { slider.value = told.settings[name]; turn(told.settings[name]); } };
  });
  parts.onLanguage(draw); draw();
  return el("section", { id: "valley" }, el("h2", { word: "valley" }), el("p", { word: "valley words" }), view.place, words,
    ...sliders.map((one) => one.box), el("button", { word: "back to sgd", onclick: () => sliders.forEach((one) => one.back()) }));
}

export default valley;
