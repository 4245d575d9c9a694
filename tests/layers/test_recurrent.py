"""Against the layers of Keras, a NumPy reference, and identities."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.layers import Recurrent

B, T, D, U = 3, 5, 4, 6
LENGTHS = np.array([5, 2, 3])
MASK = np.arange(T) < LENGTHS[:, None]
CLOSE = {"atol": 1e-5, "rtol": 1e-5}

KINDS = {
    "gru": {},
    "gru, reset before": {"reset_after": False},
    "lstm": {"cell": "lstm"},
}
kinds = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)


@pytest.fixture
def inputs(rng):
    return rng.normal(size=(B, T, D)).astype("float32")


def states_of(layer, rng):
    return [rng.normal(size=(B, U)).astype("float32") for _ in range(layer.num_states)]


def make(randomize, options, **more):
    layer = Recurrent(U, **options, **more)
    layer.build((None, None, D))
    return randomize(layer)


def of_keras(layer):
    """The layer of Keras with the same weights; it stops at the mask, too."""
    options = {"return_sequences": True, "return_state": True, "go_backwards": layer.reverse}
    if layer.cell == "lstm":
        twin = keras.layers.LSTM(U, **options)
    else:
        twin = keras.layers.GRU(U, reset_after=layer.reset_after, **options)
    twin.build((None, None, D))
    twin.set_weights(layer.get_weights())
    return twin


@kinds
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_what_keras_computes(reverse, masked, training, options, inputs, rng, randomize):
    layer = make(randomize, options, reverse=reverse)
    start, mask = states_of(layer, rng), MASK if masked else None
    expected, *last = of_keras(layer)(inputs, initial_state=start, mask=mask)
    if reverse:
        expected = expected[:, ::-1]
    # One graph for all shapes, where training takes another loop.
    function = tf.function(
        lambda x: layer(x, start, mask, return_state=True, training=training),
        input_signature=[tf.TensorSpec((B, None, D))],
        autograph=False,
    )
    for outputs, states in (
        layer(inputs, start, mask, return_state=True, training=training),
        function(inputs),
    ):
        # Past the end Keras's outputs are zeros where ours are the state that stands still.
        there = MASK if masked else np.ones_like(MASK)
        assert_allclose(outputs.numpy()[there], expected.numpy()[there], **CLOSE)
        for state, of_last in zip(states, last, strict=True):
            assert_allclose(state, of_last, **CLOSE)


@kinds
@pytest.mark.parametrize("shape", [(B, T, D), (B, None, D)], ids=["static", "dynamic"])
def test_gradients_are_those_of_keras(shape, options, inputs, randomize):
    layer = make(randomize, options)
    twin = of_keras(layer)

    @tf.function(input_signature=[tf.TensorSpec(shape)], autograph=False)
    def gradients(inputs):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            ours = tf.reduce_sum(layer(inputs, token_mask=MASK, training=True)[:, -1] ** 2)
            theirs = tf.reduce_sum(twin(inputs, mask=MASK)[0][:, -1] ** 2)
        return [
            tape.gradient(loss, [inputs, *(v.value for v in of.trainable_variables)])
            for loss, of in ((ours, layer), (theirs, twin))
        ]

    for one, other in zip(*gradients(inputs), strict=True):
        assert_allclose(one, other, **CLOSE)


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_under_xla(compiled, inputs, randomize):
    layer = make(randomize, {})

    @tf.function(jit_compile=compiled, autograph=False)
    def gradients(inputs):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(inputs, token_mask=MASK, training=True) ** 2)
        return tape.gradient(loss, [v.value for v in layer.trainable_variables])

    twin = of_keras(layer)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(twin(inputs, mask=MASK)[0] ** 2)
    expected = tape.gradient(loss, [v.value for v in twin.trainable_variables])
    for one, other in zip(gradients(inputs), expected, strict=True):
        assert_allclose(one, other, **CLOSE)


@pytest.mark.parametrize("options", [{}, {"cell": "lstm"}], ids=["gru", "lstm"])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_fused_way_equals_the_loop(reverse, options, inputs, rng, randomize):
    """Without a GPU Keras computes it by a loop of its own, through the same call."""
    fused = make(randomize, options, reverse=reverse, fused=True)
    loop = Recurrent(U, **options, reverse=reverse, fused=False)
    loop.build((None, None, D))
    loop.set_weights(fused.get_weights())
    start = states_of(loop, rng)
    results = []
    for layer in (fused, loop):
        with tf.GradientTape() as tape:
            outputs, states = layer(inputs, start, MASK, return_state=True, training=True)
            outputs = outputs[MASK]
            loss = tf.reduce_sum(outputs**2) + sum(tf.reduce_sum(state**2) for state in states)
        gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
        results.append([outputs, *states, *gradients])
    for one, other in zip(*results, strict=True):
        assert_allclose(one, other, **CLOSE)


def test_the_fused_way_is_taken_where_it_may(inputs, randomize, monkeypatch):
    layer = make(randomize, {})
    called = []
    monkeypatch.setattr(layer, "_read_by_keras", lambda *args: called.append(args) or (0, []))
    layer(inputs, training=True)
    assert not called
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    layer(inputs, training=False)
    assert not called
    layer(inputs, training=True)
    assert len(called) == 1


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_layer_norm_by_numpy(cell, inputs, randomize):
    layer = make(randomize, {"cell": cell, "layer_norm": True})
    weights = {w.path.split("/", 1)[1]: w.numpy().astype("float64") for w in layer.weights}

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    bias = np.atleast_2d(weights["bias"])
    hidden = memory = np.zeros((B, U))
    for t in range(T):
        x = norm(inputs[:, t] @ weights["kernel"], "input_norm") + bias[0]
        r = norm(hidden @ weights["recurrent_kernel"], "recurrent_norm")
        if cell == "gru":
            (xz, xr, xh), (rz, rr, rh) = np.split(x, 3, 1), np.split(r + bias[1], 3, 1)
            z = sigmoid(xz + rz)
            hidden = z * hidden + (1 - z) * np.tanh(xh + sigmoid(xr + rr) * rh)
        else:
            i, f, c, o = np.split(x + r, 4, 1)
            memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(c)
            hidden = sigmoid(o) * np.tanh(norm(memory, "cell_norm"))
    assert_allclose(layer(inputs)[:, -1], hidden, **CLOSE)


@kinds
def test_the_state_stands_still_past_the_end(options, inputs, randomize):
    layer = make(randomize, options)
    outputs, states = layer(inputs, token_mask=MASK, return_state=True)
    for row, length in enumerate(LENGTHS):
        alone = layer(inputs[row : row + 1, :length])
        assert_allclose(outputs[row, :length], alone[0], **CLOSE)
        assert_allclose(states[0][row], alone[0, -1], **CLOSE)
        assert_array_equal(
            outputs[row, length:], np.tile(outputs[row, length - 1], (T - length, 1))
        )


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_of_inputs(variational, inputs, randomize):
    layer = make(randomize, {"dropout": 0.5, "variational": variational})
    seen = []
    layer.project_inputs = lambda inputs, training: seen.append(inputs.numpy()) or 1 / 0
    with pytest.raises(ZeroDivisionError):
        layer(np.ones((B, T, D), "float32"), training=True)
    assert set(np.unique(seen[0])) == {0.0, 2.0}
    assert (seen[0] == seen[0][:, :1]).all() == variational


def test_recurrent_dropout_is_one_mask_for_all_positions(inputs, randomize):
    layer = make(randomize, {"recurrent_dropout": 0.5})
    _, mask = layer.masks(B, training=True)
    assert mask.shape == (B, 1, U)
    assert set(np.unique(mask)) == {0.0, 2.0}
    assert layer.masks(B) == (None, None)
    # A state that is dropped for good feeds nothing into the products.
    recurrent = layer.recurrent_kernel.numpy()
    layer.masks = lambda *_: (None, np.zeros((1, 1, U), "float32"))
    dropped = layer(inputs, training=True)
    layer.recurrent_kernel.assign(0 * recurrent)
    assert_allclose(dropped, layer(inputs), **CLOSE)


def test_the_forget_gate_starts_open():
    layer = Recurrent(2, "lstm")
    layer.build((None, None, D))
    assert layer.bias.numpy().tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "rnn"}, r"cell must be one of \['gru', 'lstm'\], received 'rnn'"),
        ({"layer_norm": True, "reset_after": False}, "layer_norm needs reset_after=True"),
        ({"fused": True, "recurrent_dropout": 0.1}, "recurrent_dropout=0.1"),
        ({"fused": True, "reset_after": False}, "reset_after=False"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Recurrent(U, **options)


@pytest.mark.parametrize(("devices", "fused"), [(["cpu:0"], False), (["gpu:0", "gpu:1"], True)])
def test_whether_there_is_a_gpu_is_asked_in_a_way_that_no_backend_refuses(
    devices, fused, inputs, monkeypatch
):
    def list_devices(device_type=None):
        if device_type not in (None, devices[0].split(":")[0]):
            raise RuntimeError(f"Unknown backend: {device_type!r} requested")  # as JAX
        return devices

    monkeypatch.setattr(keras.distribution, "list_devices", list_devices)
    asked = []
    layer = Recurrent(U)
    layer.build((None, None, D))
    by_keras = layer._read_by_keras
    monkeypatch.setattr(layer, "_read_by_keras", lambda *a: asked.append(1) or by_keras(*a))
    layer(inputs, training=True)
    assert bool(asked) == fused
