"""The choice of a decoder, and decoders in files of version 0.1, where they were one class."""

from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.layers import AdditiveDecoder, LuongDecoder, RecurrentDecoder
from attention_zoo.layers.attention_decoder import choose_decoder

# A functional model of all three, written by version 0.1, and its outputs.
OLD = Path(__file__).parent / "data" / "attention_decoders_0_1.keras"
CLASSES = {"additive": AdditiveDecoder, "luong": LuongDecoder, "none": RecurrentDecoder}


def outputs(model, inputs):
    return [np.asarray(output) for output in model(inputs)]


def test_decoders_of_version_0_1_load_and_can_be_saved_again(tmp_path):
    model = keras.models.load_model(OLD)
    for decoder, kind in zip(model.layers[2:], CLASSES.values(), strict=True):
        assert isinstance(decoder, kind)
    with np.load(OLD.with_suffix(".npz")) as file:
        inputs = {name: file[name] for name in ("inputs", "memory")}
        expected = [file[f"output_{i}"] for i in range(3)]
    for output, old in zip(outputs(model, inputs), expected, strict=True):
        assert_allclose(output, old, atol=1e-6)
    model.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras")
    for output, old in zip(outputs(again, inputs), outputs(model, inputs), strict=True):
        assert_array_equal(output, old)


@pytest.mark.parametrize("attention", CLASSES)
def test_the_class_and_what_it_takes(attention):
    decoder_class, arguments = choose_decoder(attention, width=4, score="dot", num_layers=2)
    assert decoder_class is CLASSES[attention]
    config = decoder_class(**arguments).get_config()
    assert (config["width"], config["num_layers"]) == (4, 2)
    assert config.get("score") == ("dot" if attention == "luong" else None)


def test_a_decoder_without_attention_has_no_weights_to_return():
    with pytest.raises(ValueError, match="plain has no attention weights"):
        RecurrentDecoder(4, name="plain")(np.ones((1, 2, 3), "f4"), return_weights=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attention": "dot"}, r"one of \['additive', 'luong', 'none'\], received 'dot'"),
        ({"attention": "additive", "input_feeding": True}, "needs attention='luong'"),
        ({"attention": "none", "output_width": 5}, "must be the width, 4; received 5"),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        choose_decoder(width=4, **arguments)
