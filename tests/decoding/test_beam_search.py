import itertools

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.decoding.beam_search import beam_search, length_penalty_divisor
from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.text.vocabulary import END_ID

SENTENCES = np.array([[0, 9], [1, 9]], "int32")


def divisor(length, alpha):
    return ((5 + length) / 6) ** alpha


def emitted(hypotheses):
    """The answers as tuples without padding, a list of N for each sentence."""
    return [
        [tuple(ids[:length]) for ids, length in zip(*sentence, strict=True)]
        for sentence in zip(hypotheses.ids.numpy(), hypotheses.lengths.numpy(), strict=True)
    ]


def all_answers(table, sentence, max_length, alpha):
    """Every likely answer with its score, the best first."""
    scores = {}
    for ids in itertools.product(table.likely, repeat=max_length):
        if END_ID in ids:
            ids = ids[: ids.index(END_ID) + 1]
        log_p = sum(table.log_p(sentence, ids[:i])[token] for i, token in enumerate(ids))
        scores[ids] = log_p / divisor(len(ids), alpha)
    return sorted(scores.items(), key=lambda item: -item[1])


def plain_beam_search(table, sentence, max_length, beam_size, alpha):
    """Beam search over tuples, one sentence at a time."""
    beam = [((), 0.0)]
    for _ in range(max_length):
        candidates = [answer for answer in beam if END_ID in answer[0]]
        for ids, log_p in beam:
            if END_ID not in ids:
                gained = table.log_p(sentence, ids)
                candidates += [((*ids, token), log_p + gained[token]) for token in range(32)]
        candidates.sort(key=lambda answer: -answer[1] / divisor(len(answer[0]), alpha))
        beam = candidates[:beam_size]
    return [ids for ids, _ in beam], [log_p / divisor(len(ids), alpha) for ids, log_p in beam]


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(0.0, [1, 1, 1]), (1.0, [1, 2, 3]), (2.0, [1, 4, 9]), (0.5, [1, 1.41421356, 1.73205081])],
)
def test_length_penalty_by_hand(alpha, expected):
    # Wu et al. 2016, equation 14: ((5 + 1) / 6) = 1, ((5 + 7) / 6) = 2, ((5 + 13) / 6) = 3.
    assert_allclose(length_penalty_divisor(tf.constant([1, 7, 13]), alpha), expected, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_the_best_of_all(alpha, table):
    found = beam_search(table, SENTENCES, max_length=4, beam_size=31, length_penalty=alpha)
    for sentence in (0, 1):
        # 1 + 2 + 4 answers of up to three tokens, and 24 of four.
        answers, scores = zip(*all_answers(table, sentence, 4, alpha), strict=True)
        assert len(answers) == 31
        assert emitted(found)[sentence] == list(answers)
        assert_allclose(found.scores[sentence], scores, rtol=1e-5)


def test_the_length_penalty_changes_what_is_best(table):
    best = [all_answers(table, 0, 4, alpha)[0][0] for alpha in (0.0, 1.0)]
    assert best[0] != best[1]


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_agrees_with_plain_beam_search(alpha, beam_size, table):
    found = beam_search(table, SENTENCES, 5, beam_size=beam_size, length_penalty=alpha)
    for sentence in (0, 1):
        answers, scores = plain_beam_search(table, sentence, 5, beam_size, alpha)
        assert emitted(found)[sentence] == answers
        assert_allclose(found.scores[sentence], scores, rtol=1e-5)


def test_a_narrow_beam_may_miss_the_best(table):
    best = [all_answers(table, sentence, 4, 1.0)[0][0] for sentence in (0, 1)]
    found = beam_search(table, SENTENCES, max_length=4, beam_size=1, length_penalty=1.0)
    assert emitted(found)[0][0] != best[0]


def test_one_hypothesis_is_greedy_search(each_model, source):
    beam = beam_search(each_model, source, max_length=7, beam_size=1, length_penalty=0.0)
    greedy = greedy_search(each_model, source, max_length=7)
    assert_array_equal(beam.ids, greedy.ids)
    assert_array_equal(beam.lengths, greedy.lengths)
    assert_array_equal(beam.finished, greedy.finished)
    assert_allclose(beam.scores, greedy.scores, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.8])
def test_what_is_found(alpha, each_model, source, teacher_forced):
    found = beam_search(each_model, source, max_length=7, beam_size=4, length_penalty=alpha)
    log_p = teacher_forced(each_model, source, found)
    assert_allclose(found.scores, log_p / divisor(found.lengths.numpy(), alpha), atol=1e-4)
    assert_array_equal(np.diff(found.scores) <= 0, True)
    assert [len(set(answers)) for answers in emitted(found)] == [4] * len(source)
    assert_that_they_end_where_they_say(found)


def assert_that_they_end_where_they_say(found):
    for ids, length, finished in zip(
        found.ids.numpy().reshape(-1, 7),
        found.lengths.numpy().flat,
        found.finished.numpy().flat,
        strict=True,
    ):
        assert finished == (END_ID in ids)
        assert length == (ids.tolist().index(END_ID) + 1 if finished else 7)
        assert not ids[length:].any()


def test_shapes_and_dtypes(model, source):
    ids, scores, lengths, finished, attention = beam_search(model, source, 3, beam_size=2)
    assert (ids.shape, ids.dtype) == ((6, 2, 3), "int32")
    assert (scores.shape, scores.dtype) == ((6, 2), "float32")
    assert (lengths.shape, lengths.dtype) == ((6, 2), "int32")
    assert (finished.shape, finished.dtype) == ((6, 2), "bool")
    assert attention == ()


def test_the_beam_may_be_as_wide_as_the_vocabulary(model, source, teacher_forced):
    found = beam_search(model, source[:2], max_length=3, beam_size=9, length_penalty=0.0)
    assert [len(set(answers)) for answers in emitted(found)] == [9, 9]
    log_p = teacher_forced(model, source[:2], found)
    assert_allclose(found.scores, log_p, atol=1e-4)


def test_a_finished_hypothesis_gives_way_to_better_ones(make_table):
    probabilities = np.full((1, 7, 3), 1 / 3)
    probabilities[0, 0] = [0.40, 0.35, 0.25]  # end, 4 or 5
    probabilities[0, 1] = [0.98, 0.01, 0.01]  # 4 end
    probabilities[0, 2] = [0.96, 0.02, 0.02]  # 5 end
    table = make_table(np.log(probabilities))
    plain = beam_search(table, SENTENCES[:1], 3, beam_size=2, length_penalty=0.0)
    assert emitted(plain) == [[(3,), (4, 3)]]
    assert_allclose(np.exp(plain.scores), [[0.4, 0.35 * 0.98]], rtol=1e-5)
    # Divided by (7 / 6) ^ 8 = 3.43, the longer answers win, also the one that was third.
    longer = beam_search(table, SENTENCES[:1], 3, beam_size=3, length_penalty=8.0)
    assert emitted(longer)[0][:2] == [(4, 3), (5, 3)]
