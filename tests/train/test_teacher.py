"""`train.teacher`: learning from other tasks beside the examples."""

import numpy as np
import pytest
import tensorflow as tf
import yaml
from numpy.testing import assert_allclose

from attention_zoo.decoding.ensemble import Ensemble
from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.tasks.seq2seq.teaching import together
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.zoo import RNNAttention, Transformer

OPTIONS = {"num_heads": 2, "num_encoder_blocks": 1, "num_decoder_blocks": 1, "dropout": 0.0}
PAIR = [np.array([[5, 6, 3], [7, 3, 0]]), np.array([[2, 7, 4], [2, 5, 0]])]
BATCH = (tf.constant([[5, 6, 3], [7, 3, 0]]), tf.constant([[7, 4, 3], [5, 3, 0]]))
DATA = [("ab", "ba"), ("abc", "cba"), ("dd", "dd"), ("bcd", "dcb")] * 4


def small_task(model_class=Transformer, letters="abcd", max_length=10, **options):
    tokenizer = CharacterTokenizer(letters)
    model = model_class(tokenizer.vocab_size, width=8, max_length=max_length, **options)
    return Seq2Seq(model, tokenizer)


@pytest.fixture
def teachers(randomize):
    tasks = small_task(feed_forward_width=16, **OPTIONS), small_task(RNNAttention)
    for task in tasks:
        randomize(task.model)
    return tasks


def mean_of_probabilities(tasks, pair):
    return np.mean([tf.nn.softmax(task.model(pair)) for task in tasks], axis=0)


def test_together_they_expect_the_mean(teachers):
    task = together(teachers)
    assert_allclose(
        tf.nn.softmax(task.model(PAIR)), mean_of_probabilities(teachers, PAIR), atol=1e-6
    )
    # A step at a time they say the same.
    found = greedy_search(task.model, tf.constant(PAIR[0][:1]), 5)
    inputs = np.array([[2, *found.ids[0, 0, :-1]]])
    logs = np.log(mean_of_probabilities(teachers, [PAIR[0][:1], inputs])[0])
    length = int(found.lengths[0, 0])
    assert float(found.scores[0, 0]) == pytest.approx(logs.max(axis=1)[:length].sum(), abs=1e-4)


def test_together_they_keep_the_settings_of_the_first(teachers):
    first, second = teachers
    first.min_length, first.no_repeat_ngram, first.coverage_penalty = 4, 1, 0.5
    first.metrics, second.max_target_length = ("chrf",), 7
    task = together(teachers)
    assert (task.min_length, task.no_repeat_ngram, task.metrics) == (4, 1, ("chrf",))
    assert (task.max_target_length, task.max_source_length, task.coverage_penalty) == (7, 10, 0.0)
    assert (first.max_target_length, first.coverage_penalty) == (10, 0.5)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_mean_of_one_model_twice_is_that_model(beam_size, teachers):
    texts = ["abc", "d", "bb"]
    twice = together([teachers[0]] * 2).predict(texts, beam_size=beam_size)
    once = teachers[0].predict(texts, beam_size=beam_size)
    assert [answer.text for answer in twice] == [answer.text for answer in once]
    assert_allclose([a.score for a in twice], [a.score for a in once], atol=1e-5)


def test_other_tokens_are_refused(teachers):
    with pytest.raises(UserError, match="the tokens of the source are not the same"):
        together([teachers[0], small_task(RNNAttention, "abce")])


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_the_loss_by_hand(weight, teachers):
    student = small_task(feed_forward_width=12, **OPTIONS)
    teacher = Ensemble([task.model for task in teachers])
    plain, count = map(float, student.loss(BATCH, label_smoothing=0.1))
    loss, same_count = student.loss(BATCH, label_smoothing=0.1, teacher=(teacher, weight))
    logs = tf.nn.log_softmax(student.model(PAIR)).numpy()
    expected = mean_of_probabilities(teachers, PAIR)
    of_teacher = -np.sum((expected * logs)[BATCH[1].numpy() != 0])
    assert float(same_count) == count
    assert float(loss) == pytest.approx((1 - weight) * plain + weight * of_teacher, rel=1e-4)
    # Without dropout both passes of R-Drop are the same.
    both, _ = student.loss(BATCH, label_smoothing=0.1, teacher=(teacher, weight), r_drop=2.0)
    assert float(both) == pytest.approx(float(loss), rel=1e-4)


@pytest.fixture
def recipe_file(tmp_path):
    """A function that writes a recipe with a teacher, and returns its path."""
    lines = ["source\ttarget", *map("\t".join, DATA)]
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write(**train):
        content = {
            "model": {"preset": "transformer_tiny", "width": 16, "feed_forward_width": 16},
            "data": {"train": "train.tsv", "valid": "train.tsv", "source": "source"},
            "tokenizer": {"kind": "characters", "shared": True},
            "train": {"steps": 6, "batch_tokens": 64, "evaluate_every": 3, **train},
        }
        content["model"] |= {"num_encoder_blocks": 1, "num_decoder_blocks": 1}
        content["data"] |= {"target": "target", "max_source_length": 8, "max_target_length": 8}
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return tmp_path / "recipe.yaml"

    return write


def test_a_recipe_with_a_teacher(recipe_file, tmp_path):
    train_recipe(load_recipe(recipe_file()), tmp_path / "teacher")
    path = recipe_file(teacher={"tasks": "teacher", "weight": 0.5})
    task, figures = train_recipe(load_recipe(path), tmp_path / "student")
    assert figures["steps"] == 6
    assert len(task(["ab"])) == 1
    # Resumed with more steps it goes on; with another teacher it does not.
    more = ["train.steps=8"]
    _, figures = train_recipe(load_recipe(path, more), tmp_path / "student", resume=True)
    assert figures["steps"] == 8
    other = [*more, "train.teacher.tasks=student"]
    with pytest.raises(UserError, match=r"train\.teacher"):
        train_recipe(load_recipe(path, other), tmp_path / "student", resume=True)


def test_what_a_teacher_must_be(recipe_file, tmp_path):
    with pytest.raises(UserError, match="g2p_rnn: the tokens of the source are not the same"):
        train_recipe(load_recipe(recipe_file(teacher={"tasks": ["g2p_rnn"]})), tmp_path / "run")
    with pytest.raises(UserError, match="remove scheduled_sampling"):
        load_recipe(recipe_file(teacher={"tasks": "g2p_rnn"}, scheduled_sampling=0.5))
    with pytest.raises(UserError, match="nowhere: no such file or directory"):
        train_recipe(load_recipe(recipe_file(teacher={"tasks": "nowhere"})), tmp_path / "other")
