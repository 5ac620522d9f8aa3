"""Figures are a list: any number at once, each gets every frame, and one that raises leaves the others alone."""

import asyncio

import comm
import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from hlcore import HLError, experiments
from hlcore.lab import Canvas, Cockpit, Figure, Recital
from hlcore.lab.figures.chart import Plot
from hlcore.lab.figures.ticks import ticks

CIRCLE = np.exp(2j * np.pi * np.linspace(0, 1, 61))


class Spectrum(Figure):
    """The eigenvalues of the recurrent weights V, beside the unit circle."""

    title = "spectrum of V"

    def frame(self, run, view):
        """Where they are now."""
        V = run.learner.network.cell.weight_hh.detach().double()
        found = torch.linalg.eigvals(V).numpy()
        layers = [{"draw": "line", "ink": -1}, {"draw": "points", "ink": 0}]
        columns = [CIRCLE.real, CIRCLE.imag, found.real, found.imag]
        self.widget.show("plane", columns, layers=layers, x="Re λ", y="Im λ", equal=True)


class Listener:
    """Something that is shown elsewhere, or nowhere, and follows the run."""

    def __init__(self):
        self.heard = []

    def frame(self, run, view):
        self.heard.append((run.learner.steps, view.playing))


class Broken(Figure):
    """Draws one frame and breaks at the second."""

    def frame(self, run, view):
        1 / (100 - run.learner.steps)


def eigenvalues(canvas):
    rows = np.frombuffer(canvas.frame, np.float32).reshape(-1, canvas.plan["points"])[2:]
    real, imaginary = (row[np.isfinite(row)] for row in rows)
    return sorted(real + 1j * imaginary, key=lambda x: (round(x.real, 4), x.imag))


def test_two_figures_and_a_listener_get_every_frame():
    listener = Listener()
    panel = Cockpit(experiments.get("tracker-sinusoid"), figures=[Spectrum, Spectrum()])
    panel.figures.append(listener)
    first, second = panel.figures[2:4]
    before = eigenvalues(first.widget)
    panel.step(300)
    V = panel.run.learner.network.cell.weight_hh.detach().double().numpy()
    truth = sorted(np.linalg.eigvals(V), key=lambda x: (round(x.real, 4), x.imag))
    for one in (first, second):
        assert np.allclose(eigenvalues(one.widget), truth, atol=1e-5)
    assert not np.allclose(before, truth, atol=1e-3), "they moved"
    assert listener.heard == [(300, False)]
    shown = [box.children[-1] for box in panel.figures.place.children]
    assert shown == [first.widget, second.widget]
    panel.figures.remove(first)
    kept = first.widget.frame
    panel.step(50)
    assert first.widget.frame == kept and eigenvalues(second.widget) != eigenvalues(first.widget)
    assert [box.children[-1] for box in panel.figures.place.children] == [second.widget]


def test_while_it_plays_none_freezes():
    async def scene():
        listener, other = Listener(), Listener()
        panel = Cockpit(experiments.get("tracker-sinusoid"), figures=[Spectrum, Spectrum])
        panel.figures.append(listener)
        panel.figures.append(other)
        panel._gate.observe(lambda change: panel._gate.set_state({"pong": change.new}), "ping")
        frames = [[], []]
        for figure, seen in zip(panel.figures[2:4], frames, strict=True):
            figure.widget.observe(lambda change, seen=seen: seen.append(change.new), "frame")
        panel.play()
        await asyncio.sleep(1.0)
        panel.pause()
        await panel.wait()
        panel.close()
        return listener.heard, other.heard, frames

    heard, other, frames = asyncio.run(asyncio.wait_for(scene(), 60))
    assert heard == other and len(heard) > 3 and heard[-1][1] is False and heard[0][1] is True
    assert [len(set(seen)) for seen in frames] == [len(set(frames[0]))] * 2 and len(set(frames[0])) > 3


def test_a_figure_that_raises_is_told_and_the_run_and_the_others_go_on():
    alone = Cockpit(experiments.get("tracker-sinusoid")).step(150)
    panel = Cockpit(experiments.get("tracker-sinusoid"), figures=[Broken, Spectrum])
    broken, spectrum = panel.figures[2:]
    panel.step(100)
    assert broken not in panel.figures and "Broken is drawn no more: ZeroDivisionError" in panel._alarm.value
    assert "ZeroDivisionError" in panel.figures.place.children[0].children[0].value, "where it stood"
    before = spectrum.widget.frame
    panel.step(50)
    assert spectrum.widget.frame != before and panel._loop.error is None
    assert panel.trajectory().identical(alone.trajectory())
    assert panel._rows.widget.plan["points"] == 150


@pytest.mark.parametrize("wrong", [3, Spectrum, [3], ["spectrum"], [object()]])
def test_what_is_no_figure_is_told(wrong):
    with pytest.raises(HLError, match="figure"):
        Cockpit(experiments.get("tracker-sinusoid"), figures=wrong)


def test_a_figure_in_the_place_of_the_curves_hides_them_until_one_is_ticked():
    class Instead(Figure):
        instead = True

        def frame(self, run, view):
            """Nothing."""

    plain, panel = Cockpit(experiments.get("iris-linear")), Cockpit(experiments.get("iris-linear"), figures=[Instead])

    def shown(cockpit):
        rows = cockpit.figures[0].widget
        return [] if rows.layout.display == "none" else [row["symbol"] for row in rows.plan["rows"]]

    for one in (plain, panel):
        one.step(20)
    assert "L" in shown(plain) and len(shown(plain)) >= 3 and shown(panel) == []
    with pytest.raises(HLError, match="tick it"):
        panel.figures[0].save("curves.png")
    panel.command("rows", {"shown": {"L": True}})
    panel.draw()
    assert shown(panel) == ["L"]
    panel.figures.remove(panel.figures[-1])
    panel.draw()
    assert shown(panel) == shown(plain)


def test_recitals_and_figures_live_side_by_side():
    panel = Cockpit(experiments.get("signal-school", rounds=1, steps=200), figures=[])
    first, second, listener = Recital(panel), Recital(panel), Listener()
    panel.figures.append(listener)
    panel.step(300)
    assert first.grades == second.grades and "after 300 steps" in first._status.value == second._status.value
    first.close()
    assert first not in panel.figures and second in panel.figures
    panel.step(100)
    assert "after 400 steps" in second._status.value and len(listener.heard) == 2


def test_a_closed_panel_closes_its_figures(monkeypatch):
    panel = Cockpit(experiments.get("tracker-sinusoid"), figures=[Spectrum])
    closed = []
    for figure in panel.figures:
        monkeypatch.setattr(figure.widget, "close", lambda figure=figure: closed.append(figure))
    panel.close()
    assert list(dict.fromkeys(closed)) == panel.figures[:3], "a figure by itself, then whatever the panel shows"


def test_the_canvas_fills_up_what_is_shorter():
    canvas = Canvas()
    canvas.show("plane", [[1.0, 2.0, 3.0], [4.0]], layers=[{"draw": "points", "ink": 1}], x="a", y="b")
    sent = np.frombuffer(canvas.frame, np.float32).reshape(2, 3)
    assert canvas.plan["points"] == 3 and canvas.plan["kind"] == "plane"
    assert np.array_equal(sent, [[1, 2, 3], [4, np.nan, np.nan]], equal_nan=True)


@pytest.mark.parametrize(("low", "high"), [(0, 302.5), (-1, 1), (0.0021, 0.0029), (3e5, 9e6), (-7.3, -7.1)])
def test_ticks_are_round_numbers_within_the_axis(low, high):
    found = ticks(low, high, 8)
    step = found[1] - found[0]
    assert 4 <= len(found) <= 9 and low - 1e-9 * step <= found[0] and found[-1] <= high + 1e-9 * step
    assert np.allclose(np.diff(found), step) and low - found[0] > -step and high - found[-1] < step
    mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(mantissa - k) for k in (1, 2, 5)) < 1e-6


def test_the_first_word_of_a_plot_to_the_browser_is_all_of_it(monkeypatch):
    """plotly's own FigureWidget says nothing at first, and a page that is quick shows that for ever."""
    opened, create = [], comm.create_comm

    def told(*more, **named):
        opened.append(named["data"]["state"])
        return create(*more, **named)

    monkeypatch.setattr(comm, "create_comm", told)
    figure = go.Figure(go.Scatter(y=[1.0, 2.0]))
    for kind, whole in ((Plot, 1), (go.FigureWidget, 0)):
        opened.clear()
        plot = kind(figure)
        (state,) = [state for state in opened if "_widget_data" in state]
        assert len(state["_widget_data"]) == whole, "if plotly's is whole too, Plot is no longer needed"
        plot.data[0].y = [3.0, 4.0]
        assert plot.comm is not None and list(plot.data[0].y) == [3.0, 4.0]
    assert Plot(figure)._config["responsive"] is True
