"""Memory of a student's kernel with a lab played in it: python -m tests.benchmarks.kernel_memory [LAB ...]"""

import sys
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

LABS = Path(__file__).parents[2] / "labs"
LIMIT = 400.0  # MB a student, as docs/deploying.md promises it


def resident(lab: Path) -> float:
    """MB resident of a kernel in which every cell of the lab has run, and the processes that it has begun."""
    client = NotebookClient(nbformat.read(lab, 4), timeout=300, resources={"metadata": {"path": lab.parent}})
    with client.setup_kernel():
        for k, cell in enumerate(client.nb.cells):
            client.execute_cell(cell, k)
        kernel = psutil.Process(client.km.provisioner.pid)
        return sum(p.memory_info().rss for p in [kernel, *kernel.children(recursive=True)]) / 1e6


if __name__ == "__main__":
    for lab in [Path(name) for name in sys.argv[1:]] or sorted(LABS.glob("*.ipynb")):
        found = resident(lab.resolve())
        print(f"{lab.stem}: {found:.0f} MB{'' if found <= LIMIT else '  more than was promised'}", flush=True)
