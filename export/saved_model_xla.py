"""SavedModel whose numbers XLA compiles: once for each batch size and length, then faster.

XLA knows no strings and no dynamic shapes. So tokenizers stay outside of what it compiles, and
ids are padded to a few lengths.
"""

import copy

import tensorflow as tf

from attention_zoo.export.saved_model import save_functions
from attention_zoo.layers.graph_settings import graph_settings

# Ids are padded to the next of these, doubled until the task's greatest length is reached.
_SHORTEST = 16


def write_saved_model_xla(task, directory):
    """Writes a SavedModel with the signatures that answer and that are compared, compiled.

    The first call of a batch size and length waits for the compiler; in TF Serving, the warm-up
    requests do (`export/serving.py`).

    Args:
        task: a task.
        directory: where to write; for TF Serving its name is a version number.
    """
    functions = _compiled(task).signatures()
    wanted = ("serving_default", task.compared.signature)
    save_functions(task, {name: functions[name] for name in wanted}, directory)


def _compiled(task):
    """The task with its numbers, or its decoding, compiled."""
    made = copy.copy(task)
    if task.kind == "seq2seq":

        def decode_ids(source_ids, **options):
            search = _jit(task.model, lambda ids: task.decode_ids(ids, **options))
            found = search(_pad(task, source_ids))
            if isinstance(found.attention, tuple):
                return found
            return found._replace(attention=found.attention[..., : tf.shape(source_ids)[1]])

        def logits(source_ids, target_ids):
            source, target = _pad(task, source_ids), _pad(task, target_ids, "target_ids")
            found = score(source, target)["logits"]
            return {"logits": found[:, : tf.shape(target_ids)[1]]}

        score = _jit(task.model, task.logits)
        made.decode_ids, made.logits = decode_ids, logits
        return made
    run = _jit(task.model, task.compute)

    def compute(inputs):
        numbers = run({name: _pad(task, ids) for name, ids in inputs.items()})
        if not task.by_token:
            return numbers
        length = tf.shape(inputs["token_ids"])[1]
        return {name: array[:, :length] for name, array in numbers.items()}

    made.compute = compute
    return made


def _jit(model, function):
    def traced(*arguments):
        with graph_settings(model, writes_in_place=True):
            return function(*arguments)

    return tf.function(traced, jit_compile=True, autograph=False)


def padded_lengths(longest):
    """The few lengths that are compiled for, given the greatest that ids have."""
    lengths = [_SHORTEST]
    while lengths[-1] < longest:
        lengths.append(min(2 * lengths[-1], longest))
    return lengths


def _pad(task, ids, name="source_ids"):
    """Ids `(B, T)` with padding up to one of a few lengths."""
    lengths = padded_lengths(task.longest(name))
    length = tf.shape(ids)[1]
    enough = tf.boolean_mask(lengths, tf.constant(lengths) >= length)
    return tf.pad(ids, [[0, 0], [0, enough[0] - length]])
