"""Values of all actions by one set of weights, and the copy of them that bootstraps."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import whole
from ..law.network import require_module


class ActionValues(nn.Module):
    """y_a = x_a·θ: u (…, actions · width) tells x_a for each action, all of them judged by one θ, which begins at 0."""

    def __init__(self, actions: int, width: int) -> None:
        super().__init__()
        self.actions, self.width = whole("actions", actions), whole("width", width)
        self.theta = nn.Parameter(torch.zeros(self.width))

    def forward(self, u: Tensor) -> Tensor:
        return u.unflatten(-1, (self.actions, self.width)) @ self.theta


class Targeted(nn.Module):
    """(Q_θ(s), Q_θ̄(s')) of u (B, 2, d), with θ̄ ← θ every K calls: a target network (Mnih et al. 2015).

    θ̄ and the count are buffers, so that a refused step, a rewind and a checkpoint put them back. Row 1, which the
    world acts on, is θ̄'s. K = 1: none.
    """

    def __init__(self, module: nn.Module, every: int) -> None:
        super().__init__()
        self.module, self.every = require_module("Targeted module", module), whole("every", every)
        self.names = {name: "copy_" + name.replace(".", "_") for name, _ in module.named_parameters()}
        for name, p in module.named_parameters():
            self.register_buffer(self.names[name], p.detach().clone())
        self.register_buffer("calls", torch.tensor(0))

    calls: Tensor

    def forward(self, u: Tensor) -> Tensor:
        if int(self.calls) % self.every == 0:
            for name, p in self.module.named_parameters():
                getattr(self, self.names[name]).copy_(p.detach())
        self.calls += 1
        held = {name: getattr(self, copy) for name, copy in self.names.items()}
        with torch.no_grad():
            after = functional_call(self.module, held, (u[:, 1],))
        return torch.stack([self.module(u[:, 0]), after], 1)
