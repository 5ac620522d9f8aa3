"""Which way a run would move if a setting did: the derivative of the trajectory by it, in forward mode."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch.func import jvp

from ..errors import Diverged, bad, known, whole
from ..experiments import Experiment
from ..law.point import Report
from ..law.sample import Sample
from ..law.step import Phase, first_phase
from ..records.columns import Dataset
from ..records.recorder import Recorder
from .traced import PureStep, Taken


def sensitivity(experiment: Experiment, setting: str, steps: int, seed: int | None = None, every: int = 1) -> Dataset:
    """d(trajectory)/d(setting) at the experiment's settings: the first `steps` steps, each carried along exactly.

    With x = (θ, ω, h, z) and x⁺ = F(x, c): d⁺ = ∂F/∂x d + ∂F/∂c, d = 0 at step 0 (forward mode, `torch.func.jvp` of
    the pure step). Unit: that of the quantity over that of the setting. A setting that others follow (η_z = None) takes
    them along. By τ the derivative is at the same step, not at the same time.

    As `experiment.run` gives the trajectory: h, z, theta, omega, loss, hamiltonian and output over time.

    seed   the experiment's own if none is given     every  record every so many steps

    Raises HLError for an unknown setting, one that is no number (s, a schedule, β by weight), a learner other than
    `hlcore.Learner`, a World, and samples at uneven times; `Diverged` where the run does.
    """
    if not isinstance(experiment, Experiment):
        raise bad("sensitivity", type(experiment).__name__, "an Experiment", "hlcore.experiments.get('iris-mlp')")
    recorder, about = Recorder(every, whole("steps", steps)), experiment.settings.about()
    pure = PureStep(experiment, experiment.seed if seed is None else seed)
    for k, t, sample, _, d in carried(pure, setting, steps):
        _record(recorder, pure, d, Report(t, float(d.loss), float(d.hamiltonian), d.output), sample, k)
    found = recorder.trajectory()
    at = experiment.settings.in_force(setting)
    return found.drop_vars([*about, "target"], errors="ignore").assign_attrs(by=setting, at=at)


def carried(
    pure: PureStep, setting: str, steps: int, first: int = 0, t: float = 0.0, phase: Any = None
) -> Iterator[tuple[int, float, Sample, Taken, Taken]]:
    """(k, time after it, sample, what step k made, its derivative by the setting), from step `first` at time t on.

    phase  (θ, ω, h, z) of the run there, {name: tensor} each; None: those of step 0. d = 0 there.
    """
    settings: Any = pure.settings
    about = settings.about()
    known("setting", setting, about)
    value = settings.in_force(setting)
    if about[setting].choices or not isinstance(value, float):
        raise bad(setting, repr(value), "a number that can move a little")
    moving = [k for k, a in about.items() if k == setting or (a.follows == setting and getattr(settings, k) is None)]
    rest = [k for k in about if callable(getattr(settings, k))]
    if rest and setting == "tau":
        raise bad("tau", f"a schedule of {', '.join(rest)} beside it", "numbers, whose time does not move with τ")

    def slope(phase: Any, tangent: Any, scheduled: Any, u: Any, target: Any, end: bool) -> Any:
        def one(theta: Any, omega: Any, h: Any, z: Any, c: Any) -> Any:
            taken = pure(Phase(theta, omega, h, z or None), scheduled | dict.fromkeys(moving, c), u, target, end)
            after: Any = taken.phase._replace(z=taken.phase.z or {}, v={})
            return taken._replace(phase=after, fine=taken.loss)

        x = torch.tensor(value, dtype=like.dtype)
        found: Any = jvp(one, (*phase, x), (*tangent, torch.ones_like(x)))
        return found

    if phase is None:
        phase = (*first_phase(pure.network, pure.sample(0), settings.tau)[:3], {})
    like = next(iter(phase[0].values()), torch.empty(0))
    tangent: Any = tuple({name: torch.zeros_like(x) for name, x in part.items()} for part in phase)
    end = first + whole("steps", steps)
    for k in range(first, end if pure.stream.length is None else min(end, pure.stream.length)):
        sample, c = pure.sample(k), settings.at(t)
        scheduled = {name: torch.tensor(getattr(c, name), dtype=like.dtype) for name in rest}
        taken, d = slope(phase, tangent, scheduled, sample.u, sample.target, sample.end)
        if not bool(torch.isfinite(taken.loss)) or not bool(torch.isfinite(d.loss)):
            raise Diverged("loss", "", t, k)
        phase, tangent, t = taken.phase[:4], d.phase[:4], t + settings.tau
        yield k, t, sample, taken, d


def _record(recorder: Recorder, pure: PureStep, d: Taken, report: Report, sample: Sample, k: int) -> None:
    """The tangents where a record has the quantities."""
    z = d.z or {name: torch.zeros_like(x) for name, x in d.h.items()}
    parts = {"h": d.h, "z": z, "theta": d.phase[0], "omega": d.phase[1]}
    learner = pure.learner
    recorder.record(
        SimpleNamespace(traced=lambda: parts, quantities=learner.quantities, settings=pure.settings, steps=k + 1),
        report,
    )
