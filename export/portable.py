"""Keras files that contain only stock layers, and load without this package.

Our models are rebuilt from Keras's own layers with the same weights. The result can be trained,
split and exported like any functional model.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from attention_zoo.errors import UserError
from attention_zoo.export.stock_layers import (
    Counterparts,
    Tensor,
    activate,
    array,
    dense,
    first_state,
    keys_mask,
    look_up,
    stock,
    why_no_counterpart,
)
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.encoder_task import EncoderTask
from attention_zoo.tasks.fill_mask.task import FillMask
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.vocabulary import END_ID, PAD_ID
from attention_zoo.zoo.bert import Bert
from attention_zoo.zoo.bert_classifier import BertClassifier
from attention_zoo.zoo.bert_pretrainer import BertPretrainer
from attention_zoo.zoo.bert_token_classifier import BertTokenClassifier
from attention_zoo.zoo.rnn_attention import RNNAttention
from attention_zoo.zoo.transformer import Transformer

# The last id of truncated rows.
_END_IDS = {"source_ids": lambda task: END_ID, "token_ids": lambda task: task.tokenizer.sep_id}


def portable_model(task: Any, fixed: bool = False) -> keras.Model:
    """The model of a task as a functional model of stock layers.

    Args:
        task: a task.
        fixed: whether inputs have the task's maximum lengths, and the model consists of
            layers only, without functions.

    Returns:
        A `keras.Model` from a dict of int32 tensors, named like the inputs that
        artefacts are compared on, to a dict with the numbers.

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
    numbers = _NUMBERS[_computes(task)](task, **given)
    return keras.Model(inputs, {task.compared.output: numbers})


def _cut(task: Any, name: str, ids: Tensor) -> Tensor:
    """Truncates ids to the task's maximum length; truncated rows still end in the end id."""
    length = task.longest(name)
    kept = ids[:, :length]
    if name not in _END_IDS:
        return kept
    count = ops.sum(ops.cast(ops.not_equal(ids, PAD_ID), "int32"), axis=1, keepdims=True)
    position = ops.cumsum(ops.ones_like(kept), axis=1)
    is_end = ops.logical_and(ops.equal(position, length), ops.greater(count, length))
    return ops.where(is_end, _END_IDS[name](task), kept)


def why_not_portable(task: Any) -> str:
    """Why a task cannot be built from stock layers, or ""; nothing is built."""
    if isinstance(task, Embed) and task.pooling not in ("cls", "max", "mean"):
        reason = f"the pooling {'+'.join(task.poolings)}"
    elif _computes(task) not in _NUMBERS:
        reason = f"{type(task).__name__} overrides how numbers are computed"
    else:
        reasons = [*map(why_no_counterpart, _layers(task.model)), stock_model.why_not(task.model)]
        reason = next(filter(None, reasons), "")
    return reason and f"has only Keras's own layers, and this model needs others: {reason}"


def _computes(task: Any) -> Any:
    """The method by which a task computes the numbers to compare."""
    return type(task).compute


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, including those of nested models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


# Tasks


def _outputs(task: Any, **inputs: Tensor) -> Tensor:
    return stock_model(task.model, **inputs)


def _pooled(task: Any, mask: Tensor, **inputs: Tensor) -> Tensor:
    states = stock_model(task.model, mask=mask, **inputs)
    if task.pooling == "cls":
        pooled = first_state(states)
    else:
        # -1e9 for padding: no weight in a softmax, and never the maximum.
        padding = look_up(np.array([[-1e9], [0.0]]), mask, trainable=False)
        if task.pooling == "mean":
            weights = layers.Softmax(axis=1)(padding)
            pooled = layers.Flatten()(layers.Dot(axes=1)([weights, states]))
        else:
            pooled = layers.GlobalMaxPooling1D()(layers.Add()([states, padding]))
    return layers.UnitNormalization()(pooled) if task.normalize else pooled


# By the method that computes a task's numbers.
_NUMBERS = {
    Seq2Seq.compute: _outputs,
    EncoderTask.compute: _outputs,
    FillMask.compute: _outputs,
    Embed.compute: _pooled,
}


# Models


# From a model and its named input tensors to logits, or to the states of a bare BERT.
stock_model = Counterparts()


@stock_model.register(Transformer)
def _(model: Transformer, source_ids: Tensor, target_ids: Tensor) -> Tensor:
    mask = keys_mask(source_ids, model.source_vocab_size)
    hidden = stock(model.source_embedding, source_ids)
    hidden = stock(model.source_position, hidden, source_ids)
    hidden = stock(model.source_norm, hidden) if model.source_norm else hidden
    hidden = stock(model.source_dropout, hidden)
    for block in model.encoder_blocks:
        hidden = stock(block, hidden, mask)
    memory = stock(model.encoder_norm, hidden) if model.encoder_norm else hidden
    hidden = stock(model.target_embedding, target_ids)
    hidden = stock(model.target_position, hidden, target_ids)
    hidden = stock(model.target_norm, hidden) if model.target_norm else hidden
    hidden = stock(model.target_dropout, hidden)
    for block in model.decoder_blocks:
        hidden = stock(block, hidden, memory, mask)
    return _token_logits(model, stock(model.decoder_norm, hidden) if model.decoder_norm else hidden)


@stock_model.register(RNNAttention)
def _(model: RNNAttention, source_ids: Tensor, target_ids: Tensor) -> Tensor:
    embedded = stock(model.source_embedding, source_ids, mask_zero=True)
    memory, last = stock(model.encoder, stock(model.source_dropout, embedded))
    embedded = stock(model.target_dropout, stock(model.target_embedding, target_ids))
    hidden = stock(model.decoder, embedded, memory, _first_states(model, last))
    return _token_logits(model, stock(model.output_dropout, hidden))


def _token_logits(model: Any, hidden: Tensor) -> Tensor:
    if model.tie_output:
        embedding = model.target_embedding
        bias = [array(embedding.bias)] if embedding.output_bias else []
        return dense([array(embedding.table).T, *bias], hidden)
    return stock(model.output_projection, hidden)


def _first_states(model: RNNAttention, last: list[list[Tensor]]) -> list[Tensor]:
    """The initial states of the decoder, as in `RNNAttention`; an empty list means zeros."""
    if model.initial_state == "projected":
        pairs = zip(model.state_projections, last[-1] * model.num_decoder_layers, strict=True)
        return [layers.Activation("tanh")(stock(ours, state)) for ours, state in pairs]
    if model.initial_state == "zero":
        return []
    indices = range(model.num_decoder_layers)
    return [state for i in indices for state in last[min(i, len(last) - 1)]]


@stock_model.register(Bert)
def _(model: Bert, token_ids: Tensor, mask: Tensor, segment_ids: Tensor) -> Tensor:
    segments = stock(model.segment_embedding, segment_ids)
    hidden = layers.Add()([stock(model.token_embedding, token_ids), segments])
    hidden = stock(model.embedding_norm, stock(model.position, hidden, token_ids))
    hidden = stock(model.embedding_dropout, hidden)
    if model.embedding_projection is not None:
        hidden = stock(model.embedding_projection, hidden)
    keys = keys_mask(mask)
    for block in model.blocks:
        hidden = stock(block, hidden, keys)
    return hidden


@stock_model.register(BertClassifier)
def _(model: BertClassifier, **inputs: Tensor) -> Tensor:
    pooled = stock(model.bert.pooler_projection, first_state(stock_model(model.bert, **inputs)))
    pooled = activate(model.bert.pooler_activation, pooled)
    return stock(model.head, stock(model.head_dropout, pooled))


@stock_model.register(BertTokenClassifier)
def _(model: BertTokenClassifier, **inputs: Tensor) -> Tensor:
    return stock(model.head, stock(model.head_dropout, stock_model(model.bert, **inputs)))


@stock_model.register(BertPretrainer)
def _(model: BertPretrainer, **inputs: Tensor) -> Tensor:
    hidden = stock(model.transform, stock_model(model.bert, **inputs))
    hidden = stock(model.transform_norm, activate(model.bert.activation, hidden))
    weights = [array(model.bert.token_embedding.table).T, array(model.token_bias)]
    return dense(weights, hidden)
