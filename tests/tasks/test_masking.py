"""Which tokens are masked, and by what."""

import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.tasks.fill_mask.masking import draw_masks

LENGTH, ROWS = 42, 400


@pytest.fixture(scope="module")
def token_ids(tokenizer):
    """Rows `[CLS] ... [SEP] ... [SEP]` of 40 tokens, then padding."""
    rng = np.random.default_rng(0)
    ids = rng.integers(5, tokenizer.vocab_size, (ROWS, LENGTH)).astype("int32")
    ids[:, 0] = tokenizer.cls_id
    ids[:, [20, 39]] = tokenizer.sep_id
    ids[:, 40:] = 0
    return ids


def draw(token_ids, tokenizer, seed=(1, 2), **options):
    results = draw_masks(tf.constant(token_ids), tokenizer, tf.constant(seed), **options)
    return [tensor.numpy() for tensor in results]


@pytest.mark.parametrize("whole_words", [False, True])
def test_special_tokens_and_other_positions_stay(token_ids, tokenizer, whole_words):
    masked, positions, counted = draw(token_ids, tokenizer, whole_words=whole_words)
    chosen = np.zeros_like(token_ids, dtype=bool)
    rows = np.repeat(np.arange(ROWS)[:, None], positions.shape[1], 1)
    chosen[rows[counted], positions[counted]] = True
    assert (masked[~chosen] == token_ids[~chosen]).all()
    assert (token_ids[chosen] >= 5).all()
    assert chosen.sum() == counted.sum()  # no position twice


def test_how_many_and_by_what(token_ids, tokenizer):
    masked, positions, counted = draw(token_ids, tokenizer)
    assert positions.shape == (ROWS, 7)  # of 42 at most: 0.15 * 42, rounded up
    assert (counted.sum(axis=1) == 6).all()  # of 37 tokens that are not special
    new = np.take_along_axis(masked, positions, 1)[counted]
    old = np.take_along_axis(token_ids, positions, 1)[counted]
    number, others = len(new), tokenizer.vocab_size - 1
    is_mask = (new == tokenizer.mask_id).mean()
    same = (new == old).mean()
    # A random token is the old one, or the mask, once in a vocabulary without padding.
    deviation = 3 * np.sqrt(0.25 / number)
    assert is_mask == pytest.approx(0.8 + 0.1 / others, abs=deviation)
    assert same == pytest.approx(0.1 + 0.1 / others, abs=deviation)


def test_whole_words(token_ids, tokenizer):
    goes_on = np.array([piece.startswith("##") for piece in tokenizer.vocabulary])
    _, positions, counted = draw(token_ids, tokenizer, whole_words=True)
    assert 4.5 < counted.sum(axis=1).mean() <= 6
    for row, places, counts in zip(token_ids, positions, counted, strict=True):
        chosen = set(places[counts])
        for place in chosen:
            if goes_on[row[place]] and row[place - 1] >= 5:
                assert place - 1 in chosen
            if place + 1 < 40 and row[place + 1] >= 5 and goes_on[row[place + 1]]:
                assert place + 1 in chosen


def test_no_token_becomes_padding(token_ids, tokenizer):
    drawn = [draw(token_ids, tokenizer, (seed, 0))[0] for seed in range(20)]
    assert (np.stack(drawn)[:, token_ids > 0] > 0).all()


def test_seeds(token_ids, tokenizer):
    first, again, other = (draw(token_ids, tokenizer, seed)[0] for seed in ((1, 2), (1, 2), (1, 3)))
    assert (first == again).all()
    assert (first != other).any()


def test_a_text_of_one_token_and_an_empty_one(tokenizer):
    ids = np.array([[2, 5, 3, 0], [2, 3, 0, 0], [0, 0, 0, 0]], "int32")
    _, positions, counted = draw(ids, tokenizer)
    assert positions.shape == (3, 1)
    assert positions[0, 0] == 1
    assert counted[:, 0].tolist() == [True, False, False]
