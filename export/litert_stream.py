"""LiteRT, one token at a time: `encode` reads a source, `decode_step` gives the next logits.

The decoder's state is kept in variables of the file, so each step takes only a token and gives only
logits. `runners/run_litert_stream.py` has a driver.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from attention_zoo.export.litert import convert_litert
from attention_zoo.layers.graph_settings import graph_settings
from attention_zoo.text.vocabulary import PAD_ID


def write_litert_stream(task: Any, path: Path | str, quantize: str = "none") -> None:
    """Converts a sequence-to-sequence task to a LiteRT file with two signatures.

    `encode(source_ids)` takes one source, int32 `(1, S)`, padded with 0 to the maximum length,
    and gives the maximum number of steps, and, if the task has them, the ids that must not be
    chosen and its `min_length` and `no_repeat_ngram`.
    `decode_step(token_id, position)` takes the last token and its position, int32 `(1, 1)` and
    `()`, and gives the logits of the next token, float32 `(1, V)`, and where the model looked, if
    it has attention: the cross-attention of the last block, the mean of its heads, `(1, S)`. All
    shapes are fixed.

    Arguments and errors are those of `write_litert`.
    """
    model, length = task.model, task.max_target_length
    source = tf.TensorSpec([1, task.max_source_length], tf.int32, "source_ids")
    token = tf.TensorSpec([1, 1], tf.int32, "token_id")
    position = tf.TensorSpec([], tf.int32, "position")

    module: Any = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    memory = model.encode(tf.fill(source.shape, PAD_ID))
    module.memory = {name: tf.Variable(tensor) for name, tensor in memory.items()}
    module.cache = [tf.Variable(tensor) for tensor in model.start(memory, length)]

    def encode(source_ids):
        read = model.encode(source_ids)
        for name, tensor in read.items():
            module.memory[name].assign(tensor)
        _assign(module.cache, model.start(read, length))
        outputs = {"max_length": tf.constant(length)}
        # What the client has to keep to when it chooses tokens.
        for name in ("suppressed", "min_length", "no_repeat_ngram"):
            if getattr(task, name):
                outputs[name] = tf.constant(getattr(task, name))
        return outputs

    def decode_step(token_id, position):
        known = {name: variable.read_value() for name, variable in module.memory.items()}
        cache = [variable.read_value() for variable in module.cache]
        logits, cache, attention = model.step(token_id, position, cache, known)
        _assign(module.cache, cache)
        outputs = {"logits": logits[:, 0]}
        if model.attends:
            outputs["attention"] = attention[:, 0]
        return outputs

    with graph_settings(model, writes_in_place=True):
        functions = {
            function.__name__: tf.function(
                function, input_signature=specs, autograph=False
            ).get_concrete_function()
            for function, specs in ((encode, [source]), (decode_step, [token, position]))
        }
    Path(path).write_bytes(convert_litert(task, module, functions, path, quantize))


def _assign(variables: Iterable[tf.Variable], tensors: Iterable[Any]) -> None:
    for variable, tensor in zip(variables, tensors, strict=True):
        variable.assign(tensor)
