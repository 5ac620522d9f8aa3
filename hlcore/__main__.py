"""The command line: python -m hlcore lab | list | run | doctor | class."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import __version__, experiments
from .command import assignments, told
from .errors import bad
from .records.export import checked, save


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
    run.add_argument("--out", type=Path, help="write the trajectory: .nc (NetCDF) or .csv (scalars)")
    doctor = commands.add_parser("doctor", help="check what the lab needs, and say how to mend it")
    doctor.add_argument("name", nargs="?", help="an experiment: say how its derivatives are had, and why not faster")
    lab = commands.add_parser("lab", help="open the labs in a folder of your own (no make needed)")
    lab.add_argument("--folder", type=Path, default=Path("hl-labs"), help="where your copies are kept (hl-labs)")
    lab.add_argument("more", nargs="*", help="options for JupyterLab, after --")
    handout = commands.add_parser("class", help="write the labs without their solutions, to be handed out")
    handout.add_argument("--out", type=Path, required=True, help="the folder; labs that are there already stay")
    given = parser.parse_args(arguments)
    return {"lab": _lab, "list": _list, "run": _run, "doctor": _doctor, "class": _class}[given.command](given)


def _lab(given: argparse.Namespace) -> int:
    folder = _folder()
    folder.hand_out(given.folder)
    return int(folder.open_lab(given.folder, given.more))


def _class(given: argparse.Namespace) -> int:
    written = _folder().hand_out(given.out, solutions=False)
    print(f"wrote {len(written)} labs without solutions to {given.out}")
    return 0


def _folder() -> Any:
    try:
        from .lab import folder
    except ImportError as error:
        raise bad("lab", f"no module {error.name!r}", "the lab's packages", "pip install hlcore[lab]") from None
    return folder


def _list(given: argparse.Namespace) -> int:
    width = max(map(len, experiments.names()))
    for name in experiments.names():
        print(f"{name:<{width}}  {experiments.entry(name).about.splitlines()[0]}")
    return 0


def _run(given: argparse.Namespace) -> int:
    overrides = assignments(given.set)
    if given.out is not None:
        checked(given.out)  # a bad file name is told before the run, not after it
    experiment = experiments.get(given.name, **overrides)
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


def _doctor(given: argparse.Namespace) -> int:
    if given.name is not None:
        learner, _ = experiments.get(given.name).learner()
        print(f"{given.name}: {learner.title}, {type(learner.network).__name__}, {learner.law.way}")
        return 0
    try:
        from .lab import doctor
    except ImportError as error:
        raise bad("doctor", f"no module {error.name!r}", "the lab's packages", "pip install -e .[lab]") from None
    text, fine = doctor.report()
    print(text)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
