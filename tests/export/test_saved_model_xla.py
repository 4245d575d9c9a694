"""The compiled SavedModel: the same answers, through the same commands."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.export.export import export
from attention_zoo.loading import load
from attention_zoo.tasks.tag.task import Tag
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertTokenClassifier


@pytest.mark.slow
def test_decoding(task, tmp_path):
    report = export(task, tmp_path / "out", ["saved_model", "saved_model_xla"])
    assert [artefact["same_answers"] for artefact in report["artefacts"]] == [1.0, 1.0]
    assert sorted(report["artefacts"][1]["signatures"]) == ["logits", "serving_default"]
    path = tmp_path / "out" / "saved_model_xla"
    assert b"_XlaMustCompile" in (path / "1" / "saved_model.pb").read_bytes()
    texts = ["alpha", "beta gamma 一 " * 9, ""]
    found = load(path)
    assert found(texts) == task(texts)
    with pytest.raises(UserError, match="how a compiled SavedModel searches is part of its graph"):
        found(texts, beam_size=2)


def test_outputs_by_token_lose_the_padding(tmp_path):
    keras.utils.set_random_seed(5)
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, *"abcd"])
    encoder = {
        "vocab_size": tokenizer.vocab_size,
        "width": 24,
        "num_blocks": 1,
        "num_heads": 3,
        "max_length": 40,
    }
    task = Tag(BertTokenClassifier(3, encoder), tokenizer, ["O", "B-X", "I-X"])
    examples = [("a b c " * n, "O O O " * n) for n in range(1, 20)]
    report = export(task, tmp_path / "out", ["saved_model_xla"], examples=examples)
    assert report["artefacts"][0]["same_answers"] == 1.0
    graph = tf.saved_model.load(str(tmp_path / "out" / "saved_model_xla" / "1")).signatures["ids"]
    ids = {name: tf.ones([2, 21], tf.int32) for name in ("token_ids", "mask", "segment_ids")}
    np.testing.assert_array_equal(graph(**ids)["logits"].shape, [2, 21, 3])
