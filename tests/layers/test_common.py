"""What holds for every layer. A new layer needs an example here, or the first test fails."""

import inspect
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo import layers

B, T, H, S, E, K, F, V = 2, 3, 4, 5, 6, 7, 11, 13
D = H * K
SIZES = {"B": B, "T": T, "S": S, "E": E, "F": F, "K": K, "D": D}

BLOCK = {
    "num_heads": H,
    "feed_forward_width": F,
    "activation": "gelu",
    "norm": "pre",
    "dropout": 0.1,
    "attention_dropout": 0.2,
    "activation_dropout": 0.3,
    "attention_bias": False,
    "epsilon": 1e-3,
}
ATTENTION = {"num_heads": H, "dropout": 0.2, "use_bias": False}
NORM = 2 * D
FEED_FORWARD = (D * F + F) + (F * D + D)


@dataclass(frozen=True)
class Example:
    """Arguments that are no defaults, the axes of the inputs, and the number of weights."""

    layer: str
    arguments: dict
    inputs: dict
    parameters: int = 0
    options: dict = field(default_factory=dict)

    def make(self, **overrides):
        """A layer with weights."""
        layer = getattr(layers, self.layer)(**{**self.arguments, **overrides})
        self.call(layer)
        return layer

    def call(self, layer, sizes=SIZES, **options):
        return layer(**self.draw(sizes), **self.options, **options)

    def draw(self, sizes=SIZES):
        rng = np.random.default_rng(3)
        draws = {
            "int32": lambda shape: rng.integers(0, V, shape, "int32"),
            "bool": lambda shape: np.ones(shape, bool),
            "float32": lambda shape: rng.normal(size=shape).astype("float32"),
        }
        return {
            name: draws[dtype(name)]([sizes[axis] for axis in axes])
            for name, axes in self.inputs.items()
        }

    def functional(self, layer, **options):
        """A functional model of the layer; batch and lengths are unknown."""
        unknown = {**SIZES, "T": None, "S": None}
        inputs = {
            name: keras.Input([unknown[axis] for axis in axes[1:]], dtype=dtype(name), name=name)
            for name, axes in self.inputs.items()
        }
        return keras.Model(inputs, layer(**inputs, **self.options, **options))


def dtype(name):
    return "int32" if name.endswith("ids") else "bool" if name.endswith("mask") else "float32"


EXAMPLES = {
    "AddNorm, post": Example(
        "AddNorm",
        {"norm": "post", "dropout": 0.1, "epsilon": 1e-3},
        {"residual": "BTD", "output": "BTD"},
        NORM,
    ),
    "AddNorm, pre": Example("AddNorm", {"norm": "pre"}, {"residual": "BTD", "output": "BTD"}, NORM),
    "AdditiveAttention": Example(
        "AdditiveAttention",
        {"units": F, "dropout": 0.1},
        {"query": "BTD", "memory": "BSE", "attention_mask": "BS"},
        D * F + E * F + F,
    ),
    "AttentionDecoder": Example(
        "AttentionDecoder",
        {"width": F, "num_layers": 2, "residual": True, "dropout": 0.1, "recurrent_dropout": 0.2},
        {"inputs": "BTD", "memory": "BSE", "memory_mask": "BS"},
        3 * (D * F + F * F + 2 * F)
        + 3 * (F * F + F * F + 2 * F)
        + (F * F + E * F + F)
        + E * 3 * F
        + (F + E + D) * F,
    ),
    "AttentionDecoder, luong": Example(
        "AttentionDecoder",
        {
            "width": F,
            "attention": "luong",
            "score": "dot",
            "reset_after": False,
            "fused": False,
            "output_width": K,
        },
        {"inputs": "BTD", "memory": "BSF", "memory_mask": "BS"},
        3 * (D * F + F * F + F) + 2 * F * K,
    ),
    "AttentionDecoder, fed": Example(
        "AttentionDecoder",
        {
            "width": F,
            "attention": "luong",
            "input_feeding": True,
            "cell": "lstm",
            "layer_norm": True,
            "variational": True,
        },
        {"inputs": "BTD", "memory": "BSE", "memory_mask": "BS"},
        4 * (D * F + F * F + F) + 2 * 2 * 4 * F + 2 * F + E * F + F * 4 * F + (F + E) * F,
    ),
    "DecoderBlock": Example(
        "DecoderBlock",
        BLOCK,
        {"inputs": "BTD", "memory": "BSE", "attention_mask": "BT", "memory_mask": "BS"},
        (3 * D * D + D * D) + (D * D + 2 * E * D + D * D) + FEED_FORWARD + 3 * NORM,
    ),
    "DecoderBlock, defaults": Example(
        "DecoderBlock",
        {"num_heads": H, "feed_forward_width": F},
        {"inputs": "BTD", "memory": "BSE"},
        (4 * D * D + 4 * D) + (2 * D * D + 2 * E * D + 4 * D) + FEED_FORWARD + 3 * NORM,
    ),
    "EncoderBlock": Example(
        "EncoderBlock",
        BLOCK,
        {"inputs": "BTD", "attention_mask": "BT"},
        4 * D * D + FEED_FORWARD + 2 * NORM,
    ),
    "EncoderBlock, defaults": Example(
        "EncoderBlock",
        {"num_heads": H, "feed_forward_width": F},
        {"inputs": "BTD"},
        4 * D * D + 4 * D + FEED_FORWARD + 2 * NORM,
    ),
    "FeedForward": Example(
        "FeedForward",
        {"inner_width": F, "activation": "gelu", "dropout": 0.2},
        {"inputs": "BTD"},
        FEED_FORWARD,
    ),
    "LearnedPositionalEncoding": Example(
        "LearnedPositionalEncoding", {"max_length": 9}, {"inputs": "BTD"}, 9 * D
    ),
    "Linear": Example(
        "Linear",
        {"width": E, "use_bias": False, "kernel_initializer": "lecun_uniform"},
        {"inputs": "BTD"},
        D * E,
    ),
    "Linear, defaults": Example("Linear", {"width": E}, {"inputs": "BTD"}, D * E + E),
    "LuongAttention, general": Example(
        "LuongAttention",
        {"dropout": 0.1},
        {"query": "BTD", "memory": "BSE", "attention_mask": "BS"},
        E * D,
    ),
    "LuongAttention, concat": Example(
        "LuongAttention",
        {"score": "concat"},
        {"query": "BTD", "memory": "BSE", "attention_mask": "BS"},
        D * D + E * D + D,
    ),
    "LuongAttention, dot": Example(
        "LuongAttention",
        {"score": "dot"},
        {"query": "BTK", "memory": "BSK", "attention_mask": "BS"},
    ),
    "MultiHeadAttention, self": Example(
        "MultiHeadAttention", ATTENTION, {"query": "BTD", "attention_mask": "BT"}, 4 * D * D
    ),
    "MultiHeadAttention, causal": Example(
        "MultiHeadAttention",
        {"num_heads": H},
        {"query": "BTD", "attention_mask": "BT"},
        4 * D * D + 4 * D,
        {"causal": True},
    ),
    "MultiHeadAttention, cross": Example(
        "MultiHeadAttention",
        {"num_heads": H},
        {"query": "BTD", "memory": "BSE", "attention_mask": "BS"},
        (D * D + D) + (2 * E * D + 2 * D) + (D * D + D),
    ),
    "Recurrent, gru": Example(
        "Recurrent",
        {"units": F, "dropout": 0.1, "recurrent_dropout": 0.2, "variational": True},
        {"inputs": "BTD", "token_mask": "BT"},
        3 * (D * F + F * F + 2 * F),
    ),
    "Recurrent, gru of the paper": Example(
        "Recurrent",
        {"units": F, "reset_after": False, "fused": False},
        {"inputs": "BTD", "token_mask": "BT"},
        3 * (D * F + F * F + F),
    ),
    "Recurrent, lstm": Example(
        "Recurrent",
        {"units": F, "cell": "lstm", "reverse": True, "layer_norm": True},
        {"inputs": "BTD", "token_mask": "BT"},
        4 * (D * F + F * F + F) + 2 * 2 * 4 * F + 2 * F,
    ),
    "RecurrentEncoder": Example(
        "RecurrentEncoder",
        {
            "width": D,
            "num_layers": 2,
            "bidirectional": "first",
            "residual": True,
            "dropout": 0.1,
            "cell": "lstm",
            "recurrent_dropout": 0.2,
            "variational": True,
            "layer_norm": True,
        },
        {"inputs": "BTD", "token_mask": "BT"},
        2 * (4 * (D * D // 2 + D // 2 * D // 2 + D // 2) + 2 * 2 * 2 * D + D)
        + (4 * (D * D + D * D + D) + 2 * 2 * 4 * D + 2 * D),
    ),
    "RecurrentEncoder, gru of the paper": Example(
        "RecurrentEncoder",
        {"width": K, "bidirectional": "none", "reset_after": False, "fused": False},
        {"inputs": "BTD", "token_mask": "BT"},
        3 * (D * K + K * K + K),
    ),
    "ScaledDotProductAttention": Example(
        "ScaledDotProductAttention",
        {"dropout": 0.1},
        {"query": "BTK", "key": "BSK", "value": "BSE", "attention_mask": "BS"},
    ),
    "SinusoidalPositionalEncoding": Example(
        "SinusoidalPositionalEncoding", {"max_length": 9}, {"inputs": "BTD"}
    ),
    "TokenEmbedding": Example(
        "TokenEmbedding", {"vocab_size": V, "width": D, "scale": False}, {"token_ids": "BT"}, V * D
    ),
}
LAYERS = {name: getattr(layers, name) for name in layers.__all__}
LAYERS = {name: layer for name, layer in LAYERS.items() if inspect.isclass(layer)}


def examples(condition=lambda example: True):
    chosen = {name: example for name, example in EXAMPLES.items() if condition(example)}
    return pytest.mark.parametrize("example", chosen.values(), ids=chosen)


def is_masked(example):
    return any(name.endswith("mask") for name in example.inputs)


def is_causal(example):
    return example.options.get("causal", example.layer == "DecoderBlock")


def returns_weights(example):
    return "return_weights" in inspect.signature(LAYERS[example.layer].call).parameters


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
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=LAYERS)
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
