"""Extractive answers: windows, spans and offsets, by hand."""

import json

import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.answer.task import QuestionAnswering
from attention_zoo.zoo import BertTokenClassifier

CONTEXT = "Alspha, 你好 é. Delta beta e gamma ?"
# Pieces: al ##s ##pha , 你 好 e . delta beta e gamma ?


@pytest.fixture
def make(tokenizer, encoder):
    def make_task(**options):
        return QuestionAnswering(BertTokenClassifier(2, encoder), tokenizer, **options)

    return make_task


def ask(task, number, begin=(), end=(), context=CONTEXT, null=-5.0):
    """Answers with logits of our choice: pairs of window and position, and their values."""
    columns = [tf.constant(["who ?"]), tf.constant([context])]
    inputs = task.encode(*columns)
    logits = np.full((*inputs["token_ids"].shape, 2), -9.0, "float32")
    logits[:, 0] = null / 2
    for side, given in enumerate((begin, end)):
        for (window, position), value in given:
            logits[window, position, side] = value
    outputs = task.read({"logits": logits}, inputs, *columns)
    outputs = {name: np.asarray(value) for name, value in outputs.items()}
    (prediction,) = task.read_answers(outputs, columns, n_best=number)
    return prediction.record


def test_one_window_has_question_and_context(make, tokenizer):
    inputs = make().encode(tf.constant(["Who?"]), tf.constant([CONTEXT]))
    pieces = tokenizer.pieces(inputs["token_ids"][0])
    assert pieces[:5] == ["[CLS]", "who", "?", "[SEP]", "al"]
    assert pieces[-2:] == ["?", "[SEP]"]
    assert inputs["segment_ids"][0].numpy().tolist() == [0] * 4 + [1] * 14
    starts, ends = inputs["starts"][0].numpy(), inputs["ends"][0].numpy()
    assert starts[:4].tolist() == ends[:4].tolist() == [-1] * 4
    texts = [CONTEXT[s:e] for s, e in zip(starts[4:-1], ends[4:-1], strict=True)]
    pieces = "Al s pha , 你 好 é . Delta beta e gamma ?"
    assert " ".join(texts) == pieces
    assert starts[-1] == -1


def test_windows_overlap_and_cover_everything(make):
    task = make(max_length=12, stride=3)  # room for 7 of the 13 pieces
    inputs = task.encode(tf.constant(["Who?", "who"]), tf.constant([CONTEXT, "beta"]))
    assert inputs["texts"].numpy().tolist() == [0, 0, 0, 1]
    windows = [[s for s in row if s >= 0] for row in inputs["starts"].numpy().tolist()]
    whole = make().encode(tf.constant(["Who?"]), tf.constant([CONTEXT]))["starts"].numpy()[0]
    places = [s for s in whole.tolist() if s >= 0]
    assert windows == [places[0:7], places[3:10], places[6:13], [0]]


def test_the_best_span_and_its_characters(make):
    found = ask(make(), 1, [((0, 8), 5.0)], [((0, 10), 4.0)])
    assert (found["answer"], found["start"], found["end"]) == ("你好 é", 8, 12)


def test_an_end_before_the_beginning_and_a_long_span_do_not_count(make):
    begin = [((0, 8), 5.0), ((0, 12), 4.0)]
    end = [((0, 6), 9.0), ((0, 16), 8.0), ((0, 13), 1.0)]
    assert ask(make(max_answer_length=5), 1, begin, end)["answer"] == "Delta beta e gamma ?"
    assert ask(make(max_answer_length=4), 1, begin, end)["answer"] == "Delta beta"


def test_question_and_special_tokens_are_no_answer(make):
    found = ask(make(), 1, [((0, 1), 9.0), ((0, 12), 1.0)], [((0, 2), 9.0), ((0, 12), 1.0)])
    assert found["answer"] == "Delta"


def test_the_best_of_all_windows_each_span_once(make):
    task = make(max_length=12, stride=3)
    # "好" stands at position 9 of window 0 and at 6 of window 1.
    begin = [((0, 9), 3.0), ((1, 6), 4.0), ((2, 6), 2.0)]
    end = [((0, 9), 3.0), ((1, 6), 4.0), ((2, 6), 2.0)]
    found = ask(task, 3, begin, end)
    answers = [entry["answer"] for entry in found["n_best"]]
    assert answers[:2] == ["好", "Delta"]
    assert answers.count("好") == 1
    scores = [entry["score"] for entry in found["n_best"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] / scores[1] == pytest.approx(np.exp(8.0 - 4.0), rel=1e-4)


@pytest.mark.parametrize(("threshold", "answer"), [(0.0, ""), (2.5, "Delta")])
def test_no_answer_wins_by_more_than_the_threshold(make, threshold, answer):
    task = make(no_answer=True, threshold=threshold)
    span = [((0, 12), 1.0)]
    found = ask(task, 1, span, span, null=4.0)
    assert found["answer"] == answer
    assert (found["start"] == -1) == (answer == "")


def test_without_the_option_there_is_always_an_answer(make):
    span = [((0, 12), 1.0)]
    assert ask(make(), 1, span, span, null=50.0)["answer"] == "Delta"


def example(answer, start=None):
    start = CONTEXT.index(answer) if start is None else start
    answers = [{"text": answer, "answer_start": start}] if answer else []
    return ("Who?", CONTEXT, json.dumps(answers))


def test_targets(make):
    task = make(max_length=12, stride=3)
    rows = task.to_ids([example("你好"), example(""), example("beta e")])
    targets = [row[2].tolist() for row in rows]
    # "你好" is pieces 4 and 5: whole in windows 0 (0-6) and 1 (3-9).
    assert targets[:3] == [[8, 9], [5, 6], [0, 0]]
    assert targets[3:6] == [[0, 0]] * 3
    # "beta e", pieces 9 and 10: split between windows 1 (3-9) and 2 (6-12), whole in the last.
    assert targets[6:] == [[0, 0], [0, 0], [7, 8]]


def test_an_answer_within_a_piece_takes_the_whole_piece(make):
    (row,) = make().to_ids([example("ls", 1)])
    assert row[2].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (example("beta", 3), "the context has 'pha,' at character 3, not the answer 'beta'"),
        (("Who?", CONTEXT, "beta"), "JSON list"),
    ],
)
def test_mistakes(make, bad, message):
    with pytest.raises(UserError, match=message):
        make().to_ids([bad])


def test_it_learns_and_finds_the_answer(make):
    words = ["alpha", "beta", "gamma", "delta"]
    rng = np.random.default_rng(0)
    examples = []
    for _ in range(200):
        context = " ".join(rng.choice(words, 6)) + " 你 " + rng.choice(words)
        start = context.index("你") + 2
        answers = [{"text": context[start:], "answer_start": start}]
        examples.append(("who ?", context, json.dumps(answers)))
    task = make()
    task.fit(
        examples[:160],
        steps=60,
        batch_tokens=512,
        buckets=1,
        evaluate_every=60,
        learning_rate={"peak": 3e-3, "warmup": 5},
    )
    assert task.evaluate(examples[160:])["metrics"]["squad_exact_match"] > 95
