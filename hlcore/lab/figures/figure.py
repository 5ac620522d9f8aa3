"""What a figure of the Cockpit is: a widget, and what it does at every frame."""

from dataclasses import dataclass, field
from typing import Any

from ..widgets import end
from .canvas import Canvas


@dataclass
class View:
    """What of a run is to be seen.

    window  records shown     units  {quantity: the entries chosen}     phase  the unit of the phase portrait
    maps    all units as heat maps     marks  (time, text) of every change     playing  whether more is to come soon
    opening  a run of the first steps to come, while the run itself has not begun
    past     the run where the time cursor stands, which all figures draw that are not over time; None: now
    forks    {name: run} of the forks     band  where y and L would go if a setting moved, see `time_rows.Band`
    """

    window: int = 5000
    phase: int = 0
    maps: bool = False
    playing: bool = False
    units: dict[str, list[int]] = field(default_factory=dict)
    marks: list[tuple[float, str]] = field(default_factory=list)
    opening: Any = None
    past: Any = None
    forks: dict[str, Any] = field(default_factory=dict)
    band: Any = None


class Figure:
    """Draws what it likes of a run: `Cockpit(experiment, figures=[...])` calls `frame` after every burst of steps.

    over_time  True: it shows the time cursor, and the run now; else the run where the cursor stands
    first  True: as wide as the panel, under Play, and not beside the dials above the curves
    instead  True: in the place of the curves, of which only those are shown that are ticked
    title  what stands above it     widget  a canvas; another one, or None for a figure that is shown elsewhere
    One that raises is told in the panel and drawn no more; the run goes on.
    """

    title = ""
    over_time = False
    first = False
    instead = False
    height = 270

    def __init__(self) -> None:
        self.widget: Any = Canvas(height=self.height)

    def frame(self, run: Any, view: View) -> None:
        """Show where `run` is: run.learner, run.recorder, run.stream; nothing of it may be changed."""
        raise NotImplementedError

    def close(self) -> None:
        """End its widget."""
        if self.widget is not None:
            end(self.widget)
