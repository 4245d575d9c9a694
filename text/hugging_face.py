"""Reads the tokenizer of a Hugging Face folder: exactly, or not at all.

Every setting of its files is honoured, has no effect on ids, or is refused by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from attention_zoo.errors import UserError, shown
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.text.encoder_tokenizer import AddedToken, EncoderTokenizer
from attention_zoo.text.hugging_face_pieces import (
    read_byte_pair_files,
    read_byte_pairs,
    read_sentencepiece_file,
    read_unigram,
)
from attention_zoo.text.unigram_tokenizer import SPECIAL_PIECES as PIECES
from attention_zoo.text.wordpiece_tokenizer import (
    LONGEST_WORD,
    SPECIAL_PIECES,
    WordPieceTokenizer,
    read_vocabulary,
    unused_piece,
)

# Classes that tokenize as BERT's does; with "Fast" at the end as well.
_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
# Those of RoBERTa and XLM-R.
_OF_PIECES = ("RobertaTokenizer", "XLMRobertaTokenizer")
_SENTENCEPIECE_FILE = "sentencepiece.bpe.model"
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
    id: Annotated[int, Field(ge=0)]
    content: Annotated[str, Field(min_length=1)]
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False


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


def read_hugging_face_tokenizer(folder: Path) -> tuple[EncoderTokenizer, np.ndarray | None]:
    """Reads the tokenizer of an encoder.

    From `tokenizer.json`, `tokenizer_config.json` and `vocab.txt`, those that there are; without
    the first also from `vocab.json` and `merges.txt`, or `sentencepiece.bpe.model`. The ids are
    those of the files, but padding is 0, and changes places with what has that id. If
    `tokenizer.json` and `vocab.txt` disagree, the first is used, with a warning.

    Returns:
        The tokenizer, and their id for each of ours; None: all are the same.

    Raises:
        UserError: if none has a vocabulary, a file is damaged, or a setting is not supported.
    """
    whole, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if settings.exists():
        _check_class(settings, read_json(settings, _TokenizerConfig))
    content = read_json(whole) if whole.exists() else None
    kind = _kind_of(content, whole) if content is not None else None
    if content is not None and kind in ("BPE", "Unigram"):
        read = read_byte_pairs if kind == "BPE" else read_unigram
        tokens = check_content(content, _TokenizerJson, whole).added_tokens
        found = read(content, whole, _added(tokens, whole, content.get("normalizer") is None))
        _check_template(content.get("post_processor"), ("<s>", "</s>"), whole)
        return found
    if content is None and (folder / "merges.txt").exists():
        return read_byte_pair_files(folder)
    if content is None and (folder / _SENTENCEPIECE_FILE).exists():
        return read_sentencepiece_file(folder / _SENTENCEPIECE_FILE)
    return _read_wordpiece(folder, content), None


def _kind_of(content: dict[str, Any], path: Path) -> str:
    model = check_content(content, _TokenizerJson, path).model
    return (model or _Typed(type=None)).type or "WordPiece"


def _check_template(processor: Any, ends: tuple[str, str], path: Path) -> None:
    """Refuses rows that are put together otherwise: `<s> a </s></s> b </s>` is expected."""
    if not isinstance(processor, dict):
        raise UserError(f"{path}: post_processor is missing; accepted is RobertaProcessing")
    first, last = ends
    single, pair = [first, "A", last], [first, "A", last, last, "B", last]
    if processor.get("type") == "RobertaProcessing":
        names = [processor.get(name, [None])[0] for name in ("cls", "sep")]
        found = names == [first, last]
    else:
        found = all(
            [next(iter(part.values())).get("id") for part in processor.get(name) or ()] == expected
            for name, expected in (("single", single), ("pair", pair))
        )
    if not found:
        raise UserError(
            f"{path}: post_processor puts texts together otherwise than {' '.join(single)} and "
            f"{' '.join(pair)}"
        )


def _added(tokens: Iterable[_AddedToken], path: Path, is_raw: bool) -> list[AddedToken]:
    """The tokens that are found in a text before it is split.

    Args:
        tokens: those of the file.
        path: the file.
        is_raw: whether there is no normalization, so that it does not matter on which side of it
            they are found.
    """
    found = []
    for token in tokens:
        is_special = token.content in (*SPECIAL_PIECES, *PIECES)
        if token.single_word or (token.normalized and not is_raw and not is_special):
            setting = "single_word" if token.single_word else "normalized"
            raise UserError(
                f"{path}: the added token {shown(token.content)} has {setting}: true, which is not "
                "supported"
            )
        if token.content != token.content.strip():
            raise UserError(f"{path}: the added token {shown(token.content)} has space around it")
        found.append(AddedToken(token.content, token.id, token.lstrip, token.rstrip))
    return found


def _read_wordpiece(folder: Path, content: dict[str, Any] | None) -> WordPieceTokenizer:
    whole, text = folder / "tokenizer.json", folder / "vocab.txt"
    options: dict[str, Any] = {}
    vocabulary = None
    if content is not None:
        vocabulary, options = _read_tokenizer_json(whole, content)
    if text.exists():
        lines = read_vocabulary(text)
        if vocabulary is None:
            vocabulary = lines
        else:
            _compare(vocabulary, lines, whole, text)
    if vocabulary is None:
        raise UserError(
            f"{folder} has no tokenizer.json, vocab.txt, merges.txt or {_SENTENCEPIECE_FILE}"
        )
    settings = folder / "tokenizer_config.json"
    if settings.exists():
        options |= _read_config(settings, vocabulary)
    if options.pop("split_special_tokens", False):
        return WordPieceTokenizer(vocabulary, **{**options, "added": ()})
    if "added" not in options:
        options["added"] = [
            AddedToken(piece, vocabulary.index(piece))
            for piece in SPECIAL_PIECES
            if piece in vocabulary
        ]
    return WordPieceTokenizer(vocabulary, **options)


def _check_class(path: Path, content: dict[str, Any]) -> None:
    name = content.get("tokenizer_class")
    classes = (*_CLASSES, *_OF_PIECES)
    accepted = (*classes, *(f"{c}Fast" for c in classes), *_OF_TOKENIZER_JSON)
    if name is not None and name not in accepted:
        raise UserError(f"{path}: tokenizer_class is {name}; accepted are {', '.join(accepted)}")
    if "auto_map" in content:
        raise UserError(f"{path}: auto_map names code, which is not run")


def _read_config(path: Path, vocabulary: list[str]) -> dict[str, Any]:
    content = read_json(path, _TokenizerConfig)
    for setting, values in _REQUIRED.items():
        value = content.get(setting, values[0])
        value = value.get("content") if isinstance(value, dict) else value
        if value not in values and not (value is None and setting.endswith("_token")):
            raise UserError(f"{path}: {setting} is {shown(value)}; accepted is {values[0]!r}")
    options: dict[str, Any] = {}
    added = content.get("added_tokens_decoder")
    if isinstance(added, dict):
        rows = [{"id": int(i), **each} for i, each in added.items() if isinstance(each, dict)]
        tokens = [check_content(row, _AddedToken, path) for row in rows]
        options["added"] = _with_added(tokens, vocabulary, path)
    if content.get("split_special_tokens"):
        options["split_special_tokens"] = True
    names = {"do_lower_case": "lower_case", "strip_accents": "strip_accents"}
    known = {ours: content[theirs] for theirs, ours in names.items() if theirs in content}
    return {**options, **known}


def _with_added(
    tokens: Iterable[_AddedToken], vocabulary: list[str], path: Path
) -> list[AddedToken]:
    """Added tokens, whose pieces the vocabulary then has."""
    added = _added(tokens, path, is_raw=False)
    for token in sorted(added, key=lambda token: token.id):
        if token.id > len(vocabulary) + 1000:
            raise UserError(f"{path}: the added token {shown(token.content)} has the id {token.id}")
        vocabulary += [unused_piece(i) for i in range(len(vocabulary), token.id + 1)]
        present = vocabulary[token.id]
        if present not in (token.content, unused_piece(token.id)):
            raise UserError(
                f"{path}: the added token {shown(token.content)} has the id {token.id} of "
                f"{shown(present)}"
            )
        vocabulary[token.id] = token.content
    return added


def _read_tokenizer_json(path: Path, content: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
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
    return vocabulary, {
        "added": _with_added(kind.added_tokens, vocabulary, path),
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
