"""Makes translation tasks from Marian's models, in Hugging Face folders or its own format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field

from attention_zoo.errors import UserError, shown
from attention_zoo.files import read_file
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.piece_tokenizer import PieceTokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieces
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.vocabulary import PAD_ID, START_ID, UNKNOWN_ID
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.zoo.importers.hugging_face_marian import marian_arguments, read_marian_weights
from attention_zoo.zoo.importers.marian import Vocabulary, make_translator
from attention_zoo.zoo.importers.marian_npz import read_marian

_T = TypeVar("_T")
_SIDES = ("source", "target")
_UNKNOWN, _END = "<unk>", "</s>"
_Beam = Annotated[int, Field(ge=1)]


class _Generation(Content):
    """The fields of `generation_config.json`, which older folders have in `config.json`."""

    num_beams: _Beam = 1
    max_length: Annotated[int, Field(gt=1)] | None = None
    length_penalty: float = 1.0
    bad_words_ids: list[list[int]] | None = None
    forced_eos_token_id: int | None = None


class _Specials(Content):
    """The fields of `tokenizer_config.json`."""

    separate_vocabs: bool = False
    tokenizer_class: str = "MarianTokenizer"
    unk_token: str = _UNKNOWN
    eos_token: str = _END
    pad_token: str = "<pad>"


class _Decoder(Content):
    """The fields of Marian's `decoder.yml`."""

    models: list[str] = Field(min_length=1, max_length=1)
    vocabs: list[str] = Field(min_length=2, max_length=2)
    beam_size: _Beam = Field(default=12, alias="beam-size")
    normalize: float = 0.0
    word_penalty: float = Field(default=0.0, alias="word-penalty")
    allow_unk: bool = Field(default=False, alias="allow-unk")


def import_hugging_face_marian(
    folder: Path, config: Mapping[str, Any], target_language: str | None, **given: Any
) -> Seq2Seq:
    """Makes a task from a Hugging Face folder with a `MarianMTModel`.

    Args:
        folder: the folder.
        config: the content of its `config.json`.
        target_language: the language to translate into, of a model that has several.
        **given: further arguments of `Seq2Seq`.

    Raises:
        UserError: if a file is missing or damaged, or something in it is not supported.
    """
    origin = folder / "config.json"
    arguments = marian_arguments(config, origin)
    weights, weights_file = read_marian_weights(folder, arguments)
    arguments["share_embeddings"] = "source_embedding/table" not in weights
    vocabularies, tokenizers = _hugging_face_tokenizers(folder, config, target_language)
    tokens = [tokenizer.vocabulary for tokenizer in tokenizers]
    model = make_translator(arguments, weights, vocabularies, tokens, weights_file)
    generation = _generation(folder, config)
    new_ids = dict(zip(vocabularies[1].tokens, range(4, model.target_vocab_size), strict=True))
    new_ids[vocabularies[1].unknown] = UNKNOWN_ID
    by_id = {i: token for token, i in vocabularies[1].ids.items()}
    suppressed = {PAD_ID, START_ID}
    for words in generation.bad_words_ids or []:
        if len(words) != 1 or words[0] not in by_id:
            raise UserError(
                f"{folder}: bad_words_ids has {words}; accepted are single ids of the vocabulary"
            )
        suppressed.add(new_ids.get(by_id[words[0]], PAD_ID))
    if generation.forced_eos_token_id not in (None, config["eos_token_id"]):
        raise UserError(
            f"{folder}: forced_eos_token_id is {generation.forced_eos_token_id}; accepted is "
            f"eos_token_id, {config['eos_token_id']}"
        )
    # There, the length counts the start, and the end is forced upon an answer that is too long.
    longest = min(generation.max_length or model.max_length, model.max_length) - 1
    longest -= generation.forced_eos_token_id is not None
    settings = {
        "max_target_length": longest,
        "beam_size": generation.num_beams,
        "length_penalty": generation.length_penalty,
        "search_style": "marian",
        "suppressed": sorted(suppressed),
    }
    source, target = tokenizers
    return Seq2Seq(model, source, target, **{**settings, **given})


def _generation(folder: Path, config: Mapping[str, Any]) -> _Generation:
    path = folder / "generation_config.json"
    if path.exists():
        return check_content(read_json(path), _Generation, path)
    return check_content(dict(config), _Generation, folder / "config.json")


def _hugging_face_tokenizers(
    folder: Path, config: Mapping[str, Any], target_language: str | None
) -> tuple[list[Vocabulary], list[PieceTokenizer]]:
    path = folder / "tokenizer_config.json"
    specials = check_content(read_json(path) if path.exists() else {}, _Specials, path)
    if specials.tokenizer_class.removesuffix("Fast") != "MarianTokenizer":
        raise UserError(
            f"{path}: tokenizer_class is {specials.tokenizer_class}; accepted is MarianTokenizer"
        )
    names = ["vocab.json", "target_vocab.json" if specials.separate_vocabs else "vocab.json"]
    special = (specials.unk_token, specials.eos_token, specials.pad_token)
    vocabularies = [_vocabulary(folder / name, special) for name in names]
    target = vocabularies[1]
    for name, token in (("eos_token_id", target.end), ("pad_token_id", specials.pad_token)):
        if target.ids[token] != config[name]:
            raise UserError(
                f"{folder / 'config.json'}: {name} is {config[name]}, but {token} in {names[1]} "
                f"has the id {target.ids[token]}"
            )
    prefix = None if target_language is None else f">>{target_language}<<"
    tokenizers = [
        _pieces(folder / f"{side}.spm", vocabulary.tokens, prefix if side == "source" else None)
        for side, vocabulary in zip(_SIDES, vocabularies, strict=True)
    ]
    return vocabularies, tokenizers


def _vocabulary(path: Path, special: tuple[str, str, str]) -> Vocabulary:
    ids = read_json(path)
    if not ids or not all(isinstance(i, int) for i in ids.values()):
        raise UserError(f"{path} must map tokens to ids")
    missing = [token for token in special if token not in ids]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}")
    return Vocabulary(ids, *special)


def _pieces(path: Path, tokens: Sequence[str], prefix: str | None) -> PieceTokenizer:
    return _named(path, lambda: PieceTokenizer(read_file(path), tokens, prefix))


def _named(path: Path, read: Callable[[], _T]) -> _T:
    """What a function makes of a file's content; its errors name the file."""
    try:
        return read()
    except UserError as error:
        raise error if str(path) in str(error) else UserError(f"{path}: {error}") from error


def import_marian(
    folder: Path, decoder: Path | None, target_language: str | None, **given: Any
) -> Seq2Seq:
    """Makes a task from a folder of Marian.

    Args:
        folder: the folder, with an `.npz` or `.bin` and its vocabularies: SentencePiece models, or
            YAML files beside `source.spm` and `target.spm`, or of words between spaces.
        decoder: the `decoder.yml` in it, which names these files; None: the files of Firefox's
            translators, which have no such file.
        target_language: the language to translate into, of a model that has several.
        **given: further arguments of `Seq2Seq`.

    Raises:
        UserError: if a file is missing or damaged, or something in it is not supported.
    """
    if decoder is None:
        settings, decoder = _of_firefox(folder), folder
    else:
        settings = check_content(_read_yaml(decoder), _Decoder, decoder)
    if settings.word_penalty:
        raise UserError(f"{decoder}: word-penalty is {settings.word_penalty}; accepted is 0")
    path = _inside(folder, settings.models[0], decoder)
    arguments, weights = read_marian(path)
    vocabularies, tokenizers, tokens = [], [], []
    shared = settings.vocabs[0] == settings.vocabs[1]
    prefix = None if target_language is None else f">>{target_language}<<"
    for side, name in zip(_SIDES, settings.vocabs, strict=True):
        vocabulary, tokenizer, names = _read_vocabulary(
            _inside(folder, name, decoder), folder, side, prefix if side == "source" else None
        )
        vocabularies.append(vocabulary)
        tokenizers.append(tokenizer)
        tokens.append(names)
    if shared and tokens[0] != tokens[1]:
        raise UserError(f"{decoder}: both sides have one vocabulary, but are split differently")
    model = make_translator(arguments, weights, vocabularies, tokens, path)
    suppressed = [PAD_ID, START_ID] if settings.allow_unk else [PAD_ID, UNKNOWN_ID, START_ID]
    chosen = {
        "beam_size": settings.beam_size,
        "length_penalty": settings.normalize,
        "search_style": "marian",
        "suppressed": suppressed,
    }
    source, target = tokenizers
    return Seq2Seq(model, source, target, **{**chosen, **given})


def is_of_firefox(folder: Path) -> bool:
    """Whether a folder has the files of one of Firefox's translators."""
    return bool(list(folder.glob("model.*.bin"))) and bool(list(folder.glob("*vocab.*.spm")))


def _of_firefox(folder: Path) -> _Decoder:
    """The files `model.*.bin` and `vocab.*.spm`, or `srcvocab.*.spm` and `trgvocab.*.spm`.

    Firefox searches greedily.
    """
    patterns = ("model.*.bin", "vocab.*.spm", "srcvocab.*.spm", "trgvocab.*.spm")
    models, both, source, target = (sorted(folder.glob(pattern)) for pattern in patterns)
    vocabularies = both * 2 or source + target
    if len(models) != 1 or len(vocabularies) != 2:
        raise UserError(
            f"{folder}: accepted are one model.*.bin and one vocab.*.spm, or srcvocab.*.spm and "
            f"trgvocab.*.spm; there are {len(models)} models, and {len(both)}, {len(source)} and "
            f"{len(target)} of these"
        )
    files = {"models": [models[0].name], "vocabs": [path.name for path in vocabularies]}
    return _Decoder(**files, **{"beam-size": 1, "normalize": 1.0})


def _inside(folder: Path, name: str, origin: Path) -> Path:
    """The file of a name in a folder, whatever folder the name had when it was written."""
    path = folder / Path(name).name
    if not path.is_file():
        raise UserError(f"{origin} names {shown(name)}; there is no {path}")
    return path


def _read_vocabulary(
    path: Path, folder: Path, side: str, prefix: str | None
) -> tuple[Vocabulary, Tokenizer, list[str]]:
    """The ids of a vocabulary, its tokenizer, and its tokens in the order of our ids."""
    if path.suffix == ".spm":
        pieces = _named(path, lambda: SentencePieces(read_file(path)))
        ids = {piece: i for i, piece in enumerate(pieces.names)}
        _, unknown, _, end = pieces.special_ids
        if len(ids) != len(pieces.names) or min(unknown, end) < 0:
            raise UserError(f"{path} has equal pieces, or no unknown or end piece")
        vocabulary = Vocabulary(ids, pieces.names[unknown], pieces.names[end])
        return vocabulary, _pieces(path, vocabulary.tokens, prefix), vocabulary.tokens
    # By a loader for which everything is a string: words such as "yes" or "1" are not values.
    ids = _read_yaml(path, yaml.BaseLoader)
    if not ids or not all(isinstance(i, str) and i.isdecimal() for i in ids.values()):
        raise UserError(f"{path} must map tokens to ids")
    vocabulary = Vocabulary({token: int(i) for token, i in ids.items()}, _UNKNOWN, _END)
    model = folder / f"{side}.spm"
    if model.exists():
        return vocabulary, _pieces(model, vocabulary.tokens, prefix), vocabulary.tokens
    if prefix is not None:
        raise UserError(f"{path}: a target language needs {model}")
    words = WordTokenizer(vocabulary.tokens)
    return vocabulary, words, words.words


def _read_yaml(path: Path, loader: Any = yaml.SafeLoader) -> dict[str, Any]:
    try:
        content = yaml.load(read_file(path), loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must be a mapping")
    return content
