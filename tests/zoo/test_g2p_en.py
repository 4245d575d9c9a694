"""g2p-en's weights in our model against what g2p-en computes itself."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.errors import UserError
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.zoo.importers.g2p_en import LETTERS, PHONEMES, import_g2p_en

CHECKPOINT = Path(importlib.util.find_spec("g2p_en").origin).parent / "checkpoint20.npz"
GOLDEN = np.load(Path(__file__).parent / "data/g2p_en_gru.npz")
WORDS = [str(word) for word in GOLDEN["words"]]


@pytest.fixture(scope="module")
def task():
    model = import_g2p_en(CHECKPOINT)
    return Seq2Seq(model, CharacterTokenizer(LETTERS), WordTokenizer(PHONEMES))


def test_states_logits_and_phonemes(task):
    ids = task.source_tokenizer.encode(tf.constant(WORDS), 30)
    memory = task.model.encode(ids)
    assert_allclose(memory["state_0"], GOLDEN["encoder_state"], atol=1e-4)
    phones = [str(phones) for phones in GOLDEN["phones"]]
    assert task(WORDS) == phones
    found = greedy_search(task.model, ids, 30)
    targets = np.pad(found.ids.numpy()[:, 0, :-1], [(0, 0), (1, 0)], constant_values=2)
    logits = task.model([ids, targets]).numpy()
    for row, length in enumerate(found.lengths.numpy()[:, 0]):
        assert length == len(phones[row].split()) + 1
        assert_allclose(logits[row, :length], GOLDEN["logits"][row, :length], atol=1e-4)


def test_all_differences_are_listed(tmp_path):
    with np.load(CHECKPOINT) as file:
        arrays = dict(file)
    arrays["more"] = arrays.pop("fc_b")
    arrays["dec_emb"] = arrays["dec_emb"][1:]
    path = tmp_path / "other.npz"
    np.savez(path, **arrays)
    message = (
        r"other.npz is not .*dec_emb: shape \(73, 256\), expected \(74, 256\); "
        r"missing: fc_b; unexpected: more"
    )
    with pytest.raises(UserError, match=message):
        import_g2p_en(path)


def test_no_npz_file(tmp_path):
    path = tmp_path / "text.npz"
    path.write_text("no arrays")
    with pytest.raises(UserError, match=r"text.npz is damaged or not an npz file"):
        import_g2p_en(path)
