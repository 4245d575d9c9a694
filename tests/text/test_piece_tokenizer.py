"""Ids of another vocabulary, and bytes for characters that it lacks."""

import io
import random

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.text.piece_tokenizer import PieceTokenizer
from attention_zoo.text.registry import load_tokenizer

WORDS = "alpha beta gamma delta eins zwei"


def train(**options):
    draw, model = random.Random(0), io.BytesIO()
    texts = [" ".join(draw.choices(WORDS.split(), k=4)) for _ in range(300)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        bos_id=-1,
        eos_id=0,
        unk_id=1,
        pad_id=-1,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


@pytest.fixture(params=[False, True], ids=["unknown", "bytes"])
def model(request):
    if request.param:
        return train(vocab_size=300, byte_fallback=True, hard_vocab_limit=False)
    return train(vocab_size=24)


def test_ids_and_texts_are_those_of_the_package(model, tmp_path):
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    names = [pieces.id_to_piece(i) for i in range(2, pieces.get_piece_size())]
    random.Random(1).shuffle(names)
    tokenizer = PieceTokenizer(model, names)
    ours = {name: 4 + i for i, name in enumerate(names)}
    draw = random.Random(2)
    texts = ["".join(draw.choices("alphbetgmdinszw \u00ff\u4f60z", k=20)) for _ in range(200)]
    tokenizer.save(tmp_path)
    for made in (tokenizer, load_tokenizer(tmp_path)):
        rows = made.encode(tf.constant(texts), 100)
        decoded = [text.decode() for text in made.decode(rows).numpy()]
        for text, row, back in zip(texts, rows.numpy(), decoded, strict=True):
            wanted = [ours.get(pieces.id_to_piece(i), 1) for i in pieces.encode(text)]
            assert row[: len(wanted) + 1].tolist() == [*wanted, 3]
            if 1 not in wanted:
                assert back == pieces.decode(pieces.encode(text))


def test_a_saved_model_keeps_the_tokenizer(model, tmp_path):
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    names = [pieces.id_to_piece(i) for i in range(2, pieces.get_piece_size())]
    module = tf.Module()
    module.tokenizer = PieceTokenizer(model, [">>de<<", *names], prefix=">>de<<")
    module.encode = tf.function(
        lambda text: module.tokenizer.encode(text, 20),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    texts = tf.constant(["alpha zwei", ">>fr<< beta", ""])
    expected = module.encode(texts).numpy()
    assert expected[:, 0].tolist() == [4, 1, 4]
    tf.saved_model.save(module, tmp_path / "saved")
    np.testing.assert_array_equal(tf.saved_model.load(tmp_path / "saved").encode(texts), expected)


def test_what_a_vocabulary_cannot_be():
    model = train(vocab_size=24)
    with pytest.raises(UserError, match="twice"):
        PieceTokenizer(model, ["a", "a"])
    with pytest.raises(UserError, match="no tag '>>fr<<'"):
        PieceTokenizer(model, ["a", ">>de<<"], prefix=">>fr<<")
    with pytest.raises(UserError, match="not a SentencePiece model"):
        PieceTokenizer(b"", ["a"])
