"""The panel in Chromium, in JupyterLab and in Voilà: played, changed, paused, broken, reset, run again."""

import pytest

from . import panel as panels
from . import site

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["jupyterlab", "voila"])
def panel(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    book = panels.notebook(folder)
    if request.param == "jupyterlab":
        with site.jupyterlab(folder) as address, site.page() as tab:
            yield panels.in_jupyterlab(tab, address, folder)
    else:
        with site.voila(book) as address, site.page() as tab:
            yield panels.in_voila(tab, address, folder)


@pytest.fixture(autouse=True)
def _rest(panel):
    """Each test finds the panel paused at step 0 with the good settings."""
    if panel.button("Pause").count():
        panel.press("Pause")
    panel.until(lambda: "paused" in panel.status(), what="a pause")
    panel.tab.locator("select").filter(has_text="diverges").first.select_option("good")
    panel.press("Reset")
    panel.until(lambda: panel.step() == 0 and panel.canvas()["points"] == 0, what="the reset")
    yield
    assert panel.errors == []


def test_it_plays_and_pauses(panel):
    panel.press("Play")
    panel.until(lambda: panel.step() > 500, what="500 steps")
    frames = panel.canvas()["frames"]
    panel.until(lambda: panel.canvas()["frames"] > frames + 5, what="frames")
    panel.press("Pause")
    panel.until(lambda: "paused" in panel.status(), what="the pause")
    step = panel.step()
    panel.tab.wait_for_timeout(400)
    assert panel.step() == step and panel.canvas()["points"] > 200 and panel.canvas()["ink"] > 5000
    assert panel.button("Now").is_disabled(), "the time cursor moves by hand alone"


def test_a_slider_moved_while_it_plays_changes_the_kernel_the_words_and_the_picture(panel):
    before = len(panel.changes())
    panel.press("Play")
    panel.until(lambda: panel.step() > 300, what="300 steps")
    step = panel.step()
    panel.slide("η")
    panel.until(lambda: len(panel.changes()) > before, what="the kernel's setting")
    _, at, what = panel.changes()[-1]
    assert what == {"eta": 2.09} and at >= step
    panel.until(lambda: panel.canvas()["marks"] == 1, what="the mark")
    panel.until(lambda: "momentum 1-τη = 0.791" in panel.tab.inner_text("body"), what="the line as SGD")
    panel.slide("β", "End")
    panel.until(lambda: panel.canvas()["marks"] == 2, what="the second mark")
    panel.press("Pause")
    panel.until(lambda: "paused" in panel.status(), what="the pause")
    assert panel.number("step") > step


def test_steps_are_counted_and_reset_repeats_them(panel):
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100 and panel.canvas()["points"] == 100, what="100 steps")
    panel.tab.wait_for_timeout(300)
    first = panel.tab.evaluate("() => document.querySelectorAll('canvas.hl-scope')[1].toDataURL()")
    panel.press("Step")
    panel.until(lambda: panel.step() == 101, what="one more")
    panel.press("Reset")
    panel.until(lambda: panel.step() == 0 and panel.canvas()["points"] == 0, what="the reset")
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100 and panel.canvas()["points"] == 100, what="100 steps again")
    panel.tab.wait_for_timeout(300)
    assert panel.tab.evaluate("() => document.querySelectorAll('canvas.hl-scope')[1].toDataURL()") == first
    panel.press("New seed")
    panel.until(lambda: "seed 1" in panel.status(), what="a new seed")
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100 and panel.canvas()["points"] == 100, what="100 other steps")
    panel.tab.wait_for_timeout(300)
    assert panel.tab.evaluate("() => document.querySelectorAll('canvas.hl-scope')[1].toDataURL()") != first


def test_a_broken_run_stops_says_why_and_can_be_repaired(panel):
    panel.press("Play")
    panel.until(lambda: panel.step() > 100, what="100 steps")
    panel.tab.locator("select").filter(has_text="diverges").first.select_option("diverges")
    panel.until(lambda: "unstable" in panel.tab.inner_text("body"), what="the regime in words")
    panel.until(lambda: "Stopped" in panel.alarm(), 120, "the end")
    assert "became infinite in step" in panel.alarm() and "paused" in panel.status()
    assert panel.canvas()["ink"] > 5000, "the last finite frame stays"
    panel.tab.locator("select").filter(has_text="diverges").first.select_option("good")
    panel.press("Reset")
    panel.until(lambda: panel.step() == 0 and panel.alarm() == "", what="the repair")
    panel.press("Play")
    panel.until(lambda: panel.step() > 200, what="steps after the repair")


def test_a_click_into_the_curves_leads_back_in_time(panel):
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100 and panel.canvas()["points"] == 100, what="100 steps")
    scope = panel.tab.locator("canvas.hl-scope").nth(1)
    box = scope.bounding_box()
    scope.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    back = panel.tab.locator("button:has-text('Back to t')")
    back.wait_for(timeout=10_000)
    back.click()
    panel.until(lambda: 40 <= panel.step() <= 60, what="the past")
    panel.press("Step")
    panel.until(lambda: 41 <= panel.step() <= 61 and panel.canvas()["points"] == panel.step(), what="another future")


def test_nothing_is_cut_off_at_any_width(panel):
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100, what="100 steps")
    for width in (1400, 1000):
        panel.tab.set_viewport_size({"width": width, "height": 1300})
        panel.tab.wait_for_timeout(500)
        assert panel.cut() == [], width
        scope, phase = panel.canvas(), panel.canvas(0)
        assert scope["right"] <= width and scope["width"] > 350 and scope["theme"] == "light"
        assert phase["right"] <= scope["left"], "side by side, not one over the other"
    panel.tab.set_viewport_size({"width": 1400, "height": 1300})


def test_full_screen_is_the_panel_alone_with_larger_letters(panel):
    size = "() => parseFloat(getComputedStyle(document.querySelector('.hl-equations')).fontSize)"
    before = panel.tab.evaluate(size)
    panel.tab.set_viewport_size({"width": 1280, "height": 720})
    panel.press("Full screen")
    panel.button("Leave full screen").wait_for(timeout=10_000)
    assert panel.tab.evaluate("() => document.fullscreenElement.classList.contains('hl-panel')")
    panel.tab.wait_for_timeout(500)
    scope = panel.canvas()
    assert panel.tab.evaluate(size) >= 1.2 * before and scope["width"] > 500 and scope["right"] <= 1280
    tall = panel.tab.evaluate("() => [document.fullscreenElement.scrollHeight, window.innerHeight]")
    assert tall[0] <= tall[1] + 2, "all of it is in view"
    panel.press("Leave full screen")
    panel.button("Full screen").wait_for(timeout=10_000)
    panel.tab.set_viewport_size({"width": 1400, "height": 1300})


def test_the_kernel_reproduces_its_first_hundred_steps(panel):
    if not panel.lab:
        pytest.skip("Voilà's kernel cannot be asked")
    code = "import hashlib; theta = cockpit.trajectory().theta.values[:100]\n"
    code += "print(json.dumps(hashlib.sha256(theta.tobytes()).hexdigest()))"
    panel.press("Play")
    panel.until(lambda: panel.step() > 150, what="150 steps")
    panel.press("Pause")
    panel.until(lambda: "paused" in panel.status(), what="the pause")
    first = panel.kernel(code)
    panel.press("Reset")
    panel.until(lambda: panel.step() == 0, what="the reset")
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100, what="100 steps")
    assert panel.kernel(code) == first


def test_running_the_cell_again_leaves_one_live_task(panel):
    if not panel.lab:
        pytest.skip("Voilà runs a cell once")
    panel.press("Play")
    panel.until(lambda: panel.step() > 50, what="50 steps")
    for _ in range(2):
        panel.tab.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        panel.tab.wait_for_timeout(1500)
    panel.until(lambda: panel.button("Play").count() == 1, what="a fresh panel")
    panel.press("Play")
    panel.until(lambda: panel.step() > 50, what="50 steps of the new panel")
    tasks = "import asyncio; print(sum('LiveLoop._run' in repr(t) for t in asyncio.all_tasks()), end='')"
    assert panel.kernel(tasks) == 1 and panel.kernel("print(len(panels()))") == 1
