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
JUDGES = [
    "tests/identities/test_reference.py",
    "tests/identities/test_pure_step.py",
    "tests/identities/test_closed_form.py",
    "tests/identities/test_T12_resume.py",
    "tests/contracts/test_record.py",
]


class Break(NamedTuple):
    """What goes wrong, in which file, and the line before and after."""

    name: str
    file: str
    before: str
    after: str


BREAKS = [
    Break("the sign of z'", "law/move.py", "-c.tau * c.s\n    if z is None", "c.tau * c.s\n    if z is None"),
    Break("z without its own dissipation", "law/move.py", "1 - c.tau * c.eta_z", "1 - c.tau * c.eta"),
    Break("z without dissipation", "law/move.py", "1 - c.tau * c.eta_z", "1.0"),
    Break("τ missing in z", "law/move.py", "-c.tau * c.s\n    if z is None", "-c.s\n    if z is None"),
    Break("τ missing in h", "law/arrays.py", "x + tau * v[name]", "x + v[name]"),
    Break("the loss where h was", "law/sequential.py", "at = f.read(after, sample.target)", "at = f.read(f.h, sample.target)"),
    Break("the old z in ω", "law/sequential.py", "z = costate(z, added(f.to_state(z), dh), after, c)\n",
          "z, z_old = costate(z, added(f.to_state(z), dh), after, c), z\n    f.to_weights = lambda _, w=f.to_weights: w(z_old)\n"),
    Break("the loss's share of z' forgotten", "law/sequential.py", "added(f.to_state(z), dh)", "f.to_state(z)"),
    Break("the flow's share of z' forgotten", "law/sequential.py", "added(f.to_state(z), dh)", "dh"),
    Break("the flow's share of ω forgotten", "law/sequential.py", "added_slopes(f.to_weights(z), dtheta)", "dtheta"),
    Break("Euler's loss at the moved state", "law/euler.py", "f.read(f.h, sample.target)", "f.read(after, sample.target)"),
    Break("Euler without the flow's share", "law/euler.py", "f.derivative(at, c.phi, z)", "at.pull(c.phi)"),
    Break("φ forgotten in Euler", "law/euler.py", "f.derivative(at, c.phi, z)", "f.derivative(at, 1.0, z)"),
    Break("φ forgotten in sequential order", "law/sequential.py", "at.pull(c.phi)", "at.pull(1.0)"),
    Break("φ forgotten without a state", "law/move.py", "scale=c.phi", "scale=1.0"),
    Break("φ forgotten in closed form", "law/closed_form.py", "slope if phi == 1.0 else phi * slope", "slope"),
    Break("the sign of ω'", "law/weights.py", "-c.tau * c.s * scale", "c.tau * c.s * scale"),
    Break("τ missing in ω", "law/weights.py", "-c.tau * c.s * scale", "-c.s * scale"),
    Break("ω without dissipation", "law/weights.py", "-c.tau * c.s * scale, 1 - c.tau * c.eta", "-c.tau * c.s * scale, 1.0"),
    Break("τ missing in a turn", "networks/rotations.py", "_turn(xp, h[\"h\"], w[0], tau, self.keep)", "_turn(xp, h[\"h\"], w[0], 1.0, self.keep)"),
    Break("a slope used twice counted once", "law/closed_form.py", "plus(found[i], tensor(g))", "tensor(g)"),
    Break("old ω in sequential order", "law/weights.py", "self._next_views if fresh else self._views), self.theta", "self._views), self.theta"),
    Break("new ω in Euler order", "law/weights.py", "self._next_views if fresh else self._views), self.theta", "self._next_views), self.theta"),
    Break("β per name forgotten", "law/weights.py", "torch.mul(self._next if fresh else self._flat, self._scale, out=self._flat)",
          "self._flat.copy_(self._next if fresh else self._flat)"),
    Break("the sample's own dt forgotten", "declared.py", "found if dt is None or not hasattr(found, \"tau\") else found._replace(tau=dt)", "found"),
    Break("h kept after the end", "learners/base.py", "(None, None) if sample.end else", "(None, None) if False else"),
    Break("time stands still", "learners/base.py", "self.t += tau", "self.t += 0 * tau"),
    Break("overflow let through", "law/weights.py", 'return "omega", name', "pass"),
    Break("a snapshot without z", "learners/resume.py", "h, learner._z, learner._reached, memory", "h, None, learner._reached, memory"),
    Break("pure: the old ω in sequential order", "law/weights.py", "after if fresh else omega, strict", "omega, strict"),
]  # fmt: skip


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
