"""Reads the WordPiece tokenizer of a Hugging Face folder: exactly, or not at all.

Every setting of its files is honoured, has no effect on ids, or is refused by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from attention_zoo.errors import UserError, shown
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.text.wordpiece_tokenizer import (
    LONGEST_WORD,
    SPECIAL_PIECES,
    WordPieceTokenizer,
    read_vocabulary,
    unused_piece,
)

# Classes that tokenize as BERT's does; with "Fast" at the end as well.
_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
_OF_TOKENIZER_JSON = ("PreTrainedTokenizerFast", "TokenizersBackend")

# Settings of `tokenizer_config.json` that must have these values, if they are there.
_REQUIRED = {
    "do_basic_tokenize": (True,),
    "tokenize_chinese_chars": (True,),
    "never_split": (None, []),
    **{f"{name}_token": (f"[{name.upper()}]",) for name in ("pad", "unk", "cls", "sep", "mask")},
}


class _TokenizerConfig(Content):
    tokenizer_class: str | None = None
    tokenize_chinese_chars: bool = True
    do_lower_case: bool = True
    strip_accents: bool | None = None


class _Typed(Content):
    type: str | None = None


class _AddedToken(Content):
    id: int
    content: str


class _TokenizerJson(Content):
    """What every `tokenizer.json` has, whatever its model."""

    model: _Typed | None = None
    normalizer: _Typed | None = None
    pre_tokenizer: _Typed | None = None
    added_tokens: list[_AddedToken] = Field(default=[])


class _WordPiece(Content):
    vocab: dict[str, int]
    unk_token: str = "[UNK]"
    continuing_subword_prefix: str = "##"
    max_input_chars_per_word: int = LONGEST_WORD


class _Normalizer(Content):
    lowercase: bool
    strip_accents: bool | None = None
    clean_text: bool = True
    handle_chinese_chars: bool = True


class _WordPieceJson(Content):
    """What the `tokenizer.json` of a BERT has."""

    model: _WordPiece
    normalizer: _Normalizer


def read_hugging_face_tokenizer(folder: Path) -> WordPieceTokenizer:
    """Reads `tokenizer.json`, `tokenizer_config.json` and `vocab.txt`, those that there are.

    The ids are those of the files. If `tokenizer.json` and `vocab.txt` disagree, the first is used,
    with a warning.

    Raises:
        UserError: if neither has a vocabulary, a file is damaged, or a setting is not supported.
    """
    whole, text = folder / "tokenizer.json", folder / "vocab.txt"
    options: dict[str, Any] = {}
    vocabulary = None
    if whole.exists():
        vocabulary, options = _read_tokenizer_json(whole)
    if text.exists():
        lines = read_vocabulary(text)
        if vocabulary is None:
            vocabulary = lines
        else:
            _compare(vocabulary, lines, whole, text)
    if vocabulary is None:
        raise UserError(f"{folder} has neither vocab.txt nor tokenizer.json")
    settings = folder / "tokenizer_config.json"
    if settings.exists():
        options.update(_read_config(settings, vocabulary))
    return WordPieceTokenizer(vocabulary, **options)


def _read_config(path: Path, vocabulary: list[str]) -> dict[str, Any]:
    content = read_json(path, _TokenizerConfig)
    name = content.get("tokenizer_class")
    accepted = (*_CLASSES, *(f"{c}Fast" for c in _CLASSES), *_OF_TOKENIZER_JSON)
    if name is not None and name not in accepted:
        raise UserError(f"{path}: tokenizer_class is {name}; accepted are {', '.join(accepted)}")
    if "auto_map" in content:
        raise UserError(f"{path}: auto_map names code, which is not run")
    for setting, values in _REQUIRED.items():
        value = content.get(setting, values[0])
        value = value.get("content") if isinstance(value, dict) else value
        if value not in values and not (value is None and setting.endswith("_token")):
            raise UserError(f"{path}: {setting} is {shown(value)}; accepted is {values[0]!r}")
    added = content.get("added_tokens_decoder")
    if isinstance(added, dict):
        tokens = {int(i): t.get("content") for i, t in added.items() if isinstance(t, dict)}
        _refuse_added(path, tokens.items(), vocabulary)
    names = {"do_lower_case": "lower_case", "strip_accents": "strip_accents"}
    return {ours: content[theirs] for theirs, ours in names.items() if theirs in content}


def _read_tokenizer_json(path: Path) -> tuple[list[str], dict[str, Any]]:
    content = read_json(path)
    kind = check_content(content, _TokenizerJson, path)
    kinds = {
        "model": (kind.model or _Typed(type=None)).type or "WordPiece",
        "normalizer": (kind.normalizer or _Typed(type=None)).type,
        "pre_tokenizer": (kind.pre_tokenizer or _Typed(type="BertPreTokenizer")).type,
    }
    wanted = {
        "model": "WordPiece",
        "normalizer": "BertNormalizer",
        "pre_tokenizer": "BertPreTokenizer",
    }
    for part, value in kinds.items():
        if value != wanted[part]:
            raise UserError(f"{path}: {part} is {value}; accepted is {wanted[part]}")
    checked = check_content(content, _WordPieceJson, path)
    model, normalizer = checked.model, checked.normalizer
    for setting, value, accepted in (
        ("model.unk_token", model.unk_token, "[UNK]"),
        ("model.continuing_subword_prefix", model.continuing_subword_prefix, "##"),
        ("model.max_input_chars_per_word", model.max_input_chars_per_word, LONGEST_WORD),
        ("normalizer.clean_text", normalizer.clean_text, True),
        ("normalizer.handle_chinese_chars", normalizer.handle_chinese_chars, True),
    ):
        if value != accepted:
            raise UserError(f"{path}: {setting} is {value!r}; accepted is {accepted!r}")
    vocabulary = _by_id(model.vocab, path)
    _refuse_added(path, ((t.id, t.content) for t in kind.added_tokens), vocabulary)
    return vocabulary, {
        "lower_case": normalizer.lowercase,
        "strip_accents": normalizer.strip_accents,
    }


def _by_id(ids: dict[str, int], path: Path) -> list[str]:
    """The pieces in the order of their ids; ids that no piece has are unused."""
    if not ids or min(ids.values()) < 0 or max(ids.values()) > 10 * len(ids) + 1000:
        raise UserError(f"{path}: model.vocab: the ids must be from 0, and most must be there")
    vocabulary = [unused_piece(i) for i in range(max(ids.values()) + 1)]
    for piece, i in ids.items():
        if vocabulary[i] != unused_piece(i):
            raise UserError(f"{path}: model.vocab: {vocabulary[i]!r} and {piece!r} have the id {i}")
        vocabulary[i] = piece
    return vocabulary


def _refuse_added(path: Path, tokens: Iterable[tuple[int, Any]], vocabulary: list[str]) -> None:
    """Tokens that are matched before the text is split into words are not supported."""
    for i, token in tokens:
        is_ordinary = token in SPECIAL_PIECES and vocabulary[i : i + 1] == [token]
        if not is_ordinary:
            raise UserError(
                f"{path}: the added token {shown(token)} with the id {i} is not supported; "
                f"accepted are {', '.join(SPECIAL_PIECES)} with their ids in the vocabulary"
            )


def _compare(vocabulary: list[str], lines: list[str], whole: Path, text: Path) -> None:
    """Warns if `vocab.txt` has another piece for some id."""
    both = max(len(vocabulary), len(lines))
    ours, theirs = (
        part + [unused_piece(i) for i in range(len(part), both)] for part in (vocabulary, lines)
    )
    different = [i for i in range(both) if ours[i] != theirs[i]]
    if different:
        i = different[0]
        warnings.warn(
            f"{text} disagrees with {whole.name}, which is used: {len(different):,} ids differ, "
            f"such as {i}, which is {ours[i]!r} in {whole.name} and {theirs[i]!r} in {text.name}",
            stacklevel=2,
        )
