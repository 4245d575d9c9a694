"""LiteRT files that take strings, with tensorflow-text's operators."""

import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from reference.encoder_tasks import ENCODER, TOKENIZER, make
from tensorflow_text.core.pybinds import tflite_registrar

from attention_zoo.errors import UserError
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.litert_text import write_litert_text
from attention_zoo.loading import load
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import Bert, Transformer


@pytest.mark.slow
def test_a_classifier_gives_labels(tmp_path):
    task, examples = make("classify")
    texts = ["Ab C.", "a" * 300, "", "你 b…", "b?"]  # the last but one is read in another way
    examples = [*examples, *((text, "x") for text in texts)]
    report = export(task, tmp_path / "out", ["litert_text"], ["none", "dynamic_int8"], examples, 50)
    plain, int8 = report["artefacts"]
    assert plain["verified"]
    assert plain["max_abs_diff"] < 1e-5
    assert plain["same_answers"] == 1.0
    assert plain["compared"] == len(examples) - 1
    assert plain["signatures"]["serving_default"] == {
        "inputs": {"text": "string [-1]"},
        "outputs": {"label": "string [-1]", "scores": "float32 [-1, 3]"},
    }
    assert "FastWordpieceTokenizeWithOffsets" in plain["operators"]
    assert int8["verified"]
    assert int8["bytes"] < plain["bytes"]
    loaded = load(tmp_path / "out" / "text.tflite")
    assert loaded.predict(["Ab C.", "b?", ""]) == task.predict(["Ab C.", "b?", ""])
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "tflite_registrar.SELECT_TFTEXT_OPS" in page


def test_the_nearest_is_looked_for_among_what_is_compared(tmp_path, randomize):
    task = Embed(randomize(Bert(**ENCODER)), TOKENIZER)
    # Of these the nearest to each is one that the operator reads in another way.
    texts = ["a b", "a b …", "c ?", "c ? …", "d e a"]
    (artefact,) = export(
        task, tmp_path / "out", ["litert_text"], examples=[(text,) for text in texts]
    )["artefacts"]
    assert artefact["compared"] == 3
    assert artefact["same_answers"] == 1.0


@pytest.fixture(scope="module")
def translation(examples):
    """A task whose source is cut by a unigram model."""
    texts = [text for example in examples for text in example]
    source, target = (SentencePieceTokenizer.train(texts, size) for size in (40, 36))
    sizes = {"width": 24, "num_heads": 3, "feed_forward_width": 40, "max_length": 20}
    blocks = {"num_encoder_blocks": 1, "num_decoder_blocks": 1}
    model = Transformer(40, 36, **sizes, **blocks, share_embeddings=False)
    for i, variable in enumerate(model.trainable_variables):
        variable.assign_add(np.random.default_rng(i).normal(0, 0.2, variable.shape))
    task = Seq2Seq(model, source, target, beam_size=2, max_target_length=12)
    task.metrics = ("chrf",)
    task.examples = [*examples[:8], ("alpha " * 40, "beta"), ("", "")]
    return task


def test_a_translator_reads_strings(translation, tmp_path):
    directory = tmp_path / "out"
    (artefact,) = export(translation, directory, ["litert_text"])["artefacts"]
    assert artefact["max_abs_diff"] < 1e-4
    assert artefact["same_answers"] == 1.0
    assert artefact["compared"] == len(translation.examples)
    # Again without the model, by what lies beside the file.
    assert verify_export(directory)["artefacts"][0]["compared"] == len(translation.examples)
    report = json.loads((directory / "report.json").read_text())
    assert set(report["artefacts"][0]["signatures"]) == {"serving_default", "logits"}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("tag", "the task is tag"), ("classify pairs", "takes pairs")],
)
def test_an_encoder_that_can_have_none_says_why(kind, reason, tmp_path):
    task, examples = make(kind)
    with pytest.raises(UserError, match=f"the format litert_text .*{reason}"):
        export(task, tmp_path / "out", ["litert_text"], examples=examples)


def test_other_tokenizers_have_none(task, tmp_path):
    with pytest.raises(UserError, match=r"the format litert_text .*unigram model"):
        export(task, tmp_path / "out", ["litert_text"])
    accents = WordPieceTokenizer([*SPECIAL_PIECES, "a"], lower_case=True, strip_accents=False)
    embed = Embed(Bert(**{**ENCODER, "vocab_size": 6}), accents)
    with pytest.raises(UserError, match="accents"):
        export(embed, tmp_path / "out", ["litert_text"], examples=[("a",)])


def test_strings_stay_rows_of_their_own(tmp_path):
    task, _ = make("classify")
    write_litert_text(task, tmp_path / "text.tflite")
    for number in (0, 1, 2, 7):
        interpreter = InterpreterWithCustomOps(
            model_path=str(tmp_path / "text.tflite"),
            custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
        )
        texts = ["ab c", "", "a", "cab . d e ? a b", "a " * 99, "b", "ccc d"][:number]
        given = np.array([text.encode() for text in texts], dtype=np.bytes_)
        labels = interpreter.get_signature_runner("serving_default")(text=given)["label"]
        assert [label.decode() for label in labels] == task(texts)
