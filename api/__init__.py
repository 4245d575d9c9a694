"""Attention Zoo: attention models for Keras 3 and TensorFlow, exported with their tokenizers.

    import attention_zoo as az

    task = az.load("runs/demo")                  # or a task you trained, or an artefact
    task(["2021年11月13日星期六"])                  # strings in, strings out
    az.export(task, "exported", quantize=["none", "dynamic_int8"])

Names are imported when they are used, so that `import attention_zoo` is quick.
"""

import importlib

from attention_zoo.version import __version__

_PUBLIC = {
    "Bert": "zoo.bert",
    "BertClassifier": "zoo.bert_classifier",
    "BertPretrainer": "zoo.bert_pretrainer",
    "BertTokenClassifier": "zoo.bert_token_classifier",
    "CharacterTokenizer": "text.character_tokenizer",
    "Classify": "tasks.classify.task",
    "Embed": "tasks.embed.task",
    "FillMask": "tasks.fill_mask.task",
    "QuestionAnswering": "tasks.answer.task",
    "RNNAttention": "zoo.rnn_attention",
    "SentencePieceTokenizer": "text.sentencepiece_tokenizer",
    "Seq2Seq": "tasks.seq2seq.task",
    "Tag": "tasks.tag.task",
    "Transformer": "zoo.transformer",
    "WordPieceTokenizer": "text.wordpiece_tokenizer",
    "WordTokenizer": "text.word_tokenizer",
    "beam_search": "decoding.beam_search",
    "greedy_search": "decoding.greedy",
    "import_task": "tasks.importing",
    "load": "loading",
    "load_recipe": "recipes.recipe",
    "read_examples": "text.readers",
    "sample": "decoding.sampling",
    "train_recipe": "recipes.run",
    "verify_export": "export.export",
}
_MODULES = ("export", "layers", "zoo")

__all__ = ["__version__", *_MODULES, *_PUBLIC]


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"attention_zoo.{_PUBLIC[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"attention_zoo.{name}")
    raise AttributeError(f"module 'attention_zoo' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
