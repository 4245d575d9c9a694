import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.text.vocabulary import END_ID, PAD_ID, START_ID


def uncached(model, source, max_length):
    """Greedy search by calling the whole model for every token."""
    ids = np.full((len(source), 1), START_ID, "int32")
    finished = np.zeros(len(source), bool)
    for _ in range(max_length):
        tokens = model([source, ids])[:, -1].numpy().argmax(axis=1)
        tokens = np.where(finished, PAD_ID, tokens)
        finished |= tokens == END_ID
        ids = np.concatenate([ids, tokens[:, np.newaxis].astype("int32")], axis=1)
    return ids[:, 1:], finished


def test_agrees_with_decoding_without_a_cache(each_model, source):
    found = greedy_search(each_model, source, max_length=7)
    ids, finished = uncached(each_model, source, max_length=7)
    assert_array_equal(found.ids[:, 0], ids)
    assert_array_equal(found.finished[:, 0], finished)
    # The test means little if all answers are alike.
    assert len({tuple(row) for row in ids}) >= 5
    assert finished.any()


def test_scores_are_those_of_teacher_forcing(each_model, source, teacher_forced):
    found = greedy_search(each_model, source, max_length=7)
    expected = teacher_forced(each_model, source, found)
    assert_allclose(found.scores, expected, atol=1e-4)


def test_shapes_and_dtypes(model, source):
    ids, scores, lengths, finished, attention = greedy_search(model, source, max_length=7)
    assert (ids.shape, ids.dtype) == ((6, 1, 7), "int32")
    assert (scores.shape, scores.dtype) == ((6, 1), "float32")
    assert (lengths.shape, lengths.dtype) == ((6, 1), "int32")
    assert (finished.shape, finished.dtype) == ((6, 1), "bool")
    assert attention == ()


def test_by_hand(make_table):
    probabilities = np.full((1, 7, 3), 1 / 3)
    probabilities[0, 0] = [0.2, 0.3, 0.5]  # 5
    probabilities[0, 2] = [0.3, 0.6, 0.1]  # 5 4
    probabilities[0, 5] = [0.7, 0.1, 0.2]  # 5 4 end
    found = greedy_search(make_table(np.log(probabilities)), np.array([[0, 8]]), max_length=5)
    assert found.ids.numpy().tolist() == [[[5, 4, 3, 0, 0]]]
    assert found.lengths.numpy().tolist() == [[3]]
    assert found.finished.numpy().tolist() == [[True]]
    assert_allclose(found.scores, [[np.log(0.5 * 0.6 * 0.7)]], rtol=1e-5)


@pytest.mark.parametrize("max_length", [1, 2])
def test_an_answer_that_does_not_end_is_cut(max_length, make_table):
    table = make_table(np.tile([0.0, 1.0, 0.0], (1, 7, 1)))
    found = greedy_search(table, np.array([[0]]), max_length)
    assert found.ids.numpy().tolist() == [[[4] * max_length]]
    assert found.lengths.numpy().tolist() == [[max_length]]
    assert found.finished.numpy().tolist() == [[False]]
    assert_allclose(found.scores, [[max_length * np.log(np.e / (np.e + 2))]], rtol=1e-5)
