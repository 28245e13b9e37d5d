"""What a learner chose in the studio, without a run: privacy's fields, what acts when, the state, how often to draw."""

import json
from dataclasses import FrozenInstanceError, replace

import pytest
from dgkit_widgets import TrainingStudio, _screen
from dgkit_widgets._session import LIVE
from dgkit_widgets._settings import CONTROLS, GROUPS, PARTS, Settings, controls

from dgkit import Config
from dgkit.errors import ConfigError
from dgkit.privacy import DP

NOW = Config(steps=50, seed=3)


def test_the_fields_of_privacy_stay_while_it_is_off():
    off = Settings("web", NOW).changed(noise_multiplier=2.5)
    on = off.changed(dp=True)
    again = on.changed(max_grad_norm=0.5).changed(dp=False)

    assert off.config == NOW and on.config.dp == DP(2.5)
    assert again.config == NOW and again.privacy == DP(2.5, 0.5)
    shown = again.values()
    assert (shown["dp"], shown["noise_multiplier"], shown["dataset"]) == (False, 2.5, "web")
    assert Settings("web", replace(NOW, dp=DP(3.0)), DP(1.0)).privacy == DP(
        3.0
    )  # while it is on, they are the config's


def test_what_differs_from_a_run_acts_at_once_or_waits_for_reset():
    wanted = Settings("broadband", NOW).changed(sample_len=7, generator_lr=0.01, dp=True, delta=1e-6)

    assert wanted.live(NOW) == {"generator_lr": 0.01}
    assert wanted.pending("web", NOW) == ["sample_len", "dp", "dataset"]
    assert wanted.pending("broadband", wanted.config) == []
    acting = wanted.acting(NOW)
    assert acting.config == replace(wanted.config, generator_lr=NOW.generator_lr)
    assert all(getattr(acting.config, name) == getattr(NOW, name) for name in LIVE)


def test_the_auxiliary_rate_follows_the_discriminators_only_while_they_are_equal():
    follows = Settings("web", NOW).changed(discriminator_lr=0.01)
    apart = follows.changed(auxiliary_lr=0.1).changed(discriminator_lr=0.02)

    assert follows.config.auxiliary_lr == 0.01
    assert (apart.config.auxiliary_lr, apart.config.discriminator_lr) == (0.1, 0.02)


def test_settings_do_not_change_and_what_cannot_be_is_refused():
    settings = Settings("web", NOW)
    with pytest.raises(FrozenInstanceError):
        settings.dataset = "cluster"
    for values, word in [({"nonsense": 1}, "nonsense"), ({"batch_size": 1}, "batch_size"), ({"delta": 2.0}, "delta")]:
        with pytest.raises(ConfigError, match=word):
            settings.changed(**values)
    assert settings == Settings("web", NOW)


@pytest.mark.parametrize("dataset", ["", "cluster"])
@pytest.mark.parametrize("config", [NOW, replace(NOW, sample_len=7, dp=DP(2.0, 0.5))])
def test_a_state_is_read_as_it_was_written(dataset, config):
    settings, log = Settings(dataset, config), [["steps", 4], ["set", {"generator_lr": 0.01}], ["steps", 2]]

    text = settings.to_json(log, step=6)

    assert Settings.from_json(text) == (settings, log)
    assert list(json.loads(text)) == ["dataset", "seed", "step", "log", "config"]
    assert json.loads(text)["dataset"] == (dataset or None)


def test_a_state_by_hand_needs_only_what_is_no_default():
    assert Settings.from_json("{}") == (Settings("web", Config()), [])
    assert Settings.from_json('{"seed": 3, "config": {"steps": 50}, "step": 4}') == (
        Settings("web", NOW),
        [["steps", 4]],
    )


def test_hiding_takes_away_names_groups_and_what_needs_a_hidden_switch():
    every = [control["name"] for control in controls([], ["", "web"], ["old"])]
    assert every == [*(control["name"] for control in TrainingStudio.CONTROLS), *PARTS]

    left = controls(["network", "dp", "state"], ["", "web"], ["old"])

    hidden = {control["name"] for control in CONTROLS if control["group"] in GROUPS} | {"state"}
    assert [control["name"] for control in left] == [name for name in every if name not in hidden]
    by_name = {control["name"]: control for control in left}
    assert by_name["dataset"]["options"] == [["", "yours"], ["web", "web"]]
    assert by_name["checkpoint"]["options"] == ["old"]
    assert CONTROLS[0]["options"] == ["web", "cluster", "broadband"]  # one studio's own data are not every studio's


def test_a_control_says_what_its_setting_means_in_the_words_of_the_settings_docstring():
    hints = {control["name"]: control["hint"] for control in CONTROLS}

    for name, hint in hints.items():
        docs = " ".join((Config.__doc__ if name in Config.__dataclass_fields__ else DP.__doc__).split())
        assert name == "dataset" or (hint and " ".join(hint.split()) in docs), name


def test_what_is_dear_to_draw_is_drawn_less_often(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(_screen.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(_screen.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    turns, drawn = _screen.Turns(least=1.0, share=0.1), []

    def draw(seconds):
        with turns.measured():
            now[0] += seconds
        drawn.append(now[0])

    turns.offer(lambda: draw(0.5))
    for now[0] in (101.0, 105.4, 105.6):  # 0.5 s are a tenth of five seconds
        turns.offer(lambda: draw(0.01))
    assert drawn == [100.5, 105.61]
    turns.keep_apart()
    assert now[0] == pytest.approx(106.61) and turns.seconds == pytest.approx(0.01)
