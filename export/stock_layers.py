"""Replaces our layers with Keras's own, with the same weights.

With dynamic lengths, some steps are functions of `keras.ops`, which `.keras` files support. Files
of Keras 2 can contain only layers, so with fixed lengths these steps are layers.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from attention_zoo.errors import ResultError
from attention_zoo.layers import (
    AdditiveDecoder,
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    LearnedPositionalEncoding,
    Linear,
    LuongAttention,
    LuongDecoder,
    MultiHeadAttention,
    RecurrentDecoder,
    RecurrentEncoder,
    SinusoidalPositionalEncoding,
    SSRUDecoderBlock,
    TokenEmbedding,
)
from attention_zoo.layers.functional import gelu_tanh

Tensor = Any


class Counterparts:
    """Functions that rebuild our layers and models from Keras's own layers.

    Each is registered for a class, and takes an instance and its inputs. A subclass that overrides
    `call` needs its own function.
    """

    def __init__(self) -> None:
        self._functions: dict[type, Callable[..., Any]] = {}

    def register(self, *kinds: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Registers a function for classes; a decorator."""

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            self._functions |= dict.fromkeys(kinds, function)
            return function

        return add

    def why_not(self, ours: Any) -> str:
        """Why an object has no counterpart, or ""."""
        for kind in type(ours).__mro__:
            if kind in self._functions and type(ours).call is kind.call:
                return ""
        return f"{type(ours).__name__} has no counterpart in Keras"

    def __call__(self, ours: Any, *inputs: Any, **options: Any) -> Any:
        """Applies the counterpart of an object, with its weights.

        Raises:
            ResultError: if there is none.
        """
        if reason := self.why_not(ours):
            raise ResultError(reason)
        kind = next(kind for kind in type(ours).__mro__ if kind in self._functions)
        return self._functions[kind](ours, *inputs, **options)


stock = Counterparts()


def why_no_counterpart(ours: Any) -> str:
    """Why a layer of a model has no counterpart, or ""."""
    if isinstance(ours, AdditiveDecoder) or getattr(ours, "input_feeding", False):
        return (
            "its decoder feeds attention into the next step, and Keras has no recurrent "
            "layer with attention"
        )
    if isinstance(ours, SSRUDecoderBlock):
        return "its decoder has SSRUs, and Keras has no such layer"
    is_recurrent = isinstance(ours, RecurrentEncoder | RecurrentDecoder)
    if is_recurrent and (ours.layer_norm or callable(getattr(ours, "score", None))):
        return "Keras's layers support neither layer_norm nor a custom score"
    return stock.why_not(ours)


# Linear maps, norms, embeddings


@stock.register(layers.Dropout)
def _(ours: layers.Dropout, inputs: Tensor) -> Tensor:
    return layers.Dropout(ours.rate, ours.noise_shape)(inputs)


@stock.register(layers.LayerNormalization)
def _(ours: layers.LayerNormalization, inputs: Tensor) -> Tensor:
    layer = layers.LayerNormalization(epsilon=ours.epsilon)
    outputs = layer(inputs)
    layer.set_weights([array(ours.gamma), array(ours.beta)])
    return outputs


@stock.register(Linear)
def _(ours: Linear, inputs: Tensor) -> Tensor:
    weights = [array(variable) for variable in (ours.kernel, ours.bias) if variable is not None]
    return dense(weights, inputs)


@stock.register(TokenEmbedding)
def _(ours: TokenEmbedding, ids: Tensor, **options: Any) -> Tensor:
    vectors = look_up(array(ours.table), ids, **options)
    return layers.Rescaling(ours.width**0.5)(vectors) if ours.scale else vectors


@stock.register(LearnedPositionalEncoding, SinusoidalPositionalEncoding)
def _add_positions(ours: Any, inputs: Tensor, ids: Tensor) -> Tensor:
    """Adds the rows of a table of positions; a sinusoidal table is not trained."""
    is_trained = isinstance(ours.table, keras.Variable)
    table = np.asarray(array(ours.table), "float32")
    if not is_fixed(ids):
        count: Any = ops.cumsum(ops.ones_like(ids), axis=1)
        return layers.Add()([inputs, look_up(table, count - 1, trainable=is_trained)])
    # Multiplies by 1 and adds the table as the bias.
    _, length, width = inputs.shape
    layer = layers.EinsumDense("btd,d->btd", (length, width), bias_axes="td", trainable=is_trained)
    outputs = layer(inputs)
    layer.set_weights([np.ones(width), table[:length]])
    return outputs


# Blocks


@stock.register(EncoderBlock)
def _(ours: EncoderBlock, hidden: Tensor, mask: Tensor = None) -> Tensor:
    attend = functools.partial(stock, ours.self_attention, mask=mask)
    hidden = _sublayer(ours.self_attention_add_norm, hidden, attend)
    return _feed_forward(ours, hidden)


@stock.register(DecoderBlock)
def _(ours: DecoderBlock, hidden: Tensor, memory: Tensor, memory_mask: Tensor = None) -> Tensor:
    attend = functools.partial(stock, ours.self_attention, causal=True)
    hidden = _sublayer(ours.self_attention_add_norm, hidden, attend)
    look = functools.partial(stock, ours.cross_attention, memory=memory, mask=memory_mask)
    hidden = _sublayer(ours.cross_attention_add_norm, hidden, look)
    return _feed_forward(ours, hidden)


def _feed_forward(block: EncoderBlock, hidden: Tensor) -> Tensor:
    network = functools.partial(stock, block.feed_forward)
    return _sublayer(block.feed_forward_add_norm, hidden, network)


def _sublayer(add_norm: Any, residual: Tensor, apply: Callable[[Tensor], Tensor]) -> Tensor:
    """A sub-layer with its residual and normalisation, before the sub-layer or after the sum."""
    is_post, norm = add_norm.norm == "post", add_norm.layer_norm
    output = apply(residual if is_post else stock(norm, residual))
    total = layers.Add()([residual, layers.Dropout(add_norm.dropout)(output)])
    return stock(norm, total) if is_post else total


@stock.register(FeedForward)
def _(ours: FeedForward, inputs: Tensor) -> Tensor:
    inner = activate(ours.activation, stock(ours.inner, inputs))
    return stock(ours.outer, layers.Dropout(ours.dropout)(inner))


@stock.register(MultiHeadAttention)
def _(
    ours: MultiHeadAttention,
    query: Tensor,
    memory: Tensor = None,
    mask: Tensor = None,
    causal: bool = False,
) -> Tensor:
    layer = layers.MultiHeadAttention(
        ours.num_heads, ours.head_width, dropout=ours.dropout, use_bias=ours.use_bias
    )
    memory = query if memory is None else memory
    attended = layer(query, memory, attention_mask=mask, use_causal_mask=causal)
    layer.set_weights(_attention_weights(ours))
    return attended


def _attention_weights(ours: Any) -> list[np.ndarray]:
    """Kernels `(D, H, K)` and biases `(H, K)` of query, key and value, then of the output."""
    heads = (ours.num_heads, ours.head_width)
    fused = [(ours.query, 1), (ours.key_value, 2)] if ours.is_cross else [(ours.query_key_value, 3)]
    weights = []
    for linear, parts in fused:
        kernels = np.split(array(linear.kernel), parts, axis=1)
        biases = np.split(array(linear.bias), parts) if ours.use_bias else [None] * parts
        for kernel, bias in zip(kernels, biases, strict=True):
            weights += [kernel.reshape(-1, *heads)]
            weights += [] if bias is None else [bias.reshape(heads)]
    output = ours.output_projection
    weights += [array(output.kernel).reshape(*heads, -1)]
    return weights + ([array(output.bias)] if ours.use_bias else [])


# Recurrent layers


@stock.register(RecurrentEncoder)
def _(ours: RecurrentEncoder, inputs: Tensor) -> tuple[Tensor, list[list[Tensor]]]:
    """The outputs, and the last states of each layer.

    Keras passes the mask of the embedding from layer to layer, up to the attention.
    """
    hidden, last = inputs, []
    for i, forward in enumerate(ours.forward_layers):
        both = [forward, *ours.backward_layers[i : i + 1]]
        outputs, *states = _recurrent(both, hidden)
        if len(both) == 2:
            pairs = zip(states[: forward.num_states], states[forward.num_states :], strict=True)
            states = [layers.Concatenate()(pair) for pair in pairs]
        hidden = layers.Add()([outputs, hidden]) if ours.residual and i else outputs
        last.append(states)
    return hidden, last


@stock.register(RecurrentDecoder)
def _decode(ours: Any, inputs: Tensor, memory: Tensor, states: list[Tensor]) -> Tensor:
    """The outputs; the initial states are zeros if none are given."""
    hidden = inputs
    for i, recurrent in enumerate(ours.layers):
        own, states = states[: recurrent.num_states], states[recurrent.num_states :]
        outputs, *_ = _recurrent([recurrent], hidden, own)
        hidden = layers.Add()([outputs, hidden]) if ours.residual and i else outputs
    return hidden


@stock.register(LuongDecoder)
def _(ours: LuongDecoder, inputs: Tensor, memory: Tensor, states: list[Tensor]) -> Tensor:
    hidden = _decode(ours, inputs, memory, states)
    context = stock(ours.attention_layer, hidden, memory)
    return layers.Activation("tanh")(stock(ours.readout, layers.Concatenate()([hidden, context])))


@stock.register(LuongAttention)
def _(ours: LuongAttention, query: Tensor, memory: Tensor) -> Tensor:
    if ours.score != "concat":
        keys = memory if ours.score == "dot" else stock(ours.key, memory)
        return layers.Attention()([query, memory, keys])
    network = ours.network
    layer = layers.AdditiveAttention()
    context = layer([stock(network.query, query), memory, stock(network.key, memory)])
    layer.set_weights([array(network.score_scale)])
    return context


def _recurrent(both: Sequence[Any], inputs: Tensor, states: Sequence[Tensor] = ()) -> list[Tensor]:
    """A recurrent or bidirectional layer: the outputs, then the last states.

    Args:
        both: our forward layer, and the backward layer if there is one.
        inputs: tensor `(B, S, D)`.
        states: the initial states; zeros if empty.
    """
    ours = both[0]
    kinds = {"gru": (layers.GRU, {"reset_after": ours.reset_after}), "lstm": (layers.LSTM, {})}
    layer_class, more = kinds[ours.cell]
    more["recurrent_dropout"] = ours.recurrent_dropout
    layer = layer_class(ours.units, return_sequences=True, return_state=True, **more)
    if len(both) == 2:
        layer = layers.Bidirectional(layer)
    inputs = stock(ours.input_dropout, inputs) if ours.dropout else inputs
    outputs = layer(inputs, initial_state=states or None)
    layer.set_weights(
        [array(w) for way in both for w in (way.kernel, way.recurrent_kernel, way.bias)]
    )
    return outputs


# Helpers


def array(variable: Any) -> np.ndarray:
    """The numbers of a variable."""
    return np.asarray(ops.convert_to_numpy(variable))


def dense(weights: list[np.ndarray], inputs: Tensor) -> Tensor:
    """A linear map with a kernel and, if there are two weights, a bias."""
    layer = layers.Dense(weights[0].shape[-1], use_bias=len(weights) == 2)
    outputs = layer(inputs)
    layer.set_weights(weights)
    return outputs


def look_up(table: np.ndarray, ids: Tensor, **options: Any) -> Tensor:
    """The rows of a table."""
    layer = layers.Embedding(*table.shape, **options)
    outputs = layer(ids)
    layer.set_weights([table])
    return outputs


def activate(activation: Any, inputs: Tensor) -> Tensor:
    """An activation; the approximate gelu is built from layers, since Keras 2 lacks it."""
    if activation not in ("gelu_tanh", gelu_tanh):
        return layers.Activation(activation)(inputs)
    if not is_fixed(inputs):
        return ops.gelu(inputs, approximate=True)
    cube = layers.Rescaling(0.044715)(layers.Multiply()([inputs, inputs, inputs]))
    tanh = layers.Rescaling(math.sqrt(2.0 / math.pi))(layers.Add()([inputs, cube]))
    half = layers.Rescaling(0.5, 0.5)(layers.Activation("tanh")(tanh))
    return layers.Multiply()([inputs, half])


def keys_mask(ids: Tensor, size: int = 2) -> Tensor:
    """`(B, 1, S)`, True or 1 where there is a token to attend to; ids are below `size`."""
    if not is_fixed(ids):
        return ops.expand_dims(ops.not_equal(ids, 0), 1)
    is_token = np.arange(size).reshape(-1, 1) > 0
    return layers.Permute((2, 1))(look_up(is_token, ids, trainable=False))


def first_state(states: Tensor) -> Tensor:
    """The state at the first position, `(B, D)`."""
    if not is_fixed(states):
        return states[:, 0]
    return layers.Flatten()(layers.Cropping1D((0, states.shape[1] - 1))(states))


def is_fixed(inputs: Tensor) -> bool:
    """Whether the length of sequences is fixed."""
    return inputs.shape[1] is not None
