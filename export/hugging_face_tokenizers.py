"""Writes the tokenizers of encoders as Hugging Face's libraries read them, with our ids."""

import base64
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from sentencepiece import sentencepiece_model_pb2

from attention_zoo.errors import ResultError
from attention_zoo.tasks.contract import Example
from attention_zoo.text.byte_pair_tokenizer import BytePairTokenizer
from attention_zoo.text.encoder_tokenizer import EncoderTokenizer
from attention_zoo.text.unigram_tokenizer import UnigramTokenizer
from attention_zoo.text.wordpiece_tokenizer import LONGEST_WORD, WordPieceTokenizer

_protocol: Any = sentencepiece_model_pb2  # its classes are created at run time
_ROLES = ("pad", "cls", "sep", "unk", "mask")
_METASPACE = {"type": "Metaspace", "replacement": "\N{LOWER ONE EIGHTH BLOCK}"}


def write_tokenizer(tokenizer: EncoderTokenizer, max_length: int, directory: Path) -> None:
    """Writes `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`.

    For a `WordPieceTokenizer` also `vocab.txt`. A byte-pair or unigram tokenizer has id 0 for
    padding here, as in the weights that are written with it.
    """
    ids = (0, tokenizer.cls_id, tokenizer.sep_id, tokenizer.unknown_id, tokenizer.mask_id)
    names = tokenizer.pieces(ids)
    special = {f"{role}_token": name for role, name in zip(_ROLES, names, strict=True)}
    parts, options = _parts_of(tokenizer)
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added_tokens(tokenizer, ids),
        **parts,
        "post_processor": _template(tokenizer, special["cls_token"], special["sep_token"]),
    }
    config = {**options, "model_max_length": max_length, **special}
    if not tokenizer.added:
        config["split_special_tokens"] = True
    _write_json(directory / "tokenizer.json", content)
    _write_json(directory / "tokenizer_config.json", config)
    _write_json(directory / "special_tokens_map.json", special)
    if isinstance(tokenizer, WordPieceTokenizer):
        lines = "".join(f"{piece}\n" for piece in tokenizer.vocabulary)
        (directory / "vocab.txt").write_text(lines, encoding="utf-8")


def compare_ids(task: Any, directory: Path, examples: Sequence[Example]) -> None:
    """Compares the ids of texts with those of the library that reads the written tokenizer.

    Args:
        task: the task of an encoder.
        directory: what `write_tokenizer` wrote.
        examples: examples of the task.

    Raises:
        ResultError: naming the first text whose ids differ.
    """
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_file(str(directory / "tokenizer.json"))
    for columns in (task.columns([task.input_of(each)]) for each in examples):
        texts = [column[0].decode(errors="replace") for column in columns]
        rows = (task.tokenizer.tokenize(tf.constant([text])) for text in texts)
        ids = task.tokenizer.join(*rows)[0].numpy()[0].tolist()
        # Typed special tokens are those of the library's files, whatever they say.
        found = theirs.encode(*texts).ids
        if found != ids and (task.tokenizer.added or not _has_special(task.tokenizer, texts)):
            raise ResultError(
                f"the library tokenizers splits {' and '.join(map(repr, texts))} into other "
                f"tokens: {theirs.decode(found, skip_special_tokens=False)!r}"
            )


def _has_special(tokenizer: EncoderTokenizer, texts: Sequence[str]) -> bool:
    special = tokenizer.pieces([0, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id])
    return any(name in text for name in special for text in texts)


def _added_tokens(tokenizer: EncoderTokenizer, special_ids: tuple[int, ...]) -> list[Any]:
    found = {token.id: (token.content, token.lstrip, token.rstrip) for token in tokenizer.added}
    others = {i: (tokenizer.pieces([i])[0], False, False) for i in special_ids if i not in found}
    return [
        {
            "id": i,
            "content": content,
            "single_word": False,
            "lstrip": lstrip,
            "rstrip": rstrip,
            "normalized": False,
            "special": True,
        }
        for i, (content, lstrip, rstrip) in sorted({**found, **others}.items())
    ]


def _template(tokenizer: EncoderTokenizer, first: str, last: str) -> dict[str, Any]:
    """How rows are put together."""

    def piece(name: str, segment: int = 0) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": segment}}

    def text(name: str, segment: int = 0) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": segment}}

    second = int(tokenizer.marks_segments)
    single = [piece(first), text("A"), piece(last)]
    between = [piece(last)] * (tokenizer.separators - 1)
    ids = {first: tokenizer.cls_id, last: tokenizer.sep_id}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *between, text("B", second), piece(last, second)],
        "special_tokens": {
            name: {"id": name, "ids": [i], "tokens": [name]} for name, i in ids.items()
        },
    }


@functools.singledispatch
def _parts_of(tokenizer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parts of `tokenizer.json` that depend on its kind, and options of its config."""
    raise TypeError(f"no Hugging Face tokenizer for the kind {tokenizer.kind!r}")


@_parts_of.register
def _(tokenizer: WordPieceTokenizer) -> tuple[dict[str, Any], dict[str, Any]]:
    normalizer = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": tokenizer.strip_accents,
        "lowercase": tokenizer.lower_case,
    }
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": LONGEST_WORD,
        "vocab": {piece: i for i, piece in enumerate(tokenizer.vocabulary)},
    }
    parts = {
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": model,
    }
    options = {
        "do_lower_case": tokenizer.lower_case,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": True,
        "tokenizer_class": "BertTokenizer",
    }
    return parts, options


@_parts_of.register
def _(tokenizer: BytePairTokenizer) -> tuple[dict[str, Any], dict[str, Any]]:
    level = {
        "type": "ByteLevel",
        "add_prefix_space": tokenizer.add_prefix_space,
        "trim_offsets": True,
        "use_regex": True,
    }
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {piece: i for i, piece in enumerate(tokenizer.vocabulary)},
        "merges": [list(pair) for pair in tokenizer.merges],
    }
    parts = {"normalizer": None, "pre_tokenizer": level, "decoder": level, "model": model}
    return parts, {"tokenizer_class": "PreTrainedTokenizerFast"}


@_parts_of.register
def _(tokenizer: UnigramTokenizer) -> tuple[dict[str, Any], dict[str, Any]]:
    proto = _protocol.ModelProto.FromString(tokenizer.model)
    table = base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()
    metaspace = {**_METASPACE, "prepend_scheme": "always", "split": True}
    words = [{"type": "WhitespaceSplit"}, metaspace]
    parts = {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": table} if table else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": words},
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": tokenizer.unknown_id,
            "vocab": [[piece.piece, piece.score] for piece in proto.pieces],
            "byte_fallback": False,
        },
    }
    return parts, {"tokenizer_class": "PreTrainedTokenizerFast"}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
