"""KerasHub reads the Hugging Face folder that an export writes."""

import keras_hub
import numpy as np
from reference.encoder_tasks import ENCODER, TOKENIZER

from attention_zoo.export.hugging_face import write_hugging_face
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.zoo import BertClassifier


def test_weights_and_tokenizer(tmp_path, randomize):
    # What KerasHub's BERT has whatever a folder says.
    model = randomize(BertClassifier(3, {**ENCODER, "activation": "gelu_tanh"}))
    write_hugging_face(Classify(model, TOKENIZER, ["x", "y", "z"]), tmp_path / "folder")
    backbone = keras_hub.models.BertBackbone.from_preset(str(tmp_path / "folder"))
    ids, number = np.array([[2, 5, 6, 7, 3, 0], [2, 9, 8, 10, 5, 3]]), [5, 6]
    segments, mask = np.array([[0] * 6, [0, 0, 1, 1, 1, 1]]), (ids > 0).astype("int32")
    theirs = backbone({"token_ids": ids, "segment_ids": segments, "padding_mask": mask})
    ours = model.bert({"token_ids": ids, "segment_ids": segments, "mask": mask})
    for row, length in enumerate(number):
        np.testing.assert_allclose(
            theirs["sequence_output"][row, :length], ours["states"][row, :length], atol=1e-4
        )
    np.testing.assert_allclose(theirs["pooled_output"], ours["pooled"], atol=1e-4)
    tokenizer = keras_hub.models.BertTokenizer.from_preset(str(tmp_path / "folder"))
    text = "ab c? 你 cab."
    assert np.asarray(tokenizer(text)).tolist() == TOKENIZER.tokenize([text]).to_list()[0]
