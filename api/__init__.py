"""Attention Zoo: attention models for Keras 3 and TensorFlow, exported with their tokenizers.

    import attention_zoo as az

    task = az.load("runs/demo")                  # or a task you trained, or an artefact
    task(["2021年11月13日星期六"])                  # strings in, strings out
    az.export(task, "exported", quantize=["none", "dynamic_int8"])

Names are imported on first use, so that `import attention_zoo` is fast. Type checkers read
them in `__init__.pyi`; `tests/test_types.py` compares the two lists.
"""

import importlib
import sys
import types

from attention_zoo.version import __version__

_PUBLIC = {
    "Bert": "zoo.bert",
    "BertClassifier": "zoo.bert_classifier",
    "BertEmbedder": "zoo.bert_embedder",
    "BertPretrainer": "zoo.bert_pretrainer",
    "BertTokenClassifier": "zoo.bert_token_classifier",
    "CharacterTokenizer": "text.character_tokenizer",
    "Classify": "tasks.classify.task",
    "Embed": "tasks.embed.task",
    "EncoderRecipe": "tasks.encoder_settings",
    "EncoderTask": "tasks.encoder_task",
    "Explanation": "viewer.explanation",
    "FillMask": "tasks.fill_mask.task",
    "Format": "export.formats.base",
    "Prediction": "tasks.encoder_task",
    "QuestionAnswering": "tasks.answer.task",
    "RNNAttention": "zoo.rnn_attention",
    "SentencePieceTokenizer": "text.sentencepiece_tokenizer",
    "Rank": "tasks.rank.task",
    "Seq2Seq": "tasks.seq2seq.task",
    "Seq2SeqModel": "zoo.model",
    "Tag": "tasks.tag.task",
    "Task": "tasks.task",
    "Tokenizer": "text.tokenizer",
    "Transformer": "zoo.transformer",
    "WordPieceTokenizer": "text.wordpiece_tokenizer",
    "WordTokenizer": "text.word_tokenizer",
    "beam_search": "decoding.beam_search",
    "explain": "viewer.explanation",
    "greedy_search": "decoding.greedy",
    "head_importance": "viewer.head_importance",
    "import_task": "tasks.importing",
    "load": "loading",
    "load_recipe": "recipes.recipe",
    "read_examples": "text.readers",
    "register_format": "export.formats.base",
    "register_metric": "train.metrics",
    "register_model": "zoo.registry",
    "register_task": "tasks.settings",
    "register_tokenizer": "text.registry",
    "sample": "decoding.sampling",
    "together": "tasks.seq2seq.teaching",
    "train_recipe": "recipes.run",
    "verify_export": "export.export",
}
_MODULES = ("layers", "testing", "zoo")

__all__ = ["__version__", "export", *_MODULES, *_PUBLIC]


class _Package(types.ModuleType):
    """Keeps `export` a function.

    Importing a module of the package `attention_zoo.export` assigns that package to the name
    `export` here. The property ignores it.
    """

    @property
    def export(self):
        """The function `attention_zoo.export.export.export`."""
        function = importlib.import_module("attention_zoo.export.export").export
        # `import attention_zoo.export.verify as verify` looks modules up in the function.
        function.__dict__ = vars(sys.modules["attention_zoo.export"])
        return function

    @export.setter
    def export(self, value):
        if not isinstance(value, types.ModuleType):
            raise AttributeError("attention_zoo.export cannot be replaced")


sys.modules[__name__].__class__ = _Package


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"attention_zoo.{_PUBLIC[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"attention_zoo.{name}")
    raise AttributeError(f"module 'attention_zoo' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
