"""What a user brings: the finite stream, or an HLError that names row, column and value; and never the future."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from hlcore import HLError, Learner, OutputNetwork, Settings, experiments, streams
from hlcore.streams import Table, from_csv, from_frame

FRAME = pd.DataFrame(
    {"day": pd.date_range("2024-01-01", periods=6), "x": [1.0, 2, 4, 8, 16, 32], "y": [3, 1, 4, 1, 5, 9]}
)


def text(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    return path


GOOD = {
    "a list": [1.0, 2, 3, 4],
    "numpy scalars": [np.float32(1), np.int64(2), np.float64(3), np.int8(4)],
    "whole numbers": np.arange(1, 5),
    "a tensor": torch.arange(1.0, 5.0, requires_grad=True),
    "a column": pd.Series([1, 2, 3, 4], index=pd.date_range("2024-01-01", periods=4)),
    "pandas' own kind": pd.Series([1, 2, 3, 4], dtype="Int64"),
    "a frame of one column": pd.DataFrame({"x": [1, 2, 3, 4]}),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("kind", [streams.Series, streams.Changes])
def test_numbers_of_any_kind_are_the_same_stream(kind, name):
    stream, plain = kind(GOOD[name]), kind(np.array([1.0, 2, 3, 4]))
    for k in range(5):
        assert torch.equal(stream[k].u, plain[k].u) and torch.equal(stream[k].target, plain[k].target)
    assert not torch.equal(stream[0].u, kind(np.array([2.0, 5, 3, 4]))[1].u)


BAD = {
    "decimal commas": (pd.Series(["1,5", "2,5", "3,5", "4,5"]), "'1,5' in row 0"),
    "NA": (pd.Series([1.0, None, 3.0, 4.0], dtype="Float64"), "<NA> in row 1"),
    "nan": (np.array([1.0, np.nan, 3.0, 4.0]), "nan in row 1"),
    "inf": ([1.0, 2.0, float("inf"), 4.0], "inf in row 2"),
    "None": ([1.0, None, 3.0, 4.0], "None in row 1"),
    "a date for a label": (FRAME.set_index("day").x.replace(4.0, np.nan), "row 2 .2024-01-03"),
    "truth": ([True, False, True, False], "True in row 0"),
    "complex": ([1j, 2j, 3j, 4j], "1j in row 0"),
    "two axes": (np.ones((4, 2)), "shape"),
    "two columns": (pd.DataFrame({"a": [1.0] * 4, "b": [1.0] * 4}), "the columns"),
    "too few": ([1.0], "at least"),
    "a text": ("data.csv", "from_csv"),
    "nothing": (None, "NoneType"),
    "a number": (3.0, "numbers in one axis"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", [streams.Series, streams.Changes])
def test_what_is_no_number_is_named_with_its_row(kind, name):
    values, words = BAD[name]
    with pytest.raises(HLError, match=words):
        kind(values)


def test_a_table_foretells_the_next_row_and_knows_nothing_later():
    stream = from_frame(FRAME)
    assert stream.columns == ["x", "y"] and stream.round == 5
    for k in range(4):
        later = FRAME.copy()
        later.loc[k + 2 :, ["x", "y"]] *= 7.0
        other = from_frame(later)
        assert torch.equal(stream[k].u, other[k].u) and torch.equal(stream[k].target, other[k].target)
        assert not torch.equal(stream[k + 1].target, other[k + 1].target) if k < 3 else True
        row = torch.tensor(FRAME[["x", "y"]].iloc[k + 1].to_numpy(float))
        assert float((stream.read(k, stream[k].target)[0] - row).abs().max()) <= 1e-5
    assert [stream[k].end for k in range(5)] == [False] * 4 + [True]
    raw = from_frame(FRAME, "x", scaled=False)
    assert [float(raw[k].u) for k in range(6)] == [1, 2, 4, 8, 16, 1]


def test_targets_horizon_and_the_same_row():
    stream = from_frame(FRAME, "x", target="y", horizon=0, scaled=False)
    assert [(float(stream[k].u), float(stream[k].target)) for k in range(3)] == [(1, 3), (2, 1), (4, 4)]
    assert float(from_frame(FRAME, "x", horizon=3, scaled=False)[0].target) == 8
    with pytest.raises(HLError, match="the answer would be told"):
        from_frame(FRAME, "x", horizon=0)


def test_a_time_column_gives_uneven_steps():
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-08", "2024-01-09", "2024-01-10"])
    stream = from_frame(FRAME.assign(day=days), time="day", tau=0.5)
    assert [stream[k].dt for k in range(5)] == [0.5, 0.5, 0.5, 2.5, 0.5]
    gone = FRAME.assign(x=[1, 2, np.nan, 8, 16, 32])
    skipping = from_frame(gone, time="day", gaps="skip")
    assert [skipping[k].dt for k in range(4)] == [1, 1, 2, 1]
    with pytest.raises(HLError, match="after that of the row before"):
        from_frame(FRAME.assign(day=days[::-1]), time="day")
    with pytest.raises(HLError, match="'soon' in row 3"):
        from_frame(FRAME.assign(day=["2024-01-01", "2024-01-02", "2024-01-03", "soon", "2024-01-05", "x"]), time="day")


def test_files_of_many_kinds(tmp_path):
    plain = from_csv(text(tmp_path, "t,x\na,1.5\nb,2.5\nc,4.0\n"))
    for content in ("t;x\na;1,5\nb;2,5\nc;4,0\n", "t\tx\na\t1,5\nb\t2,5\nc\t4,0\n"):
        stream = from_csv(text(tmp_path, content), "x", decimal=",")
        assert torch.equal(stream[1].u, plain[1].u) and torch.equal(stream[1].target, plain[1].target)
    assert plain.columns == ["x"]


@pytest.mark.parametrize(
    ("content", "how", "words"),
    [
        ("a;x\n1;1,5\n2;2,5\n3;3,5\n", {"columns": "x"}, "'1,5' in row 0"),
        ("x,y\n1,2\n,3\n4,5\n", {}, "column 'x': got nan in row 1"),
        ("x,y\n1,2\nabc,3\n4,5\n", {"columns": "x"}, "'abc' in row 1"),
        ("x,y\n1,2\n3,4\n", {"columns": "z"}, "columns: got 'z'"),
        ("x,y\n1,2\n3,4\n", {"columns": ["x", "x"]}, "each once"),
        ("x,y\n1,2\n3,4\n", {"target": "w"}, "target: got 'w'"),
        ("x,y\n1,2\n3,4\n", {"gaps": "fill"}, "gaps"),
        ("x,y\n1,2\n3,4\n", {"horizon": 7}, "at least 9"),
        ("x,y\n1,2\n3,4\n", {"time": "day"}, "time: got 'day'"),
        ("t,w\na,b\nc,d\n", {}, "a column of numbers"),
        ("", {}, "CSV"),
        ("x\n", {}, "column"),
    ],
)
def test_a_file_that_is_no_stream_is_told(tmp_path, content, how, words):
    with pytest.raises(HLError, match=words):
        from_csv(text(tmp_path, content), **how)


@pytest.mark.parametrize("path", ["no/such/file.csv", "."])
def test_no_file_is_told(path):
    with pytest.raises(HLError, match="file"):
        from_csv(path)


def test_it_is_learned_from():
    t = np.arange(400)
    frame = pd.DataFrame({"a": 1000 + 50 * np.sin(t / 5), "b": np.cos(t / 5)})
    learner = Learner(OutputNetwork(nn.Linear(2, 2)), mse_loss, Settings(beta=0.1, eta=1.0), "sequential")
    stream = from_frame(frame)
    losses = [learner.step(stream[k]).loss for k in range(3 * stream.round)]
    assert np.mean(losses[-300:]) < 0.1 * np.mean(losses[:100])


OWN = {
    "series": lambda: streams.Series([1.0, 2, 3, 4]),
    "changes": lambda: streams.Changes([1.0, 2, 4, 3, 5]),
    "table": lambda: Table(FRAME),
    "labelled": lambda: streams.Labelled(torch.randn(6, 2), torch.randn(6, 1)),
    "labelled in twos": lambda: streams.Labelled(torch.randn(6, 2), torch.randn(6, 1), batch=2),
    "iris": streams.iris,
    "digits": streams.digits,
    "vowels": streams.vowels,
    "lectures": lambda: experiments.get("signal-school").setup(0).stream,
    "waves": lambda: experiments.get("tracker-sinusoid").setup(0).stream,
}


@pytest.mark.parametrize("name", OWN)
def test_a_sample_is_the_callers_own(name):
    stream = OWN[name]()
    before = [(stream[k].u.clone(), stream[k].target.clone()) for k in range(3)]
    for k in range(3):
        sample = stream[k]
        for x in (sample.u, sample.target):
            x.copy_(torch.full_like(x, 7))
    assert all(torch.equal(stream[k].u, u) and torch.equal(stream[k].target, y) for k, (u, y) in enumerate(before))


def test_what_the_caller_does_with_its_own_data_later_moves_no_sample():
    x, y = torch.randn(6, 2), torch.randn(6, 1)
    stream = streams.Labelled(x, y)
    before = stream[0].u.clone()
    x.zero_()
    assert torch.equal(stream[0].u, before) and float(before.abs().max()) > 0
    series, values = streams.Series(x[:, 0]), np.ones(5)
    other = streams.Changes(values)
    values[:], x[:] = 9.0, 9.0
    assert float(series[0].u) == 0 and float(other[1].u[0, 0]) == 0


def test_labelled_takes_arrays():
    stream = streams.Labelled(np.ones((4, 2)), [0, 1, 2, 1], batch=2)
    assert stream[0].u.dtype == torch.get_default_dtype() and stream[0].target.dtype == torch.int64
    with pytest.raises(HLError, match="numbers"):
        streams.Labelled(np.array([{}, {}]), [0, 1])
