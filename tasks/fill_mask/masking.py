"""Draws the masks of BERT's pre-training, in-graph at every step."""

import tensorflow as tf


def draw_masks(token_ids, tokenizer, seed, fraction=0.15, whole_words=False):
    """Masks tokens as in "BERT" (Devlin et al. 2019), section 3.1.

    In each text, `fraction` of the tokens are to be predicted, at least one. Of these, 80 percent
    become `[MASK]`, 10 percent any token but padding, and 10 percent stay unchanged. Special
    tokens are never masked.

    Args:
        token_ids: int32 tensor `(B, T)`, padded with 0.
        tokenizer: a `WordPieceTokenizer`.
        seed: int32 tensor `(2,)`; equal seeds draw equal masks.
        fraction: how many of the tokens to predict, from 0 to 1.
        whole_words: mask all pieces of a word or none (google-research/bert, May 2019);
            a last word that would exceed the limit is skipped.

    Returns:
        The token ids with masks `(B, T)`; the masked positions `(B, P)`, where P depends only on
        T; and whether each of these counts, boolean `(B, P)`.
    """
    special = [0, tokenizer.cls_id, tokenizer.sep_id]
    may_BT = tf.reduce_all(tf.not_equal(tf.expand_dims(token_ids, 2), special), axis=2)
    length = tf.shape(token_ids)[1]
    most = tf.maximum(tf.cast(tf.math.ceil(fraction * tf.cast(length, tf.float32)), tf.int32), 1)
    count_B = tf.reduce_sum(tf.cast(may_BT, tf.float32), axis=1)
    count_B = tf.where(count_B > 0, tf.maximum(tf.round(fraction * count_B), 1.0), 0.0)
    draws = tf.random.stateless_uniform([3, *tf.unstack(tf.shape(token_ids))], seed)
    rank_BT = draws[0]
    if whole_words:
        word_BT = _words(token_ids, tokenizer, may_BT)
        # One draw for each word, whose pieces keep their order.
        rank_BT = tf.gather(rank_BT, word_BT, batch_dims=1)
    _, positions_BP = tf.math.top_k(tf.where(may_BT, rank_BT, -1.0), tf.minimum(most, length))
    index_P = tf.range(tf.shape(positions_BP)[1])
    counted_BP = tf.expand_dims(index_P, 0) < tf.cast(tf.expand_dims(count_B, 1), tf.int32)
    if whole_words:
        counted_BP = counted_BP & _complete(word_BT, may_BT, positions_BP, counted_BP)
    masked_BT = tf.reduce_any(
        tf.equal(tf.expand_dims(tf.range(length), 1), tf.expand_dims(positions_BP, 1))
        & tf.expand_dims(counted_BP, 1),
        axis=2,
    )
    others_BT = 1 + tf.cast(draws[2] * (tokenizer.vocab_size - 1), tf.int32)
    new_BT = tf.where(draws[1] < 0.8, tokenizer.mask_id, others_BT)
    new_BT = tf.where(draws[1] < 0.9, new_BT, token_ids)
    return tf.where(masked_BT, new_BT, token_ids), positions_BP, counted_BP


def _words(token_ids, tokenizer, may_BT):
    """The index of the word of each token, from 0."""
    goes_on_BT = tf.gather(tokenizer.continues(), token_ids) & may_BT
    return tf.cumsum(tf.cast(~goes_on_BT, tf.int32), axis=1) - 1


def _complete(word_BT, may_BT, positions_BP, counted_BP):
    """Whether all pieces of the word at each position are among those that count."""
    word_BP = tf.gather(word_BT, positions_BP, batch_dims=1)
    same_BPT = tf.equal(tf.expand_dims(word_BP, 2), tf.expand_dims(word_BT, 1))
    pieces_BP = tf.reduce_sum(tf.cast(same_BPT & tf.expand_dims(may_BT, 1), tf.int32), axis=2)
    same_BPP = tf.equal(tf.expand_dims(word_BP, 2), tf.expand_dims(word_BP, 1))
    chosen_BP = tf.reduce_sum(tf.cast(same_BPP & tf.expand_dims(counted_BP, 1), tf.int32), axis=2)
    return tf.equal(pieces_BP, chosen_BP)
