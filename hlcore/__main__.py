"""The command line: python -m hlcore lab | list | run | page | doctor | class."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from . import __version__, experiments
from .command import assignments, told
from .errors import bad, whole
from .files import place, writable
from .records.export import checked, save

MOST_THREADS = 1024


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and obey; 0 if all went well, 1 after an HLError (its text goes to stderr), 2 for a bad command line."""
    parser = argparse.ArgumentParser(prog="python -m hlcore", description="A laboratory for Hamiltonian Learning.")
    parser.add_argument("--version", action="version", version=f"hlcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name every experiment and say what it shows")
    run = commands.add_parser("run", help="run an experiment without a lab")
    run.add_argument("name", help="a name from `list`")
    run.add_argument("--steps", type=int, default=1000, help="steps to take (1000)")
    run.add_argument("--seed", type=int, default=0, help="seed of network and stream (0)")
    run.add_argument("--every", type=int, default=1, help="record every N-th step (1)")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting or option, as eta=0.3")
    run.add_argument("--threads", type=int, default=1, help="torch's threads (1: small tensors only wait for a second)")
    run.add_argument("--out", type=Path, help="write the trajectory: .nc (NetCDF) or .csv (scalars)")
    run.add_argument("--page", type=Path, help="write the run as a page of one file: .html")
    page = commands.add_parser("page", help="write the first lab as a page of one file, without a server")
    page.add_argument("--out", type=Path, default=Path("page"), help="the folder for its index.html (page)")
    doctor = commands.add_parser("doctor", help="check what the lab needs, and say how to mend it")
    doctor.add_argument("name", nargs="?", help="an experiment: say how its derivatives are had, and why not faster")
    lab = commands.add_parser("lab", help="open the labs in a folder of your own (no make needed)")
    lab.add_argument("--folder", type=Path, default=Path("hl-labs"), help="where your copies are kept (hl-labs)")
    lab.add_argument("more", nargs="*", help="options for JupyterLab, after --")
    handout = commands.add_parser("class", help="write the labs without their solutions, to be handed out")
    handout.add_argument("--out", type=Path, required=True, help="the folder; labs that are there already stay")
    given = parser.parse_args(arguments)
    return {"lab": _lab, "list": _list, "run": _run, "page": _page, "doctor": _doctor, "class": _class}[given.command](
        given
    )


def _lab(given: argparse.Namespace) -> int:
    folder = _needs_lab("lab", "lab.folder")
    folder.hand_out(given.folder)
    return int(folder.open_lab(given.folder, given.more))


def _class(given: argparse.Namespace) -> int:
    written = _needs_lab("class", "lab.folder").hand_out(given.out, solutions=False)
    print(f"wrote {len(written)} labs without solutions to {given.out}")
    return 0


def _list(given: argparse.Namespace) -> int:
    width = max(map(len, experiments.names()))
    for name in experiments.names():
        print(f"{name:<{width}}  {experiments.entry(name).about.splitlines()[0]}")
    return 0


def _run(given: argparse.Namespace) -> int:
    overrides = assignments(given.set)
    if whole("--threads", given.threads) > MOST_THREADS:
        raise bad("--threads", given.threads, f"at most {MOST_THREADS}")
    torch.set_num_threads(given.threads)
    if given.out is not None:
        checked(given.out)  # a bad file name is told before the run, not after it
    experiment = experiments.get(given.name, **overrides)
    if given.page is not None:
        return _run_page(given, experiment)
    record = experiment.run(given.steps, seed=given.seed, every=given.every)
    tail = record.loss.values[-min(len(record.loss), 100) :]
    print(f"{experiment.name}: {given.steps} steps, t = {float(record.time[-1]):g}, seed {given.seed}")
    print(f"loss {float(tail.mean()):.6g} (mean of the last {len(tail)}), H' {float(record.hamiltonian[-1]):.6g}")
    kept = [name for name in ("omega", "theta") if name in record and record[name].size]
    print(", ".join(f"|{name}| max {float(abs(record[name][-1]).max()):.6g}" for name in kept))
    if given.out is not None:
        save(record, given.out)
        print(f"wrote {given.out}")
    return 0


def _run_page(given: argparse.Namespace, experiment: experiments.Experiment) -> int:
    """The run as a page, as far as it went."""
    from .runs.run import Run  # with xarray, which `list` does without

    if given.out is not None or given.every != 1:
        raise bad("--page", "--out or --every beside it", "--page alone", "run it twice: the bits are the same")
    pages, path = _needs_lab("--page", "page.run_page"), writable(place(given.page))
    run = Run(experiment.replace(seed=given.seed))
    try:
        run.step(whole("steps", given.steps))
    finally:
        print(f"wrote {pages.write(run, path)}: {run.learner.steps} steps")
    return 0


def _page(given: argparse.Namespace) -> int:
    path = _needs_lab("page", "page.lab_page").write(given.out)
    print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB)")
    return 0


def _needs_lab(command: str, module: str) -> Any:
    try:
        return import_module(f".{module}", __package__)
    except ImportError as error:
        raise bad(command, f"no module {error.name!r}", "the lab's packages", "pip install -e .[lab]") from None


def _doctor(given: argparse.Namespace) -> int:
    if given.name is not None:
        learner, _ = experiments.get(given.name).learner()
        print(f"{given.name}: {learner.title}, {type(learner.network).__name__}, {learner.law.way}")
        return 0
    text, fine = _needs_lab("doctor", "lab.doctor").report()
    print(text)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
