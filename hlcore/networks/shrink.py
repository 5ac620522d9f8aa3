"""A recurrent cell that takes a step of sparse coding."""

from typing import Self

import torch
from torch import Tensor

from ..errors import bad, floats, number, whole


class Shrink(torch.nn.Module):
    """h⁺ = relu(W u + U h + b): one step of nonnegative ISTA where it starts from a dictionary.

    E(h) = ½|u - Dh|² + λΣh, h ≥ 0:  h⁺ = relu(h + Dᵀ(u - Dh)/c - λ/c), so W = Dᵀ/c, U = I - DᵀD/c, b = -λ/c, c ≥ |D|².
    As the cell of a `Recurrent` network, a held sample makes HL's state the ISTA iterate.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.hidden_size = whole("units", units)
        scale = 1 / (whole("inputs", inputs) + units) ** 0.5
        self.W = torch.nn.Parameter(scale * torch.randn(units, inputs))
        self.U = torch.nn.Parameter(scale * torch.randn(units, units))
        self.b = torch.nn.Parameter(torch.zeros(units))

    @classmethod
    def from_dictionary(cls, D: Tensor, lam: float, shift: int = 0) -> Self:
        """The cell of a dictionary D (inputs, units), c = 1.01 |D|².

        shift  by how many units a code moves down when the window moves on by one token: U = (I - DᵀD/c) S^shift, the
               carried state is a warm start; 0 for samples that are held
        """
        if not bool(floats("dictionary", D, "inputs, units").any()):
            raise bad("dictionary", "zeros", "numbers of which some are not zero")
        lam, shift = number("lam", lam), whole("shift", shift, 0)
        cell, units = cls(*D.shape), D.shape[1]
        c = 1.01 * float(torch.linalg.matrix_norm(D, 2)) ** 2
        moved = torch.zeros(units, units, dtype=D.dtype)
        moved.diagonal(shift).fill_(1.0)
        with torch.no_grad():
            cell.W.copy_(D.T / c)
            cell.U.copy_((torch.eye(units, dtype=D.dtype) - D.T @ D / c) @ moved)
            cell.b.fill_(-lam / c)
        return cell

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """The next code, (batch, units)."""
        return torch.relu(u @ self.W.T + h @ self.U.T + self.b)
