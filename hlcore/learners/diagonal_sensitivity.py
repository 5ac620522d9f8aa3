"""∂h/∂θ of one layer of driven rotations: each unit feels its own weights alone, so N (1 + inputs) numbers are all."""

from typing import Any

import torch
from torch import Tensor

from ..law.arrays import moved, owned, plus, scalar, tensor, tensors
from ..law.hamiltonian import Hamiltonian
from ..law.network import State
from ..law.point import Tensors
from ..law.sample import Sample
from ..networks import Rotations
from ..networks.rotations import share, share_slope


class DiagonalSensitivity:
    """P carried with the state h = h1 + i h2, h⁺ = λ h + τ D b, λ = |λ|^τ e^{-iϖτ}, b = (b1 + i b2) = B u:

    (∂h/∂ϖ)⁺ = λ ∂h/∂ϖ - iτλ h + τ² D'(ϖτ) b          e⁺ = λ e + τ D u,   ∂h/∂B1 = e, ∂h/∂B2 = i e

    Exact for weights that stand, as dense RTRL (N. Zucchet and co-authors, arXiv 2305.15947, for one such layer).
    P is (batch, units, 1 + inputs) complex, kept as real pairs.
    """

    def __init__(self, law: Hamiltonian) -> None:
        self._law = law
        self._network: Any = law.network

    @staticmethod
    def holds(network: Any) -> bool:
        """One layer that u drives."""
        return type(network) is Rotations and network.start == "rest"

    def look(
        self, sample: Sample, tau: float, h: State | None, P: Tensor
    ) -> tuple[Tensors, Tensor, Tensor, float, list[Tensor]]:
        """(h⁺, P⁺, y, L, dL/dθ per weight) of one step from (h, P), h = None at a start; nothing is kept."""
        law = self._law
        if h is None:
            h, P = law.initial_state(sample.batch_size), P.new_empty(0)
        f = law.flow(sample.u, h, tau)
        after = moved(f.h, f.v, tau)
        at = f.read(after, sample.target)
        dh, slopes = at.pull(1.0)
        known = tensors(after)
        with torch.no_grad():
            P = self._moved(sample.u, h["h"], tau, P)
            own = self._felt(dh["h"], P) if dh["h"] is not None else {}
        parts = [plus(own.get(id(p)), g) for p, g in zip(law.theta, slopes, strict=True)]
        found = [torch.zeros_like(p) if g is None else tensor(g) for p, g in zip(law.theta, parts, strict=True)]
        return known, P, owned(at.y, after), scalar(at.loss), found

    def _moved(self, u: Tensor, h: Any, tau: float, P: Tensor) -> Tensor:
        w, B = self._network.frequency, self._network.B.weight
        angle = w * tau
        turn = self._network.keep**tau * torch.polar(torch.ones_like(angle), -angle)
        means = share(torch, angle)
        D, slope = (torch.complex(a, -b) for a, b in (means, share_slope(torch, angle, means)))
        x, b = (torch.complex(*part.chunk(2, 1)) for part in (h, u @ B.T))
        drive = tau * D[:, None] * u[:, None, :]
        new = torch.cat([(tau**2 * slope * b - 1j * tau * turn * x)[:, :, None], drive], 2)
        return torch.view_as_real(new if not len(P) else new + turn[:, None] * torch.view_as_complex(P))

    def _felt(self, g: Any, P: Tensor) -> dict[int, Tensor]:
        """Re(ḡ ∂h) of each unit, summed over the batch."""
        felt = (torch.complex(*tensor(g).chunk(2, 1)).conj()[:, :, None] * torch.view_as_complex(P)).sum(0)
        network = self._network
        rows = torch.cat([felt[:, 1:].real, -felt[:, 1:].imag], 0)
        return {id(network.frequency): felt[:, 0].real, id(network.B.weight): rows}
