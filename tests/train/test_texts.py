"""What a training says of its texts: what is cut off, and what no vocabulary knows."""

import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.answer.task import QuestionAnswering
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.loading import load_task
from attention_zoo.tasks.seq2seq.ids import shift_right
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.vocabulary import END_ID, START_ID
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.train.evaluation import evaluate
from attention_zoo.train.texts import notes_on_texts, truncation
from attention_zoo.zoo import Bert, BertClassifier, BertTokenClassifier, Transformer

SMALL = {"width": 8, "num_heads": 2, "feed_forward_width": 8}
ENCODER = {"vocab_size": 9, "width": 8, "num_blocks": 1, "num_heads": 2, "max_length": 16}
PIECES = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b", "##c", "d"])


@pytest.fixture(scope="module")
def task():
    tokenizer = CharacterTokenizer("abcdef")
    blocks = {"num_encoder_blocks": 1, "num_decoder_blocks": 1}
    model = Transformer(tokenizer.vocab_size, **SMALL, **blocks, max_length=8)
    return Seq2Seq(model, tokenizer, max_source_length=5, max_target_length=4)


def test_what_is_cut_off_is_said_with_how_much_and_how_long(task):
    examples = [("abcd", "abc"), ("abcde", "abcdef"), ("abcdef", "a"), ("a", "abcd")]
    counts, notes = truncation(task, examples)
    assert counts == {"source": 2, "target": 2}
    assert notes == notes_on_texts(task, examples) == [
        "2 of 4 source texts are longer than 4 tokens (the longest has 6) and are truncated",
        "2 of 4 target texts are longer than 3 tokens (the longest has 6) and are truncated",
    ]  # fmt: skip
    assert truncation(task, examples[:1]) == ({"source": 0, "target": 0}, [])
    assert evaluate(task, examples)["truncated"] == counts
    assert task.truncated(["abcd", "abcde"]) == [1]


def test_a_target_that_is_cut_off_does_not_end(task):
    rows = task.to_ids([("abcdef", "abc"), ("a", "abcd")])
    (source, whole), (_, cut) = rows
    assert source.tolist() == [4, 5, 6, 7, END_ID]
    assert whole.tolist() == [4, 5, 6, END_ID]
    assert cut.tolist() == [4, 5, 6, 7]
    # The decoder sees all but the last, which is what it is to say in the last place.
    assert shift_right(cut[None]).numpy().tolist() == [[START_ID, 4, 5, 6]]
    inputs = task.inputs_of(["a", "a"], ["abcd", "a"])
    assert inputs["target_ids"].tolist() == [[START_ID, 4, 5, 6], [START_ID, 4, 3, 0]]
    assert inputs["counted"].tolist() == [[True] * 4, [True, True, True, False]]


def test_encoders_say_what_they_do_not_read():
    classifier = Classify(
        BertClassifier(2, ENCODER), PIECES, ["x", "y"], max_length=6, fields=("a", "b", "label")
    )
    examples = [("a b", "a", "x"), ("a b", "a d", "y")]
    assert truncation(classifier, examples)[0] == {"text": 1}
    assert truncation(classifier, examples)[1] == [
        "1 of 2 texts is longer than 3 tokens (the longest has 4) and is truncated"
    ]
    embedder = Embed(Bert(**ENCODER), PIECES, max_length=5, fields=("text", "pair"))
    assert truncation(embedder, [("a b a b", "a"), ("a", "a b a")])[0] == {"text": 1, "pair": 0}
    answerer = QuestionAnswering(
        BertTokenClassifier(2, ENCODER), PIECES, max_question_length=2, max_length=8
    )
    long = ("a b d", "a b " * 20, "[]")
    assert truncation(answerer, [long])[0] == {"question": 1}
    assert answerer.truncated([("a b", "a b " * 20), long[:2]]) == [1]


def test_many_unknown_tokens_are_said(task):
    (note,) = notes_on_texts(task, [("abcd", "ab")] * 9 + [("axxy", "ab")])
    assert note == (
        "8% of the 40 tokens of the source are not in the vocabulary, most often 'x', 'y'"
    )
    assert notes_on_texts(task, [("abcd", "ab")] * 13 + [("abcx", "ab")]) == []  # 1 of 56


def test_nothing_is_trained_on_what_no_vocabulary_knows(task):
    examples = [("你好", "ab"), ("a你", "b")]
    message = r"75% of the 4 tokens of the source .* '你', '好'\. .*train\.max_unknown above 0\.75"
    with pytest.raises(UserError, match=message):
        notes_on_texts(task, examples)
    with pytest.raises(UserError, match=message):
        task.fit(examples, steps=1)
    assert "75% of" in notes_on_texts(task, examples, 0.8)[0]
    unknown = [("你好", "ab")]
    assert "100% of" in notes_on_texts(task, unknown, 1.0)[0]


@pytest.mark.parametrize(
    ("tokenizer", "text", "unknown"),
    [
        (CharacterTokenizer("ab"), "ab二x", ["二", "x"]),
        (WordTokenizer(["one", "two"]), "one 二 two three", ["二", "three"]),
        (PIECES, "a 二 acc acd Ä", ["二", "acd"]),
        (SentencePieceTokenizer.train(["ab ba"] * 9, vocab_size=8), "ab 二三", ["二三"]),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_what_is_unknown_is_named(tokenizer, text, unknown):
    assert tokenizer.unknown_tokens(text) == unknown
    ids = tokenizer.tokenize(tf.constant([text])).values.numpy()
    assert np.sum(ids == tokenizer.unknown_id) == len(unknown)


def test_metrics_are_checked_before_anything_else(task):
    with pytest.raises(
        UserError, match=r"squad_f1 does not apply .* answers with text; accepted: "
    ):
        task.fit([("a", "b")], steps=1, metrics=["squad_f1"])
    with pytest.raises(
        UserError, match="entity_f1 does not apply to a task that answers with text"
    ):
        task.evaluate([("a", "b")], metrics=["entity_f1"])
    with pytest.raises(UserError, match="no examples to evaluate"):
        task.evaluate([])
    with pytest.raises(UserError, match=r"steps: .*greater than 0, received -1"):
        task.fit([("a", "b")], steps=-1)


def test_how_bleu_is_counted_goes_with_the_task(task, tmp_path):
    examples = [("a", "二三四五")]
    assert "tok:zh|" in task.evaluate(examples, ["bleu"])["signatures"]["bleu"]
    task.save(tmp_path / "old")
    (tmp_path / "old/SHA256SUMS").unlink()
    lines = (tmp_path / "old/task.json").read_text().splitlines()
    kept = "\n".join(line for line in lines if "metric_options" not in line)
    assert kept.count("\n") == len(lines) - 2
    (tmp_path / "old/task.json").write_text(kept)
    loaded = load_task(tmp_path / "old")
    assert loaded.metric_options == {}
    loaded.metric_options = {"bleu_tokenize": "char"}
    loaded.save(tmp_path / "new")
    again = load_task(tmp_path / "new")
    assert "tok:char|" in again.evaluate(examples, ["bleu"])["signatures"]["bleu"]
    (tmp_path / "new/SHA256SUMS").unlink()
    text = (tmp_path / "new/task.json").read_text().replace('"char"', '"chra"')
    (tmp_path / "new/task.json").write_text(text)
    with pytest.raises(UserError, match=r"no tokenization 'chra'; did you mean \"char\""):
        load_task(tmp_path / "new").evaluate(examples, ["bleu"])
