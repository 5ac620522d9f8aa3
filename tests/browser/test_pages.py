"""The lab and a run as pages from a file, the network off; nothing in them is executed from data."""

import json

import numpy as np
import pytest
import torch

from hlcore import experiments
from hlcore.page import lab_page, run_page
from hlcore.runs.forks import Forks
from hlcore.runs.run import Run
from hlcore.words import catalogue

from . import site

pytestmark = pytest.mark.browser
NAME = "tracker-water-flow"
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    assert lab_page.write(folder).stat().st_size <= 300_000
    return folder


@pytest.fixture(scope="module")
def browser():
    with site.page(1366, 768) as tab:
        tab.context.set_offline(True)
        tab.asked, tab.errors = [], []
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.on("console", lambda told: tab.errors.append(told.text) if told.type == "error" else None)
        yield tab


@pytest.fixture
def tab(browser, folder):
    browser.asked.clear(), browser.errors.clear()
    browser.goto(f"file://{folder / 'index.html'}?lang=en")
    browser.wait_for_function("() => Number(document.querySelector('canvas')?.dataset.frames) > 0")
    yield browser
    assert browser.errors == [] and [url for url in browser.asked if not url.startswith("file://")] == []


def theta(learner):
    return torch.cat([x.flatten() for x in learner.point.theta.values()]).numpy()


def on_page(tab):
    return np.array(tab.evaluate("[...lab.run.learner.theta]"))


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 768)])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_fits_and_speaks(tab, width, height, language):
    tab.set_viewport_size({"width": width, "height": height})
    tab.locator(f"button[lang={language}]").click()
    assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert tab.evaluate("document.documentElement.lang") == language
    words = catalogue()["page"]
    assert tab.locator("h1").inner_text() == words["title"][language]
    assert tab.locator(".answer").first.is_visible() and tab.locator("canvas").count() == 3


def test_a_prediction_is_asked_and_answered_by_the_run(tab):
    assert tab.evaluate("lab.run.steps") == 24 and not tab.evaluate("lab.playing")
    tab.locator(".answer").nth(2).click()
    tab.locator(".answer.right").wait_for(timeout=30_000)
    assert "two weeks" in tab.locator(".answer.right").inner_text()
    assert "year" in tab.locator(".answer.wrong").inner_text()
    tab.locator(".ask .go").click()
    assert tab.locator(".count").inner_text() == "2/3"


def test_full_speed_goes_on_however_soon_a_frame_comes(tab):
    tab.evaluate("lab.load(lab.run.state); lab.speed = Infinity")
    for _ in range(5):
        before = tab.evaluate("lab.toggle(), lab.run.steps")
        tab.wait_for_function(f"() => lab.run.steps > {before + 20}", timeout=20_000)
        tab.evaluate("lab.pause()")


def test_keys_dials_and_marks(tab):
    tab.locator(".ask button", has_text="Skip").click()
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("lab.run.steps") == 25
    tab.keyboard.press("3")
    assert tab.evaluate("lab.run.settings.eta") == 20.2 and "unstable" in tab.locator(".regime").inner_text()
    slider = tab.get_by_label("weight speed").first
    slider.focus()
    slider.press("Home")
    assert tab.evaluate("lab.run.settings.beta") == 0.0001
    assert tab.evaluate("lab.run.changes") == [[25, {"eta": 20.2, "beta": 0.0001}]]
    field = tab.get_by_label("loss scale").nth(1)
    field.fill("-1")
    field.press("Enter")
    assert "φ = -1" in tab.locator(".alarm").inner_text() and tab.evaluate("lab.run.settings.phi") == 2


def test_the_twin_in_chromium_and_its_state_in_the_lab_and_back(tab):
    tab.evaluate("lab.load(lab.run.state); lab.run.walk(676); lab.set({eta: 3, eta_z: null}); lab.run.walk(300)")
    text = tab.evaluate("lab.run.state")
    run = Run.from_state(text)
    assert run.learner.steps == 1000 and run.changes == [(700, {"eta": 3.0, "eta_z": None})]
    assert np.abs(theta(run.learner) - on_page(tab)).max() <= 1e-12
    run.set(beta=0.1)
    run.step(500)
    assert tab.evaluate("text => lab.load(text)", run.state_string())
    assert np.abs(theta(run.learner) - on_page(tab)).max() <= 1e-12
    assert json.loads(tab.evaluate("lab.run.state")[4:]) == json.loads(run.state_string()[4:])


def test_a_run_of_the_default_numbers_is_alike_to_five_digits(tab):
    run = Run(experiments.get(NAME, seed=2))
    run.step(2000)
    assert tab.evaluate("text => lab.load(text)", run.state_string())
    assert 0 < np.abs(theta(run.learner) - on_page(tab)).max() < 1e-4


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"experiment": "iris-mlp"}, "iris-mlp"),
        ({"seed": 77}, "77"),
        ({"options": {"learner": "rtrl"}}, "rtrl"),
        ({"options": {"units": 13}}, "13"),
        ({"settings": {"beta": {"cell.weight_ih": 0.1}}}, "β"),
        ({"settings": {EVIL: 1}}, EVIL),
        ({"forks": []}, "forks"),
        ({"steps": -1}, "hl1"),
    ],
)
def test_a_string_that_the_page_cannot_take_is_told(tab, change, word):
    tab.locator(".ask button", has_text="Skip").click()
    state = json.loads(tab.evaluate("lab.run.state")[4:]) | change
    assert tab.evaluate("text => lab.load(text)", "hl1:" + json.dumps(state)) is False
    assert word in tab.locator(".alarm").first.inner_text()
    assert tab.evaluate("window.hacked") is None and tab.evaluate("lab.run.steps") == 24


def test_the_valley_is_sgds_until_a_slider_is_touched(tab):
    words = tab.locator("#valley [role=status]")
    assert "One path" in words.inner_text()
    tab.locator("#valley input").first.press("ArrowRight")
    assert "Two paths" in words.inner_text()
    tab.locator("#valley button", has_text="Back").click()
    assert "One path" in words.inner_text()
    assert "2,487" in tab.locator("#directions [role=status]").inner_text()


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments.registry, "_ENTRIES", experiments.registry.listed())
    experiments.register(EVIL, EVIL, {EVIL: {}})(experiments.entry(NAME).builder)
    return tmp_path / "run.html"


def test_a_run_as_a_page_is_read_back_and_executes_no_name(browser, recorded, monkeypatch):
    run = Run(experiments.get(EVIL))
    run.step(400)
    run.set(eta=4.0)
    run.step(3200)
    assert run_page.write(run, recorded).stat().st_size <= 2_000_000
    browser.errors.clear()
    browser.goto(f"file://{recorded}")
    browser.wait_for_function("() => Number(document.querySelector('canvas')?.dataset.frames) > 0")
    assert browser.locator("h1").inner_text() == EVIL and browser.evaluate("window.hacked") is None
    canvas = browser.locator("canvas")
    assert int(canvas.get_attribute("data-points")) > 3000 and canvas.get_attribute("data-marks") == "1"
    again = Run.from_state(browser.locator("textarea").input_value())
    assert again.learner.steps == 3600 and again.changes == run.changes
    assert np.array_equal(theta(again.learner), theta(run.learner))
    browser.locator("main > .switch button").nth(1).click()
    browser.wait_for_function("() => document.querySelector('canvas').dataset.maps === '4'")
    assert browser.errors == []


def test_forks_are_listed_in_the_colours_of_their_curves(browser, recorded):
    tree = Forks(Run(experiments.get(NAME)))
    tree.trunk.step(300)
    for steps, changes in ((100, {"eta": 1.0}), (200, {"beta": 0.4})):
        tree.grow(steps, **changes)
    tree.catch_up(60.0)
    run_page.write(tree.trunk, recorded, tree)
    browser.goto(f"file://{recorded}?lang=en")
    browser.wait_for_function("() => Number(document.querySelector('canvas')?.dataset.frames) > 0")
    rows = browser.locator("section:has(.key) tr").all_inner_texts()
    assert len(rows) == 3 and "η = 1" in rows[1] and "β = 0.4" in rows[2] and "100" in rows[1]
    keys = browser.evaluate("() => [...document.querySelectorAll('.key')].map(e => e.style.borderTop)")
    assert "dashed" in keys[0] and "dotted" in keys[1] and keys[0].split("rgb")[1] != keys[1].split("rgb")[1]
    browser.get_by_text("日本語").click()
    assert "分岐" in browser.locator("section:has(.key)").inner_text() and browser.errors == []


def test_the_policy_holds_what_data_might_try(browser, recorded):
    """The control: a script that is put into the page is refused by the browser."""
    run = Run(experiments.get(NAME))
    run.step(3)
    text = run_page.write(run, recorded).read_text().replace("</body>", "<script>window.hacked = 3</script></body>")
    recorded.write_text(text)
    browser.goto(f"file://{recorded}")
    assert browser.evaluate("window.hacked") is None
    assert any("Content Security Policy" in told for told in browser.errors)
    browser.errors.clear()
