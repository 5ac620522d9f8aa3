"""The picture of clients on a graph, and the panel that turns an experiment's own options."""

import numpy as np
import pytest

from hlcore import HLError, experiments
from hlcore.lab import ClientErrors, GraphPicture, Variants
from hlcore.runs.run import Run


def columns(figure):
    plan = figure.widget.plan
    points = plan["points"]
    return np.frombuffer(figure.widget.frame, np.float32).reshape(-1, points) if points else np.empty((0, 0)), plan


def test_edges_light_up_where_the_dual_is_at_its_bound():
    experiment = experiments.get("graph-clients", dtype="float64")
    run, picture = Run(experiment, 1000, 4096), GraphPicture()
    picture.frame(run, None)
    drawn, plan = columns(picture)
    edges = len(run.stream.edges)
    assert plan["x"].startswith("0 of") and np.isfinite(drawn[0]).sum() == 2 * edges
    run.step(900)
    picture.frame(run, None)
    drawn, plan = columns(picture)
    u = run.recorder.window("h", 150)[:, : 4 * edges].mean(0).reshape(edges, 4)
    lit = int((np.abs(u).max(1) >= 0.9 * 0.1).sum())
    side = run.stream.cluster[run.stream.edges.numpy()]
    share = [picture.lit(run)[side[:, 0] == side[:, 1]].mean(), picture.lit(run)[side[:, 0] != side[:, 1]].mean()]
    assert share[0] < 0.1 and share[1] > 0.9, "borders light up, friendships do not"
    assert 0 < lit < edges and plan["x"] == f"{lit} of {edges} edges are at their bound"
    assert np.isfinite(drawn[0]).sum() == 2 * (edges - lit) and np.isfinite(drawn[2]).sum() == 2 * lit
    assert sum(np.isfinite(x).sum() for x in drawn[4::2]) == 40, "every node once"
    assert plan["bare"] and len({layer.get("colour") for layer in plan["layers"][2:]}) == 9


def test_the_errors_are_those_of_the_weights():
    run, figure = Run(experiments.get("graph-clients", nodes=5, dtype="float64")), ClientErrors()
    figure.frame(run, view := type("V", (), {"window": 100, "marks": []})())
    assert figure.widget.plan["points"] == 0
    run.step(60)
    figure.frame(run, view)
    drawn, plan = columns(figure)
    wrong = ((run.learner.network.theta.detach() - run.stream.truth(59)) ** 2).sum(1).numpy()
    known = run.stream.mask.numpy() > 0
    assert [line["name"] for line in plan["rows"][0]["lines"]] == ["labelled", "unlabelled"]
    assert np.allclose(drawn[1:, -1], [wrong[known].mean(), wrong[~known].mean()], rtol=1e-5)


def test_a_turned_option_begins_that_variant():
    options = {"coupling": ["tv", "squared", "none"], "noise": (0.0, 2.0), "nodes": (3, 30)}
    panel = Variants("graph-clients", options, figures=[GraphPicture, ClientErrors], nodes=5)
    assert panel._dials["nodes"].value == 5 and panel._dials["noise"].value == 1.0
    panel.step(3)
    for coupling in ("squared", "none", "tv"):
        panel.vary(coupling=coupling)
        assert panel.run.learner.steps == 0 and panel._dials["coupling"].value == coupling
        panel.step(2)
        assert not panel.alarm()
    panel._dials["noise"].set_state({"value": 0.4})
    assert panel.run.stream.noise == 0.4 and "noise" in panel.state_string()
    with pytest.raises(HLError, match="did you mean 'noise'"):
        Variants("graph-clients", {"nois": (0, 1)})
    with pytest.raises(HLError):
        panel.vary(noise=-1.0)
    assert panel.run.stream.noise == 0.4, "a refused one changes nothing"
    panel.close()


def test_the_pull_of_an_edge_is_turned_while_it_plays():
    picture = GraphPicture()
    panel = Variants("graph-clients", {}, controls=["lam"], figures=[picture], nodes=5)
    panel.step(200)
    lit = picture.lit(panel.run).sum()
    panel.set(lam=3.0)
    panel.step(200)
    assert panel.run.learner.steps == 400 and panel.run.learner.network.lam == 3.0, "it goes on, it does not begin anew"
    assert lit > 0 and picture.lit(panel.run).sum() == 0, "nobody pulls that hard"
    panel.close()
