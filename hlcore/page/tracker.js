// The tracker that learns live: transport, dials, presets, curves, predictions, and its state in one line.

const { el, say, data, short, still } = parts;
const told = { ...data.tracker, series: parts.doubles(data.tracker.series), starts: starts(data.tracker.starts) };
const SPEEDS = [1, 10, 100, 1000, Infinity], WINDOWS = [200, 1000, 5000, 20000], BURST = { least: 2, most: 12 }, LATE = 20; // ms of learning a frame; ms from one to the next
const FIRST = 24; // steps taken before anybody pressed: a day

function starts(found) {
  const read = { float64: parts.doubles, float32: (text) => Float64Array.from(parts.floats(text)) };
  const each = (dtype, seeds) => seeds.map(read[dtype]);
  return Object.fromEntries(Object.entries(found).map(([dtype, seeds]) => [dtype, { ...each(dtype, seeds) }]));
}

function tracker() {
  let run = new trial.Run(told), playing = false, speed = 100, window_ = 1000, due = 0, last = 0, trouble = null, rate = 0;
  let shown = new Set(matchMedia("(min-width: 900px)").matches ? ["y", "h", "z", "θ", "ω", "L"] : ["y", "θ", "L"]);
  let lit = "", stop = null; // the setting touched last; what a prediction does when its scene is over
  const curves = parts.figure("rows", 420);
  const status = el("p", { class: "status", role: "status", "aria-live": "off" });
  const alarm = el("p", { class: "alarm", role: "alert" });
  const law = el("div", { class: "law" }), regime = el("p", { class: "regime" });
  const field = el("textarea", { class: "state", spellcheck: false, rows: 3, label: "state" });
  const button = (word, onclick, more = {}) => el("button", { word, tip: `tip ${word}`, onclick, ...more });
  const play = button("play", () => toggle(), { class: "go" });

  const draw = () => {
    const most = Math.max(200, Math.min(1200, Math.round(curves.place.clientWidth * 1.2)));
    const [columns, plan] = rows.planned(run, window_, shown, most);
    curves.show(columns, [], plan);
  };
  const tell = () => { // words, which cost more than a frame: a few times a second
    play.dataset.word = playing ? "pause" : "play"; play.textContent = say(play.dataset.word);
    play.classList.toggle("on", playing);
    const speeds = playing ? ` · ${say("rate", { rate: short(Math.round(rate)) })}` : "";
    const mean = run.count ? ` · ${say("mean now", { loss: short(Number(run.mean(100).toPrecision(3))) })}` : "";
    status.textContent = say("status", { steps: run.steps.toLocaleString("en"), days: (run.steps / 24).toFixed(1), seed: run.seed }) + mean + speeds;
    const [kind] = told.regimes.find(([, most], k) => (k ? run.force.tau * run.force.eta <= (most ?? Infinity) : run.force.beta === 0));
    regime.replaceChildren(el("b", {}, say(`regime ${kind}`)), ` ${say(`regime ${kind} words`)}`);
    regime.classList.toggle("bad", kind === "unstable");
    alarm.textContent = run.stopped
      ? say("stopped", { quantity: say(`quantity ${run.stopped.quantity}`), step: (run.steps + 1).toLocaleString("en"), t: short(run.t) })
      : trouble ? say(trouble.message, trouble.named) : "";
  };
  const equations = () => law.replaceChildren(...told.equations.map((text) => el("span", {}, ...text.split(/\{(\w+)\}/).map((part, k) => {
    if (k % 2 === 0) return part;
    return el("span", { class: part === lit ? "lit" : "" }, ...parts.symbol(told.settings.find((one) => one.name === part).symbol));
  }))));
  const all = () => { board.show(run.force); equations(); tell(); draw(); };

  const set = (changes, quiet = false) => {
    trouble = null;
    try { const real = Object.keys(run.set(changes)); lit = real.length === 1 ? real[0] : quiet ? "" : lit; }
    catch (error) { if (!(error instanceof trial.Refused)) throw error; trouble = error; }
    all();
  };
  const board = dials.dials(told.settings, set);
  const preset = (name) => set({ ...Object.fromEntries(told.settings.map((one) => [one.name, one.value])), ...told.presets[name] }, true);
  const stepped = (n) => { try { run.walk(n); } catch (error) { if (!(error instanceof learner.Diverged)) throw error; playing = false; } };
  const begin = (seed = run.seed) => { playing = false; trouble = null; run.reset(seed); all(); };

  const frame = (now) => { // one burst of learning and one picture
    if (!playing) return;
    burst = now - last > LATE ? Math.max(BURST.least, 0.8 * burst) : Math.min(BURST.most, burst + 0.1); // as much as leaves 60 frames a second
    const from = run.steps, end = performance.now() + burst, seconds = Math.min(0.2, Math.max(0.001, (now - last) / 1000)); // a frame's time may lie before the press
    due = Math.min(due + speed * seconds, Math.max(1, speed * 0.2)); last = now;
    while (playing && due >= 1 && performance.now() < end) { const n = Math.min(20, Math.floor(due)); stepped(n); due -= n; }
    rate = 0.9 * rate + (0.1 * (run.steps - from)) / seconds;
    if (stop && !asks.look()) { playing = false; stop = null; }
    if (!playing || !still || now - drawn > 500) { drawn = now; draw(); }
    if (!playing || now - spoken > 250) { spoken = now; tell(); }
    if (playing) requestAnimationFrame(frame);
  };
  let drawn = 0, spoken = 0, burst = BURST.most;
  const go = () => { if (!playing) { run.stopped = null; playing = true; due = 0; rate = 0; last = performance.now(); requestAnimationFrame(frame); tell(); } };
  const pause = () => { playing = false; tell(); draw(); };
  const toggle = () => { if (playing) pause(); else { asks.skip(); go(); } };

  const options = (list, name, chosen, pick) => {
    const made = el("select", { label: name, tip: name, onchange: () => pick(list[made.selectedIndex]) }, ...list.map(() => el("option", {})));
    const speak = () => list.forEach((n, k) => { made.options[k].textContent = n === Infinity ? say("full speed") : say(`${name} n`, { n: n.toLocaleString("en") }); });
    parts.onLanguage(speak); speak(); made.selectedIndex = list.indexOf(chosen);
    return made;
  };
  const speeds = options(SPEEDS, "speed", speed, (v) => { speed = v; });
  const windows = options(WINDOWS, "window", window_, (v) => { window_ = v; draw(); });
  const chip = (name) => {
    const made = el("button", { class: "chip", label: `row ${name === "H'" ? "H" : name}`, onclick: () => {
      if (shown.has(name)) shown.delete(name); else shown.add(name);
      if (!shown.size) shown.add(name);
      made.setAttribute("aria-pressed", shown.has(name)); draw(); } }, name);
    made.setAttribute("aria-pressed", shown.has(name));
    return made;
  };

  const scene = ({ before, change, watch, speed: pace }, ready) => { // what a prediction wants to be seen
    preset("good"); begin(0); stepped(before); ready();
    if (change) { if (typeof change === "string") preset(change); else set(change); }
    speed = pace; window_ = 1000; windows.selectedIndex = 1; stop = true; go();
  };
  const open = () => { // after the last prediction, or without them
    speed = 100; speeds.selectedIndex = 2; stop = null;
    if (run.stopped || run.changes.length) { preset("good"); begin(0); stepped(FIRST); }
    document.body.classList.remove("asking"); all();
  };
  const asks = predictions.predictions(() => run, scene, open);
  document.body.classList.add("asking");

  const load = (text) => {
    trouble = null; playing = false;
    try { const state = trial.parsed(text, told); asks.skip(); run = new trial.Run(told, state); }
    catch (error) { if (error instanceof trial.Refused) trouble = error; else if (!(error instanceof learner.Diverged)) throw error; }
    all();
    return trouble === null;
  };
  const note = el("p", { class: "soft note" });
  const write = () => {
    field.value = run.state;
    note.textContent = say(run.options.dtype === "float64" ? "state exact" : "state float32");
    return parts.copy(field);
  };

  const place = el("section", { class: "tracker", id: "tracker" }, asks.place,
    el("div", { class: "board" },
      el("div", { class: "main" },
        el("div", { class: "transport" }, play,
          button("step", () => { asks.skip(); stepped(1); all(); }), button("reset", () => begin()),
          button("new seed", () => begin((run.seed + 1) % Object.keys(told.starts.float64).length)), speeds, windows),
        law, el("div", { class: "told" }, status, alarm),
        curves.place, el("div", { class: "chips", role: "group", label: "rows" }, el("span", { class: "soft", word: "rows" }), ...["y", ...told.quantities.map((q) => q.symbol), "L", "H'"].map(chip))),
      el("div", { class: "side" },
        el("div", { class: "presets", role: "group", label: "presets" }, ...Object.keys(told.presets).map((name, k) => el("button", { class: "preset", onclick: () => { asks.skip(); preset(name); } }, el("kbd", {}, String(k + 1)), " ", el("span", { word: `preset ${name}` })))),
        ...board.boxes, regime)),
    el("details", { class: "card" }, el("summary", { word: "share" }), el("p", { word: "share words" }), field,
      el("div", { class: "transport" }, button("copy state", write), button("load state", () => load(field.value))), note));

  const sized = () => curves.resize(Math.round(Math.max(260, Math.min(620, (innerWidth < 900 ? 0.42 : 0.58) * innerHeight))));
  addEventListener("resize", () => { sized(); draw(); });
  addEventListener("keydown", (event) => {
    if (event.target.matches("input,textarea,select,button,summary,a") || event.ctrlKey || event.metaKey || event.altKey) return;
    const names = Object.keys(told.presets), act = { " ": toggle, ArrowRight: () => { asks.skip(); stepped(1); all(); }, r: () => begin() }[event.key]
      || (names[event.key - 1] && (() => { asks.skip(); preset(names[event.key - 1]); }));
    if (act) { event.preventDefault(); act(); }
  });
  parts.onLanguage(all);
  stepped(FIRST); sized(); all();
  if (location.hash.startsWith("#hl1:")) load(decodeURIComponent(location.hash.slice(1)));
  return { place, load, toggle, pause, set, preset, draw, write, get run() { return run; }, get playing() { return playing; }, set speed(v) { speed = v; } };
}

export default tracker;
