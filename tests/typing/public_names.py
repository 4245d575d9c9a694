"""Every public name, used as the documentation uses it: for pyright, never run."""

import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import attention_zoo as az


def version() -> str:
    return az.__version__


def tokenizers(texts: list[str]) -> list[tf.Tensor]:
    trained = [
        az.CharacterTokenizer.train(texts),
        az.SentencePieceTokenizer.train(texts, vocab_size=100, algorithm="bpe"),
        az.WordPieceTokenizer.train(texts, vocab_size=100, lower_case=False),
        az.WordTokenizer.train(texts),
    ]
    return [tokenizer.encode(tf.constant(texts), max_length=8) for tokenizer in trained]


@az.register_tokenizer
class UpperCaseTokenizer(az.CharacterTokenizer):
    kind = "upper_case"

    def tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return super().tokenize(tf.strings.upper(strings))


def any_tokenizer(tokenizer: az.Tokenizer) -> int:
    return tokenizer.vocab_size


def layer() -> keras.layers.Layer:
    return az.layers.EncoderBlock(num_heads=2, feed_forward_width=8)


def checks(model: az.Transformer, task: az.Task) -> None:
    az.testing.check_layer(layer, {"inputs": np.ones((2, 3, 8))})
    az.testing.check_model(model)
    az.testing.check_model(lambda: az.Transformer(source_vocab_size=10), mixed_tolerance=0.1)
    az.testing.check_task(task, [("a", "b")])


def models() -> list[keras.Model]:
    encoder: dict[str, Any] = {"vocab_size": 10, "width": 8, "num_blocks": 1, "num_heads": 2}
    return [
        az.Bert(**encoder),
        az.BertClassifier(3, encoder),
        az.BertEmbedder(["mean"], [], encoder),
        az.BertPretrainer(encoder),
        az.BertTokenClassifier(3, encoder),
        az.RNNAttention.from_preset("rnn_tiny", source_vocab_size=10),
        az.Transformer(source_vocab_size=10, width=8, num_heads=2),
        az.zoo.Transformer.from_preset("transformer_tiny", source_vocab_size=10),
    ]


def presets() -> list[str]:
    return list(az.zoo.PRESETS)


def searches(model: az.Transformer, source_ids: tf.Tensor) -> None:
    az.greedy_search(model, source_ids, max_length=8)
    az.beam_search(model, source_ids, max_length=8, beam_size=2)
    az.sample(model, source_ids, max_length=8, seed=1, top_p=0.9)


def translate(model: az.Transformer, tokenizer: az.CharacterTokenizer) -> list[str]:
    task = az.Seq2Seq(model, tokenizer, tokenizer)
    task.fit([("a", "b")], steps=10)
    task.save("task")
    return task(["a"])


def encoder_tasks(tokenizer: az.WordPieceTokenizer, encoder: dict[str, Any]) -> None:
    answers = az.QuestionAnswering(az.BertClassifier(2, encoder), tokenizer)
    answers([("Who?", "Ada.")])
    az.Classify(az.BertClassifier(2, encoder), tokenizer, labels=["no", "yes"])(["a text"])
    az.Embed(az.Bert(**encoder), tokenizer, pooling="cls")(["a text"])
    az.FillMask(az.BertPretrainer(encoder), tokenizer)(["a [MASK]"])
    az.Tag(az.BertTokenClassifier(2, encoder), tokenizer, labels=["B", "O"])(["a text"])


def files(folder: pathlib.Path) -> None:
    examples = az.read_examples(str(folder / "test.tsv"), ["source", "target"])
    task, _ = az.train_recipe(az.load_recipe("recipe.yaml", ["train.steps=10"]), "run")
    task.evaluate(examples)
    task = az.load("run")
    task(["a text"])
    az.export(task, "exported", formats=["saved_model"], examples=examples)
    az.verify_export("exported")
    az.export(az.import_task("folder", fields=("text", "pair", "label")), "imported")


def ask_several() -> list[str]:
    return az.together([az.load("g2p_transformer"), az.load("g2p_rnn")])(["zoo"])


def look(task: az.Task, examples: list[tuple[str, str]]) -> az.Explanation:
    print(az.head_importance(task, examples))
    return az.explain(task, "a text", beam_size=4)


@az.register_metric("ratio_of_lengths", ["text"])
def ratio_of_lengths(answers: list[str], references: list[str]) -> float:
    return sum(map(len, answers)) / max(1, sum(map(len, references)))


@az.register_model
class Small(az.Seq2SeqModel):
    pass


@az.register_task
class MineRecipe(az.EncoderRecipe):
    kind = "mine"


class Mine(az.EncoderTask):
    recipe = MineRecipe

    def read_answers(self, outputs: Any, columns: Any, **options: Any) -> list[az.Prediction]:
        return [az.Prediction("text", {})]


@az.register_format
class MyFormat(az.Format):
    name = "mine"


def kind_of(task: az.Task) -> str:
    return task.kind


def rank(model: az.BertClassifier, tokenizer: az.WordPieceTokenizer) -> list[tuple[int, float]]:
    return az.Rank(model, tokenizer).rank("query", ["passage"])
