"""The page that the command writes: how far HL's weights are from SGD's, and how well each model learned."""

import numpy as np

from .cells import CASES, LEARNERS, MODELS, Cell
from .training import Result

HEAD = """# Gradient learning recovered

Hamiltonian Learning contains SGD with momentum, backprop and unfolded BPTT (P, section 4). Here the paper's experiments
(App. E) are run by one command, and the final weights of each form of HL are set against those of torch.optim.SGD:

    python -m hlcore.grid

Batch 1, cross-entropy, float64, seed 0, one permutation per epoch. Iris: 150 flowers × 40 epochs. MNIST: 100 real
digits × 40. Vowels (90 utterances of 9 speakers × 80) stand in for the paper's 100 IMDb reviews, so the paper's figures
for RNN and LSTM are of another data set; `--models imdb-rnn imdb-lstm` runs the reviews, where there is a network. Loss
and accuracy are means over the last epoch while the weights move; beside them what was read off the paper's figures.
The learners are made by `Learner.like_sgd`, whose ω keeps the fraction `momentum` itself; through η alone it would keep
1 - τη, which for Mom-a is .05 + 4e-17, and the recurrent nets, chaotic at these rates, make differences of order 0.1 of
that in 80 epochs. The paper does not say how its ResNet ends; ours reads out the last 7×7 maps and learns its hundred
digits faster than the paper's, and so does the ViT. This page is written by the command; it is not edited by hand.
"""


def page(results: dict[Cell, Result]) -> str:
    """The page as markdown."""
    gaps, grades, worst = [], [], 0.0
    for cell, result in results.items():
        sgd = results.get(Cell(cell.model, cell.case, "sgd"))
        if cell.learner != "sgd" and sgd is not None:
            gap = np.abs(result.weights - sgd.weights)
            worst = max(worst, float(gap.max()))
            moved = float(np.abs(sgd.weights - sgd.start).max())
            what = f"| {MODELS[cell.model].title} | {cell.case} | {LEARNERS[cell.learner]} "
            gaps.append(f"{what}| {gap.mean():.1e} | {gap.max():.1e} | {moved:.2f} |\n")
    for name, model in MODELS.items():
        for case in CASES:
            sgd = results.get(Cell(name, case, "sgd"))
            if sgd is not None:
                loss, accuracy = model.paper[case]
                got = f"{sgd.loss[-1]:.2f} | {loss:.2f} | {sgd.accuracy[-1]:.2f} | {accuracy:.2f}"
                grades.append(f"| {model.title} | {case} | {got} |\n")
    return f"""{HEAD}
## How far are the weights from SGD's?

| model | settings | learner | mean \\|Δθ\\| | max \\|Δθ\\| | weights moved by |
|---|---|---|--:|--:|--:|
{"".join(gaps)}
The largest difference of all: **{worst:.1e}**.

## How well did they learn?

| model | settings | loss | paper | accuracy | paper |
|---|---|--:|--:|--:|--:|
{"".join(grades)}
## The curves

The grey band is torch.optim.SGD; HL's lines lie on it (the paper's Figures 3 and 4).

![Training loss of every model and setting](figures/grid-loss.png)

![Training accuracy of every model and setting](figures/grid-accuracy.png)
"""
