"""Masks that Keras attaches to tensors (`Embedding(mask_zero=True)`) count as explicit ones."""

import inspect

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference.layer_examples import EXAMPLES, LAYERS, SIZES

IDS = {
    "T": np.array([[5, 3, 0], [1, 2, 6]], "int32"),
    "S": np.array([[5, 3, 1, 0, 0], [4, 2, 6, 1, 0]], "int32"),
}


def masks_of(example):
    return {name: axes for name, axes in example.inputs.items() if name.endswith("mask")}


def takes_mask(example):
    arguments = inspect.signature(LAYERS[example.layer].call).parameters
    return any(name.endswith("mask") for name in arguments)


# Of token ids alone there is nothing that could carry a mask.
CARRYING = {
    name: example
    for name, example in EXAMPLES.items()
    if "token_ids" not in example.inputs and bool(masks_of(example)) == takes_mask(example)
}
MASKED = {name: example for name, example in CARRYING.items() if masks_of(example)}


def each(examples):
    return pytest.mark.parametrize("example", examples.values(), ids=examples)


class Embedded:
    """The inputs of an example as embeddings of ids, of which 0 is padding."""

    def __init__(self, example):
        self.example = example
        self.vectors = {n: axes for n, axes in example.inputs.items() if not n.endswith("mask")}
        self.masks = masks_of(example)
        self.tables = {
            name: keras.layers.Embedding(9, SIZES[axes[2]], "normal", mask_zero=True)
            for name, axes in self.vectors.items()
        }

    def implicit(self, ids=IDS):
        return {n: table(ids[self.vectors[n][1]]) for n, table in self.tables.items()}

    def explicit(self, ids=IDS):
        arrays = {name: np.asarray(tensor) for name, tensor in self.implicit(ids).items()}
        return {**arrays, **{name: ids[axes[1]] > 0 for name, axes in self.masks.items()}}

    def functional(self, layer):
        """A model from ids to the mean of what the layer gives, by layers that take masks."""
        inputs = {axis: keras.Input((None,), dtype="int32", name=axis) for axis in IDS}
        outputs = layer(**self.implicit(inputs), **self.example.options)
        return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(outputs))


@pytest.fixture
def made(example, randomize):
    return randomize(example.make()), Embedded(example)


@each(CARRYING)
def test_they_count_as_the_explicit_ones(example, made):
    layer, embedded = made
    given = layer(**embedded.implicit(), **example.options)
    expected = layer(**embedded.explicit(), **example.options)
    is_token = IDS["T"] > 0
    assert_allclose(np.asarray(given)[is_token], np.asarray(expected)[is_token], atol=1e-6)


@each(CARRYING)
def test_layers_that_follow_see_the_mask_of_the_first_input(example, made):
    layer, embedded = made
    outputs = np.asarray(layer(**embedded.explicit(), **example.options))
    rows = zip(outputs, IDS["T"] > 0, strict=True)
    expected = [row[is_token].mean(axis=0) for row, is_token in rows]
    model = embedded.functional(layer)
    assert_allclose(model(IDS), expected, atol=1e-5)
    assert_allclose(model.predict(IDS, verbose=0), expected, atol=1e-5)


@each(MASKED)
def test_both_masks_must_allow(example, made):
    layer, embedded = made
    expected = embedded.explicit()
    explicit = {name: np.ones_like(expected[name]) for name in embedded.masks}
    for name in embedded.masks:
        explicit[name][1, 1] = expected[name][1, 1] = False
    given = layer(**embedded.implicit(), **explicit, **example.options)
    is_token = IDS["T"] > 0
    assert_allclose(
        np.asarray(given)[is_token],
        np.asarray(layer(**expected, **example.options))[is_token],
        atol=1e-6,
    )


@each({name: e for name, e in MASKED.items() if "attention_mask" in e.inputs})
def test_a_mask_for_each_query_joins_that_of_keras(example, made):
    layer, embedded = made
    expected = embedded.explicit()
    over_keys = expected["attention_mask"]
    allowed = np.random.default_rng(4).random((2, IDS["T"].shape[1], over_keys.shape[1])) < 0.7
    allowed[:, :, 0] = True
    expected["attention_mask"] = allowed & over_keys[:, None]
    given = layer(**embedded.implicit(), attention_mask=allowed, **example.options)
    assert_allclose(given, layer(**expected, **example.options), atol=1e-6)


RECURRENT = ("AdditiveDecoder", "LuongDecoder", "Recurrent", "RecurrentDecoder")


@each({n: e for n, e in MASKED.items() if e.layer in RECURRENT})
@pytest.mark.parametrize("training", [False, True])
def test_padding_in_front_moves_no_state(example, training):
    layer = example.make(dropout=0.0, recurrent_dropout=0.0, variational=False)
    embedded = Embedded(example)
    padded = {**IDS, "T": np.pad(IDS["T"][1:], [(0, 0), (2, 0)]), "S": IDS["S"][1:]}
    bare = {**IDS, "T": IDS["T"][1:], "S": IDS["S"][1:]}
    outputs = layer(**embedded.implicit(padded), training=training)
    expected = layer(**embedded.implicit(bare), training=training)
    assert_allclose(np.asarray(outputs)[:, 2:], expected, atol=1e-6)


def test_final_states_are_those_of_the_last_token():
    table = keras.layers.Embedding(9, 4, mask_zero=True)
    layer = LAYERS["Recurrent"](5)
    _, [padded] = layer(table(IDS["T"]), return_state=True)
    _, [alone] = layer(table(IDS["T"][:1, :2]), return_state=True)
    assert_allclose(padded[:1], alone, atol=1e-6)


def test_weights_returned_are_masked_and_carry_no_mask():
    table = keras.layers.Embedding(9, 8, mask_zero=True)
    layer = LAYERS["EncoderBlock"](num_heads=2, feed_forward_width=4)
    ids = IDS["S"]
    _, weights_BHTS = layer(table(ids), return_weights=True)
    allowed = np.broadcast_to((ids > 0)[:, None, None], weights_BHTS.shape)
    assert_array_equal(np.asarray(weights_BHTS) > 0, allowed)
