"""The command: run what is missing of the grid, write the page and the figures."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from ...command import told
from ...errors import known, whole
from ...files import writable, write_whole
from .cells import MODELS, USUAL, cells
from .curves import curves, write_png
from .grid_page import page
from .training import load, run, save


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the grid; an interrupted run goes on where it stopped."""
    parser = argparse.ArgumentParser(prog="python -m hlcore.grid", description=__doc__)
    words = f"of {', '.join(MODELS)}; the imdb ones need a network"
    parser.add_argument("--models", nargs="+", default=USUAL, help=words)
    parser.add_argument("--epochs", type=int, help="fewer than the paper's, to try")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the page (docs)")
    parser.add_argument("--results", type=Path, default=Path("build/grid"), help="folder of the results (build/grid)")
    given = parser.parse_args(arguments)
    for name in given.models:
        known("model", name, MODELS)
    if given.epochs is not None:
        whole("--epochs", given.epochs)
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    writable(given.results / "grid", folder=True)  # told before the run
    writable(given.out / "figures" / "grid.png", folder=True)
    todo = [cell for cell in cells() if cell.model in given.models]
    epochs = {cell: given.epochs or MODELS[cell.model].epochs for cell in todo}
    results = {}
    with tqdm(total=sum(epochs.values()), unit="epoch", smoothing=0.05) as bar:
        for cell in todo:
            file = given.results / f"{cell.name}-{epochs[cell]}.npz"
            bar.set_description(cell.name)
            if not file.exists():
                save(run(cell, epochs[cell], tick=bar.update), file)
            else:
                bar.update(epochs[cell])
            results[cell] = load(file)
    write_whole(given.out / "gradient-learning.md", page(results))
    print("wrote", given.out / "gradient-learning.md")
    for quantity in ("loss", "accuracy"):
        figure = curves(results, quantity)
        write_whole(given.results / f"grid-{quantity}.html", figure.to_html())
        trouble = write_png(figure, given.out / "figures" / f"grid-{quantity}.png")
        print(f"no PNG: {trouble}" if trouble else f"wrote {given.out / 'figures' / f'grid-{quantity}.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
