"""Time that nobody lived through: a gap between two samples that is too long for one step."""

import math
from dataclasses import replace
from typing import Any

from .sample import Sample

LONGEST = 10.0  # steps of tau


def bridged(sample: Sample, tau: float, eta: float, eta_z: float) -> tuple[Sample, float, float]:
    """(the sample with the step to take, what the time before it leaves of ω, and of z).

    A dt beyond τ is lived through in one step of dt as long as that damps: dt η <= 1, dt η_z <= 1, dt <= 10 τ. A longer
    one (a laptop was asleep) would turn ω into (1 - dt η) ω and add dt φ ∂L/∂θ to it. It is bridged: for g = dt - τ the
    states h and θ stand, the costates forget by the exact solution of ω' = -ηω and z' = -η_z z, ω e^(-ηg) and
    z e^(-η_z g), and a step of τ follows; in Euler's order θ moves in that step by the ω of before the gap. Ours;
    P, section 5, leaves open how long a time a step may take.
    """
    dt = sample.dt
    if dt is None or lived_through(dt, tau, eta, eta_z):
        return sample, 1.0, 1.0
    gap = dt - tau
    return replace(sample, dt=tau), math.exp(-eta * gap), math.exp(-eta_z * gap)


def lived_through(dt: float, tau: float, eta: float, eta_z: float) -> bool:
    """Whether a dt is one step, not a gap."""
    return dt <= tau or (dt * max(eta, eta_z) <= 1 and dt <= LONGEST * tau)


def dissipations(settings: Any) -> tuple[float, float, float]:
    """(τ, η, η_z) of any learner's settings, 0 where it has no such."""
    named = settings.about()
    eta = settings.eta if "eta" in named else 0.0
    return settings.tau if "tau" in named else math.inf, eta, settings.in_force("eta_z") if "eta_z" in named else 0.0
