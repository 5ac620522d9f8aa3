// The phase diagram of lab 07: how wrong the gradient of a costate carried forward is, over |λ| and T, as measured.

const BANDS = 10; // of colour, from 1e-16 to 1e4

function directions() {
  const { el, say, data } = parts, { kept, lengths, maps, edges } = data.directions, kinds = Object.keys(maps);
  const view = parts.figure("plane", 340), words = el("p", { class: "status", role: "status" });
  let kind = kinds[0], i = 6, j = 6; // the cell that is told
  const { below, above } = data.theme, part = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mixed = (band) => { // from one colour of the maps to the other, pale between them
    const s = (2 * band) / (BANDS - 1) - 1, end = s < 0 ? below : above, strength = Math.abs(s) ** 0.8;
    return `rgba(${[0, 1, 2].map((k) => part(end, k)).join(",")},${(0.13 + 0.82 * strength).toFixed(2)})`;
  };
  const draw = () => {
    const columns = [], layers = [], h = (n) => Math.log10(n), wide = view.place.clientWidth || 480;
    const add = (points, plan) => { columns.push(points.map((p) => p[0]), points.map((p) => p[1])); layers.push(plan); };
    const cells = Array.from({ length: BANDS }, () => []);
    kept.forEach((_, a) => lengths.forEach((n, b) => {
      const band = Math.min(BANDS - 1, Math.max(0, Math.floor(((maps[kind][a][b] + 16) / 20) * BANDS)));
      cells[band].push([a, h(n)]);
    }));
    cells.forEach((points, band) => add(points, { draw: "points", colour: mixed(band), size: Math.min(15, wide / 36) }));
    const top = h(lengths[lengths.length - 1]) + 0.16, bottom = h(lengths[0]) - 0.16;
    const edge = edges[kind].map((n, a) => [a, n === null || h(n) > top || h(n) < bottom ? NaN : h(n)]);
    add(edge, { draw: "line", ink: -1, width: 3 });
    add([[i, h(lengths[j])]], { draw: "points", ink: 1, size: 6 });
    add(kept.map((_, a) => [a, bottom - 0.14]), { draw: "words", ink: -1, size: 11, words: kept.map((k, a) => (a % 2 && wide < 700 ? "" : String(k).replace(/^0/, ""))) });
    add(lengths.map((n) => [-1.1, h(n)]), { draw: "words", ink: -1, size: 11, words: lengths.map((n) => n.toLocaleString("en")) });
    add([[-1.5, bottom - 0.2], [kept.length - 0.4, top]], { draw: "room" });
    view.show(columns, [], { layers, bare: true, x: say("keeps"), y: say("steps T"), about: say("directions") });
    const limit = edges[kind][i], error = maps[kind][i][j], wrong = error >= 4 ? say("overflowed") : `${(10 ** error).toExponential(1)}`;
    words.textContent = say("direction told", { keep: kept[i], T: lengths[j].toLocaleString("en"), wrong }) + " " +
      (limit === null ? say("direction always") : say("direction limit", { limit: Math.round(limit).toLocaleString("en") }));
  };
  const slider = (word, list, chosen, pick) => {
    const made = el("input", { type: "range", min: 0, max: list.length - 1, step: 1, value: chosen, label: word }), number = el("output", { class: "number" });
    const turn = () => { number.textContent = list[made.value].toLocaleString("en"); made.setAttribute("aria-valuetext", number.textContent); pick(Number(made.value)); };
    made.addEventListener("input", () => { turn(); draw(); }); turn();
    return el("div", { class: "dial" }, el("label", { class: "name", word }), made, number);
  };
  const switches = kinds.map((name) => el("button", { class: "quiet", word: name, onclick: () => { kind = name; pressed(); draw(); } }));
  const pressed = () => switches.forEach((one, k) => one.setAttribute("aria-pressed", kinds[k] === kind));
  pressed();
  const controls = [slider("keeps", kept, i, (v) => { i = v; }), slider("steps T", lengths, j, (v) => { j = v; })];
  parts.onLanguage(draw); draw(); addEventListener("resize", draw); requestAnimationFrame(draw);
  return el("section", { id: "directions" }, el("h2", { word: "directions" }), el("p", { word: "directions words" }), view.place, words,
    ...controls, el("div", { class: "dial" }, el("span", { class: "name", word: "numbers" }), el("span", { class: "switch" }, ...switches)));
}

export default directions;
