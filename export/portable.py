"""Keras files of stock layers alone: they load where this package is not installed.

Our layers are put together anew from Keras's own, and get the same weights. What comes out
can be trained on, cut up and exported like any functional model.

With dynamic lengths some steps are functions of `keras.ops`, which `.keras` files hold too. Files
of Keras 2 hold nothing but layers; so where lengths are fixed layers do these steps.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from attention_zoo.errors import UserError
from attention_zoo.layers.functional import gelu_tanh
from attention_zoo.text.vocabulary import END_ID, PAD_ID
from attention_zoo.zoo import Transformer

# What the last id becomes of rows that are cut.
_END_IDS = {"source_ids": lambda task: END_ID, "token_ids": lambda task: task.tokenizer.sep_id}


def portable_model(task, fixed=False):
    """The model of a task as a functional model of stock layers.

    Args:
        task: a task; of sequence-to-sequence models the Transformer, and some `RNNAttention`.
        fixed: whether inputs have the task's greatest lengths, and the model nothing but
            layers, no functions.

    Returns:
        A `keras.Model` from a dict of int32 tensors, named as those that artefacts are
        compared by, to a dict with the numbers.

    Raises:
        UserError: if the model has no such form.
    """
    reason = why_not_portable(task)
    if reason:
        raise UserError(f"this form of a model {reason}")
    inputs = {}
    for name in task.compared.inputs:
        length = task.longest(name) if fixed else None
        inputs[name] = keras.Input((length,), dtype="int32", name=name)
    given = inputs if fixed else {name: _cut(task, name, ids) for name, ids in inputs.items()}
    make = _seq2seq if task.kind == "seq2seq" else _HEADS[task.kind]
    return keras.Model(inputs, {task.compared.output: make(task, **given)})


def _cut(task, name, ids):
    """Ids of at most the task's greatest length; what is left of longer ones ends as they do."""
    length = task.longest(name)
    kept = ids[:, :length]
    if name not in _END_IDS:
        return kept
    count = ops.sum(ops.cast(ops.not_equal(ids, PAD_ID), "int32"), axis=1, keepdims=True)
    place = ops.cumsum(ops.ones_like(kept), axis=1)
    is_end = ops.logical_and(ops.equal(place, length), ops.greater(count, length))
    return ops.where(is_end, _END_IDS[name](task), kept)


def why_not_portable(task):
    """Why a task has no form in stock layers, or an empty string."""
    if task.kind != "seq2seq" or isinstance(task.model, Transformer):
        return ""
    model = task.model
    if model.attention == "additive" or model.input_feeding:
        return (
            "is of Keras's own layers alone, and this model cannot be: what its decoder reads goes "
            "into the next step, and Keras has no recurrent layer that attends"
        )
    if model.layer_norm or callable(model.score):
        return (
            "is of Keras's own layers alone, and this model cannot be: they have no layer_norm "
            "and no score of one's own"
        )
    return ""


def _seq2seq(task, **inputs):
    make = _transformer if isinstance(task.model, Transformer) else _recurrent
    return make(task, **inputs)


def _transformer(task, source_ids, target_ids):
    model = task.model
    mask = _keys_mask(source_ids, model.source_vocab_size)
    hidden = _embed(model.source_embedding, source_ids)
    hidden = _place(model.source_position, hidden, source_ids)
    hidden = layers.Dropout(model.dropout)(hidden)
    for block in model.encoder_blocks:
        hidden = _feed_forward(block, _attend(block, "self_attention", hidden, mask=mask))
    memory = _norm(model.encoder_norm, hidden) if model.encoder_norm else hidden
    hidden = _embed(model.target_embedding, target_ids)
    hidden = _place(model.target_position, hidden, target_ids)
    hidden = layers.Dropout(model.dropout)(hidden)
    for block in model.decoder_blocks:
        hidden = _attend(block, "self_attention", hidden, causal=True)
        hidden = _attend(block, "cross_attention", hidden, memory, mask)
        hidden = _feed_forward(block, hidden)
    if model.decoder_norm:
        hidden = _norm(model.decoder_norm, hidden)
    return _token_logits(model, hidden)


def _token_logits(model, hidden):
    if model.tie_output:
        return _copied(layers.Dense, [_array(model.target_embedding.table).T], hidden, bias=False)
    return _linear(model.output_projection, hidden)


def _recurrent(task, source_ids, target_ids):
    model, decoder = task.model, task.model.decoder
    memory, last = _read_source(model, source_ids)
    states = _first_states(model, last)
    hidden = _embed(model.target_embedding, target_ids)
    for i, ours in enumerate(decoder.layers):
        own, states = states[: ours.num_states], states[ours.num_states :]
        outputs, *_ = _run([ours], _drop(model, hidden), own)
        hidden = layers.Add()([outputs, hidden]) if model.residual and i else outputs
    if model.attends:
        context = _look_back(decoder.attention_layer, hidden, memory)
        read = _linear(decoder.readout, layers.Concatenate()([hidden, context]))
        hidden = layers.Activation("tanh")(read)
    return _token_logits(model, _drop(model, hidden))


def _drop(model, hidden):
    """Dropout; `variational` is the same for all positions."""
    return layers.Dropout(model.dropout, (None, 1, None) if model.variational else None)(hidden)


def _read_source(model, source_ids):
    """The encoder's outputs, and the last states of each of its layers.

    Keras hands the mask of the embedding on from layer to layer, as far as the attention.
    """
    encoder = model.encoder
    hidden, last = _embed(model.source_embedding, source_ids, mask_zero=True), []
    for i, forward in enumerate(encoder.forward_layers):
        both = [forward, *encoder.backward_layers[i : i + 1]]
        outputs, *states = _run(both, _drop(model, hidden))
        if len(both) == 2:
            pairs = zip(states[: forward.num_states], states[forward.num_states :], strict=True)
            states = [layers.Concatenate()(pair) for pair in pairs]
        hidden = layers.Add()([outputs, hidden]) if model.residual and i else outputs
        last.append(states)
    return hidden, last


def _first_states(model, last):
    """What the decoder begins with, as `RNNAttention` has it; nothing is zeros."""
    number = model.num_decoder_layers
    if model.initial_state == "projected":
        states = last[-1] * number
        pairs = zip(model.state_projections, states, strict=True)
        return [layers.Activation("tanh")(_linear(ours, state)) for ours, state in pairs]
    if model.initial_state == "zero":
        return []
    return [state for i in range(number) for state in last[min(i, len(last) - 1)]]


def _bert(model, token_ids, mask, segment_ids):
    """The states of the last block."""
    hidden = layers.Add()(
        [_embed(model.token_embedding, token_ids), _embed(model.segment_embedding, segment_ids)]
    )
    hidden = _place(model.position, hidden, token_ids)
    hidden = layers.Dropout(model.dropout)(_norm(model.embedding_norm, hidden))
    mask = _keys_mask(mask)
    for block in model.blocks:
        attended = _attend(block, "self_attention", hidden, mask=mask)
        hidden = _feed_forward(block, attended)
    return hidden


def _classify(task, **inputs):
    bert = task.model.bert
    first = _first(_bert(bert, **inputs))
    pooled = layers.Activation("tanh")(_linear(bert.pooler_projection, first))
    pooled = layers.Dropout(task.model.head_dropout.rate)(pooled)
    return _linear(task.model.head, pooled)


def _label_tokens(task, **inputs):
    states = layers.Dropout(task.model.head_dropout.rate)(_bert(task.model.bert, **inputs))
    return _linear(task.model.head, states)


def _fill(task, **inputs):
    model = task.model
    hidden = _linear(model.transform, _bert(model.bert, **inputs))
    hidden = _norm(model.transform_norm, _activate(model.bert.activation, hidden))
    weights = [_array(model.bert.token_embedding.table).T, _array(model.token_bias)]
    return _copied(layers.Dense, weights, hidden)


def _pool(task, mask, **inputs):
    states = _bert(task.model, mask=mask, **inputs)
    if task.pooling == "cls":
        pooled = _first(states)
    else:
        # -1e9 where there is no token: no weight in a softmax, and never the greatest.
        nothing = _look_up(np.array([[-1e9], [0.0]]), mask, trainable=False)
        if task.pooling == "mean":
            weights = layers.Softmax(axis=1)(nothing)
            pooled = layers.Flatten()(layers.Dot(axes=1)([weights, states]))
        else:
            pooled = layers.GlobalMaxPooling1D()(layers.Add()([states, nothing]))
    return layers.UnitNormalization()(pooled) if task.normalize else pooled


_HEADS = {
    "classify": _classify,
    "tag": _label_tokens,
    "answer": _label_tokens,
    "fill_mask": _fill,
    "embed": _pool,
}


# Pieces: each puts a stock layer in the place of one of ours, with its weights.


def _array(variable):
    return ops.convert_to_numpy(variable)


def _copied(layer_class, weights, inputs, bias=True):
    """A layer as wide as its first weight, applied, with weights put in."""
    layer = layer_class(weights[0].shape[-1], use_bias=bias)
    outputs = layer(inputs)
    layer.set_weights(weights)
    return outputs


def _linear(ours, inputs):
    weights = [_array(variable) for variable in (ours.kernel, ours.bias) if variable is not None]
    return _copied(layers.Dense, weights, inputs, bias=ours.bias is not None)


def _norm(ours, inputs):
    layer = layers.LayerNormalization(epsilon=ours.epsilon)
    outputs = layer(inputs)
    layer.set_weights([_array(ours.gamma), _array(ours.beta)])
    return outputs


def _look_up(table, ids, **options):
    layer = layers.Embedding(*table.shape, **options)
    outputs = layer(ids)
    layer.set_weights([table])
    return outputs


def _run(both, inputs, states=()):
    """A recurrent layer, or one each way: the outputs, then the last states of each.

    Args:
        both: our layer that reads forwards, and if wanted one that reads backwards.
        inputs: tensor `(B, S, D)`.
        states: what it begins with; nothing is zeros.
    """
    ours = both[0]
    kinds = {"gru": (layers.GRU, {"reset_after": ours.reset_after}), "lstm": (layers.LSTM, {})}
    layer_class, more = kinds[ours.cell]
    more["recurrent_dropout"] = ours.recurrent_dropout
    layer = layer_class(ours.units, return_sequences=True, return_state=True, **more)
    if len(both) == 2:
        layer = layers.Bidirectional(layer)
    outputs = layer(inputs, initial_state=states or None)
    layer.set_weights(
        [_array(w) for way in both for w in (way.kernel, way.recurrent_kernel, way.bias)]
    )
    return outputs


def _look_back(ours, query, memory):
    """What Luong's attention reads of the memory."""
    if ours.score != "concat":
        keys = memory if ours.score == "dot" else _linear(ours.key, memory)
        return layers.Attention()([query, memory, keys])
    network = ours.network
    layer = layers.AdditiveAttention()
    context = layer([_linear(network.query, query), memory, _linear(network.key, memory)])
    layer.set_weights([_array(network.score_scale)])
    return context


def _embed(ours, ids, **options):
    vectors = _look_up(_array(ours.table), ids, **options)
    return layers.Rescaling(ours.width**0.5)(vectors) if ours.scale else vectors


def _is_fixed(inputs):
    return inputs.shape[1] is not None


def _place(ours, inputs, ids):
    """Adds the rows of a table of positions; waves are not trained."""
    is_trained = isinstance(ours.table, keras.Variable)
    table = np.asarray(_array(ours.table), "float32")
    if not _is_fixed(ids):
        positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1
        return layers.Add()([inputs, _look_up(table, positions, trainable=is_trained)])
    # Times 1, plus the table.
    _, length, width = inputs.shape
    layer = layers.EinsumDense("btd,d->btd", (length, width), bias_axes="td", trainable=is_trained)
    outputs = layer(inputs)
    layer.set_weights([np.ones(width), table[:length]])
    return outputs


def _keys_mask(ids, size=2):
    """`(B, 1, S)`, True or 1 where there is a token to attend to, of ids below a size."""
    if not _is_fixed(ids):
        return ops.expand_dims(ops.not_equal(ids, 0), 1)
    is_token = np.arange(size).reshape(-1, 1) > 0
    return layers.Permute((2, 1))(_look_up(is_token, ids, trainable=False))


def _first(states):
    """What stands at the first position, `(B, D)`."""
    if not _is_fixed(states):
        return states[:, 0]
    return layers.Flatten()(layers.Cropping1D((0, states.shape[1] - 1))(states))


def _attend(block, name, hidden, memory=None, mask=None, causal=False):
    """A sub-layer of attention, with residual and normalisation."""
    ours, add_norm = getattr(block, name), getattr(block, f"{name}_add_norm")
    layer = layers.MultiHeadAttention(
        ours.num_heads, ours.head_width, dropout=ours.dropout, use_bias=ours.use_bias
    )
    query = _before(add_norm, hidden)
    attended = layer(
        query, query if memory is None else memory, attention_mask=mask, use_causal_mask=causal
    )
    layer.set_weights(_attention_weights(ours))
    return _add_norm(add_norm, hidden, attended)


def _attention_weights(ours):
    """Kernels `(D, H, K)` and biases `(H, K)` of query, key and value, then of the output."""
    heads = (ours.num_heads, ours.head_width)
    fused = [(ours.query, 1), (ours.key_value, 2)] if ours.is_cross else [(ours.query_key_value, 3)]
    weights = []
    for linear, parts in fused:
        kernels = np.split(_array(linear.kernel), parts, axis=1)
        biases = np.split(_array(linear.bias), parts) if ours.use_bias else [None] * parts
        for kernel, bias in zip(kernels, biases, strict=True):
            weights += [kernel.reshape(-1, *heads)]
            weights += [] if bias is None else [bias.reshape(heads)]
    output = ours.output_projection
    weights += [_array(output.kernel).reshape(*heads, -1)]
    return weights + ([_array(output.bias)] if ours.use_bias else [])


def _feed_forward(block, hidden):
    ours, add_norm = block.feed_forward, block.feed_forward_add_norm
    inner = _activate(ours.activation, _linear(ours.inner, _before(add_norm, hidden)))
    output = _linear(ours.outer, layers.Dropout(ours.dropout)(inner))
    return _add_norm(add_norm, hidden, output)


def _activate(activation, inputs):
    if activation not in ("gelu_tanh", gelu_tanh):
        return layers.Activation(activation)(inputs)
    if not _is_fixed(inputs):
        return ops.gelu(inputs, approximate=True)
    cube = layers.Rescaling(0.044715)(layers.Multiply()([inputs, inputs, inputs]))
    tanh = layers.Rescaling(math.sqrt(2.0 / math.pi))(layers.Add()([inputs, cube]))
    share = layers.Rescaling(0.5, 0.5)(layers.Activation("tanh")(tanh))
    return layers.Multiply()([inputs, share])


def _before(ours, residual):
    return residual if ours.norm == "post" else _norm(ours.layer_norm, residual)


def _add_norm(ours, residual, output):
    total = layers.Add()([residual, layers.Dropout(ours.dropout)(output)])
    return _norm(ours.layer_norm, total) if ours.norm == "post" else total
