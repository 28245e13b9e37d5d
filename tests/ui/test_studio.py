"""TrainingStudio in a real JupyterLab: by mouse, by keyboard alone, in a burst, closed, restarted, run again."""

import os
import subprocess
import sys

import numpy as np
import psutil
import pytest

from dgkit._text import at_most
from tests.ui.conftest import Lab, Server

# tiny networks: hundreds of steps a second
SETUP = """
import dgkit as dg
from dgkit_widgets import TrainingStudio, _session
config = dg.Config(steps=100_000, sample_len=8, batch_size=8, lstm_units=8, attribute_units=8, discriminator_units=16)
runs = globals().get("runs", 0) + 1

def weights():
    nets = {"generator": ["generator"], "critics": ["discriminator", "auxiliary"]}
    return {name: sum(float(p.detach().double().abs().sum()) for part in parts
            for p in getattr(studio.trainer, part).parameters()) for name, parts in nets.items()}
"""
SHOW = 'studio = TrainingStudio("broadband", config)\nstudio'
# what stands out of the widget, or is wider than its box
CLIPPED = """() => {
    const root = document.querySelector(".dgkit-studio"), edge = root.getBoundingClientRect();
    const outside = (e) => {
        const box = e.getBoundingClientRect();
        return box.width && (box.right > edge.right + 1 || box.left < edge.left - 1);
    };
    const texts = "button, label, legend, summary, caption, figcaption, .dgkit-caption, .dgkit-hint";
    const wide = (e) => getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1;
    return [...root.querySelectorAll("*")]
        .filter((e) => e.checkVisibility() && !e.closest(".u-wrap, .dgkit-visually-hidden, pre"))
        .filter((e) => outside(e) || (e.matches(texts) && wide(e)))
        .map((e) => e.outerHTML.slice(0, 120));
}"""
THREADS = "sum(t.name.startswith('dgkit training') for t in __import__('threading').enumerate())"
STUDIO = ".dgkit-studio"


def opened(lab: Lab, *cells: str) -> None:
    lab.run(*(cells or (SETUP, SHOW)))
    lab.page.wait_for_selector(f"{STUDIO} .uplot")


def button(lab: Lab, name: str):
    return lab.page.locator(STUDIO).get_by_role("button", name=name, exact=True)


def fold(lab: Lab, name: str) -> None:
    """Open what is folded under this name, or fold it."""
    lab.page.locator(f"{STUDIO} summary").get_by_text(name, exact=True).click()


def shows(lab: Lab, text: str) -> None:
    lab.page.wait_for_function(
        "text => document.querySelector('.dgkit-progress-text').textContent.includes(text)", arg=text
    )


def agree(lab: Lab) -> int:
    """Browser and kernel show the same step, which is returned."""
    step = lab.python("studio.trainer.step")
    lab.page.wait_for_function(
        "step => document.querySelector('.dgkit-bar').getAttribute('aria-valuenow') === String(step)", arg=step
    )
    return step


def drive_by_mouse(lab: Lab) -> None:
    opened(lab)
    page = lab.page
    shows(lab, "Ready · step 0 of 100,000")

    button(lab, "Start").click()
    page.wait_for_function("() => Number(document.querySelector('.dgkit-bar').getAttribute('aria-valuenow')) > 20")
    button(lab, "Pause").click()
    shows(lab, "Paused")
    lab.wait_python("not studio.session.running")
    stopped = agree(lab)
    print(f"paused at step {stopped}, {1e3 * lab.python('studio.session.stop_seconds'):.1f} ms after the click arrived")
    lab.wait_python(f"{THREADS} == 0")

    before = lab.python("weights()")
    button(lab, "Discriminator half step").click()
    page.wait_for_selector("text=Discriminator half step: loss")
    middle = lab.python("weights()")
    assert middle["generator"] == before["generator"] and middle["critics"] != before["critics"]
    assert agree(lab) == stopped
    button(lab, "Generator half step").click()
    shows(lab, f"step {stopped + 1:,} of")
    after = lab.python("weights()")
    assert after["critics"] == middle["critics"] and after["generator"] != middle["generator"]
    button(lab, "One step").click()
    shows(lab, f"step {stopped + 2:,} of")
    assert agree(lab) == stopped + 2

    button(lab, "Continue").click()
    page.wait_for_function(
        "step => Number(document.querySelector('.dgkit-bar').getAttribute('aria-valuenow')) > step",
        arg=stopped + 10,
    )
    button(lab, "Pause").click()
    shows(lab, "Paused")

    fold(lab, "Settings")
    page.get_by_label("Steps a pass (sample_len)").fill("14")
    page.get_by_label("Generator learning rate").select_option("0.0003")
    page.get_by_label("Auxiliary discriminator").uncheck()
    lab.wait_python(
        "studio.trainer.config.generator_lr == 0.0003 and set(studio.status['pending']) == {'auxiliary', 'sample_len'}"
    )
    page.wait_for_selector("text=takes effect on reset")
    button(lab, "Reset").click()
    shows(lab, "Ready · step 0 of 100,000")
    assert lab.python("(studio.trainer.config.sample_len, studio.trainer.auxiliary, studio.trainer.step)") == (
        14,
        None,
        0,
    )
    assert lab.violations(STUDIO) == []


def test_by_mouse_it_trains_pauses_steps_apart_resumes_and_resets(lab):
    drive_by_mouse(lab)


@pytest.fixture(scope="session")
def ipykernel_7_1(request):
    """A folder with ipykernel 7.1, the oldest that the lab extra allows."""
    folder = request.config.cache.mkdir("ipykernel-7.1")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", f"--target={folder}", "ipykernel==7.1.0"]
    if not (folder / "ipykernel").exists():
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"ipykernel 7.1.0 could not be fetched: {done.stderr.strip()[-200:]}")
    return folder


@pytest.fixture
def old_lab(browser, installed, ipykernel_7_1, tmp_path):
    first = os.pathsep.join([str(ipykernel_7_1), os.environ.get("PYTHONPATH", "")])
    server = Server(tmp_path, JUPYTER_PATH=str(installed), PYTHONPATH=first)
    lab = Lab(server, browser.new_page(viewport={"width": 1280, "height": 800}))
    yield lab
    lab.close()
    server.stop()
    assert lab.errors == []


@pytest.mark.slow
def test_the_same_on_the_oldest_ipykernel(old_lab):
    drive_by_mouse(old_lab)
    assert old_lab.python("__import__('ipykernel').__version__") == "7.1.0"


def test_by_keyboard_alone(lab):
    opened(lab)
    page, press = lab.page, lab.page.keyboard.press
    page.locator(STUDIO).focus()

    press("Space")
    lab.wait_python("studio.trainer.step > 20")
    button(lab, "Pause").wait_for()  # the page knows that it trains, so that the key stops it
    press("Space")
    lab.wait_python("not studio.session.running")
    stopped = agree(lab)
    before = lab.python("weights()")
    press("d")
    lab.wait_python("studio.status['half'] is not None")
    middle = lab.python("weights()")
    assert middle["generator"] == before["generator"] and middle["critics"] != before["critics"]
    press("g")
    lab.wait_python(f"studio.trainer.step == {stopped + 1}")
    assert lab.python("weights()")["critics"] == middle["critics"]
    press(".")
    lab.wait_python(f"studio.trainer.step == {stopped + 2}")
    agree(lab)

    go_to(lab, "Slow motion")
    press("Enter")
    inside = page.locator(".dgkit-inside")
    inside.get_by_role("heading", name="1 noise: the batch of step").wait_for()
    press("ArrowRight")
    inside.get_by_role("heading", name="2 attribute generator").wait_for()
    press("ArrowLeft")
    inside.get_by_role("heading", name="1 noise").wait_for()
    press("Escape")
    inside.wait_for(state="hidden")
    assert focused(lab).startswith("noise")  # the part that was open
    go_to(lab, "discriminator", part=True)
    press("Enter")
    inside.get_by_role("heading", name="6 discriminator").wait_for()
    press("Enter")
    inside.wait_for(state="hidden")
    go_to(lab, "Generated:", part=True)
    press("ArrowRight")
    press("Enter")
    lab.wait_python("studio.picture['flow']['sample'] == 1")
    go_to(lab, "Estimate and generator's loss", part=True)
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") != "none"  # the focus is seen

    go_to(lab, "Settings")
    press("Enter")
    names = walk_by_tab(
        lab, 11
    )  # dataset, sample_len, two switches, the learning rates, rounds, batch size, steps, seed
    assert all(names) and len(set(names)) == len(names) and names[0] == "Dataset" and names[-1] == "Seed"
    press("Control+a")
    page.keyboard.type("9")
    press("Tab")  # a change is taken over on leaving the field
    lab.wait_python("studio.settings['seed'] == 9")
    assert lab.python("studio.trainer.step") == stopped + 2  # digits typed into a field are no shortcuts
    go_to(lab, "Reset", key="Shift+Tab")
    press("Enter")
    lab.wait_python("studio.trainer.step == 0 and studio.trainer.config.seed == 9")
    shows(lab, "Ready")


def focused(lab: Lab) -> str:
    """The accessible name of what has the focus."""
    return lab.page.evaluate(
        """() => {
        const e = document.activeElement;
        return (e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent).trim();
    }"""
    )


def walk_by_tab(lab: Lab, times: int) -> list[str]:
    names = []
    for _ in range(times):
        lab.page.keyboard.press("Tab")
        names.append(focused(lab))
    return names


def go_to(lab: Lab, name: str, part: bool = False, key: str = "Tab") -> None:
    for _ in range(60):
        lab.page.keyboard.press(key)
        now = focused(lab)
        if now == name or (part and now.startswith(name)):
            return
    raise AssertionError(f"Tab never came to {name}")


def test_a_burst_stays_below_30_messages_a_second_and_ends_in_the_same_state(lab):
    count = """
sent = []
send = studio.send_state
def counted(key=None):
    sent.append(__import__("time").perf_counter())
    send(key)
studio.send_state = counted
"""
    opened(lab, SETUP, "config = dg.Config(**{**vars(config), 'steps': 600})\n" + SHOW, count)
    button(lab, "Start").click()
    lab.wait_python("studio.status['state'] == 'finished'", seconds=60)
    shows(lab, "Finished · step 600 of 600")

    assert agree(lab) == 600 and lab.python("studio.error") == ""
    times = np.array(lab.python("sent"))
    print(f"{600 / (times[-1] - times[0]):.0f} steps/s, {len(times) / (times[-1] - times[0]):.1f} messages/s")
    assert len(times) > 1 and np.diff(times).min() >= 0.9 / 30
    page = lab.page
    page.locator(".dgkit-chart").first.focus()
    page.keyboard.press("End")
    readout = page.locator(".dgkit-chart").first.locator(".dgkit-readout")
    readout.filter(has_text=": 600").wait_for()
    per = lab.python("studio.frame['per']")  # the last point is the mean of the steps since the last whole `per`
    loss = lab.python(f"float(studio.history.generator_loss[{(600 - 1) // per * per}:].mean())")
    assert f"generator's loss {loss:.4g}" in readout.inner_text()


def test_an_error_of_the_training_thread_is_shown(lab):
    opened(lab)
    lab.python("1", "studio.change(discriminator_lr=1e6, auxiliary_lr=1e6)")
    button(lab, "Start").click()
    alert = lab.page.locator(f"{STUDIO} [role=alert]")
    alert.filter(has_text="training diverged at step").wait_for()
    shows(lab, "Stopped by an error")
    assert lab.violations(STUDIO) == []

    fold(lab, "Settings")
    lab.page.get_by_label("Discriminator learning rate").select_option("0.001")
    lab.wait_python("studio.trainer.config.discriminator_lr == 0.001")
    button(lab, "One step").click()
    lab.wait_python("studio.trainer.step == 1")
    alert.wait_for(state="hidden")


def test_slow_motion_walks_by_itself_and_not_where_motion_is_to_be_reduced(lab):
    opened(lab)
    page = lab.page
    button(lab, "Slow motion").click()
    heading = page.locator(".dgkit-inside h3")
    heading.filter(has_text="8 losses: the batch of step 1").wait_for()
    loss = lab.python("studio.walk['judged']['main']['loss']")
    assert f"{loss:.3f}".replace("-", "−") in page.locator(".dgkit-stage").inner_text()
    assert lab.python("studio.trainer.step_discriminator()['discriminator_loss']") == pytest.approx(loss, rel=1e-5)
    button(lab, "Close").click()

    page.emulate_media(reduced_motion="reduce")
    button(lab, "Slow motion").click()
    heading.filter(has_text="1 noise").wait_for()
    page.wait_for_timeout(2500)
    assert heading.inner_text().startswith("1 noise")
    page.locator(".dgkit-part-lstm").click()
    page.get_by_label("LSTM pass").focus()
    page.keyboard.press("Home")
    page.wait_for_selector("output:has-text('1 of 7')")
    assert lab.violations(STUDIO) == []


def test_it_fits_on_one_screen_and_a_part_opens_in_place(lab):
    opened(lab, SETUP, 'studio = TrainingStudio("web", dg.Config(steps=9, sample_len=7, batch_size=8))\nstudio')
    page, root = lab.page, lab.page.locator(STUDIO)
    page.set_viewport_size({"width": 1280, "height": 900})
    button(lab, "One step").click()
    shows(lab, "step 1 of 9")
    height = root.bounding_box()["height"]
    assert height <= 760
    assert page.evaluate(CLIPPED) == []

    parts = page.locator(".dgkit-part")
    for k in range(parts.count()):
        parts.nth(k).click()
        page.locator(".dgkit-inside h3").filter(has_text=f"{k + 1} ").wait_for()
        assert parts.nth(k).get_attribute("aria-pressed") == "true"
        assert root.bounding_box()["height"] == height
        assert page.evaluate(CLIPPED) == []
    slopes = page.locator(".dgkit-stage svg[role=img]").get_attribute("aria-label")
    up = lab.python("sum(v > 0 for v in studio.picture['flow']['series']['slope'])")
    assert f"higher at {up} of 168 steps" in slopes
    assert lab.violations(STUDIO) == []
    button(lab, "Close").click()
    page.locator(".dgkit-cloud").wait_for()
    assert root.bounding_box()["height"] == height


def test_half_steps_are_drawn_twenty_at_a_time(lab):
    opened(lab)
    page = lab.page
    button(lab, "× 20: steps and half steps 20 at a time").click()
    button(lab, "Discriminator half step").click()
    lab.wait_python("len(studio.session.halves) == 20")

    page.wait_for_selector("text=Half steps apart: discriminator 20.")
    chart = page.locator(".dgkit-chart").first
    chart.focus()
    page.keyboard.press("End")
    last = lab.python("studio.session.halves[-1][2]['wasserstein']")
    chart.locator(".dgkit-readout").filter(has_text=f"Wasserstein estimate {last:.4g}").wait_for()
    assert "step (a half step: half): 10" in chart.locator(".dgkit-readout").inner_text()
    assert "generator's loss –" in chart.locator(".dgkit-readout").inner_text()
    button(lab, "One step").click()
    shows(lab, "step 20 of 100,000")


def test_state_goes_out_and_comes_back(lab):
    opened(lab)
    page = lab.page
    button(lab, "One step").click()
    button(lab, "Discriminator half step").click()
    lab.wait_python("studio.session.log == [['steps', 1], ['discriminator', 1]]")
    page.locator("summary", has_text="State, to share").click()
    state = page.get_by_label("This studio's state")
    page.wait_for_function("() => document.querySelector('.dgkit-more textarea').value.includes('discriminator\", 1')")
    text, before = state.input_value(), lab.python("weights()")
    button(lab, "Reset").click()
    shows(lab, "Ready")

    page.get_by_label("A state to go to").fill(text)
    button(lab, "Go to this state").click()
    lab.wait_python("studio.session.log == [['steps', 1], ['discriminator', 1]] and not studio.session.running")
    assert lab.python("weights()") == before
    page.locator("summary", has_text="Show the code").click()
    assert "trainer.step_discriminator()" in page.get_by_role("region", name="Python code of this run").inner_text()


def test_two_studios_side_by_side_show_the_same_ranges(lab):
    pair = """
configs = [dg.Config(**{**vars(config), "steps": 60, "auxiliary": on}) for on in (True, False)]
a, b = (TrainingStudio("broadband", one) for one in configs)
TrainingStudio.compare(a, b)
"""
    opened(lab, SETUP, pair)
    page = lab.page
    for name in ("A", "B"):
        page.get_by_label(f"Training studio {name}").get_by_role("button", name="Start", exact=True).click()
    lab.wait_python("a.status['state'] == b.status['state'] == 'finished'", seconds=60)
    lab.wait_python("a.ranges == b.ranges and bool(a.ranges['loss'])")  # told to each other after their last step
    page.wait_for_function("() => document.querySelectorAll('.dgkit-quality input:checked').length === 2")
    assert page.evaluate(CLIPPED) == []
    lab.shot("studio-compare")


def test_linked_studios_stand_side_by_side_or_stacked_and_either_starts_both(lab):
    lab.page.set_viewport_size({"width": 1280, "height": 900})
    pair = """
pages = dg.simulate.web(200, seed=0, decades=3.0)
off, on = (TrainingStudio(pages, dg.Config(steps=30, sample_len=14, batch_size=8, auto_normalise=switch), title=name)
           for name, switch in {"off": False, "on": True}.items())
TrainingStudio.compare(off, on, together=True)
"""
    opened(lab, SETUP, pair)
    page = lab.page
    places = [page.get_by_label(f"Training studio {name}") for name in ("off", "on")]
    places[1].get_by_role("button", name="Start", exact=True).click()
    lab.wait_python("off.status['state'] == on.status['state'] == 'finished'", seconds=60)
    for place in places:
        place.get_by_text("Finished · step 30 of 30").wait_for()
        assert not place.locator(".dgkit-diagram").is_visible()
        place.get_by_text("The model, part by part").click()
        place.locator(".dgkit-part-minmax").wait_for()
        place.get_by_text("The model, part by part").click()
    left, right = (place.bounding_box() for place in places)
    assert left["y"] == right["y"] and right["x"] >= left["x"] + left["width"] and left["width"] > 400
    # series and cloud of both fit a window of 1280 x 900
    cloud = places[0].locator(".dgkit-cloud").bounding_box()
    assert cloud["y"] + cloud["height"] - left["y"] < 760
    assert page.evaluate(CLIPPED) == []
    assert lab.violations(STUDIO) == []
    lab.shot("studio-linked-1280")

    places[0].get_by_role("button", name="Reset", exact=True).click()
    places[0].get_by_role("button", name="Slow motion").click()
    for place in places:
        place.locator(".dgkit-inside h3").filter(has_text="2 attribute generator").wait_for()
    lab.shot("studio-linked-slow-motion")
    for place in places:
        place.get_by_role("button", name="Close", exact=True).click()

    page.set_viewport_size({"width": 800, "height": 900})
    page.wait_for_timeout(300)
    above, below = (place.bounding_box() for place in places)
    assert above["x"] == below["x"] and below["y"] >= above["y"] + above["height"]
    assert page.evaluate(CLIPPED) == []


def test_flow_matching_is_drawn_in_the_models_place_and_goes_from_noise_to_a_page(lab):
    others = """
train = dg.split(dg.open_dataset("broadband"), 0.5, seed=0)[0]
models = {name: dg.baselines.fit(name, train, steps=20) for name in ("flow_matching", "ar")}
models["surrogate"] = dg.baselines.fit("surrogate", train)
studio = TrainingStudio(train, config, models=models)
studio
"""
    opened(lab, SETUP, others)
    page, whose = lab.page, lab.page.get_by_label("Model shown")
    whose.select_option("flow_matching")
    chain = page.get_by_role("region", name="The model flow_matching")
    chain.get_by_text("velocity", exact=True).wait_for()
    assert page.get_by_label("Measure shown").locator("option[value=length]").is_disabled()  # all homes are as long
    assert not page.locator(".dgkit-diagram").is_visible()
    page.locator(".dgkit-losses", has_text="Losses of flow_matching").wait_for()
    drawn = "document.querySelector('button.dgkit-panel canvas').toDataURL()"
    page.wait_for_timeout(300)
    at_end = page.evaluate(f"() => {drawn}")
    page.get_by_label("From noise (t = 0)").focus()
    page.keyboard.press("Home")
    page.get_by_text("on their way: t = 0", exact=False).wait_for()
    page.wait_for_function(f"old => {drawn} !== old", arg=at_end)
    chain.get_by_role("button", name="Slow motion").click()
    page.wait_for_function("() => document.querySelector('.dgkit-way output').textContent === 't = 1'")
    page.wait_for_function(f"old => {drawn} === old", arg=at_end)
    assert lab.violations(STUDIO) == [] and page.evaluate(CLIPPED) == []
    lab.shot("studio-flow-matching", STUDIO)

    whose.select_option("ar")
    page.get_by_text("↺ and again: the new record joins the history.").wait_for()
    whose.select_option("surrogate")
    page.get_by_text("No losses: surrogate was not trained by steps.").wait_for()
    whose.select_option("DoppelGANger, in training")
    page.locator(".dgkit-diagram").wait_for()


@pytest.mark.slow
def test_closing_the_notebook_stops_training(lab):
    opened(lab)
    button(lab, "Start").click()
    lab.wait_python("studio.trainer.step > 5")
    lab.command("docmanager:save")
    lab.command("application:close")
    lab.page.wait_for_selector(STUDIO, state="detached")

    lab.wait_python("not studio.session.running", seconds=60)  # 20 s without a word from the page
    lab.wait_python(f"{THREADS} == 0")
    assert "no page shows" in lab.python("studio.status['note']")


def test_restarting_the_kernel_stops_training(lab):
    opened(lab)
    button(lab, "Start").click()
    lab.wait_python("studio.trainer.step > 5")
    old = psutil.Process(lab.python("__import__('os').getpid()"))
    lab.command("notebook:restart-kernel", wait=False)
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()

    for _ in range(600):
        if not old.is_running():
            break
        lab.page.wait_for_timeout(100)
    assert not old.is_running()
    lab.wait_kernel()  # the next test closes the page's notebook, which is not to be in the middle of a restart


def test_running_the_cell_again_leaves_one_trainer(lab):
    opened(lab, SETUP + SHOW.replace("\nstudio", "\nstudio.start()\nstudio"))
    lab.wait_python("studio.trainer.step > 5")
    for k in (2, 3):
        lab.command("notebook:run-all-cells", wait=False)
        lab.wait_python(f"runs == {k} and studio.trainer.step > 5", seconds=60)
    lab.wait_python(f"{THREADS} == 1 and len(_session._running) == 1")
    lab.page.wait_for_function("() => document.querySelectorAll('.dgkit-studio').length === 1")
    widgets = "from ipywidgets.widgets.widget import _instances as widgets"
    assert lab.python("sum(type(one).__name__ == 'TrainingStudio' for one in widgets.values())", widgets) == 1


def test_a_private_run_shows_its_epsilon_and_what_it_covers(lab):
    opened(lab)
    page = lab.page
    fold(lab, "Settings")
    fold(lab, "Privacy")
    assert not page.get_by_label("Noise multiplier").is_visible()

    page.get_by_label("Differential privacy").check()
    lab.wait_python("studio.trainer.config.dp is not None")
    page.get_by_label("Noise multiplier").fill("2.5")
    page.get_by_label("Noise multiplier").press("Enter")
    page.get_by_label("Clipping norm").fill("0.5")
    page.get_by_label("Clipping norm").press("Enter")
    lab.wait_python("studio.trainer.config.dp == dg.privacy.DP(2.5, 0.5)")
    shows(lab, "step 0 of 100,000 · epsilon 0")
    for _ in range(3):
        button(lab, "One step").click()
    lab.wait_python("studio.trainer.step == 3")
    epsilon = lab.python("studio.trainer.epsilon()")
    shows(lab, f"step 3 of 100,000 · epsilon {at_most(epsilon)}")
    fold(lab, "Privacy spent")
    note = page.locator(".dgkit-privacy")
    assert f"epsilon {at_most(epsilon)} at delta = 1e-5" in note.inner_text() and "Not covered" in note.inner_text()

    page.get_by_label("Batch size (samples)").fill("4")
    page.get_by_label("Batch size (samples)").press("Enter")
    page.locator(".dgkit [role=alert]").filter(has_text="epsilon is accounted from the first step on").wait_for()
    page.wait_for_function("document.querySelector('[data-name=batch_size]').value === '8'")
    lab.shot("studio-private-refused", STUDIO)
    assert lab.violations(STUDIO) == []
    assert lab.page.evaluate(CLIPPED) == []
    button(lab, "Start").or_(button(lab, "Continue")).click()
    page.locator(".dgkit [role=alert]").wait_for(state="hidden")
    page.wait_for_function("() => Number(document.querySelector('.dgkit-bar').getAttribute('aria-valuenow')) > 20")
    page.get_by_label("Differential privacy").focus()
    page.keyboard.press("Space")  # turned off while it trains: on reset
    page.wait_for_selector("text=takes effect on reset")
    assert lab.python("studio.trainer.config.dp.noise_multiplier") == 2.5
    button(lab, "Pause").click()
    shows(lab, "Paused")
    shows(lab, f"epsilon {at_most(lab.python('studio.trainer.epsilon()'))}")
    button(lab, "Reset").click()
    shows(lab, "Ready · step 0 of 100,000")
    page.wait_for_function("() => document.querySelector('.dgkit-privacy').hidden")
    assert lab.python("studio.trainer.config.dp") is None


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_nothing_is_clipped_or_overlaps(lab, width, theme):
    lab.page.set_viewport_size({"width": width, "height": 2400})
    opened(lab, SETUP, SHOW, "studio.step(30)\nstudio.slow_motion()")
    lab.command("application:toggle-left-area")
    lab.theme(theme)
    for summary in lab.page.locator(f"{STUDIO} summary").all():
        if summary.is_visible():
            summary.click()
    clipped = lab.page.evaluate(CLIPPED)
    lab.shot(f"studio-{width}-{theme.split()[1].lower()}", STUDIO)
    assert clipped == []
    assert lab.violations(STUDIO) == []
