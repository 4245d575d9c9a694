"""What holds for every layer. A new layer needs an example here, or the first test fails."""

import inspect

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference.layer_examples import EXAMPLES, LAYERS, SIZES, T


def examples(condition=lambda example: True):
    chosen = {name: example for name, example in EXAMPLES.items() if condition(example)}
    return pytest.mark.parametrize("example", chosen.values(), ids=chosen)


def is_masked(example):
    return any(name.endswith("mask") for name in example.inputs)


def is_causal(example):
    return example.options.get("causal", example.layer == "DecoderBlock")


def returns_weights(example):
    named = "return_weights" in inspect.signature(LAYERS[example.layer].call).parameters
    return named and example.layer != "RecurrentDecoder"


def trains(example):
    # A pre-norm AddNorm normalises in `before`, which its call does not see.
    return example.parameters and (example.layer, example.arguments.get("norm")) != (
        "AddNorm",
        "pre",
    )


def constructor_arguments(layer_class):
    """Names and defaults, those that `**kwargs` passes to a base class of ours included."""
    arguments = {}
    for cls in layer_class.__mro__:
        if cls.__module__.startswith("attention_zoo."):
            arguments |= inspect.signature(cls.__init__).parameters
    return {
        name: argument.default
        for name, argument in arguments.items()
        if name != "self" and argument.kind is not argument.VAR_KEYWORD
    }


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_an_example_and_every_argument_a_value_that_is_no_default(name):
    given = [example.arguments for example in EXAMPLES.values() if example.layer == name]
    for argument, default in constructor_arguments(LAYERS[name]).items():
        assert any(arguments.get(argument, default) != default for arguments in given), argument


@examples()
def test_config_has_every_argument(example):
    config = example.make().get_config()
    arguments = constructor_arguments(LAYERS[example.layer])
    assert set(config) == {"name", "trainable", "dtype", *arguments}
    assert {name: config[name] for name in example.arguments} == example.arguments


@examples()
def test_config_round_trip(example, randomize):
    layer = randomize(example.make())
    twin = type(layer).from_config(layer.get_config())
    example.call(twin)
    twin.set_weights(layer.get_weights())
    assert twin.get_config() == layer.get_config()
    assert_array_equal(example.call(twin), example.call(layer))


@examples()
def test_building_again_changes_no_weight(example, randomize):
    layer = randomize(example.make())
    before = [(weight, weight.numpy()) for weight in layer.weights]
    shapes = [array.shape for name, array in example.draw().items() if not name.endswith("mask")]
    layer.build(*shapes[: len(inspect.signature(layer.build).parameters)])
    assert [id(weight) for weight in layer.weights] == [id(weight) for weight, _ in before]
    for weight, values in before:
        assert_array_equal(weight, values)


@examples()
def test_number_of_weights(example):
    assert example.make().count_params() == example.parameters


@examples()
def test_dynamic_batch_and_length(example, randomize):
    layer = randomize(example.make())
    model = example.functional(layer)
    for sizes in (SIZES, {**SIZES, "B": 1, "T": 8, "S": 2}):
        output = model.predict(example.draw(sizes), verbose=0)
        assert_allclose(output, example.call(layer, sizes), atol=1e-5, rtol=1e-5)


@examples()
def test_save_and_load(example, randomize, tmp_path):
    model = example.functional(randomize(example.make()))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights)
    assert_array_equal(loaded(example.draw()), model(example.draw()))


@examples(returns_weights)
def test_functional_models_return_weights(example):
    layer = example.make()
    model = example.functional(layer, return_weights=True)
    expected = example.call(layer, return_weights=True)
    for output, by_layer in zip(model(example.draw()), expected, strict=True):
        assert_allclose(output, by_layer, atol=1e-6)


@examples()
@pytest.mark.parametrize("policy", ["of all layers", "of this layer"])
def test_mixed_precision(example, policy):
    single = example.make()
    if policy == "of all layers":
        keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = example.make(dtype="mixed_bfloat16")
    mixed.set_weights(single.get_weights())
    output = example.call(mixed)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    assert {weight.dtype for weight in mixed.weights} <= {"float32"}
    assert_allclose(keras.ops.cast(output, "float32"), example.call(single), atol=0.05, rtol=0.05)


@examples(trains)
def test_one_training_step_changes_every_weight(example, rng):
    layer = example.make()
    model = example.functional(layer)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    old = layer.get_weights()
    model.fit(example.draw(), rng.normal(size=example.call(layer).shape), verbose=0)
    assert len(layer.trainable_weights) == len(old)
    for before, weight in zip(old, layer.trainable_weights, strict=True):
        assert 1e-6 < np.abs(weight.numpy() - before).max() < np.inf, weight.path


@examples(is_masked)
def test_padding_changes_no_valid_output(example, randomize):
    layer = randomize(example.make())
    padded_axes = {axes[1] for name, axes in example.inputs.items() if name.endswith("mask")}
    padded = {
        name: np.pad(
            array,
            [(0, 4 if axis in padded_axes else 0) for axis in example.inputs[name]],
            constant_values=False if name.endswith("mask") else 100,
        )
        for name, array in example.draw().items()
    }
    output = layer(**padded, **example.options)
    assert_allclose(output[:, :T], example.call(layer), atol=1e-5, rtol=1e-5)


@examples(is_causal)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("mask", [None, "BT", "BTT"])
@pytest.mark.parametrize("return_weights", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_future_changes_nothing(example, dropout, return_weights, mask, policy, rng):
    inputs, changed = example.draw(), example.draw()
    next(iter(changed.values()))[:, -1] = 9
    allowed = None
    if mask:
        allowed = rng.random([SIZES[axis] for axis in mask]) < 0.7
        allowed[..., 0] = True
    options = {**example.options, "return_weights": return_weights, "training": bool(dropout)}
    outputs = []
    for arguments in (inputs, changed):
        keras.utils.set_random_seed(4)  # the same weights and the same dropout
        layer = example.make(dropout=dropout, dtype=policy)
        output = layer(**{**arguments, "attention_mask": allowed}, **options)
        output = output[0] if return_weights else output
        outputs.append(keras.ops.cast(output, "float32").numpy())
    assert_array_equal(outputs[0][:, :-1], outputs[1][:, :-1])
    assert np.abs(outputs[0][:, -1] - outputs[1][:, -1]).max() > 0.1
