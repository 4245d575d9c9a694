"""Tasks from what others have trained: Hugging Face, google-research/bert, KerasHub."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from attention_zoo.errors import UserError
from attention_zoo.json_files import Content, check_content, parse_json, read_json
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.google_checkpoint import read_checkpoint
from attention_zoo.tasks.loading import TASKS
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer, read_vocabulary
from attention_zoo.zoo.importers.bert import head_of, make_bert
from attention_zoo.zoo.importers.bert_names import from_google
from attention_zoo.zoo.importers.hugging_face import bert_arguments, read_hugging_face_weights
from attention_zoo.zoo.importers.keras_hub import keras_hub_arguments, read_keras_hub_weights

# What Hugging Face calls a model, the head it has here, and the task.
_ARCHITECTURES = {
    "BertModel": (None, "embed"),
    "BertForPreTraining": ("pretrainer", "fill_mask"),
    "BertForMaskedLM": ("pretrainer", "fill_mask"),
    "BertForNextSentencePrediction": ("classifier", "classify"),
    "BertForSequenceClassification": ("classifier", "classify"),
    "BertForTokenClassification": ("token_classifier", "tag"),
    "BertForQuestionAnswering": ("token_classifier", "answer"),
}
_TASK_OF_HEAD = {
    None: "embed",
    "pretrainer": "fill_mask",
    "classifier": "classify",
    "token_classifier": "tag",
}
# Of next-sentence prediction: outputs, and the columns of an example.
_FOLLOWING = {"labels": ["next", "random"], "fields": ("text", "pair", "label")}
_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


class _Config(Content):
    """Of a `config.json` what the model is for."""

    architectures: list[str] | None = None
    id2label: dict[str, str | int | float] | None = None
    problem_type: str | None = None


class _Module(Content):
    type: str


class _Modules(Content):
    modules: list[_Module]


class _Lengths(Content):
    max_seq_length: Annotated[int, Field(ge=1)] | None = None


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
    said = check_content(config, _Config, folder / "config.json")
    weights = read_hugging_face_weights(folder)
    architecture = (said.architectures or [None])[0]
    if architecture is None:
        head = head_of(weights)
        kind = _TASK_OF_HEAD[head]
    elif architecture in _ARCHITECTURES:
        head, kind = _ARCHITECTURES[architecture]
    else:
        raise UserError(
            f"{folder / 'config.json'}: there is no task for {architecture}; "
            f"known are {', '.join(_ARCHITECTURES)}"
        )
    follows = architecture == "BertForNextSentencePrediction"
    if follows:
        weights = {name.replace("sentence_head/", "head/"): a for name, a in weights.items()}
    arguments = bert_arguments(config, folder / "config.json")
    model = make_bert(arguments, weights, head, folder)
    settings = _FOLLOWING if follows else _settings(kind, config, model)
    if kind == "embed":
        settings = _sentence_transformer(folder, model)
    return TASKS[kind](model, _hugging_face_tokenizer(folder), **{**settings, **given})


def _settings(kind, config, model):
    """What a task has to know of its labels."""
    if kind == "classify":
        return _classification(config, model.num_outputs)
    return {"labels": _labels(config, model.num_outputs)} if kind == "tag" else {}


def _labels(config, number):
    names = config.get("id2label") or {}
    return [str(names.get(str(i), f"LABEL_{i}")) for i in range(number)]


def _classification(config, number):
    problem = config.get("problem_type")
    if problem == "regression" or (problem is None and number == 1):
        return {"problem": "number"}
    several = problem == "multi_label_classification"
    return {"problem": "several" if several else "one", "labels": _labels(config, number)}


def _sentence_transformer(folder, model):
    """Pooling, normalisation and longest input, as sentence-transformers writes them."""
    modules = folder / "modules.json"
    if not modules.exists():
        return {"pooling": "mean", "normalize": True}
    said = check_content({"modules": parse_json(modules)}, _Modules, modules)
    types = [module.type.rsplit(".", 1)[-1] for module in said.modules]
    unknown = [name for name in types if name not in ("Transformer", "Pooling", "Normalize")]
    if unknown:
        raise UserError(f"{modules}: there is no {unknown[0]} here")
    settings = read_json(folder / "1_Pooling" / "config.json")
    modes = [name for name, value in settings.items() if name.startswith("pooling_mode") and value]
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise UserError(
            f"{folder / '1_Pooling' / 'config.json'}: accepted is one of {', '.join(_POOLINGS)}, "
            f"received {', '.join(modes) or 'none'}"
        )
    lengths = folder / "sentence_bert_config.json"
    longest = read_json(lengths, _Lengths).get("max_seq_length") if lengths.exists() else None
    return {
        "pooling": _POOLINGS[modes[0]],
        "normalize": "Normalize" in types,
        "max_length": min(longest or model.max_length, model.max_length),
    }


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
    return TASKS[kind](model, tokenizer, **{**_settings(kind, {}, model), **given})


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
