// A recorded run: its curves or heat maps with cursor and zoom, its settings, its changes, and its state string.

function record() {
  const { el, data, say } = parts, view = parts.figure("rows", 560), kinds = Object.keys(data.frames);
  let kind = kinds[0];
  const draw = () => {
    const { columns, cells, plan } = data.frames[kind];
    view.show(columns.map(parts.floats), parts.bytes(cells), { axis: say("axis"), ...plan });
  };
  const switches = kinds.map((name) => el("button", { class: "quiet", word: name, onclick: () => { kind = name; pressed(); draw(); } }));
  const pressed = () => switches.forEach((one, k) => one.setAttribute("aria-pressed", kinds[k] === kind));
  const line = el("textarea", { class: "state", readOnly: true, rows: 4, label: "state", value: data.state });
  const table = (head, rows) => el("table", {}, el("tr", {}, ...head.map((word) => el("th", word ? { word } : {}))),
    ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell instanceof Node ? cell : String(cell))))));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches, { dashes } = data.theme, { inks } = data.theme[dark ? "dark" : "light"];
  const key = (k) => { // how the fork's curves are drawn
    const line = el("span", { class: "key" }), dash = dashes[k % dashes.length];
    line.style.borderTop = `3px ${!dash.length ? "solid" : dash[0] > 4 ? "dashed" : "dotted"} ${inks[k % inks.length]}`;
    return line;
  };
  const forks = !data.forks.length ? [] : [el("section", {}, el("h2", { word: "forks" }), table(["fork", "from step", "changed", "fork loss", "apart"],
    data.forks.map((one, k) => [el("span", {}, key(k + 1), " ", one.name, one.of === "run" ? "" : ` (${one.of})`), one.at.toLocaleString("en"),
      one.changes.join("; "), one.error || one.loss, one.apart])))];
  const heading = el("p", { class: "soft" });
  const speak = () => { heading.textContent = say("run told", { learner: data.learner, steps: data.steps.toLocaleString("en"), seed: data.seed }); };
  const told = data.untold
    ? [el("p", {}, el("span", { word: "no state" }), " ", data.untold)]
    : [el("p", { word: "state opens" }), el("pre", {}, "hlcore.lab.Cockpit.from_state(\"\"\"…\"\"\")"), line,
       el("button", { word: "copy line", tip: "tip copy line", onclick: () => parts.copy(line) }),
       el("details", { class: "card" }, el("summary", { word: "as a program" }), el("pre", {}, data.program))];
  document.body.append(
    el("header", {}, el("h1", {}, data.title), heading, parts.languageSwitch()),
    el("main", {}, el("p", {}, data.about.split("\n")[0]), el("p", { class: "status" }, data.summary),
      el("div", { class: "law" }, ...data.equations.map((one) => el("span", {}, one))),
      el("span", { class: "switch", role: "group" }, ...switches), view.place, ...forks,
      el("h2", { word: "settings and changes" }),
      el("div", { class: "pair" }, el("section", {}, table(["setting", "", "value"], data.start.map(([letter, words, text]) => [letter, words, text.split(" = ").pop()]))),
        el("section", {}, table(["from step", "value"], data.changes))),
      el("section", {}, el("h2", { word: "state" }), ...told)));
  parts.onLanguage(() => { speak(); draw(); }); speak(); pressed(); draw();
  const sized = () => view.resize(Math.round(Math.max(360, 0.72 * innerHeight)));
  addEventListener("resize", sized); sized();
  return { view };
}

export default record();
