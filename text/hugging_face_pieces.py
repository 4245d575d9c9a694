"""Reads the tokenizers of RoBERTa and XLM-R in Hugging Face folders: exactly, or not at all."""

import base64
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from google.protobuf.message import DecodeError
from pydantic import Field
from sentencepiece import sentencepiece_model_pb2

from attention_zoo.errors import UserError, shown
from attention_zoo.files import read_file
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.text.byte_pair_tokenizer import BytePairTokenizer
from attention_zoo.text.encoder_tokenizer import AddedToken
from attention_zoo.text.lines import read_lines
from attention_zoo.text.unigram_tokenizer import SPECIAL_PIECES, UnigramTokenizer
from attention_zoo.text.vocabulary import SPACE_MARK

_protocol: Any = sentencepiece_model_pb2  # its classes are created at run time
_PAD = SPECIAL_PIECES[0]


class _BytePairs(Content):
    vocab: dict[str, int]
    merges: list[str | Annotated[list[str], Field(min_length=2, max_length=2)]]
    dropout: float | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    byte_fallback: bool = False
    ignore_merges: bool = False


class _ByteLevel(Content):
    type: str
    add_prefix_space: bool = True
    use_regex: bool = True


class _BytePairJson(Content):
    model: _BytePairs
    normalizer: None = None
    pre_tokenizer: _ByteLevel


class _Unigram(Content):
    vocab: list[list[str | float | int]]
    unk_id: int | None = None
    byte_fallback: bool = False


class _UnigramJson(Content):
    model: _Unigram


def read_byte_pairs(
    content: dict[str, Any], path: Path, added: list[AddedToken]
) -> tuple[BytePairTokenizer, np.ndarray]:
    """The tokenizer of RoBERTa in a `tokenizer.json`, and their id for each of ours.

    Raises:
        UserError: if a setting is not supported.
    """
    checked = check_content(content, _BytePairJson, path)
    model, words = checked.model, checked.pre_tokenizer
    for name, value, accepted in (
        ("pre_tokenizer", words.type, ("ByteLevel",)),
        ("pre_tokenizer.use_regex", words.use_regex, (True,)),
        ("model.dropout", model.dropout, (None, 0.0)),
        ("model.continuing_subword_prefix", model.continuing_subword_prefix, (None, "")),
        ("model.end_of_word_suffix", model.end_of_word_suffix, (None, "")),
        ("model.byte_fallback", model.byte_fallback, (False,)),
        ("model.ignore_merges", model.ignore_merges, (False,)),
    ):
        if value not in accepted:
            raise UserError(f"{path}: {name} is {value!r}; accepted is {accepted[0]!r}")
    merges = [tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m) for m in model.merges]
    return _byte_pairs(model.vocab, merges, words.add_prefix_space, added, path)


def read_byte_pair_files(folder: Path) -> tuple[BytePairTokenizer, np.ndarray]:
    """The same from `vocab.json` and `merges.txt`."""
    path = folder / "vocab.json"
    vocabulary = read_json(path)
    if not all(type(i) is int for i in vocabulary.values()):
        raise UserError(f"{path}: each piece must have an integer")
    lines = [line for line in read_lines(folder / "merges.txt") if line]
    lines = lines[1:] if lines and lines[0].startswith("#version") else lines
    merges = [tuple(line.split(" ", 1)) for line in lines]
    added = [
        AddedToken(piece, vocabulary[piece], lstrip=piece == "<mask>")
        for piece in SPECIAL_PIECES
        if piece in vocabulary
    ]
    return _byte_pairs(vocabulary, merges, False, added, path)


def _byte_pairs(
    ids: dict[str, int], merges: list[Any], prefix: bool, added: list[AddedToken], path: Path
) -> tuple[BytePairTokenizer, np.ndarray]:
    vocabulary = _pieces_by_id({**ids, **{token.content: token.id for token in added}}, path)
    order = pad_first(vocabulary, path)
    ours = _renumbered(added, order)
    for merge in merges:
        if len(merge) != 2:
            raise UserError(f"{path}: a merge must have two pieces, received {shown(merge[0])}")
    pieces = [vocabulary[i] for i in order]
    return BytePairTokenizer(pieces, merges, prefix, ours), order


def read_unigram(
    content: dict[str, Any], path: Path, added: list[AddedToken]
) -> tuple[UnigramTokenizer, np.ndarray]:
    """The tokenizer of XLM-R in a `tokenizer.json`, and their id for each of ours.

    Raises:
        UserError: if a setting is not supported.
    """
    model = check_content(content, _UnigramJson, path).model
    if model.byte_fallback:
        raise UserError(f"{path}: model.byte_fallback is True; accepted is False")
    pieces = []
    for row in model.vocab:
        if len(row) != 2 or not isinstance(row[0], str) or isinstance(row[1], str):
            raise UserError(f"{path}: model.vocab must have pairs of a piece and its score")
        pieces.append((row[0], float(row[1])))
    known = {piece: i for i, (piece, _) in enumerate(pieces)}
    for token in sorted(added, key=lambda token: token.id):
        if known.get(token.content, len(pieces)) != token.id:
            raise UserError(f"{path}: the id {token.id} of {token.content!r} is not its place")
        if token.content not in known:
            pieces.append((token.content, 0.0))
    _check_words(content.get("pre_tokenizer"), path)
    return _unigram(pieces, _normalizer(content.get("normalizer"), path), added, path)


def read_sentencepiece_file(path: Path) -> tuple[UnigramTokenizer, np.ndarray]:
    """The same from `sentencepiece.bpe.model`, whose ids are one lower but for the special ones."""
    try:
        model = _protocol.ModelProto.FromString(read_file(path))
    except DecodeError as error:
        raise UserError(f"{path} is not a SentencePiece model: {error}") from error
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    ordinary = [(each.piece, each.score) for each in model.pieces[3:]]
    pieces = [*((name, 0.0) for name in names), *ordinary, ("<mask>", 0.0)]
    ids = {name: i for i, name in enumerate(names)} | {"<mask>": len(pieces) - 1}
    added = [AddedToken(name, i, lstrip=name == "<mask>") for name, i in ids.items()]
    return _unigram(pieces, model.normalizer_spec.precompiled_charsmap, added, path)


def _unigram(
    pieces: list[tuple[str, float]], charsmap: bytes, added: list[AddedToken], path: Path
) -> tuple[UnigramTokenizer, np.ndarray]:
    order = pad_first([piece for piece, _ in pieces], path)
    proto = _protocol.ModelProto()
    proto.trainer_spec.model_type = _protocol.TrainerSpec.UNIGRAM
    proto.trainer_spec.unk_piece = "<unk>"
    special = {token.content for token in added} | set(SPECIAL_PIECES)
    kind = _protocol.ModelProto.SentencePiece
    for i in order:
        name, score = pieces[i]
        of_kind = kind.NORMAL
        if name == "<unk>":
            of_kind = kind.UNKNOWN
        elif name in special:
            of_kind = kind.CONTROL
        proto.pieces.add(piece=name, score=score, type=of_kind)
    for setting, piece in (("unk", "<unk>"), ("bos", "<s>"), ("eos", "</s>"), ("pad", "<pad>")):
        index = [name for name, _ in (pieces[i] for i in order)].index(piece)
        setattr(proto.trainer_spec, f"{setting}_id", index)
    proto.normalizer_spec.name = "nmt_nfkc"
    proto.normalizer_spec.precompiled_charsmap = charsmap
    proto.normalizer_spec.add_dummy_prefix = True
    proto.normalizer_spec.remove_extra_whitespaces = True
    proto.normalizer_spec.escape_whitespaces = True
    return UnigramTokenizer(proto.SerializeToString(), _renumbered(added, order)), order


def _normalizer(normalizer: Any, path: Path) -> bytes:
    """The table of replacements in a `tokenizer.json`."""
    parts = normalizer.get("normalizers") if isinstance(normalizer, dict) else None
    parts = parts if isinstance(parts, list) else [normalizer] if normalizer else []
    table = b""
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "Precompiled":
            table = base64.b64decode(str(part.get("precompiled_charsmap") or ""))
        # Runs of spaces become one, as SentencePiece has it in any case.
        elif kind not in ("Replace", "Strip"):
            raise UserError(f"{path}: normalizer is {shown(kind)}; accepted is Precompiled")
    return table


def _check_words(pre_tokenizer: Any, path: Path) -> None:
    parts = pre_tokenizer.get("pretokenizers") if isinstance(pre_tokenizer, dict) else None
    parts = parts if isinstance(parts, list) else [pre_tokenizer]
    kinds = [part.get("type") if isinstance(part, dict) else None for part in parts]
    if kinds not in (["Metaspace"], ["WhitespaceSplit", "Metaspace"]):
        raise UserError(f"{path}: pre_tokenizer is {kinds}; accepted is Metaspace")
    last = parts[-1]
    mark, scheme = last.get("replacement", SPACE_MARK), last.get("prepend_scheme", "always")
    if mark != SPACE_MARK or scheme != "always" or last.get("add_prefix_space") is False:
        raise UserError(f"{path}: pre_tokenizer: accepted is a {SPACE_MARK} before every word")


def _pieces_by_id(ids: dict[str, int], path: Path) -> list[str]:
    pieces = {i: piece for piece, i in ids.items()}
    if len(pieces) != len(ids) or sorted(pieces) != list(range(len(pieces))):
        raise UserError(f"{path}: the ids of the pieces must be 0 to {len(ids) - 1}, once each")
    return [pieces[i] for i in range(len(pieces))]


def pad_first(pieces: list[str], path: Path) -> np.ndarray:
    """Their id for each of ours: padding changes places with id 0.

    Raises:
        UserError: if there is no padding.
    """
    if _PAD not in pieces:
        raise UserError(f"{path}: there is no {_PAD}")
    order = np.arange(len(pieces))
    pad = pieces.index(_PAD)
    order[[0, pad]] = order[[pad, 0]]
    return order


def _renumbered(added: list[AddedToken], order: np.ndarray) -> list[AddedToken]:
    # The order is its own inverse.
    return [
        AddedToken(token.content, int(order[token.id]), token.lstrip, token.rstrip)
        for token in added
    ]
