"""The preflight: what the lab needs, whether it is there, and how to mend it."""

import html
import sys
from importlib import metadata

import ipywidgets as W

from .panel import Panel
from .widgets import end

NEEDED = {
    "torch": "2.5", "numpy": "1.26", "xarray": "2024.1", "jupyterlab": "4.4", "ipykernel": "6.31", "ipywidgets": "8.1",
    "plotly": "6.1", "anywidget": "0.9.13",
}  # fmt: skip
BROKEN = {("ipykernel", "7.4.0"): "widgets go dead after an awaiting cell: pip install ipykernel==7.3.0"}
MODEL_NOT_FOUND = "'Error displaying widget: model not found' in a notebook: restart the kernel and run all cells."


def report() -> tuple[str, bool]:
    """A table in text, and True if nothing is wrong. Needs no browser."""
    checks = {f"Python {sys.version.split()[0]}": "" if sys.version_info >= (3, 11) else "at least 3.11 is needed"}
    for name, least in NEEDED.items():
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            checks[f"{name} is missing"] = "pip install -e '.[lab]'"
            continue
        late = f"at least {least} is needed" if _order(have) < _order(least) else ""
        checks[f"{name} {have}"] = BROKEN.get((name, have), late)
    checks |= {"a widget keeps what it is told": _round_trip(), "an experiment runs": _runs()}
    rows = [f"{'wrong' if why else 'ok':6} {what}{': ' + why if why else ''}" for what, why in checks.items()]
    return "\n".join([*rows, MODEL_NOT_FOUND]), not any(checks.values())


class Doctor(Panel):
    """The report as a panel, with the one check that needs a browser: does it acknowledge a frame?"""

    def __init__(self) -> None:
        super().__init__()
        self._answer = W.Label("browser: press the button")
        self.commands["ask"] = lambda _: self._gate.announce()
        ask = self.button("Ask the browser", "Sends a frame and waits for its acknowledgement", "ask")
        self._gate.observe(self._heard, "pong")
        self.children = [W.HTML(f"<pre>{html.escape(report()[0])}</pre>"), W.HBox([ask, self._answer]), self._gate]

    def _heard(self, change: dict[str, int]) -> None:
        self._answer.value = f"browser: acknowledged frame {change['new']}; widgets work in both directions"


def _order(version: str) -> tuple[int, ...]:
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in version.split(".")[:3])


def _round_trip() -> str:
    heard: list[float] = []
    slider = W.FloatSlider()
    slider.observe(lambda c: heard.append(c.new), "value")
    slider.set_state({"value": 0.5})
    end(slider)
    return "" if heard == [0.5] else f"it told {heard} instead of [0.5]"


def _runs() -> str:
    from .. import experiments

    loss = experiments.get("iris-linear").run(300).loss
    return "" if float(loss[-100:].mean()) < float(loss[:100].mean()) else "the loss does not fall"
