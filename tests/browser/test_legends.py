"""The words above the curves of a row, at any width: names stay longest, no word runs over the edge or into another."""

import itertools

import pytest

from . import site

pytestmark = pytest.mark.browser

# a canvas that also says what is written on it, from where to where
PAPER = """const paper = (width) => {
    const canvas = document.createElement("canvas");
    canvas.width = width; canvas.height = 200;
    const c = canvas.getContext("2d"), words = [], fill = c.fillText.bind(c);
    c.fillText = (text, x, y) => {
        const long = c.measureText(text).width;
        const from = x - { left: 0, start: 0, center: long / 2, right: long }[c.textAlign];
        words.push({ text, from, to: from + long, y });
        fill(text, x, y);
    };
    return [c, words];
};
const look = { text: "#000", soft: "#666", grid: "#ddd", axis: "#999", mark: "#c60" };
Object.assign(look, { ink: () => "#1060c0", dash: () => [], say: (text) => text });"""
WORDS = """([width, lines, pick]) => {
    const [c, words] = paper(width);
    const row = { symbol: "θ", what: "weights of the network", weight: 1, map: null, log: false, lines };
    const columns = [[0, 1, 2], ...lines.map((_, k) => [k, k + 0.25, k + 0.5])];
    const seen = { view: null, pointer: null, picked: null, places: [], hovered: null, talls: {} };
    tools.drawRows(c, width, 200, look, { plan: { rows: [row], start: 0, pick }, columns, maps: [] }, seen);
    const band = words.find((one) => one.text === "θ").y;
    return words.filter((one) => Math.abs(one.y - band) < 1);
}"""


@pytest.fixture(scope="module")
def tab():
    with site.canvas_tools("drawRows", "drawPlane") as tab:
        tab.add_script_tag(content=PAPER)
        yield tab


def words(tab, width, names, pick=False, quiet=()):
    lines = [{"name": name, "ink": k % 4, "quiet": name in quiet} for k, name in enumerate(names)]
    return tab.evaluate(WORDS, [width, lines, pick])


NAMES = ["hamiltonian", "rtrl", "sgd", "one-step"]


def given_way(found):
    """What has gone: 0 nothing, 1 the values, 2 also what the row is, 3 names too."""
    texts = [one["text"] for one in found]
    names = [name for name in NAMES if any(text == name or text.startswith(f"{name} ") for text in texts)]
    if len(names) < len(NAMES):
        return 3
    valued = all(name not in texts for name in NAMES)
    return 0 if valued else 1 if "weights of the network" in texts else 2


@pytest.mark.parametrize("pick", [False, True])
def test_values_give_way_first_then_what_the_row_is_and_names_last(tab, pick):
    found = {width: words(tab, width, NAMES, pick) for width in range(1000, 180, -20)}
    steps = [given_way(one) for one in found.values()]
    assert steps == sorted(steps) and set(steps) == {0, 1, 2, 3}, "narrower never shows more, and each stage is seen"
    for width, one in found.items():
        whole = any(word["text"] == "…" for word in one) == (given_way(one) == 3)
        assert whole, f"{width}: a name that is missing is told by …, and only then"


@pytest.mark.parametrize("pick", [False, True])
def test_no_word_runs_into_another_or_over_the_edge(tab, pick):
    for width in range(1000, 180, -20):
        found = sorted(words(tab, width, NAMES, pick), key=lambda one: one["from"])
        for a, b in itertools.pairwise(found):
            assert a["to"] <= b["from"] + 0.5, f"{width}: {a['text']} and {b['text']}"
        assert max(one["to"] for one in found) <= width, width


def test_a_quiet_line_has_no_name_and_takes_no_room(tab):
    quiet = ["a line nobody needs to read about"] * 3
    assert [one["text"] for one in words(tab, 640, NAMES)] == [
        one["text"] for one in words(tab, 640, [*NAMES, *quiet], quiet=quiet)
    ]


@pytest.mark.parametrize("width", [150, 180, 240, 400])
def test_names_of_a_planes_axes_are_not_cut(tab, width):
    plane = """([width, x, y]) => { const [c, words] = paper(width);
        const plan = { layers: [{ draw: "line", ink: 0 }], x, y };
        tools.drawPlane(c, width, 200, look, { plan, columns: [new Float32Array([0, 1]), new Float32Array([0, 1])] });
        return words; }"""
    names = "overlap of the cue m₀", "overlap at rest"
    found = [one for one in tab.evaluate(plane, [width, *names]) if one["text"] in names]
    assert len(found) == 2 and all(one["from"] >= 0 and one["to"] <= width for one in found), found
