// Hamiltonian Learning of one recurrent network in float64, step by step as hlcore.Learner takes it: h' = c (a - h) with
// a = tanh(W u + b + V h + b'), y = w·h + w₀, L = (y - ŷ)². Equations by their numbers: P, and hlcore/law.

const TINY = 1e-8; // beside √v, as hlcore/law/metric.py has it

class Diverged extends Error {
  constructor(quantity, entry) { super(quantity); this.quantity = quantity; this.entry = entry; }
}

const broken = (x) => x.findIndex((v) => !Number.isFinite(v));

class Learner {
  // units n, speed c, order "sequential" or "euler", theta: [W (n), V (n n), b (n), b' (n), w (n), w₀] one after another
  constructor({ units, speed, order, theta }) {
    Object.assign(this, { units, speed, order, steps: 0, t: 0 });
    this.theta = Float64Array.from(theta);
    this.omega = new Float64Array(theta.length); this.square = null; // v of the metric
    this.clear();
  }

  // h and z to zero, as after a sample with end
  clear() { this.h = new Float64Array(this.units); this.z = new Float64Array(this.units); }

  // f^h at h: v, and its two maps back along a costate z
  flow(u, h) {
    const n = this.units, c = this.speed, th = this.theta, V = n, b = n + n * n, b2 = b + n;
    const a = new Float64Array(n), v = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let recurrent = 0;
      for (let j = 0; j < n; j++) recurrent += h[j] * th[V + n * i + j];
      a[i] = Math.tanh(u * th[i] + th[b + i] + recurrent + th[b2 + i]);
      v[i] = c * (a[i] - h[i]);
    }
    const slope = (z, i) => c * z[i] * (1 - a[i] * a[i]);
    const toState = (z) => { // (∂f^h/∂h)ᵀz
      const found = new Float64Array(n);
      for (let i = 0; i < n; i++) { const d = slope(z, i); for (let j = 0; j < n; j++) found[j] += d * th[V + n * i + j]; }
      for (let j = 0; j < n; j++) found[j] -= c * z[j];
      return found;
    };
    const toWeights = (z) => { // (∂f^h/∂θ)ᵀz, zero for the readout
      const found = new Float64Array(th.length);
      for (let i = 0; i < n; i++) {
        const d = slope(z, i);
        found[i] = d * u; found[b + i] = found[b2 + i] = d;
        for (let j = 0; j < n; j++) found[V + n * i + j] = d * h[j];
      }
      return found;
    };
    return { v, toState, toWeights };
  }

  // f^y and L at h, and φ ∂L/∂h; `add` adds φ ∂L/∂θ to a derivative
  read(h, target, phi) {
    const n = this.units, th = this.theta, w = th.length - n - 1;
    let y = 0;
    for (let i = 0; i < n; i++) y += h[i] * th[w + i];
    y += th[w + n];
    const e = y - target, g = phi * (2 * e), dh = new Float64Array(n);
    for (let i = 0; i < n; i++) dh[i] = g * th[w + i];
    const add = (found) => { for (let i = 0; i < n; i++) found[w + i] += g * h[i]; found[w + n] += g; return found; };
    return { y, loss: e * e, dh, add };
  }

  // one step on (u, target, end) under the settings in force c: {tau, eta, beta, phi, s, eta_z, control, metric, memory}
  step({ u, target, end }, c) {
    const n = this.units, { h, z } = this, fresh = this.order === "sequential", f = this.flow(u, h);
    const after = new Float64Array(n), costate = new Float64Array(n);
    for (let i = 0; i < n; i++) after[i] = h[i] + c.tau * (f.v[i] - c.control * z[i]); // E*1
    const at = this.read(fresh ? after : h, target, c.phi), dz = f.toState(z);
    const keepZ = 1 - c.tau * c.eta_z, gain = -c.tau * c.s;
    for (let i = 0; i < n; i++) costate[i] = keepZ * z[i] + gain * (dz[i] + at.dh[i]); // E*3
    const g = at.add(f.toWeights(fresh ? costate : z)); // ∂H'/∂θ
    let energy = c.phi * at.loss;
    for (let i = 0; i < n; i++) energy += z[i] * (f.v[i] - (c.control / 2) * z[i]);
    const { theta, omega, square } = this.moved(g, c, fresh);
    for (const [name, x] of Object.entries({ loss: [at.loss], h: after, z: costate, hamiltonian: [energy], omega, theta })) {
      const entry = broken(x);
      if (entry >= 0) throw new Diverged(name, entry); // nothing has moved
    }
    Object.assign(this, { h: after, z: costate, theta, omega, square });
    const found = { y: at.y, loss: at.loss, hamiltonian: energy, h: after, z: costate };
    this.steps += 1; this.t += c.tau;
    if (end) this.clear();
    return found;
  }

  // ω⁺ = (1 - τη) ω - τ s ∂H'/∂θ (E*4), θ⁺ = θ - τ β ω (E*2) with the new ω if fresh; v⁺ of a metric
  moved(g, c, fresh) {
    const size = g.length, theta = new Float64Array(size), omega = new Float64Array(size);
    const keep = 1 - c.tau * c.eta, gain = -c.tau * c.s, stride = c.tau * c.beta;
    const measured = c.metric !== "none", old = this.square || (measured ? new Float64Array(size) : null);
    const square = measured ? new Float64Array(size) : null, part = Math.min(1, c.tau / c.memory);
    for (let k = 0; k < size; k++) {
      omega[k] = keep * this.omega[k] + gain * g[k];
      let moving = fresh ? omega[k] : this.omega[k];
      if (measured) {
        square[k] = old[k] + part * (g[k] * g[k] - old[k]);
        moving *= 1 / (Math.sqrt(fresh ? square[k] : old[k]) + TINY);
      }
      theta[k] = this.theta[k] - stride * moving;
    }
    return { theta, omega, square };
  }
}

export default { Learner, Diverged };
