// What both pages are made of: the page's data, words in its language, elements, and the panel's canvas with a model.

const data = JSON.parse(document.getElementById("data").textContent);
const languages = ["en", "ja"];
const listeners = [];
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

function remembered() { try { return localStorage.getItem("hl-language"); } catch { return null; } }
function remember(name) { try { localStorage.setItem("hl-language", name); } catch { /* a page from a file may not */ } }

const asked = new URLSearchParams(location.search).get("lang") || remembered() || navigator.language.slice(0, 2);
let language = languages.includes(asked) ? asked : "en";

// the words of an id, {name} in them replaced
function say(id, named = {}) {
  const found = data.words[id], text = found ? found[language] : id;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in named ? named[name] : whole));
}

// an element: el("button", { word: "play", class: "go", onclick }, child, "text"); `word` is an id, said anew in another
// language, and so are the ids of `label` (aria-label) and `tip` (title)
function el(tag, given = {}, ...children) {
  const made = document.createElement(tag), { word, label, tip, ...rest } = given;
  for (const [name, value] of Object.entries(rest)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  if (given.class) made.className = given.class;
  for (const [name, id] of Object.entries({ word, label, tip })) if (id) made.dataset[name] = id;
  spoken(made);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function spoken(one) {
  if (one.dataset.word) one.textContent = say(one.dataset.word);
  if (one.dataset.label) one.setAttribute("aria-label", say(one.dataset.label));
  if (one.dataset.tip) one.title = say(one.dataset.tip);
}

// a setting's symbol, η<sub>z</sub>, as elements
const symbol = (text) => text.split(/<sub>|<\/sub>/).map((part, k) => (k % 2 ? el("sub", {}, part) : part));

const onLanguage = (hear) => { listeners.push(hear); };
function speak(name) {
  language = name; remember(name);
  document.documentElement.lang = name;
  document.querySelectorAll("[data-word],[data-label],[data-tip]").forEach(spoken);
  listeners.forEach((hear) => hear());
}

function languageSwitch() {
  const names = { en: "English", ja: "日本語" };
  const buttons = languages.map((name) => el("button", { class: "quiet", lang: name, onclick: () => speak(name) }, names[name]));
  const show = () => buttons.forEach((one, k) => one.setAttribute("aria-pressed", languages[k] === language));
  onLanguage(show); show();
  return el("div", { class: "switch", role: "group", label: "language" }, ...buttons);
}

// what the panel's canvas takes for its model: hlcore/lab/figures/canvas.py
class Model {
  constructor(height) { this.values = { plan: { kind: "rows" }, theme: data.theme, height, picked: null }; this.heard = {}; }
  get(name) { return this.values[name]; }
  set(name, value) { this.values[name] = value; (this.heard[`change:${name}`] || []).forEach((hear) => hear()); }
  save_changes() {}
  on(name, hear) { (this.heard[name] ||= []).push(hear); }
  off(name, hear) { this.heard[name] = (this.heard[name] || []).filter((one) => one !== hear); }
}

// a canvas in an element: show(kind, columns, cells, plan) draws one frame
function figure(kind, height) {
  const model = new Model(height), place = el("div", { class: "figure" });
  model.values.plan = { kind };
  canvas.render({ model, el: place });
  const drawn = place.firstChild;
  let at = null; // the cursor, moved by the arrow keys too
  drawn.tabIndex = 0;
  drawn.addEventListener("pointermove", (event) => { at = event.clientX - drawn.getBoundingClientRect().left; });
  drawn.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] * (event.shiftKey ? 20 : 2), box = drawn.getBoundingClientRect();
    if (!by || kind !== "rows") return;
    at = Math.max(0, Math.min(box.width, (at ?? box.width / 2) + by));
    drawn.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + at, clientY: box.top }));
    event.preventDefault(); event.stopPropagation();
  });
  const show = (columns, cells, plan) => {
    const points = Math.max(0, ...columns.map((c) => c.length)), frame = new Float32Array(columns.length * points).fill(NaN);
    columns.forEach((c, k) => frame.set(c, k * points));
    model.values.frame = new Uint8Array(frame.buffer); model.values.maps = cells;
    drawn.title = kind === "rows" ? say("canvas tip") : "";
    model.set("plan", { kind, points, ...plan });
  };
  return { place, show, resize: (h) => { if (h !== model.get("height")) model.set("height", h); }, canvas: drawn };
}

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const doubles = (text) => new Float64Array(bytes(text).buffer);
const floats = (text) => new Float32Array(bytes(text).buffer);

// a number as a person reads it
function short(v) {
  if (typeof v !== "number") return String(v);
  const size = Math.abs(v);
  return (size !== 0 && (size < 1e-3 || size >= 1e6) ? v.toExponential(2) : String(Number(v.toPrecision(4)))).replace("-", "−");
}

async function copy(field) { // where a page may not write to the clipboard, the text is at least chosen
  field.select();
  try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
}

export default { data, say, el, symbol, onLanguage, languageSwitch, figure, doubles, floats, bytes, short, copy, still };
