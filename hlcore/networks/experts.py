"""Experts under a gate: the gate says beforehand whom to trust, the free energy whom it was right to trust."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..errors import MISTAKES, explain, known, number, share, whole
from ..law.loss import DeclaredLoss
from ..law.network import Known, Network
from ..law.sample import Sample

GATES = ("keys", "linear")
NEVER = -1e6  # log p of an expert that is not on offer


class Experts(Network):
    """y_m = V_m tanh(W_m u + b_m) + c_m of M experts, and log p⁰_m(u): (batch, M, 2 + classes), a spring between.

    The loss is a free energy with L_m the cross-entropy of expert m and β₁ the sharpness (after MoVE/HVCL,
    arXiv 2211.07725; this form is ours):

        F = min_p Σ p_m L_m + (1/β₁) KL(p ‖ p⁰) = -(1/β₁) log Σ p⁰_m e^{-β₁ L_m},   r_m ∝ p⁰_m e^{-β₁ L_m} = ∂F/∂L_m

    so expert m sees φ r_m in the place of φ: its responsibility is a loss scale of its own.

    gate    "linear": p⁰ = softmax(G u + g), learned with the rest. "keys" (ours): log p⁰_m = -κ|u - k_m|² + const for
            experts with a key, and one fresh expert always on offer at -κ·reach; a key is the mean of the inputs
            for which its expert was responsible, so what comes later cannot overwrite it
    spring  k = κ/σ₀² of the KL between Gaussian weights of fixed width: H' has ½k|θ - θ⁰|² of each expert's weights
    follow  share of θ - θ⁰ by which the prior θ⁰ goes after θ in every step: a dashpot in series; 0: it stays
    noise   σ of the weights W_m, drawn anew for each sample by signs (Flipout); 0: none
    """

    keys: Tensor
    seen: Tensor

    def __init__(
        self,
        inputs: int,
        classes: int,
        experts: int = 12,
        units: int = 16,
        sharpness: float = 5.0,
        gate: str = "keys",
        scale: float = 3.0,
        reach: float = 5.0,
        spring: float = 0.0,
        follow: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        known("gate", gate, GATES)
        M, d, k, n = (
            whole(name, value)
            for name, value in (("experts", experts), ("inputs", inputs), ("units", units), ("classes", classes))
        )
        self.sharpness = number("sharpness", sharpness, positive=True)
        self.scale, self.reach = number("scale", scale), number("reach", reach)
        self.spring, self.follow, self.noise = number("spring", spring), share("follow", follow), number("noise", noise)
        self.draws = self.noise > 0
        self.W, self.b = _uniform(d, M, d, k), _uniform(d, M, k)
        self.V, self.c = _uniform(k, M, k, n), _uniform(k, M, n)
        self.gate = nn.Linear(d, M) if gate == "linear" else None
        self.register_buffer("keys", torch.zeros(M, d))
        self.register_buffer("seen", torch.zeros(M))
        if self.spring:
            for name, p in self._bodies().items():
                self.register_buffer(f"prior_{name}", p.detach().clone())
        self.loss = free_energy(self.sharpness)

    def _bodies(self) -> dict[str, Tensor]:
        return {"W": self.W, "b": self.b, "V": self.V, "c": self.c}

    def prior(self, u: Tensor) -> Tensor:
        """log p⁰(u), (batch, M)."""
        if self.gate is not None:
            return self.gate(u).log_softmax(1)
        near = -self.scale * (u[:, None] - self.keys).square().sum(2)
        known = self.seen > 0
        fresh = known.logical_not() & (known.logical_not().cumsum(0) == 1)
        offer = torch.where(fresh, -self.scale * self.reach, NEVER).to(near)
        return torch.where(known, near, offer).log_softmax(1)

    def output(self, u: Any, h: Known) -> Tensor:
        """(log p⁰_m, ½k|θ_m - θ⁰_m|², y_m), (batch, M, 2 + classes)."""
        x = u.flatten(1)
        hidden = torch.einsum("bd,mdk->mbk", x, self.W) + self.b[:, None]
        if self.noise:
            hidden = hidden + self.noise * torch.stack([flipout(x, W.shape) for W in self.W])
        y = (torch.tanh(hidden) @ self.V + self.c[:, None]).transpose(0, 1)
        stretched = y.new_zeros(len(self.W))
        if self.spring:
            for name, p in self._bodies().items():
                stretched = stretched + (p - getattr(self, f"prior_{name}")).square().flatten(1).sum(1)
        pull = (0.5 * self.spring * stretched).expand(len(x), -1)
        return torch.cat([self.prior(x)[..., None], pull[..., None], y], 2)

    def absorb(self, sample: Sample, output: Tensor) -> None:
        """Keys move to the inputs that their experts were responsible for, priors after the weights."""
        if self.spring and self.follow:
            for name, p in self._bodies().items():
                getattr(self, f"prior_{name}").lerp_(p, self.follow)
        if self.gate is not None or sample.target is None:
            return
        r = responsibility(output, sample.target, self.sharpness)
        n = r.sum(0)
        take = (self.seen > 0) | (n > 0.5)  # a fresh expert keeps a key once it answers for half a sample
        self.seen[take] += n[take]
        mean = (r.T @ sample.u.flatten(1)) / n[:, None].clamp_min(1e-12)
        self.keys[take] += (n / self.seen.clamp_min(1e-12))[take, None] * (mean - self.keys)[take]

    def answer(self, u: Tensor) -> Tensor:
        """The class that the mixture holds likeliest, without its target: argmax Σ p⁰_m softmax(y_m)."""
        with torch.no_grad():
            try:
                found = self.output(u, {})
            except MISTAKES as error:
                explain("answer", self, u, error)
            return (found[..., :1].exp() * found[..., 2:].softmax(2)).sum(1).argmax(1)


def losses(output: Tensor, target: Tensor) -> Tensor:
    """L_m: the cross-entropy of each expert, (batch, M)."""
    y = output[..., 2:]
    return cross_entropy(y.transpose(1, 2), target[:, None].expand(y.shape[:2]), reduction="none")


def responsibility(output: Tensor, target: Tensor, sharpness: float) -> Tensor:
    """r_m ∝ p⁰_m e^{-β₁ L_m}, (batch, M)."""
    return (output[..., 0] - sharpness * losses(output, target)).softmax(1)


def free_energy(sharpness: float) -> DeclaredLoss:
    """F = -(1/β₁) log Σ_m p⁰_m e^{-β₁ L_m}, mean over the batch, and the springs of all experts."""

    def F(output: Tensor, target: Tensor) -> Tensor:
        score = output[..., 0] - sharpness * losses(output, target)
        return -score.logsumexp(1).mean() / sharpness + output[..., 1].sum(1).mean()

    F.__name__, F.__doc__ = "free_energy", free_energy.__doc__
    return DeclaredLoss(F, own_shapes=True)


def _expected(output: Tensor, target: Tensor) -> Tensor:
    """Σ_m p_m L_m, mean over the batch, and the springs: the gate as a mere average, β₁ → 0."""
    return (output[..., 0].exp() * losses(output, target)).sum(1).mean() + output[..., 1].sum(1).mean()


expected_loss = DeclaredLoss(_expected, own_shapes=True)


def flipout(x: Tensor, shape: Any, signs: bool = True) -> Tensor:
    """x ΔW with ΔW of unit entries (inputs, units), one draw for the batch, its signs turned for each sample.

    Of mean 0 and variance Σx² in every unit; thanks to the signs the samples of a batch are uncorrelated.
    """
    noise = torch.randn(shape, dtype=x.dtype).to(x.device)  # the same draws on every device
    if not signs:
        return x @ noise
    left, right = (torch.randint(0, 2, (len(x), n)).to(x) * 2 - 1 for n in shape)
    return ((x * left) @ noise) * right


def _uniform(fan: int, *shape: int) -> nn.Parameter:
    bound = fan**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
