"""Why a step was refused: what is wrong with the sample, with the loss, or with the settings. Asked only then."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..errors import MISTAKES, Diverged, HLError, bad
from ..law.sample import Sample
from ..networks.preserved import preserved
from .terms import Step


def told(learner: Any, sample: Sample, step: Step | None, error: HLError) -> HLError:
    """`error`, or the one that names its cause; step: None where there was none to refuse."""
    if isinstance(error, Diverged) and error.cause:
        return error
    cause = _in_sample(sample, step) or (
        _in_loss(learner, sample, step) if step else _in_network(learner, sample, error)
    )
    if not isinstance(error, Diverged) or error.why:
        return error if cause is None or isinstance(error, Diverged) else cause
    cure = learner.regime(learner.settings).cure.format(**{name: name for name in learner.settings.about()})
    return Diverged(error.quantity, error.component, error.t, error.step, cure, "" if cause is None else str(cause))


def _in_sample(sample: Sample, step: Step | None) -> HLError | None:
    parts = [(part, x) for part in ("u", "target") for x in _tensors(getattr(sample, part))]
    for part, x in parts:
        if not x.numel():
            return bad(f"{part} of the sample", f"an empty batch, shape {tuple(x.shape)}", "at least one row")
    for part, x in parts:
        if x.is_meta:
            continue  # it has no numbers
        if part == "target" and step is not None and not bool(torch.isfinite(step.output).all()):
            continue  # whoever is not finite before the target is looked at is not so because of it
        wrong = ~torch.isfinite(x.detach())
        if bool(wrong.any()):
            first = wrong.nonzero()[0].tolist()
            got = f"{x[tuple(first)].item()} at {first}, {int(wrong.sum())} of {x.numel()} entries not finite"
            mend = "leave the sample out, or fill the gap" if part == "u" else "target=None where there is none"
            return bad(f"{part} of the sample", got, "finite numbers", mend)
    return None


def _in_loss(learner: Any, sample: Sample, step: Step) -> HLError | None:
    """A loss that is nan for finite numbers, such as a mean over nothing."""
    if step.loss == step.loss or not bool(torch.isfinite(step.output).all()):
        return None
    ignored = getattr(learner.loss, "ignore_index", -100)
    if all(bool((x == ignored).all()) for x in _tensors(sample.target)):
        got = f"classes that are all ignored (ignore_index = {ignored})"
        return bad("target of the sample", got, "at least one that counts", "target=None where there is none")
    return bad("loss", "nan for a finite output and target", "a number", "see what it divides by, or takes the root of")


def _in_network(learner: Any, sample: Sample, error: HLError) -> HLError | None:
    """A layer that keeps a tensor of the step before, or an input without its batch axis."""
    if "inplace operation" in str(error):
        kind, mend = type(learner.network).__name__, "detach it there, or make it the state h of a Network"
        return bad(kind, "a layer that keeps a tensor of the step before with its graph", "none", mend)
    several = isinstance(sample.u, tuple)
    batched = tuple(torch.stack([x, x]) for x in _tensors(sample.u))  # two rows: BatchNorm wants them
    if not batched or _takes(learner, sample.u) or not _takes(learner, batched if several else batched[0]):
        return None
    shapes = ", ".join(str(tuple(x.shape)) for x in _tensors(sample.u))
    return bad("u of the sample", f"shape {shapes}, without a batch axis", "the batch first", "write u.unsqueeze(0)")


def _takes(learner: Any, u: Any) -> bool:
    """Whether the network takes this input."""
    try:
        with torch.no_grad(), preserved(learner.network):
            h = learner.law.initial_state(Sample(u).batch_size)
            learner.network.velocity(u, h, 1.0) if h else learner.network.output(u, h)
    except MISTAKES:
        return False
    return True


def _tensors(x: Any) -> Iterator[Tensor]:
    for part in x if isinstance(x, (tuple, list)) else (x,):
        if isinstance(part, Tensor) and part.layout == torch.strided:
            yield part
