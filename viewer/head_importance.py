"""How much a model needs each of its attention heads."""

import contextlib

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.layers import MultiHeadAttention
from attention_zoo.text.batching import TokenBatches

_BATCH_TOKENS = 4096


def head_importance(task, examples, progress=lambda message: None):
    """Masks each head in turn, and measures how much worse the model becomes.

    Michel et al. 2019, "Are Sixteen Heads Really Better than One?", section 3.1. A head is masked
    by setting its output to zero, that is, its rows of the output projection W^O; what the
    projection's bias adds remains.

    Args:
        task: a task with its Keras model. Its weights are as before afterwards.
        examples: examples as in training, tuples of strings.
        progress: called with a line of text after each layer.

    Returns:
        A dict from the path of each multi-head attention layer to a float array `(heads,)`: the
        loss per target without the head, less that of the whole model, in nats. What is near zero
        is not needed (by itself: another head may do the same).

    Raises:
        UserError: if there are no examples, or no layer has heads.
    """
    found = task.model._flatten_layers()
    layers = [layer for layer in found if isinstance(layer, MultiHeadAttention)]
    if not layers:
        raise UserError(f"{type(task.model).__name__} has no multi-head attention")
    if not examples:
        raise UserError("head_importance needs examples")
    batches = TokenBatches(task.to_ids(examples), _BATCH_TOKENS)
    loss_of = tf.function(lambda batch: task.loss(batch, training=False), reduce_retracing=True)

    def loss():
        sums = np.sum([loss_of(batches.gather(*step)) for step in batches.plan(0)], axis=0)
        return sums[0] / sums[1]

    whole, importance = loss(), {}
    for layer in layers:
        losses = []
        for head in range(layer.num_heads):
            with masked_head(layer, head):
                losses.append(loss())
        importance[layer.path] = np.array(losses) - whole
        progress(f"{layer.path}: {', '.join(f'{x:+.3f}' for x in importance[layer.path])}")
    return importance


@contextlib.contextmanager
def masked_head(layer, head):
    """Sets the output of a head to zero while the context lasts.

    Args:
        layer: a `MultiHeadAttention` that is built.
        head: its index, from 0.
    """
    kernel = layer.output_projection.kernel
    before = kernel.numpy()
    without = before.copy()
    without[head * layer.head_width : (head + 1) * layer.head_width] = 0
    kernel.assign(without)
    try:
        yield
    finally:
        kernel.assign(before)
