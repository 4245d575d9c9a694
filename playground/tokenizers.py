"""What the JavaScript tokenizers of the page need to know about a tokenizer."""

import dataclasses
from typing import Any

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.text.wordpiece_tokenizer import LONGEST_WORD, WordPieceTokenizer

KINDS = "characters, words, wordpiece"


def describe_tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """A tokenizer as JSON, for `tokenizers.js`.

    Raises:
        UserError: if the page has no such tokenizer.
    """
    if isinstance(tokenizer, CharacterTokenizer):
        return {"kind": tokenizer.kind, "tokens": list(tokenizer.characters)}
    if isinstance(tokenizer, WordTokenizer):
        return {"kind": tokenizer.kind, "tokens": tokenizer.words}
    if isinstance(tokenizer, WordPieceTokenizer):
        return {
            "kind": tokenizer.kind,
            "tokens": tokenizer.vocabulary,
            "unknown": tokenizer.unknown_id,
            "cls": tokenizer.cls_id,
            "sep": tokenizer.sep_id,
            "longest": LONGEST_WORD,
            "added": [dataclasses.asdict(token) for token in tokenizer.added],
            **_characters(tokenizer),
        }
    raise UserError(f"the playground has no tokenizer of the kind {tokenizer.kind!r}, only {KINDS}")


def _characters(tokenizer: WordPieceTokenizer) -> dict[str, Any]:
    """What becomes of each character, so that it does not depend on the browser's Unicode.

    Returns:
        `runs`, pairs of a count and a kind that cover all code points in order: 0 for a character
        that stays, 1 for one that is a word, 2 for white space, 3 for one that is dropped, and
        from 4 on the index in `replacements`, in which spaces separate words.
    """
    kinds, replacements = tokenizer.basic.fates()
    starts = np.flatnonzero(np.diff(kinds, prepend=-1))
    counts = np.diff(starts, append=len(kinds))
    runs = np.stack([counts, kinds[starts]], axis=1)
    return {"runs": runs.ravel().tolist(), "replacements": replacements}
