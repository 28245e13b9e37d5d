"""The kit's own files: what `save` does to a file system, and what `load` refuses before anything is made of it."""

import errno
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import dgkit as dg
from dgkit import _atomic, _files, baselines
from dgkit.core.encode import Encoder
from dgkit.core.loading import encoder_of
from tests.conftest import small_dataset

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes as POSIX has them")
LOAD = {
    "model": dg.load,
    "training state": lambda path: dg.Trainer.load(path, small_dataset()),
    "baseline": baselines.load,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file of each kind."""
    folder = tmp_path_factory.mktemp("saved")
    config = dg.Config(steps=4, sample_len=4, batch_size=5, lstm_units=6, attribute_units=6, discriminator_units=8)
    trainer = dg.Trainer(small_dataset(), replace(config, ema=0.5))
    next(trainer)
    trainer.step_discriminator()
    trainer.model.save(folder / "model")
    trainer.save(folder / "training state")
    baselines.fit("ar", small_dataset(), steps=2).save(folder / "baseline")
    return folder


@pytest.fixture
def model(saved):
    return dg.load(saved / "model")


def rewritten(saved, path, kind, change=lambda plain: None, tensors=None, *, old=False):
    """The file of this kind with its JSON changed, or its tensors, and a checksum that is right again, or none."""
    before, plain = _files.read(saved / kind, kind)
    change(plain)
    meta = {"kind": kind, "plain": json.dumps(plain), **({} if old else {"sha256": "0" * 64})}
    content = safetensors.torch.save({**before, **(tensors or {})}, meta)
    size = 8 + int.from_bytes(content[:8], "little")
    path.write_bytes(content)
    if not old:
        digest = hashlib.sha256(content).hexdigest().encode()
        path.write_bytes(content[:size].replace(b'"sha256":"' + b"0" * 64, b'"sha256":"' + digest) + content[size:])
    return path


# --- what `load` refuses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LOAD)
@pytest.mark.parametrize("old", [False, True], ids=["with a checksum", "of before, without"])
def test_a_file_that_is_whole_is_read(saved, tmp_path, kind, old):
    LOAD[kind](rewritten(saved, tmp_path / "file", kind, old=old))


@pytest.mark.parametrize("kind", LOAD)
def test_one_flipped_bit_anywhere_is_noticed(saved, tmp_path, kind):
    whole, rng = (saved / kind).read_bytes(), np.random.default_rng(0)
    header = int.from_bytes(whole[:8], "little")
    for at in [*rng.integers(0, 8 + header, 40), *rng.integers(0, len(whole), 40), 7, 8, len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "file").write_bytes(damaged)
        with pytest.raises(dg.FileFormatError, match="file'"):
            LOAD[kind](tmp_path / "file")


def schema(change):
    def inside(plain):
        inner = json.loads(plain["encoder"]["schema"])
        change(inner)
        plain["encoder"]["schema"] = json.dumps(inner)

    return inside


def first(**changes):
    return schema(lambda inner: inner["features"][0].update(changes))


def scale(**changes):
    return lambda plain: next(iter(plain["encoder"]["scales"].values())).update(changes)


LIES = {  # in the JSON of any file
    "not an object": (lambda plain: plain.update(encoder=3), "encoder is 3"),
    "a name that is missing": (lambda plain: plain["encoder"].pop("scales"), "lacks 'scales'"),
    "a name that is unknown": (lambda plain: plain["encoder"].update(more=1), "has 'more'"),
    "no text": (lambda plain: plain["encoder"].update(schema=[]), "no text of JSON"),
    "nested": (lambda plain: plain["encoder"].update(schema="[" * 100_000), "no text of JSON"),
    "sample_len 0": (lambda plain: plain["encoder"].update(sample_len=0), "sample_len 0"),
    "an integer that is none": (lambda plain: plain["encoder"].update(sample_len=4.0), "sample_len is 4.0"),
    "a boolean that is none": (lambda plain: plain["encoder"].update(auto_normalise=1), "auto_normalise is 1"),
    "a function of torch": (lambda plain: plain["encoder"].update(activation="exp"), "activation 'exp'"),
    "a function of torch for one": (scale(activation="exp"), "activation='exp'"),
    "a range from NaN": (scale(low=float("nan")), "no range"),
    "a range to infinity": (scale(high=float("inf")), "no range"),
    "a range the wrong way": (scale(low=3.0, high=2.0), "no range"),
    "a level beyond float64": (scale(floor=1.0, high=800.0), "no range"),
    "a floor below 0": (scale(floor=-1.0), "no range"),
    "a scale too few": (lambda plain: plain["encoder"]["scales"].popitem(), "scales are not those"),
    "a large number": (scale(high=10**400), r"10+ \.\.\., not of type"),
    "an unknown dtype": (first(dtype="O"), "dtype 'O'"),
    "a dtype that takes all memory": (first(dtype="(1000000000,)f8"), "dtype"),
    "float16": (first(dtype="<f2"), "float16"),
    "another kind": (first(kind="categorical"), "do not go together"),
    "another role": (first(role="x"), "schema"),
    "categories of a number": (first(categories=["a"]), "schema|do not go together"),
    "a name twice": (first(name="cpu"), "schema|go together"),
    "the length as a feature": (first(name="length"), "schema|no feature|go together"),
    "no feature": (schema(lambda inner: inner.update(features=[])), "no feature"),
    "no steps": (schema(lambda inner: inner.update(time=0)), "0 steps"),
    "endless steps": (schema(lambda inner: inner.update(time=10**12)), "1000000000000 steps"),
    "attrs that are no values": (first(attrs={"units": {"a": 1}}), "'units' is an object|units"),
    "a time coordinate too short": (schema(lambda inner: inner.update(time_coordinate=["<i8", [1], {}])), "coordinate"),
    "a time coordinate of text": (
        schema(lambda inner: inner.update(time_coordinate=["<i8", ["a"] * inner["time"], {}])), "coordinate"
    ),
    "a time coordinate that takes all memory": (
        schema(lambda inner: inner.update(time_coordinate=["<U999999999", ["a"] * inner["time"], {}])), "coordinate"
    ),
}  # fmt: skip
OF_MODELS = {
    "config": (lambda plain: plain.update(config=[]), r"config is \[\]"),
    "no such setting": (lambda plain: plain["config"].update(more=1), "has 'more'"),
    "a setting out of range": (lambda plain: plain["config"].update(steps=0), "steps=0"),
    "a setting of 10**400": (lambda plain: plain["config"].update(steps=10**400), r"10+ \.\.\., not of type"),
    "another sample_len": (lambda plain: plain["config"].update(sample_len=5), "differ in sample_len"),
    "another range": (lambda plain: plain["config"].update(normalise="zero_one"), "differ in"),
    "large networks": (lambda plain: plain["config"].update(lstm_units=3000), "tensor .* is "),
    "networks of more": (lambda plain: plain["config"].update(lstm_units=2**61), "makes about .* weights"),
    "endless layers": (lambda plain: plain["config"].update(lstm_layers=10**9), "must be at most 100"),
    "endless inner layers": (lambda plain: plain["config"].update(auxiliary_layers=10**9), "must be at most 100"),
}
BY_KIND = {
    "model": {
        **OF_MODELS,
        "a best step that is none": (lambda plain: plain["history"].update(best_step=7), "history"),
        "measures of no step": (lambda plain: plain["history"].update(measured=[0.5]), "history"),
        "measures that are text": (lambda plain: plain["history"].update(measured="x"), "measured is 'x'"),
    },
    "training state": {**OF_MODELS, "no hash": (lambda plain: plain.update(data=3), "hash")},
    "baseline": {
        "no such baseline": (lambda plain: plain.update(name="__init__"), "no baseline"),
        "an option it has not": (lambda plain: plain["options"].update(window=3), "has 'window'"),
        "an option of another type": (lambda plain: plain["options"].update(noise=1), "noise is 1"),
        "gigabytes": (lambda plain: plain["options"].update(samples=10**9), "tensor .* is "),
        "more": (lambda plain: plain["options"].update(order=10**18), "order is"),
        "passes": (lambda plain: plain["encoder"].update(sample_len=2), "sample_len 2"),
    },
}


@pytest.mark.parametrize("kind", LOAD)
@pytest.mark.parametrize("name", LIES)
def test_what_the_json_says_of_the_data_is_checked_before_it_is_used(saved, tmp_path, kind, name):
    change, said = LIES[name]
    with pytest.raises(dg.FileFormatError, match=said):
        LOAD[kind](rewritten(saved, tmp_path / "file", kind, change))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in BY_KIND for name in BY_KIND[kind]])
@pytest.mark.parametrize("old", [False, True], ids=["with a checksum", "of before, without"])
def test_what_the_json_says_of_networks_is_compared_before_they_are_made(saved, tmp_path, kind, name, old):
    change, said = BY_KIND[kind][name]
    with pytest.raises(dg.FileFormatError, match=said):
        LOAD[kind](rewritten(saved, tmp_path / "file", kind, change, old=old))


def one_of_each(tensors):
    """One tensor of each sort: a network's or Adam's other layers are alike."""
    return {re.sub(r"\d|weight|bias|^(discriminator|auxiliary)", "", name): name for name in tensors}.values()


@pytest.mark.parametrize("kind", LOAD)
def test_every_tensor_has_the_name_shape_and_dtype_that_it_must_have(saved, tmp_path, kind):
    tensors, _ = _files.read(saved / kind, kind)
    for k, name in enumerate(one_of_each(tensors)):
        value = tensors[name]
        others = [torch.zeros(1), value[None], value.to(torch.complex64), torch.cat([value.flatten()] * 2)]
        if others[k % 4].shape != value.shape or k % 4 == 2:
            with pytest.raises(dg.FileFormatError):
                LOAD[kind](rewritten(saved, tmp_path / "file", kind, tensors={name: others[k % 4]}))
    with pytest.raises(dg.FileFormatError, match="'more'"):
        LOAD[kind](rewritten(saved, tmp_path / "file", kind, tensors={"more": torch.zeros(1)}))


@pytest.mark.parametrize("kind", LOAD)
def test_no_tensor_may_be_missing(saved, tmp_path, kind):
    tensors, plain = _files.read(saved / kind, kind)
    optional = {"batches", "averaged"}  # older states have none
    columns = {name for name in tensors if name.startswith("history.")} if kind != "training state" else set()
    for name in set(one_of_each(tensors)) - optional - columns:
        _files.write(tmp_path / "file", kind, {k: v for k, v in tensors.items() if k != name}, plain)
        with pytest.raises(dg.FileFormatError):
            LOAD[kind](tmp_path / "file")


@pytest.mark.parametrize("kind", LOAD)
def test_weights_and_moments_of_nan_are_refused(saved, tmp_path, kind):
    tensors, _ = _files.read(saved / kind, kind)
    for k, name in enumerate(one_of_each(tensors)):
        if tensors[name].is_floating_point() and tensors[name].numel() and not name.startswith("history."):
            damaged = tensors[name].clone()
            damaged.view(-1)[-1] = (torch.nan, torch.inf, -torch.inf)[k % 3]
            with pytest.raises(dg.FileFormatError, match="NaN"):
                LOAD[kind](rewritten(saved, tmp_path / "file", kind, tensors={name: damaged}))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("adam.generator.0.exp_avg_sq", -1, "negative"),
        ("adam.generator.0.step", -5, "not the number of updates"),
        ("adam.generator.0.step", 1e30, "not the number of updates"),
        ("adam.discriminator.0.step", 1.5, "not the number of updates"),
        ("generator.attribute.hidden.2.running_var", -1, "negative"),
        ("batches", 0, "batches is 0"),
        ("averaged", -1, "averaged is -1"),
        ("history.step", 7, "not 1, 2, 3"),
        ("rng", 1, "mt19937"),
    ],
)
def test_numbers_of_a_state_that_cannot_be_are_refused(saved, tmp_path, name, value, said):
    tensors, _ = _files.read(saved / "training state", "training state")
    changed = {name: torch.full_like(tensors[name], value)}
    with pytest.raises(dg.FileFormatError, match=said):
        LOAD["training state"](rewritten(saved, tmp_path / "file", "training state", tensors=changed))


def test_a_state_in_memory_with_moments_of_another_size_is_refused_too(saved):
    state = dg.Trainer.load(saved / "training state", small_dataset()).state()
    state["tensors"] = {k: torch.zeros(1) if "exp_avg" in k else v for k, v in state["tensors"].items()}

    with pytest.raises(dg.FileFormatError, match="exp_avg"):
        dg.Trainer.resume(state, small_dataset())


def test_chances_that_are_none_are_refused(tmp_path):
    baselines.fit("hmm", small_dataset(), steps=1, states=3).save(tmp_path / "baseline")
    tensors, _ = _files.read(tmp_path / "baseline", "baseline")

    negative = {"network.transition": -tensors["network.transition"]}
    with pytest.raises(dg.FileFormatError, match="not a whole file of a baseline"):
        baselines.load(rewritten(tmp_path, tmp_path / "file", "baseline", tensors=negative))


def test_loading_draws_nothing_from_torchs_own_generator(saved):
    before = torch.get_rng_state()

    dg.load(saved / "model")
    baselines.load(saved / "baseline")

    assert torch.equal(torch.get_rng_state(), before)


def test_settings_of_all_sorts_come_back_from_their_state(tmp_path):
    """What is wanted of a state is what a trainer writes: no parameter is without moments after a step."""
    ds = small_dataset()
    every = [
        {"initial_state": "variable", "auxiliary": False},
        {"initial_state": "zero", "auto_normalise": False, "dp": dg.privacy.DP(noise_multiplier=0.0)},
        {"feature_noise": 0, "normalise": "zero_one", "generator_rounds": 2, "discriminator_rounds": 2},
        {"lstm_layers": 2, "attribute_layers": 2, "discriminator_layers": 2},
    ]
    config = dg.Config(steps=9, sample_len=4, batch_size=5, lstm_units=4, attribute_units=4, discriminator_units=4)
    for k, changes in enumerate(every):
        data = ds[["state", "length"]] if k == 3 else ds
        trainer = dg.Trainer(data, replace(config, **changes))
        for half in (None, trainer.step_generator, trainer.step_discriminator, trainer.step_generator):
            _ = half and half()
            trainer.save(tmp_path / "state")
            again = dg.Trainer.load(tmp_path / "state", data)
            assert again.batches == trainer.batches
        next(again)
        again.model.save(tmp_path / "model")
        assert dg.load(tmp_path / "model").config == again.model.config


# --- paths ------------------------------------------------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("kind", LOAD)
def test_a_pipe_a_folder_or_a_device_is_refused_at_once(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    for path, said in ((tmp_path / "pipe", "pipe"), (tmp_path, "is a folder"), ("/dev/zero", "device")):
        with pytest.raises(dg.FileFormatError, match=said):
            LOAD[kind](path)
    for path in (tmp_path / "pipe" / "x", tmp_path / "none", ""):
        with pytest.raises(dg.FileFormatError, match="no file at"):
            LOAD[kind](path)
    with pytest.raises(dg.FileFormatError, match="null"):
        LOAD[kind]("a\0b")


def test_a_file_that_may_not_be_read_is_not_called_damaged(saved, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(_atomic, "_at_once", refuse)
    with pytest.raises(dg.FileFormatError, match="cannot be read: Permission denied") as caught:
        dg.load(saved / "model")
    assert "damaged" not in str(caught.value)


def test_a_file_of_another_format_is_named_as_such(tmp_path):
    (tmp_path / "full.csv").write_text("id,t,views\n" + "a,1,2\n" * 50)

    with pytest.raises(dg.FileFormatError, match=r"its first bytes are those of another format$"):
        dg.load(tmp_path / "full.csv")


def test_a_file_larger_than_dgkit_reads_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(2**40)  # holds nothing on the disk

    with pytest.raises(dg.FileFormatError, match="1,099,511,627,776 bytes"):
        dg.load(tmp_path / "large")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
def test_a_name_that_is_not_utf8_is_saved_and_read(model, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\xfe.dgkit"

    model.save(path)

    assert dg.load(path).sample(3).identical(model.sample(3))
    assert dg.load(os.fsdecode(path)).sample(3).identical(model.sample(3))


def test_a_loaded_model_is_in_memory(saved, tmp_path):
    (tmp_path / "file").write_bytes((saved / "model").read_bytes())
    loaded = dg.load(tmp_path / "file")
    before = loaded.sample(3)

    with open(tmp_path / "file", "r+b") as file:
        file.truncate(10)

    assert loaded.sample(3).identical(before)


# --- saving -----------------------------------------------------------------------------------------------------------


@POSIX
def test_the_mode_of_a_file_is_kept_and_a_new_one_has_the_usual(model, tmp_path):
    before = os.umask(0o027)
    try:
        model.save(tmp_path / "new")
        for mode in (0o600, 0o666, 0o640):
            (tmp_path / "old").touch()
            (tmp_path / "old").chmod(mode)
            model.save(tmp_path / "old")
            assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == mode
    finally:
        assert os.umask(before) == 0o027

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@POSIX
def test_saving_never_sets_the_mask_of_the_process(model, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("all threads have one mask"))

    model.save(tmp_path / "model")


@POSIX
def test_a_link_is_followed(model, tmp_path):
    (tmp_path / "inner").mkdir()
    for name in ("link", "dangling"):
        (tmp_path / name).symlink_to(f"inner/{name}.dgkit")
    (tmp_path / "inner" / "link.dgkit").touch()

    for name in ("link", "dangling"):
        model.save(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert dg.load(tmp_path / "inner" / f"{name}.dgkit").sample(2).identical(model.sample(2))


def test_a_long_legal_name_is_saved(model, tmp_path):
    name = "x" * 250
    model.save(tmp_path / name)

    assert os.listdir(tmp_path) == [name]
    assert dg.load(tmp_path / name).sample(2).identical(model.sample(2))


@pytest.mark.parametrize("kind", LOAD)
def test_what_cannot_be_saved_names_the_path_that_was_given(saved, tmp_path, kind):
    found = LOAD[kind](saved / kind)
    (tmp_path / "file").touch()
    wrong = [tmp_path / "none" / "x", tmp_path, tmp_path / "file" / "x", tmp_path / ("x" * 300), "a\0b"]
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to("loop")
        wrong += [tmp_path / "pipe", tmp_path / "loop", "/proc/x"]
    for path in [*wrong, f"{tmp_path}/new/"]:
        with pytest.raises(dg.SaveError) as caught:
            found.save(path)
        assert str(caught.value).startswith(repr(str(path)))
        assert ".tmp" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == sorted({"file", "pipe", "loop"} if os.name == "posix" else {"file"})


def test_a_model_of_nan_is_not_saved_over_a_good_one(model, tmp_path):
    model.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    model.generator.feature.head.bias[0] = torch.nan

    with pytest.raises(dg.SaveError, match=r"feature\.head\.bias' holds NaN"):
        model.save(tmp_path / "model")

    assert (tmp_path / "model").read_bytes() == before


@pytest.mark.parametrize("path", [3, None, "\0", "a" * 300])
def test_what_is_no_path_is_refused_wherever_one_is_given(model, small, tiny_config, path):
    options = {"progress": False} | ({"checkpoints": path} if path is not None else {"checkpoints": 1.5})

    with pytest.raises(dg.DgkitError):
        dg.fit(small, tiny_config, **options)
    with pytest.raises(dg.DgkitError):
        model.save(path)
    for read in (dg.load, dg.open_dataset, dg.baselines.load):
        with pytest.raises(dg.FileFormatError):
            read(path)


@POSIX
def test_temporary_files_of_killed_runs_are_removed_by_the_next_save(model, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours = f".dgkit-{_atomic._HERE}"
    left = [f"{ours}-{gone.pid}-0123abcd.tmp", f".dgkit-{'0' * 8}-{os.getpid()}-0123abcd.tmp"]  # ended; old
    kept = [
        f"{ours}-{os.getpid()}-0123abcd.tmp",  # another thread's
        f".dgkit-{'0' * 8}-{gone.pid}-4567abcd.tmp",  # another machine's
        ".dgkit-notes.tmp",
    ]
    for name in left + kept:
        (tmp_path / name).touch()
    os.utime(tmp_path / left[1], (0, 0))
    os.utime(tmp_path / kept[2], (0, 0))

    model.save(tmp_path / "model")

    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "model"])


def test_two_threads_save_to_one_path_and_either_file_is_whole(model, tmp_path):
    failed = []

    def save():
        try:
            for _ in range(10):
                model.save(tmp_path / "model")
                dg.load(tmp_path / "model")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=save) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert os.listdir(tmp_path) == ["model"]


def test_an_encoder_comes_back_whole_from_its_json():
    for ds in (small_dataset(), small_dataset(variable=False), small_dataset()[["state", "length"]]):
        encoder = Encoder.fit(ds, sample_len=3)
        assert encoder_of(json.loads(json.dumps(encoder.to_json()))) == encoder


def test_a_model_file_of_the_version_before_generates_what_it_did():
    """The file was written by dgkit 0.2.0, which printed these numbers."""
    model = dg.load(Path(__file__).parent / "files" / "model-0.2.0.dgkit")

    rates = model.sample(3, seed=1).cpu_rate.values[:, 0]

    np.testing.assert_allclose(rates, [0.23833437, 0.04946515, 0.34649965], rtol=1e-3)
