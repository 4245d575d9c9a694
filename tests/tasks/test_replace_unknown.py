"""Unknown tokens are written as the source token that was attended to most."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.decoding.beam_search import beam_search
from attention_zoo.errors import UserError
from attention_zoo.export.export import export
from attention_zoo.loading import load
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.zoo import RNNAttention

TEXTS = ["one two Xyz four", "Abc three", "two Qrs one Abc", ""]


@pytest.fixture
def task():
    keras.utils.set_random_seed(3)
    tokenizer = WordTokenizer(["one", "two", "three", "four"])
    model = RNNAttention(tokenizer.vocab_size, width=8, max_length=10)
    for weight in model.trainable_weights:
        weight.assign(weight * 3.0)
    # Unknown and known tokens come in turn, often enough.
    model.output_projection.bias.assign([-9, 2, -9, -2, 0, 0, 0, 0])
    return Seq2Seq(model, tokenizer, max_target_length=6, beam_size=2, replace_unknown=True)


def test_they_are_copies_of_what_was_attended_to(task):
    ids = task.source_tokenizer.encode(tf.constant(TEXTS[:3]), 10)
    found = beam_search(task.model, ids, 6, beam_size=2, return_attention=True)
    answers = task(TEXTS)
    assert answers[3] == ""
    replaced = 0
    for row, text in enumerate(TEXTS[:3]):
        source = text.split()
        expected = []
        for i, token in enumerate(found.ids.numpy()[row, 0]):
            if token == 3:
                break
            if token == 1:
                replaced += 1
                attention = found.attention.numpy()[row, 0, i, : len(source)]
                expected.append(source[attention.argmax()])
            elif token >= 4:
                expected.append(task.target_tokenizer.words[token - 4])
        assert answers[row].split(" ") == expected
    assert replaced > 3


@pytest.mark.slow
def test_artefacts_and_files_do_the_same(task, tmp_path):
    task.metrics, task.examples = ("exact_match",), [(text, "one") for text in TEXTS[:3]]
    report = export(task, tmp_path / "out")
    assert [a["same_answers"] for a in report["artefacts"]] == [1.0, 1.0]
    expected = task(TEXTS)
    for name in ("saved_model/1", "model.tflite"):
        assert load(tmp_path / "out" / name)(TEXTS) == expected
    task.save(tmp_path / "task")
    assert load(tmp_path / "task")(TEXTS) == expected


def test_tokens_stand_where_their_ids_are():
    for tokenizer, text in (
        (CharacterTokenizer("abc"), "caXb"),
        (WordTokenizer(["a", "b"]), " a  X b"),
    ):
        ids = tokenizer.encode(tf.constant([text]), 10).numpy()[0]
        tokens = [token.decode() for token in tokenizer.tokens(tf.constant([text]), 10).numpy()[0]]
        assert len(tokens) == len(ids)
        for i, token in zip(ids, tokens, strict=True):
            assert token == ("" if i == 3 else "X" if i == 1 else tokenizer.pieces([i])[0])
        cut = tokenizer.tokens(tf.constant([text]), 3).numpy()[0]
        assert [token.decode() for token in cut] == [*tokens[:2], ""]


def test_characters_are_replaced_in_place():
    tokenizer = CharacterTokenizer("abc")
    ids, unknown = np.array([[4, 1, 6, 3, 1]]), np.array([["x", "Y", "x", "x", "x"]])
    assert tokenizer.decode(tf.constant(ids), tf.constant(unknown)).numpy()[0] == b"aYc"


def test_what_cannot_be_replaced():
    tokenizer = SentencePieceTokenizer.train(["the cat sat on the mat"] * 3, 16)
    with pytest.raises(ValueError, match=r"characters or words.*'sentencepiece'"):
        Seq2Seq(RNNAttention(16, width=4), tokenizer, replace_unknown=True)
    words = WordTokenizer(["a"])
    with pytest.raises(ValueError, match="needs a model with attention"):
        Seq2Seq(RNNAttention(5, width=4, attention="none"), words, replace_unknown=True)


def test_a_recipe_asks_for_it(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "model: {preset: rnn_attention_tiny}\ndata: {train: t.tsv, source: a, target: b}\n"
        "tokenizer: {kind: words}\nevaluate: {replace_unknown: true}\n"
    )
    examples = [("one two", "two one"), ("two", "one")]
    assert load_recipe(path).build(examples).replace_unknown
    path.write_text(path.read_text().replace("words", "sentencepiece"))
    examples *= 20
    with pytest.raises(UserError, match="replace_unknown needs tokens"):
        load_recipe(path, ["tokenizer.vocab_size=11"]).build(examples)
