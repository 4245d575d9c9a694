"""From ids of answers to strings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from attention_zoo.text.tokenizer import is_blank


def texts_of(task: Any, numbers: Mapping[str, Any], text: Any) -> dict[str, Any]:
    """Answers in ids to `text` and `score`, `(B, N)`; see `Seq2Seq.texts_of`."""
    blank_B1 = tf.expand_dims(is_blank(text), 1)
    _, count, length = tf.unstack(tf.shape(numbers["target_ids"]))
    rows = {
        name: tf.reshape(numbers[name], [-1, length])
        for name in ("target_ids", "positions")
        if name in numbers
    }
    strings = detokenize(task, rows["target_ids"], tf.repeat(text, count), rows.get("positions"))
    return {
        "text": tf.where(blank_B1, "", tf.reshape(strings, [-1, count])),
        "score": tf.where(blank_B1, 0.0, numbers["score"]),
    }


def detokenize(task: Any, ids: Any, texts: Any, positions: Any = None) -> tf.Tensor:
    """Ids of answers to strings.

    Args:
        task: the task, whose tokenizers are used.
        ids: int32 tensor `(B, L)`.
        texts: string tensor `(B,)`, the sources.
        positions: int32 tensor `(B, L)`, the most attended source position of each token;
            needed to replace unknown tokens.

    Returns:
        String tensor `(B,)`.
    """
    if not task.replace_unknown:
        return task.target_tokenizer.decode(ids)
    tokens_BS = task.source_tokenizer.tokens(texts, task.max_source_length)
    attended_BL = tf.gather(tokens_BS, positions, batch_dims=1)
    return task.target_tokenizer.decode(ids, attended_BL)
