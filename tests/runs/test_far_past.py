"""Streams whose answer lies in the past, their experiments, the arena's cells and page, and the map of directions."""

import json

import numpy as np
import pytest
import torch

from hlcore import HLError, experiments
from hlcore.lab import Directions
from hlcore.streams import Copied, Lorenz, Recall, Sung, chaos
from hlcore.studies import credit_arena as arena
from hlcore.studies import credit_table
from hlcore.studies.directions import KEPT, LENGTHS, edge, errors, sums

NAMES = ("echo-recall", "memory-chain", "delay-50", "sine-1024", "lorenz", "rows-28", "pixels-98")


def test_what_is_asked_for_was_told():
    for stream in (Recall(12, 3), Recall(12, 3, noise=False, vary=False)):
        for episode in range(8):
            told = [stream[13 * episode + k] for k in range(13)]
            cue, now = (sum(s.u[0, c] for s in told) for c in (0, 2))
            asked = [k for k, s in enumerate(told) if s.target is not None]
            assert len(asked) == 1 and now == 1 and told[asked[0]].u[0, 2] == 1 and told[asked[0]].target.item() == cue
            assert [s.end for s in told] == [False] * 12 + [True]
        silent = all(stream[k].u[0, 1] == 0 for k in range(13))
        assert silent != stream.noise
    copied = Copied(5, 1)
    assert all(copied[k].target.item() == copied[k - 5].u.item() for k in range(5, 30)) and copied[3].target == 0
    assert len({copied[k].u.item() for k in range(20)}) == 2
    lorenz = Lorenz(2, ahead=4)
    assert lorenz[7].target.item() == lorenz[11].u.item() and lorenz[7].u.item() != Lorenz(3)[7].u.item()
    sung = Sung(64, 0)
    turns = 10 * (sung[0].u[0, 1].item() + 1)
    assert sung[63].target.item() == pytest.approx(np.sin(2 * np.pi * turns), abs=1e-4) and sung[63].end


def test_many_chaotic_paths_side_by_side_are_integrated_once_each(monkeypatch):
    made = []
    monkeypatch.setattr(chaos, "_integrated", lambda seed: (made.append(seed), np.arange(chaos.LENGTH) + 0.5 * seed)[1])
    streams = [Lorenz(seed) for seed in range(12)]
    told = [[stream[k].u.item() for stream in streams] for k in (3, 4, 5)]
    assert made == list(range(12)) and told[0] == [3 + 0.5 * seed for seed in range(12)]


def test_one_frequency_a_seed_or_one_an_episode():
    def turns(stream, episode):
        return 10 * (stream[64 * episode].u[:, 1] + 1)

    alike, free = Sung(64, 3, batch=2, vary=False), Sung(64, 3, batch=2)
    assert torch.equal(turns(alike, 0), turns(alike, 5)) and turns(alike, 0)[0] == turns(alike, 0)[1]
    assert turns(alike, 0)[0] != turns(Sung(64, 4, vary=False), 0)[0]
    assert not torch.equal(turns(free, 0), turns(free, 5)) and turns(free, 0)[0] != turns(free, 0)[1]


def test_a_linear_network_cannot_sing_what_it_is_told():
    """From rest y is linear in what was told, (1, f): the song of a mean frequency is the mean of two songs."""
    network = experiments.get("sine-1024", seed=1, vary=True, dtype="float64").setup(1).network

    def song(f):
        h, found = {"h": torch.zeros(1, 32)}, []
        for k in range(300):
            u = torch.tensor([[1.0, f]]) if k == 0 else torch.zeros(1, 2)
            h = {"h": h["h"] + network.velocity(u, h, 1.0)["h"]}
            found.append(network.output(u, h).detach())
        return torch.cat(found)

    assert (song(0.0) - (song(-0.6) + song(0.6)) / 2).abs().max() <= 1e-12
    assert song(0.6).abs().max() > 1e-3
    t = np.arange(300)
    sines = [np.sin(2 * np.pi * turns / 1024 * t) for turns in (4, 10, 16)]  # what is asked for
    assert abs(sines[1] - (sines[0] + sines[2]) / 2).max() > 0.5


def test_on_a_stream_without_end_what_never_forgets_is_a_sum_that_grows():
    """h = Σ R^(t-k) B u_k of independent signs: its mean square is t times as large; with |λ| < 1 it has a bound."""

    def square(keep, steps):
        experiment = experiments.get("delay-50", keep=keep, batch=64, beta=0.0)
        learner, stream = experiment.learner()
        for k in range(steps):
            learner.step(stream[k])
        return float(learner.point.h["h"].square().mean())

    assert square(1.0, 800) / square(1.0, 200) == pytest.approx(4, rel=0.3)
    assert square(0.98, 800) / square(0.98, 200) == pytest.approx(1, rel=0.3)  # λ^400 is 3e-4


def test_the_credit_table_measures_everyone_against_the_exact_law():
    task = credit_table.Task("memory-chain", {"length": 5}, 6 * 60)
    rows = list(credit_table.rows(task, 2))
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [cell[0] for cell in cells] == [*task.laws] and cells[0][-1] == "100 %"
    hl, lanes = credit_table.LAWS["HL"], [(0.0004, 0), (0.0015, 1)]
    echo = credit_table.Task("echo-recall", {"delay": 5}, 6 * 60)  # asked at times of its own in each run
    for one in (task, echo):
        together = credit_table.runs(one, hl, lanes)
        for (beta, seed), found in zip(lanes, together, strict=True):
            batch = {"batch": credit_table.BATCH, "beta": beta}
            learner, stream = experiments.get(one.experiment, **one.options, **batch).learner(seed)
            told = [(learner.step(stream[k]), stream[k].target) for k in range(one.tokens)]
            told = [(step.loss, step.output * y > 0) for step, y in told if y is not None]
            assert len(told) == 60 and found.loss == pytest.approx(np.mean([loss for loss, _ in told[-12:]]), rel=1e-3)
            assert found.right == pytest.approx(np.mean([right.double().mean().item() for _, right in told[-12:]]))
        assert together[0].loss != pytest.approx(together[1].loss, rel=0.1)
    (frozen,) = credit_table.runs(task, credit_table.LAWS["readout alone"], [(0.0015, 0)])
    (trained,) = credit_table.runs(task, credit_table.LAWS["one-step"], [(0.0015, 0)])
    assert frozen.loss != trained.loss and 0 <= frozen.right <= 1


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_moves_and_is_replayed(name):
    a, b = (experiments.get(name, seed=4, units=4).run(110 if name == "pixels-98" else 40) for _ in range(2))
    assert a.identical(b) and float(abs(a.omega.isel(time=-1)).sum()) > 0 and set(a["metric"].values.tolist()) == {1.0}


def test_the_networks_are_options_and_others_are_told():
    for network in ("leapfrog", "gru", "antisymmetric"):
        experiments.get("echo-recall", network=network, units=3, delay=4).run(10)
    with pytest.raises(HLError, match="rotations"):
        experiments.get("echo-recall", network="rotation")


def test_an_arena_goes_on_where_it_was_and_tells_where_HL_loses(tmp_path, capsys):
    kept = tmp_path / "arena.json"
    keys = [f"{law}|{s}|0|0.01" for s in arena.STREAMS for law in arena.LAWS]
    known = {key: (0.5 if key.startswith("HL,") else 0.1) for key in keys[1:]}
    kept.write_text(json.dumps(known))
    found = arena.run(1, 0.01, kept, 1)
    assert "1/1" in capsys.readouterr().err and set(json.loads(kept.read_text())) == set(keys)
    lines = list(arena.page(found, {law: [0.5] for law in arena.LAWS}, 0.01))
    assert sum(line.startswith("| ") for line in lines) == 1 + len(arena.LAWS)
    assert sum("the best forward HL" in line for line in lines) >= len(arena.STREAMS) - 1
    assert (
        arena.cell("one-step", "Lorenz", 0, 0.05)
        == arena.cell("one-step", "Lorenz", 0, 0.05)
        != found["one-step|Lorenz|0"]
    )


def test_what_is_called_unbiased_is():
    exact = [law for law, one in arena.LAWS.items() if one.bias.startswith("none")]
    for law in exact:
        assert arena.alignment(law, 0) >= 1 - 1e-9, law
    assert arena.alignment("RHEL", 0) >= 1 - 1e-5
    assert all(arena.alignment(law, 0) < 0.99 for law in ("HL, sequential", "TBPTT(4)", "one-step"))


def test_the_map_of_directions_is_the_edges_formula():
    for kind, eps in (("float64", 2.2e-16), ("float32", 1.2e-7)):
        found = errors(kind=kind)
        line = np.log10(eps) - LENGTHS[None] * np.log10(KEPT)[:, None] + 1.8
        seen = (found > 1e3 * eps) & np.isfinite(found) & (line < 30)
        assert seen.sum() >= 6 and abs(np.log10(found[seen]) - line[seen]).max() <= 2.5
    assert np.isinf(edge(np.array([1.0])))[0] and 2400 < edge(np.array([0.99]))[0] < 2600
    s = sums(1.0, 60)
    assert abs(s.exact - s.forward).max() <= 1e-11 and abs(s.exact[0] - s.total) <= 1e-11
    assert abs(s.exact - s.hl).max() > 1
    with np.errstate(all="ignore"):
        assert abs(sums(0.9, 600).forward[-1]) > 1e6


def test_the_panel_tells_what_was_not_held():
    panel = Directions()
    assert "trusts it up to T = 2,48" in panel._status.value and "⚠" not in panel._status.value
    panel.set(forgets=0.1)
    assert "⚠ the start was not held" in panel._status.value
    panel.set(forgets=0.0, kind="float32")
    assert "at any T" in panel._status.value and panel.error < 1e-3
    first = len(panel.figure.data[3].x)
    panel.reset()
    assert len(panel.figure.data[3].x) < first and torch.is_grad_enabled()
