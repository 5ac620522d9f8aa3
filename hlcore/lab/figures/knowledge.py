"""What the rules say of the actions, what the policy does, and a rule as it is learned."""

from typing import Any

import ipywidgets as W
import numpy as np

from ...networks.lifted import Lifted
from ...palette import BLUE
from ...streams.worlds.rooms import ACTIONS
from .canvas import GHOST, MARK
from .figure import Figure, View


class Needles(Figure):
    """A bar [L_a, U_a] for each action, and π_a on it as a needle: marked where it leaves the bar.

    temperature  of π = softmax(y/T)
    """

    title = "what the rules allow [L, U], and the policy π"
    height = 250

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def frame(self, run: Any, view: View) -> None:
        sample, y = run.stream[run.stream.k], np.zeros(len(ACTIONS))
        if run.report is not None:
            y = run.learner.law.output(sample.u, {})[0, 1].detach().double().numpy()
        pi = np.exp((y - y.max()) / self.temperature)
        pi /= pi.sum()
        low, up = sample.target[0, 3:].double().view(2, -1).numpy()
        rows = -np.arange(len(ACTIONS))
        bad = (pi > up + 0.01) | ((low > 0.5) & ((pi * (low > 0.5)).sum() < 0.5))
        columns: list[Any] = []
        layers: list[dict[str, Any]] = []
        for row, a, b in zip(rows, low, up, strict=True):
            columns += [[0, 1], [row, row], [a - 0.004, b + 0.004], [row, row]]
            layers += [{"draw": "line", "ink": GHOST, "width": 1}, {"draw": "line", "ink": GHOST, "width": 15}]
        for chosen, ink in ((~bad, 0), (bad, MARK)):
            columns += [pi[chosen], rows[chosen]]
            layers.append({"draw": "points", "ink": ink, "size": 6})
        columns += [[-0.05] * len(rows), rows, [-0.25, 1.05], [-4.6, 0.6]]
        layers += [
            {"draw": "words", "ink": -1, "words": list(ACTIONS), "align": "right", "size": 13},
            {"draw": "room", "ink": 0},
        ]
        against = float((pi - up).clip(0).sum())
        told = f"truth from 0 to 1;   chance of what is forbidden: {against:.2f}"
        self.widget.show("plane", columns, layers=layers, x=told, y="", bare=True, about=told)


class RuleInWords(Figure):
    """The eight weights of a lifted policy as bars, and the rule that they are."""

    title = "the rule, as it is learned"

    def __init__(self) -> None:
        self.widget: Any = W.HTML()

    def frame(self, run: Any, view: View) -> None:
        module = run.learner.network.module
        if not isinstance(module, Lifted):
            self.widget.value = "50 weights, one for each fact and action: no rule can be read from them."
            return
        lines = []
        for action, weights in module.weights().items():
            top = max(1e-9, *weights.values())
            for fact, w in weights.items():
                bar = f'<span style="display:inline-block;height:{1 + 9 * w / top:.0f}px;width:{110 * w / top:.0f}px;'
                bar += f'background:{BLUE};vertical-align:middle"></span>'
                cells = f'<td style="padding:0 10px">{action}</td><td style="padding:0 10px">{fact}</td>'
                lines.append(f"<tr>{cells}<td>{bar} {w:.2f}</td></tr>")
        rule = module.rule().replace("; ", "<br>")
        self.widget.value = f'<div style="font-size:17px;line-height:1.5">{rule}</div><table>{"".join(lines)}</table>'
