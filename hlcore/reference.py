"""The two orders in the paper's letters, with nothing clever: what the fast learner is tested against."""

import torch


def derivative(scalar, x):
    """∂scalar/∂x, zero where the scalar does not depend on x."""
    if not scalar.requires_grad:
        return torch.zeros_like(x)
    d = torch.autograd.grad(scalar, x, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(x) if d is None else d


def step(network, loss, settings, order, t, h, z, omega, sample, v=None):
    """One step: network's weights move in place, (t, h, z, omega) at t + τ are returned. P, E*1-E*4, Algorithm 1.

    v  {name: mean square of ∂H'/∂θ} of the metric "rms", moved in place, too
    """
    τ = settings.tau if sample.dt is None else sample.dt
    η, η_z, s, φ, g = settings.eta, settings.dissipation_z, settings.s, settings.phi_at(t), settings.control
    θ = {name: p for name, p in network.named_parameters() if p.requires_grad}
    β = {k: settings.beta.get(k, 1.0) if isinstance(settings.beta, dict) else settings.beta for k in θ}
    u, ŷ = sample.u, sample.target

    if not h:  # the beginning of a sequence
        h = network.initial_state(sample.batch_size)
        f = network.velocity(u, h, τ)
        h = {k: torch.zeros_like(f[k]) if h[k] is None else h[k] for k in h}
        z = {k: torch.zeros_like(h[k]) for k in h}
    h = {k: h[k].detach().requires_grad_() for k in h}

    f = network.velocity(u, h, τ)
    h_new = {k: (h[k] + τ * (f[k] - g * z[k])).detach().requires_grad_() for k in h}
    at = h if order == "euler" else h_new
    y = network.output(u, at)
    L = torch.zeros(()) if ŷ is None else loss(y, ŷ)

    def H(z):  # the robust Hamiltonian, eq. 8
        return φ * L + sum((z[k] * f[k]).sum() - g / 2 * (z[k] ** 2).sum() for k in h)

    dH_dh = {k: derivative(H(z), h[k]) + (0 if at is h else derivative(H(z), h_new[k])) for k in h}
    z_new = {k: (z[k] + τ * (-s * dH_dh[k] - η_z * z[k])).detach() for k in h}
    H_θ = H(z if order == "euler" else z_new)
    dH_dθ = {k: derivative(H_θ, θ[k]) for k in θ}
    omega_new = {k: omega[k] + τ * (-s * dH_dθ[k] - η * omega[k]) for k in θ}
    if settings.metric == "rms":
        m = min(1, τ / settings.memory)
        v_new = {k: v[k] + m * (dH_dθ[k] ** 2 - v[k]) for k in θ}
        β = {k: β[k] / ((v if order == "euler" else v_new)[k].sqrt() + 1e-8) for k in θ}
        v.update(v_new)
    with torch.no_grad():
        for k in θ:
            θ[k] -= τ * β[k] * (omega if order == "euler" else omega_new)[k]
    if sample.end:
        h_new, z_new = {}, {}
    return t + τ, {k: h_new[k].detach() for k in h_new}, z_new, omega_new
