"""LiteRT with strings: tensorflow-text's tokenizers are operators of the file.

These operators are not builtin: to run the file, register those of tensorflow-text with the
interpreter, as `runners/run_litert_text.py` does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text

from attention_zoo.export.expected import IDS, STRINGS, select
from attention_zoo.export.litert import write_litert
from attention_zoo.export.running import Arrays
from attention_zoo.text.vocabulary import END_ID, PAD_ID
from attention_zoo.text.wordpiece_tokenizer import LONGEST_WORD

OPERATORS = (
    "FastBertNormalize",
    "TFText>FastSentencepieceTokenize",
    "FastWordpieceTokenizeWithOffsets",
)


def write_litert_text(task: Any, path: Path | str, quantize: str = "none") -> None:
    """Writes a LiteRT file whose `serving_default` takes strings.

    For encoders its outputs are those of the SavedModel; for sequence-to-sequence tasks they are
    ids, since tensorflow-text's operator for detokenizing does not work in LiteRT.

    Arguments are those of `write_litert`.
    """
    ids_of_text = _tokenizer(task)
    functions = task.signatures()

    def serving_default(text):
        ids = ids_of_text(text)
        if task.decodes:
            return functions["ids"][0](ids)
        inputs = {
            "token_ids": ids,
            "mask": tf.cast(tf.not_equal(ids, PAD_ID), tf.int32),
            "segment_ids": tf.zeros_like(ids),
        }
        return task.read(task.compute(inputs), inputs, text)

    signature = task.compared.signature
    signatures = {
        "serving_default": (serving_default, [tf.TensorSpec([None], tf.string, "text")]),
        signature: functions[signature],
    }
    write_litert(task, path, quantize, signatures=signatures, operators=OPERATORS)


def expected_of_litert_text(task: Any, expected: Arrays) -> Arrays:
    """The expected outputs for the texts that its tokenizer tokenizes as the task's does.

    tensorflow-text's operator normalises more than BERT does: it turns `…` into three full
    stops, and a full-width comma into an ASCII one.

    Args:
        task: a task; only its tokenizers are used.
        expected: see `expected.expected_of`.
    """
    ids_of_text = tf.function(
        _tokenizer(task), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    rows = expected["source_ids" if task.decodes else "token_ids"]
    alike = [
        np.array_equal(ids_of_text(tf.constant([text])).numpy()[0], row[row != 0])
        for text, row in zip(expected["text"], rows, strict=True)
    ]
    # Sequence-to-sequence tasks give ids and their scores.
    ids = {STRINGS + n.removeprefix(IDS): a for n, a in expected.items() if n.startswith(IDS)}
    return select(task, {**expected, **ids}, np.array(alike, dtype=bool))


def _tokenizer(task: Any) -> Callable[[Any], Any]:
    """A function from strings, `(B,)`, to ids, `(B, T)`, that LiteRT can run."""
    if task.decodes:
        tokenizer, room = task.source_tokenizer, task.max_source_length - 1
        return lambda text: _joined(tokenizer.raw_ids(text), room, END_ID)
    ours, room = task.tokenizer, task.max_length - 2
    normalizer = tensorflow_text.FastBertNormalizer(lower_case_nfd_strip_accents=ours.lower_case)
    tokenizer = tensorflow_text.FastWordpieceTokenizer(
        ours.vocabulary, max_bytes_per_word=LONGEST_WORD, unknown_token="[UNK]"
    )

    def ids_of_text(text):
        rows = _joined(tokenizer.tokenize(normalizer.normalize(text)), room, ours.sep_id)
        return tf.concat([tf.fill([tf.shape(rows)[0], 1], ours.cls_id), rows], axis=1)

    return ids_of_text


def _joined(ragged: Any, room: int, end_id: int) -> tf.Tensor:
    """The first `room` ids of each row and the end id, dense; only builtin operators."""
    splits = tf.cast(ragged.row_splits, tf.int32)
    starts_B1 = tf.expand_dims(splits[:-1], 1)
    lengths_B1 = tf.minimum(tf.expand_dims(splits[1:], 1) - starts_B1, room)
    longest = tf.reduce_max(tf.concat([tf.reshape(lengths_B1, [-1]), [0]], axis=0))
    position_T = tf.range(longest + 1)
    is_id_BT = position_T < lengths_B1
    # One extra id, so that there is something to gather in an empty batch.
    ids = tf.concat([tf.cast(ragged.flat_values, tf.int32), [PAD_ID]], axis=0)
    ids_BT = tf.gather(ids, tf.where(is_id_BT, starts_B1 + position_T, 0))
    ending_BT = tf.where(tf.equal(position_T, lengths_B1), end_id, PAD_ID)
    return tf.where(is_id_BT, ids_BT, ending_BT)
