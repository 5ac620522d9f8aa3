"""One-line breaks of the engine, each of which the suite must notice: python -m tests.mutate."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
JUDGES = ["tests/identities/test_reference.py", "tests/identities/test_T12_resume.py", "tests/contracts/test_record.py"]


class Break(NamedTuple):
    """What goes wrong, in which file, and the line before and after."""

    name: str
    file: str
    before: str
    after: str


BREAKS = [
    Break(
        "the sign of z'",
        "orders.py",
        "keep, gain = 1 - tau * settings.dissipation_z, -tau * settings.s",
        "keep, gain = 1 - tau * settings.dissipation_z, tau * settings.s",
    ),
    Break("z without its own dissipation", "orders.py", "1 - tau * settings.dissipation_z", "1 - tau * settings.eta"),
    Break("z without dissipation", "orders.py", "1 - tau * settings.dissipation_z", "1.0"),
    Break("τ missing in h", "orders.py", "x + tau * at.v[name]", "x + at.v[name]"),
    Break("the sign of ω'", "learner.py", "-settings.s * tau * move.scale", "settings.s * tau * move.scale"),
    Break("τ missing in ω", "learner.py", "-settings.s * tau * move.scale", "-settings.s * move.scale"),
    Break("ω without dissipation", "learner.py", "else 1 - tau * settings.eta", "else 1.0"),
    Break("φ forgotten", "hamiltonian.py", "return grads, phi if z is None else 1.0", "return grads, 1.0"),
    Break("φ forgotten beside a state", "hamiltonian.py", "torch.full_like(L, phi)", "torch.full_like(L, 1.0)"),
    Break("φ forgotten by hand", "hand.py", "g if phi == 1.0 else phi * g", "g"),
    Break("τ missing by hand", "networks/rotations.py", 'theta["frequency"], tau)', 'theta["frequency"], 1.0)'),
    Break(
        "the readout's share of z' forgotten by hand",
        "hand.py",
        "dh[name] if d is None else dh[name] + d[name] for name in self.h",
        "dh[name] for name in self.h",
    ),
    Break("the old z in ω by hand", "hand.py", "_, more = self.back(z)", "_, more = self.back(self.z)"),
    Break("the loss where h was, by hand", "hand.py", "self._loss(h, phi)", "self._loss(self.h, phi)"),
    Break("the weights by hand forgotten", "hand.py", "tensor(both[name]) if name in both else None", "None"),
    Break(
        "old ω in sequential order",
        "costate.py",
        "self._next_views if fresh else self._views), self.theta",
        "self._views), self.theta",
    ),
    Break(
        "new ω in Euler order",
        "costate.py",
        "self._next_views if fresh else self._views), self.theta",
        "self._next_views), self.theta",
    ),
    Break(
        "β per name forgotten",
        "costate.py",
        "torch.mul(self._next if fresh else self._flat, self._scale, out=self._flat)",
        "self._flat.copy_(self._next if fresh else self._flat)",
    ),
    Break("φ forgotten in z", "orders.py", "gain = -tau * settings.s * scale", "gain = -tau * settings.s"),
    Break(
        "the sign of the move's share of ω", "orders.py", "2 * tau * v[name].detach() - tau * v[name]", "v[name] * tau"
    ),
    Break(
        "the old z in ω",
        "orders.py",
        "rest = _costate(z, dict(zip(h, dh, strict=True)), settings, tau)",
        "rest, z = z, _costate(z, dict(zip(h, dh, strict=True)), settings, tau)",
    ),
    Break(
        "the sample's own dt forgotten",
        "learner.py",
        "settings.tau if sample.dt is None else sample.dt",
        "settings.tau",
    ),
    Break("h kept after the end", "learner.py", "        if sample.end:", "        if False:"),
    Break("time stands still", "learner.py", "self.t += tau", "self.t += 0 * tau"),
    Break("overflow let through", "costate.py", 'return "omega", name', "pass"),
    Break(
        "a checkpoint without z",
        "checkpoint.py",
        'for part in ("h", "z", "omega"):\n        tensors',
        'for part in ("h", "omega"):\n        tensors',
    ),
]


def survives(mutation: Break) -> bool:
    """True if the suite does not notice the break."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        skip = shutil.ignore_patterns("__pycache__", "benchmarks", "browser")
        shutil.copytree(ROOT / "hlcore", place / "hlcore", ignore=skip)
        shutil.copytree(ROOT / "tests", place / "tests", ignore=skip)
        shutil.copy(ROOT / "pyproject.toml", place)
        file = place / "hlcore" / mutation.file
        text = file.read_text()
        if mutation.before not in text:
            raise SystemExit(f"{mutation.name}: the line to break is not in {mutation.file}; mend tests/mutate.py")
        file.write_text(text.replace(mutation.before, mutation.after))
        run = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *JUDGES]
        bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # notebooks' plugins alone take two seconds to load
        result = subprocess.run(run, cwd=place, capture_output=True, text=True, check=False, env=bare)
        if result.returncode not in (0, 1):
            raise SystemExit(f"{mutation.name}: the suite did not run\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
        return result.returncode == 0


def survivors(breaks: list[Break]) -> list[str]:
    """Names of the breaks that nobody noticed."""
    with ThreadPoolExecutor(2) as pool:
        return [b.name for b, alive in zip(breaks, pool.map(survives, breaks), strict=True) if alive]


if __name__ == "__main__":
    alive = survivors(BREAKS)
    print(f"{len(BREAKS) - len(alive)} of {len(BREAKS)} breaks were noticed")
    for name in alive:
        print("survived:", name)
    sys.exit(bool(alive))
