"""The functions of a sequence-to-sequence SavedModel: strings to strings, and ids to logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from attention_zoo.text.rows import cut_rows
from attention_zoo.text.vocabulary import END_ID

if TYPE_CHECKING:
    from attention_zoo.tasks.contract import Signature
    from attention_zoo.tasks.seq2seq.task import Seq2Seq

_TEXT = tf.TensorSpec([None], tf.string, "text")
_SOURCE_IDS = tf.TensorSpec([None, None], tf.int32, "source_ids")
_TARGET_IDS = tf.TensorSpec([None, None], tf.int32, "target_ids")
_SEARCH = [
    tf.TensorSpec([], tf.int32, "beam_size"),
    tf.TensorSpec([], tf.int32, "max_length"),
    tf.TensorSpec([], tf.float32, "length_penalty"),
]
_SAMPLING = [
    tf.TensorSpec([], tf.int32, "seed"),
    tf.TensorSpec([], tf.float32, "temperature"),
    tf.TensorSpec([], tf.int32, "top_k"),
    tf.TensorSpec([], tf.float32, "top_p"),
]


def saved_model_signatures(task: Any) -> dict[str, Signature]:
    """A dict from signature name to a function and the specs of its arguments."""

    def serve(text):
        return _best(task.respond(text, **task.default_search()))

    def generate(text, beam_size, max_length, length_penalty):
        # Beyond these limits TensorFlow would raise errors about shapes.
        return task.respond(
            text,
            beam_size=tf.clip_by_value(beam_size, 1, task.target_tokenizer.vocab_size),
            max_length=tf.clip_by_value(max_length, 1, task.model.max_length),
            length_penalty=length_penalty,
        )

    def draw(text, seed, temperature, top_k, top_p):
        options = {"seed": seed, "temperature": temperature, "top_k": top_k, "top_p": top_p}
        return _best(task.respond(text, max_length=task.max_target_length, **options))

    def answer_ids(source_ids):
        return _best(task.engine.decode(task, _cut(task, source_ids), task.default_search()))

    def teach(source_ids, target_ids):
        return task.engine.compute(task, _cut(task, source_ids, target_ids))

    def attend(source_ids, target_ids):
        ids = _cut(task, source_ids, target_ids)
        return {"attention": task.model.attention_weights([*ids.values()])}

    functions = {
        "serving_default": (serve, [_TEXT]),
        "generate": (generate, [_TEXT, *_SEARCH]),
        "sample": (draw, [_TEXT, *_SAMPLING]),
        "ids": (answer_ids, [_SOURCE_IDS]),
        "logits": (teach, [_SOURCE_IDS, _TARGET_IDS]),
    }
    if task.model.attends:
        functions["attention"] = (attend, [_SOURCE_IDS, _TARGET_IDS])
    return functions


def _best(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The first of the answers to each source."""
    return {name: values[:, 0] for name, values in outputs.items()}


def _cut(task: Seq2Seq, source_ids: Any, target_ids: Any = None) -> dict[str, Any]:
    """Ids from a client, by name, truncated like the ids of strings."""
    ids = {"source_ids": cut_rows(source_ids, task.max_source_length, END_ID)}
    if target_ids is not None:
        ids["target_ids"] = cut_rows(target_ids, task.max_target_length)
    return ids
