"""What the JavaScript tokenizers of the page need to know about a tokenizer."""

import base64
import dataclasses
from typing import Any

import numpy as np
from sentencepiece import sentencepiece_model_pb2

from attention_zoo.errors import UserError
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.text.wordpiece_tokenizer import LONGEST_WORD, WordPieceTokenizer

KINDS = "characters, words, wordpiece, sentencepiece (unigram)"
_protocol: Any = sentencepiece_model_pb2  # its classes are created at run time


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
    if isinstance(tokenizer, SentencePieceTokenizer) and tokenizer.is_unigram:
        return {"kind": tokenizer.kind, **_unigram(tokenizer)}
    raise UserError(f"the playground has no tokenizer of the kind {tokenizer.kind!r}, only {KINDS}")


def _unigram(tokenizer: SentencePieceTokenizer) -> dict[str, Any]:
    """The pieces and their scores, and the rules by which SentencePiece normalizes a text.

    Returns:
        `tokens`; `scores`, null for those that no text has; `rules`, SentencePiece's trie of
        replacements as it is in the model, in base 64; and two of the model's switches.
    """
    model = _protocol.ModelProto.FromString(tokenizer.model)
    rules = model.normalizer_spec
    kinds = {piece.type for piece in model.pieces}
    if kinds & {piece.USER_DEFINED for piece in model.pieces} or not rules.escape_whitespaces:
        raise UserError("the playground has no SentencePiece with symbols that users define")
    return {
        "tokens": [piece.piece for piece in model.pieces],
        "scores": [p.score if p.type == p.NORMAL else None for p in model.pieces],
        "rules": base64.b64encode(rules.precompiled_charsmap).decode(),
        "add_dummy_prefix": rules.add_dummy_prefix,
        "remove_extra_whitespaces": rules.remove_extra_whitespaces,
    }


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
