"""A linear layer that keeps out of what it has no reason to believe."""

import torch
from torch import Tensor

from ..errors import number, whole


class Sparse(torch.nn.Module):
    """y = (p² - m²) u with p = m = `scale` at first: a linear map whose weights grow in proportion to what they are.

    Under θ' = -β ∂L/∂θ the weight w = p² - m² moves as w' = -4β (p² + m²) ∂L/∂w, hence
    w = 2 scale² sinh(-4β ∫ ∂L/∂w dt): noise, which pushes to and fro, leaves it near zero, and a steady push makes it
    grow exponentially (EG±, Kivinen and Warmuth 1997; Woodworth and others 2020).

    inputs, outputs  u is (batch, inputs), y is (batch, outputs); no bias, and y = 0 at first
    scale            the smaller, the sparser and the slower; > 0
    """

    def __init__(self, inputs: int, outputs: int = 1, scale: float = 0.1) -> None:
        super().__init__()
        shape = whole("Sparse outputs", outputs), whole("Sparse inputs", inputs)
        start = torch.full(shape, number("Sparse scale", scale, positive=True))
        self.p, self.m = torch.nn.Parameter(start), torch.nn.Parameter(start.clone())

    @property
    def weight(self) -> Tensor:
        """w = p² - m², (outputs, inputs)."""
        return self.p.square() - self.m.square()

    def forward(self, u: Tensor) -> Tensor:
        """w u."""
        return torch.nn.functional.linear(u, self.weight)
