"""Drops the tokens of an encoder that a corpus never uses, and proves that answers stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.tasks.encoder_task import EncoderTask, ids_of
from attention_zoo.zoo.model import model_config
from attention_zoo.zoo.weights import assign_weights, saved_weights

# Texts whose numbers are compared; the ids of all texts are.
_COMPARED = 256
_BATCH = 32
_OF_TOKENS = ("token_embedding/table", "token_bias")


@dataclasses.dataclass(frozen=True)
class Pruning:
    """What became of a vocabulary.

    Attributes:
        tokens_before: ids of the vocabulary.
        tokens_kept: ids that are left.
        bytes_saved: of weights in 32 bits.
        texts: whose ids were compared, and are the same tokens.
        texts_compared: whose numbers were compared.
        largest_difference: of these numbers.
    """

    tokens_before: int
    tokens_kept: int
    bytes_saved: int
    texts: int
    texts_compared: int
    largest_difference: float


def prune_vocabulary(task: Any, texts: Sequence[str]) -> tuple[Any, Pruning]:
    """A task without the tokens that the texts do not use.

    Of every text made of kept tokens alone the task's numbers are the same: the rows of the other
    tokens are never read. Its tokens are the same because WordPiece takes the longest piece, which
    is still there; byte-pair merges happen in the order in which they were learned, and all those
    of kept pieces are kept; and the likeliest pieces stay the likeliest when others are gone. This
    is checked on the texts.

    Args:
        task: a task of an encoder.
        texts: texts of the kind that the task will be asked.

    Returns:
        The new task, and what was dropped and compared.

    Raises:
        UserError: if the task has no encoder, there are no texts, or a comparison fails.
    """
    if not isinstance(task, EncoderTask):
        raise UserError(f"the vocabulary of an encoder can be pruned, not that of {task.kind}")
    rows = task.tokenizer.rows(texts)
    used = set(np.unique(np.concatenate([*rows, [0]])).tolist()) if rows else set()
    if len(used) < 2:
        raise UserError("there are no texts whose vocabulary could be kept")
    tokenizer, kept = task.tokenizer.keep(used)
    pruned = _rebuilt(task, tokenizer, kept)
    for text, before, after in zip(texts, rows, tokenizer.rows(texts), strict=True):
        if not np.array_equal(kept[after], before):
            raise UserError(f"the pruned tokenizer splits a text otherwise: {text!r}")
    chosen = [text for text in texts if text.strip()][:_COMPARED]
    before, after = (sum(v.shape.num_elements() for v in t.model.weights) for t in (task, pruned))
    return pruned, Pruning(
        tokens_before=task.tokenizer.vocab_size,
        tokens_kept=len(kept),
        bytes_saved=4 * (before - after),
        texts=len(texts),
        texts_compared=len(chosen),
        largest_difference=_largest_difference(task, pruned, chosen, kept),
    )


def _rebuilt(task: Any, tokenizer: Any, kept: np.ndarray) -> Any:
    """The task with another tokenizer and the rows of the kept tokens."""
    config = model_config(task.model)
    encoder = config.get("encoder", config)
    encoder["vocab_size"] = len(kept)
    model = type(task.model)(**config)
    arrays = {
        name: v.numpy()[kept] if name.endswith(_OF_TOKENS) else v.numpy()
        for name, v in saved_weights(task.model).items()
    }
    assign_weights(model, arrays, "the pruned model")
    settings = {name: getattr(task, name) for name in task.own_settings()}
    return type(task)(model, tokenizer, **settings, fields=task.fields)


def _largest_difference(task: Any, pruned: Any, texts: Sequence[str], kept: np.ndarray) -> float:
    largest = 0.0
    for start in range(0, len(texts), _BATCH):
        examples = [(text,) * len(task.text_inputs) for text in texts[start : start + _BATCH]]
        inputs = [task.input_of(example) for example in examples]
        old, new = (t.inputs_of(inputs) for t in (task, pruned))
        before, after = (
            np.asarray(t.compute(ids_of(arrays))[t.output])
            for t, arrays in ((task, old), (pruned, new))
        )
        if before.shape != after.shape:  # the logits of tokens
            before = before[..., kept]
        largest = max(largest, float(np.abs(before - after).max(initial=0.0)))
    return largest
