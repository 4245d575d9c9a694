import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.decoding.sampling import restrict, sample

PROBABILITIES = np.array([0.1, 0.4, 0.2, 0.3])
ONE = np.array([[0, 9]], "int32")


def kept(top_k, top_p, probabilities=PROBABILITIES):
    logits = tf.math.log(tf.constant(probabilities, tf.float32))
    restricted = restrict(logits, top_k, top_p)
    inside = restricted.numpy() > -1e8
    assert_array_equal(restricted[inside], logits[inside])
    return inside.astype(int).tolist()


@pytest.mark.parametrize(
    ("top_k", "top_p", "expected"),
    [
        (0, 1.0, [1, 1, 1, 1]),
        (4, 1.0, [1, 1, 1, 1]),
        (9, 1.0, [1, 1, 1, 1]),
        (3, 1.0, [0, 1, 1, 1]),
        (2, 1.0, [0, 1, 0, 1]),
        (1, 1.0, [0, 1, 0, 0]),
        (0, 0.95, [1, 1, 1, 1]),
        (0, 0.85, [0, 1, 1, 1]),
        (0, 0.6, [0, 1, 0, 1]),
        (0, 0.3, [0, 1, 0, 0]),
        (0, 1e-6, [0, 1, 0, 0]),
        (0, 0.0, [0, 1, 0, 0]),
        (3, 0.6, [0, 1, 0, 1]),
        (2, 0.85, [0, 1, 0, 1]),
    ],
)
def test_restrict_by_hand(top_k, top_p, expected):
    assert kept(top_k, top_p) == expected
    assert kept(tf.constant(top_k), tf.constant(top_p)) == expected


def test_restrict_takes_every_row_by_itself():
    rows = [[[0.1, 0.4, 0.2, 0.3], [0.7, 0.1, 0.1, 0.1]]]
    assert kept(0, 0.6, rows) == [[[0, 1, 0, 1], [1, 0, 0, 0]]]


@pytest.mark.parametrize("top_k", [0, 3])
def test_restrict_of_nothing_keeps_the_least_probable(top_k):
    logits = tf.constant([0.0, 20.0, -20.0])
    assert_array_equal(restrict(logits, top_k, 1.0), logits)


@pytest.mark.parametrize("shift", [0.0, -1e9, -3e9, 1e10])
def test_restrict_holds_at_any_scale(shift):
    # A temperature of 1e-9 makes logits of this size.
    logits = tf.constant([-1e9, 0.0, -2e9]) + shift
    for top_k, top_p in [(1, 1.0), (0, 0.5)]:
        assert restrict(logits, top_k, top_p).numpy().argmax() == 1


def test_the_same_seed_gives_the_same_answers(model, source):
    first = sample(model, source, max_length=7, seed=5, num_samples=3)
    again = sample(model, source, max_length=7, seed=5, num_samples=3)
    assert_array_equal(again.ids, first.ids)
    assert_array_equal(again.scores, first.scores)


def test_another_seed_gives_other_answers(model, source):
    first = sample(model, source, max_length=7, seed=5)
    other = sample(model, source, max_length=7, seed=6)
    assert np.any(first.ids != other.ids, axis=2).sum() > 3


def test_seeds_of_numpy_and_tensorflow_change_nothing(table):
    first = sample(table, ONE, max_length=4, seed=tf.constant(5), num_samples=20)
    tf.random.set_seed(99)
    again = sample(table, ONE, max_length=4, seed=np.int64(5), num_samples=20)
    assert_array_equal(again.ids, first.ids)


def test_samples_and_sentences_are_drawn_independently(table):
    answers = sample(table, np.tile(ONE, (3, 1)), max_length=5, seed=7, num_samples=20).ids.numpy()
    assert len({tuple(map(tuple, sentence)) for sentence in answers}) == 3
    assert len({tuple(ids) for ids in answers[0]}) > 5


def test_steps_are_drawn_independently(make_table):
    # With one draw for all steps, the tokens of a sample would be equal.
    table = make_table(np.tile([-99.0, 0.0, 0.0], (1, 31, 1)))
    ids = sample(table, ONE, max_length=5, seed=3, num_samples=2000).ids.numpy()[0]
    assert_allclose((ids[:, 1:] == ids[:, :-1]).mean(axis=0), 0.5, atol=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1e-3},
        {"temperature": 1e-9},
        {"top_k": 1},
        {"top_p": 1e-6},
        {"top_k": 1, "temperature": 1e-9},
        {"top_k": 1, "temperature": 3.0},
    ],
    ids=str,
)
def test_the_most_probable_answer_where_nothing_else_is_left(options, make_table):
    # Logits far below 0 are as good as others, and small temperatures make them smaller.
    logits = np.random.default_rng(2).normal([-29.5, -30, -30], 1.5, (6, 31, 3))
    table, source = make_table(logits), np.arange(6, dtype="int32")[:, np.newaxis]
    greedy = greedy_search(table, source, max_length=5)
    found = sample(table, source, max_length=5, seed=8, **options)
    assert len(set(greedy.lengths.numpy().flat)) > 2
    assert_array_equal(found.ids, greedy.ids)
    assert_array_equal(found.lengths, greedy.lengths)
    assert_array_equal(found.finished, greedy.finished)
    assert_allclose(found.scores, greedy.scores, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.2, 0.3, 0.5]),
        # Squares and square roots of the probabilities, made to sum to 1.
        ({"temperature": 0.5}, [0.04 / 0.38, 0.09 / 0.38, 0.25 / 0.38]),
        ({"temperature": 2.0}, [0.262722, 0.321768, 0.415399]),
        ({"top_k": 2}, [0, 0.375, 0.625]),
        ({"top_p": 0.6}, [0, 0.375, 0.625]),
        ({"top_p": 0.9}, [0.2, 0.3, 0.5]),
        # After the temperature the first token alone holds more than 0.6.
        ({"top_p": 0.6, "temperature": 0.5}, [0, 0, 1]),
    ],
    ids=str,
)
def test_frequencies_of_single_steps(options, expected, make_table):
    table = make_table(np.log([[[0.2, 0.3, 0.5]]]))
    ids = sample(table, ONE, max_length=1, seed=11, num_samples=2000, **options).ids.numpy()
    frequencies = [np.mean(ids == token) for token in (3, 4, 5)]
    # Four standard deviations of a share of 2,000 draws are at most 0.045.
    assert_allclose(frequencies, expected, atol=0.045)


def test_scores_are_log_probabilities_of_the_model_itself(each_model, source, teacher_forced):
    for options in ({}, {"temperature": 0.3, "top_k": 4, "top_p": 0.8}):
        found = sample(each_model, source, max_length=6, seed=9, num_samples=3, **options)
        expected = teacher_forced(each_model, source, found)
        assert_allclose(found.scores, expected, atol=1e-4)


def test_samples_end_with_the_end_id(table):
    found = sample(table, ONE, max_length=4, seed=2, num_samples=40)
    for ids, length, finished in zip(
        found.ids.numpy()[0], found.lengths.numpy()[0], found.finished.numpy()[0], strict=True
    ):
        ended = np.flatnonzero(ids == 3)
        assert finished == bool(len(ended))
        assert length == (ended[0] + 1 if finished else 4)
        assert not ids[length:].any()


def test_shapes_and_dtypes(table):
    ids, scores, lengths, finished, attention = sample(table, ONE, 3, seed=0, num_samples=2)
    assert (ids.shape, ids.dtype) == ((1, 2, 3), "int32")
    assert (scores.shape, scores.dtype) == ((1, 2), "float32")
    assert (lengths.shape, lengths.dtype) == ((1, 2), "int32")
    assert (finished.shape, finished.dtype) == ((1, 2), "bool")
    assert attention == ()
