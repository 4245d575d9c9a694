"""Tasks from what others have trained: Hugging Face, google-research/bert, KerasHub."""

from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.encoder_settings import EncoderRecipe
from attention_zoo.tasks.google_checkpoint import read_checkpoint
from attention_zoo.tasks.settings import TASKS
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer, read_vocabulary
from attention_zoo.zoo.importers.bert import head_of, make_bert
from attention_zoo.zoo.importers.bert_names import from_google
from attention_zoo.zoo.importers.hugging_face import bert_arguments, read_hugging_face_weights
from attention_zoo.zoo.importers.keras_hub import keras_hub_arguments, read_keras_hub_weights

# The task of weights of which nothing else is known, by the head that they have.
_TASK_OF_HEAD = {
    None: "embed",
    "pretrainer": "fill_mask",
    "classifier": "classify",
    "token_classifier": "tag",
}
_HEAD_OF_MODEL = {
    "Bert": None,
    "BertPretrainer": "pretrainer",
    "BertClassifier": "classifier",
    "BertTokenClassifier": "token_classifier",
}


class _Config(Content):
    """Of a `config.json` what the model is for."""

    architectures: list[str] | None = None
    id2label: dict[str, str | int | float] | None = None
    problem_type: str | None = None


class _TokenizerConfig(Content):
    tokenize_chinese_chars: bool = True
    do_lower_case: bool = True
    strip_accents: bool | None = None


class _Typed(Content):
    type: str | None = None


class _TokenizerKind(Content):
    model: _Typed | None = None
    normalizer: _Typed | None = None


class _WordPiece(Content):
    vocab: dict[str, int]


class _Normalizer(Content):
    lowercase: bool
    strip_accents: bool | None = None


class _TokenizerJson(Content):
    model: _WordPiece
    normalizer: _Normalizer


class _GoogleConfig(Content):
    do_lower_case: bool = True


class _KerasHubSettings(Content):
    lowercase: bool | None = None
    strip_accents: bool | None = None


class _KerasHubTokenizer(Content):
    config: _KerasHubSettings = _KerasHubSettings()


def import_task(folder, fields=None):
    """Makes a task of a folder with a model of the BERT architecture.

    Args:
        folder: a Hugging Face folder (`config.json`, weights as safetensors or `.bin`, whole
            or in shards, `vocab.txt` or `tokenizer.json`; with the `modules.json` of
            sentence-transformers or without), a folder of google-research/bert
            (`bert_config.json`, `vocab.txt`, `bert_model.ckpt.*`), or a KerasHub preset.
        fields: names of the columns of an example, see the task's class; its usual ones
            when None. A folder does not say whether a classifier takes pairs of texts:
            `("text", "pair", "label")` does.

    Returns:
        A task: what the weights are for, embeddings if they have no head.

    Raises:
        UserError: if the folder is none of these, a file is missing or damaged, a
            weight is missing, left over, or of another shape, or the task has no use for
            so many columns.
    """
    folder = Path(folder)
    given = {} if fields is None else {"fields": tuple(fields)}
    try:
        return _import(folder, given)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{folder}: {error}") from error


def _import(folder, given):
    if not folder.is_dir():
        raise UserError(f"{folder}: no such directory")
    if (folder / "bert_config.json").exists():
        return _import_google(folder, given)
    config = read_json(folder / "config.json")
    if "registered_name" in config:
        return _import_keras_hub(folder, config, given)
    return _import_hugging_face(folder, config, given)


def _import_hugging_face(folder, config, given):
    check_content(config, _Config, folder / "config.json")
    weights = read_hugging_face_weights(folder)
    recipe = _recipe_of(folder, config, weights)
    task_class, head = recipe.task_class(), _HEAD_OF_MODEL[recipe.head]
    weights = task_class.import_weights(config, weights)
    arguments = bert_arguments(config, folder / "config.json")
    model = make_bert(arguments, weights, head, folder)
    settings = task_class.import_settings(config, model, folder)
    return task_class(model, _hugging_face_tokenizer(folder), **{**settings, **given})


def _recipe_of(folder: Path, config: Any, weights: Any) -> Any:
    """The recipe of the task that a folder is for."""
    architecture = (config.get("architectures") or [None])[0]
    if architecture is None:
        return TASKS[_TASK_OF_HEAD[head_of(weights)]]
    encoders = [recipe for recipe in TASKS.values() if issubclass(recipe, EncoderRecipe)]
    # A task that knows its folders by more than the architecture goes first.
    encoders.sort(key=lambda recipe: recipe.is_particular, reverse=True)
    for recipe in encoders:
        if recipe.recognizes(architecture, config):
            return recipe
    known = sorted({name for recipe in encoders for name in recipe.architectures})
    raise UserError(
        f"{folder / 'config.json'}: no task for {architecture}; known are {', '.join(known)}"
    )


def _hugging_face_tokenizer(folder):
    options, vocabulary = {}, None
    whole = folder / "tokenizer.json"
    if whole.exists():
        vocabulary, options = _from_tokenizer_json(whole)
    settings = folder / "tokenizer_config.json"
    if settings.exists():
        content = read_json(settings, _TokenizerConfig)
        if not content.get("tokenize_chinese_chars", True):
            raise UserError(f"{settings}: ideographs are words of their own here")
        if "do_lower_case" in content:
            options["lower_case"] = content["do_lower_case"]
        if "strip_accents" in content:
            options["strip_accents"] = content["strip_accents"]
    if (folder / "vocab.txt").exists():
        vocabulary = read_vocabulary(folder / "vocab.txt")
    if vocabulary is None:
        raise UserError(f"{folder}: there is no vocab.txt and no tokenizer.json")
    return WordPieceTokenizer(vocabulary, **options)


def _from_tokenizer_json(path):
    content = read_json(path)
    kind = check_content(content, _TokenizerKind, path)
    model, normalizer = kind.model or _Typed(), kind.normalizer or _Typed()
    kinds = model.type or "WordPiece", normalizer.type
    if kinds != ("WordPiece", "BertNormalizer"):
        raise UserError(f"{path}: WordPiece with a BertNormalizer is needed, received {kinds}")
    said = check_content(content, _TokenizerJson, path)
    vocabulary = sorted(said.model.vocab, key=said.model.vocab.get)
    if sorted(said.model.vocab.values()) != list(range(len(vocabulary))):
        raise UserError(f"{path}: model.vocab: the ids must be 0, 1, 2 ... without a gap")
    return vocabulary, {
        "lower_case": said.normalizer.lowercase,
        "strip_accents": said.normalizer.strip_accents,
    }


def _import_google(folder, given):
    config = read_json(folder / "bert_config.json", _GoogleConfig)
    arguments = bert_arguments(config, folder / "bert_config.json")
    if arguments["activation"] == "gelu":
        # That code computes gelu by the approximation.
        arguments["activation"] = "gelu_tanh"
    arrays = read_checkpoint(folder)
    weights = from_google(arrays, folder)
    # Only the name tells where an answer begins and ends from a classifier of two labels.
    answers = "cls/squad/output_weights" in arrays
    head = "token_classifier" if answers else head_of(weights)
    kind = "answer" if answers else _TASK_OF_HEAD[head]
    model = make_bert(arguments, weights, head, folder)
    # Its models with capitals have no other sign of it than their names.
    lower_case = config.get("do_lower_case", "uncased" in folder.name or "cased" not in folder.name)
    tokenizer = WordPieceTokenizer(read_vocabulary(folder / "vocab.txt"), lower_case)
    task_class: Any = TASKS[kind].task_class()
    settings = task_class.import_settings({}, model, folder)
    return task_class(model, tokenizer, **{**settings, **given})


def _import_keras_hub(folder, config, given):
    arguments = keras_hub_arguments(config, folder / "config.json")
    weights = read_keras_hub_weights(folder / "model.weights.h5")
    model = make_bert(arguments, weights, None, folder)
    path = folder / "assets" / "tokenizer" / "vocabulary.txt"
    settings = read_json(folder / "tokenizer.json", _KerasHubTokenizer).get("config", {})
    lower_case, strip_accents = (
        bool(settings.get(name)) for name in ("lowercase", "strip_accents")
    )
    tokenizer = WordPieceTokenizer(read_vocabulary(path), lower_case, strip_accents)
    return Embed(model, tokenizer, **given)
