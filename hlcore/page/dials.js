// A control for every setting, made from its declaration: a slider and a field, or buttons where it is a choice.

const { el, symbol, short } = parts;
const STEPS = 200; // of a slider

// how far a logarithmic slider reaches around a value, as the panel's does
const decades = (v) => { const middle = v > 0 ? Math.round(Math.log10(v)) : 0; return [middle - 3, middle + 2]; };
const rounded = (v) => Number(v.toPrecision(3));

function dial(about, set) {
  const value = about.value ?? 1, [low, high] = decades(value);
  const name = el("span", { class: "symbol" }, ...symbol(about.symbol));
  const words = el("span", { word: `setting ${about.name}` });
  if (about.choices.length) {
    const buttons = about.choices.map(([, choice]) =>
      el("button", { class: "quiet", word: `choice ${about.name} ${choice}`, onclick: () => set({ [about.name]: choice }) }));
    const show = (v) => buttons.forEach((one, k) => one.setAttribute("aria-pressed", about.choices[k][1] === v));
    return { box: el("div", { class: "dial", role: "group" }, el("span", { class: "name" }, name, " ", words), el("span", { class: "switch" }, ...buttons)), show };
  }
  const slider = el("input", { type: "range", min: 0, max: STEPS, step: 1, label: `setting ${about.name}` });
  const field = el("input", { type: "text", inputMode: "decimal", class: "number", label: `setting ${about.name}` });
  const at = (v) => Math.round((STEPS * (Math.log10(v) - low)) / (high - low));
  slider.addEventListener("input", () => set({ [about.name]: rounded(10 ** (low + ((high - low) * slider.value) / STEPS)) }));
  field.addEventListener("change", () => set({ [about.name]: Number(field.value.replace(",", ".").replace("−", "-")) }));
  const show = (v) => {
    if (v > 0 && document.activeElement !== slider) slider.value = Math.min(STEPS, Math.max(0, at(v)));
    slider.setAttribute("aria-valuetext", short(v));
    if (document.activeElement !== field || Number(field.value) !== v) field.value = short(v);
  };
  const label = el("label", { class: "name", tip: `unit ${about.name}` }, name, " ", words);
  return { box: el("div", { class: "dial" }, label, slider, field), show };
}

// all of them in the panel's order: what follows another one stands below it, choices stand last
function dials(settings, set) {
  const names = settings.map((one) => one.name);
  const place = (one) => [one.choices.length ? 1 : 0, names.indexOf(one.follows || one.name), one.follows ? 1 : 0];
  const order = [...settings].sort((a, b) => { const p = place(a), q = place(b); return p[0] - q[0] || p[1] - q[1] || p[2] - q[2]; });
  const made = order.map((about) => [about.name, dial(about, set)]);
  return { boxes: made.map(([, one]) => one.box), show: (force) => made.forEach(([name, one]) => one.show(force[name])) };
}

export default { dials, dial };
