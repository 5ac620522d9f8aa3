// A run of the tracker: learner, stream, record, every change of a setting, and the state string that tells them all.
// It is hlcore.runs.Run for one experiment, in float64.

const STATE = "hl1:", PARTS = ["experiment", "options", "seed", "settings", "changes", "steps"];
const CAPACITY = 20000, LINES = 2; // records kept; entries of each quantity that are

class Refused extends Error { // its message is an id of the words
  constructor(id, named = {}) { super(id); this.named = named; }
}

// a string as a run can take it, or Refused: `told` is what the page knows of its experiment
function parsed(text, told) {
  let state;
  try {
    if (!text.trim().startsWith(STATE)) throw new Error();
    state = JSON.parse(text.trim().slice(STATE.length));
    if (PARTS.some((part) => !(part in state))) throw new Error();
  } catch { throw new Refused("state damaged"); }
  const extra = Object.keys(state).filter((part) => !PARTS.includes(part));
  if (extra.length) throw new Refused("state part", { name: extra[0] });
  if (state.experiment !== told.name) throw new Refused("state experiment", { name: state.experiment, own: told.title });
  for (const [name, value] of Object.entries(state.options)) {
    const allowed = Object.hasOwn(told.options, name) ? told.options[name] : [];
    if (!allowed.includes(value)) throw new Refused("state option", { name, value });
  }
  const seeds = Object.keys(told.starts[state.options.dtype || told.dtype]);
  if (!seeds.includes(String(state.seed))) throw new Refused("state seed", { seed: state.seed, last: seeds.length - 1 });
  const count = (n) => Number.isInteger(n) && n >= 0;
  if (!count(state.steps) || !Array.isArray(state.changes)) throw new Refused("state damaged");
  const defaults = Object.fromEntries(told.settings.map((one) => [one.name, one.default]));
  state.settings = { ...defaults, ...checked(state.settings, told) };
  for (const change of state.changes) {
    if (!Array.isArray(change) || !count(change[0])) throw new Refused("state damaged");
    checked(change[1], told);
  }
  return state;
}

// settings, each of them one that the declaration admits
function checked(settings, told) {
  if (typeof settings !== "object" || settings === null) throw new Refused("state damaged");
  for (const [name, value] of Object.entries(settings)) {
    const about = told.settings.find((one) => one.name === name);
    if (!about) throw new Refused("state setting", { name });
    const fine = about.choices.length
      ? about.choices.some(([, choice]) => choice === value)
      : (value === null && about.follows) || (Number.isFinite(value) && (about.positive ? value > 0 : value >= 0));
    if (!fine) throw new Refused("state value", { name: about.symbol.replace(/<.?sub>/g, ""), value: JSON.stringify(value) });
  }
  return settings;
}

class Run {
  // of a state's parts; steps are taken up to where it was
  constructor(told, state = null) {
    this.told = told;
    const own = Object.fromEntries(told.settings.map((one) => [one.name, one.value]));
    const given = state || { options: { dtype: "float64" }, seed: 0, settings: own, changes: [], steps: 0 };
    this.options = given.options; this.seed = given.seed; this.settings = { ...given.settings };
    this.begin();
    for (const [at, change] of given.changes) { this.walk(at - this.steps); this.set(change); }
    this.walk(given.steps - this.steps);
  }

  begin() {
    const { told } = this, dtype = this.options.dtype || told.dtype, theta = told.starts[dtype][this.seed];
    this.series = dtype === "float64" ? told.series : Float64Array.from(told.series, Math.fround);
    this.learner = new learner.Learner({ ...told, order: this.options.order || told.order, theta });
    this.start = { ...this.settings }; this.changes = []; this.marks = []; this.count = 0; this.stopped = null;
    this.record = {};
  }

  get steps() { return this.learner.steps; }
  get t() { return this.learner.t; }

  reset(seed = this.seed) { this.seed = seed; this.begin(); }

  // from the next step on; what really changed
  set(changes) {
    checked(changes, this.told);
    const real = Object.fromEntries(Object.entries(changes).filter(([name, value]) => this.settings[name] !== value));
    Object.assign(this.settings, real);
    if (!Object.keys(real).length) return real;
    if (!this.steps) { this.start = { ...this.settings }; return real; }
    const last = this.changes[this.changes.length - 1];
    if (last && last[0] === this.steps) Object.assign(last[1], real);
    else this.changes.push([this.steps, { ...real }]);
    const { settings } = this.told, letter = (name) => settings.find((one) => one.name === name).symbol.replace(/<sub>(.*)<\/sub>/, "_$1");
    const words = Object.entries(this.changes[this.changes.length - 1][1]).map(([name, v]) => `${letter(name)} = ${v === null ? "–" : typeof v === "number" ? Number(v.toPrecision(3)) : v}`);
    if (last && last[0] === this.steps) this.marks.pop();
    this.marks.push([this.t, words.join(", ")]);
    return real;
  }

  // the settings as numbers: one that is null has the value of the one it follows
  get force() {
    const { settings } = this.told, found = { ...this.settings };
    for (const one of settings) if (found[one.name] === null && one.follows) found[one.name] = found[one.follows];
    return found;
  }

  walk(n) { for (let k = 0; k < n; k++) this.step(); }

  // one step; learner.Diverged leaves all as it was and stays in `stopped`
  step() {
    const round = this.series.length - this.told.horizon, i = this.steps % round;
    const sample = { u: this.series[i], target: this.series[i + this.told.horizon], end: i === round - 1 };
    let found;
    try { found = this.learner.step(sample, this.force); } catch (error) { this.stopped = error; throw error; }
    const { theta, omega } = this.learner, slot = this.count % CAPACITY;
    const put = (name, v) => { (this.record[name] ||= new Float64Array(CAPACITY))[slot] = v; };
    put("t", this.t); put("y", found.y); put("target", sample.target); put("L", found.loss); put("H", found.hamiltonian);
    for (const [name, x] of Object.entries({ h: found.h, z: found.z, theta, omega })) for (let k = 0; k < LINES; k++) put(name + k, x[k]);
    this.count += 1;
  }

  // the last n records of a column, oldest first
  last(name, n) {
    const kept = Math.min(n, this.count, CAPACITY), x = this.record[name] || new Float64Array(0);
    const end = this.count % CAPACITY || (this.count ? CAPACITY : 0), from = end - kept;
    return from >= 0 ? x.slice(from, end) : Float64Array.from([...x.subarray(CAPACITY + from), ...x.subarray(0, end)]);
  }

  // the mean loss of the last n steps
  mean(n) { const x = this.last("L", n); return x.reduce((a, b) => a + b, 0) / x.length; }

  get state() {
    const { told, options, seed, start, changes, steps } = this;
    return STATE + JSON.stringify({ experiment: told.name, options, seed, settings: start, changes, steps });
  }
}

export default { Run, Refused, parsed, LINES };
