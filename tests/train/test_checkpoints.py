"""Checkpoints on damaged disks: noticed, or harmless."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.damage import files_in, flips, fuzzed, mutations

from attention_zoo.errors import UserError
from attention_zoo.train import checkpoints

STATE = {"step": 4, "seconds": 1.25, "tokens": 90, "best": {"loss": float("nan"), "chrf": 7.5}}
KEPT = {**STATE, "best": {"loss": None, "chrf": 7.5}}


@pytest.fixture
def saved(make_task, tmp_path):
    """A model, its optimizer, and the folder with their checkpoint of step 4."""
    model = make_task().model
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    snapshot = checkpoints.take_snapshot(model, optimizer.variables)
    checkpoints.save_checkpoint(tmp_path, snapshot, STATE)
    return model, optimizer, tmp_path


def load(saved):
    model, optimizer, folder = saved
    state = checkpoints.load_checkpoint(folder, 4, model, optimizer.variables)
    return {name: state[name] for name in KEPT}


def test_flipped_bits_are_noticed_or_harmless(saved):
    assert load(saved) == KEPT
    before = saved[0].get_weights()
    noticed = 0
    for _ in flips(files_in(saved[2]), 60):
        try:
            assert load(saved) == KEPT  # a space in the JSON became another one
        except UserError as error:
            assert "step-00000004" in str(error)
            noticed += 1
    assert noticed > 50
    for ours, theirs in zip(saved[0].get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@fuzzed(60)
@given(data=st.data())
def test_a_changed_state_is_refused(data, saved):
    file = checkpoints.checkpoint_path(saved[2], 4) / "state.json"
    whole = file.read_text()
    changed = data.draw(mutations(json.loads(whole)))
    try:
        file.write_text(json.dumps(changed))
        if changed == json.loads(whole):
            return
        with pytest.raises(UserError, match=r"step-00000004"):
            load(saved)
    finally:
        file.write_text(whole)


def test_no_mean_of_weights_that_are_not_numbers(saved, monkeypatch):
    model, _, folder = saved
    before = model.get_weights()
    read = checkpoints.read_safetensors
    monkeypatch.setattr(
        checkpoints,
        "read_safetensors",
        lambda path: {name: array + np.nan for name, array in read(path).items()},
    )
    with pytest.raises(UserError, match=r"the mean of the checkpoints in .* contains NaN"):
        checkpoints.load_average(folder, [4], model)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
