"""Artefacts agree with the model, and verification notices when they do not."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export import litert
from attention_zoo.export.artefact import load_artefact
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.formats import FORMATS
from attention_zoo.export.planning import impossible_quantizations, plan

TFLITE = "model.tflite"
INT8 = "model.dynamic_int8.tflite"


def test_answers_differ_so_that_comparing_means_something(task, examples):
    assert len(set(task([source for source, _ in examples[:12]]))) > 4


def test_the_report(exported):
    directory, report = exported
    assert json.loads((directory / "report.json").read_text()) == report.record
    assert report.artefacts[1].file == report["artefacts"][1]["file"] == TFLITE
    assert report.artefacts[2]["in_float"] == report.artefacts[2].kept_in_float32 == []
    assert [a["file"] for a in report["artefacts"]] == ["saved_model/1", TFLITE, INT8]
    assert report["examples"] == 12
    for artefact in report["artefacts"]:
        assert artefact["verified"], artefact["failure"]
        assert artefact["bytes"] > 0
        assert set(artefact["metric"]) == {"chrf"}
    for artefact in report["artefacts"][:2]:
        assert artefact["max_abs_diff"] <= 1e-4
        assert artefact["same_answers"] == 1.0
    int8 = report["artefacts"][2]
    assert 1e-4 < int8["max_abs_diff"] < 1.0
    assert int8["bytes"] < report["artefacts"][1]["bytes"]
    assert "tensorflow" in report["versions"]
    assert "| model.tflite |" in (directory / "report.md").read_text()


def test_lite_files_hold_their_weights_and_builtins_only(task, exported):
    content = (exported[0] / TFLITE).read_bytes()
    assert len(content) > 4 * task.model.count_params()
    names = litert.litert_operators(content)
    assert "WHILE" in names
    assert "CUSTOM" not in names
    litert.check_litert(content, 4 * task.model.count_params(), "file")


def test_a_file_without_its_weights_is_refused(exported):
    content = (exported[0] / TFLITE).read_bytes()
    with pytest.raises(ResultError, match="lost weights"):
        litert.check_litert(content, 10**9, "file")


def test_a_foreign_operator_is_refused():
    function = tf.function(
        lambda text: tf.strings.lower(text), input_signature=[tf.TensorSpec([1], tf.string)]
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    with pytest.raises(ResultError, match="FlexStringLower"):
        litert.check_litert(converter.convert(), 0, "file")


def test_artefacts_answer_like_the_task(task, exported, examples):
    texts = [source for source, _ in examples] + ["", "unknown ÿ 字"]
    expected = task.predict(texts)
    for name in (".", "saved_model", "saved_model/1", TFLITE):
        answers = load_artefact(exported[0] / name).predict(texts)
        assert [a.text for a in answers] == [a.text for a in expected]
        np.testing.assert_allclose(
            [a.score for a in answers], [a.score for a in expected], atol=1e-4
        )


def test_a_saved_model_takes_search_options_and_a_lite_file_does_not(task, exported, examples):
    texts = [source for source, _ in examples[:5]]
    options = {"beam_size": 5, "length_penalty": 1.2, "n_best": 4, "max_length": 9}
    expected = task.predict(texts, **options)
    answers = load_artefact(exported[0]).predict(texts, **options)
    assert [[t for t, _ in a.n_best] for a in answers] == [
        [t for t, _ in a.n_best] for a in expected
    ]
    with pytest.raises(UserError, match="part of its graph"):
        load_artefact(exported[0] / TFLITE).predict(texts, beam_size=2)
    for option in ({"no_repeat_ngram": 3}, {"prefix": "a"}, {"alignments": "tokens"}):
        with pytest.raises(UserError, match=f"has no option '{next(iter(option))}': use the run"):
            load_artefact(exported[0] / "saved_model").predict(texts, **option)


def test_the_other_signatures(task, exported):
    signatures = tf.saved_model.load(str(exported[0] / "saved_model/1")).signatures
    text = tf.constant(["alpha 三 beta"])
    drawn = [
        signatures["sample"](
            text=text,
            seed=tf.constant(seed),
            temperature=tf.constant(1.0),
            top_k=tf.constant(0),
            top_p=tf.constant(1.0),
        )["text"].numpy()[0]
        for seed in (1, 1, 2, 3, 4)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    (source, target) = task.to_ids([("alpha 三 beta", "gamma")])[0]
    weights = signatures["attention"](source_ids=source[np.newaxis], target_ids=target[np.newaxis])[
        "attention"
    ].numpy()
    assert weights.shape == (1, 2, 3, len(target), len(source))
    np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-5)
    # Absurd options are brought into range, not into a crash.
    wild = signatures["generate"](
        text=text,
        beam_size=tf.constant(10**6),
        max_length=tf.constant(-3),
        length_penalty=tf.constant(0.0),
    )
    assert wild["text"].shape == (1, 40)


def test_verify_passes_on_an_untouched_copy(copy):
    assert all(artefact["verified"] for artefact in verify_export(copy)["artefacts"])


def _spoil_weights(directory):
    """Flips signs in the middle of the file, where weights are."""
    path = directory / TFLITE
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    for i in range(middle, middle + 4000, 4):
        content[i + 3] ^= 0x80
    path.write_bytes(content)
    return TFLITE


def _truncate(directory):
    path = directory / "saved_model/1/variables/variables.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-1000])
    return "saved_model/1"


def _remove(directory):
    (directory / INT8).unlink()
    return INT8


def _swap_tokenizer(directory):
    for side in ("source", "target"):
        (directory / "tokenizer" / side).rename(directory / "tokenizer" / f"{side}.old")
    (directory / "tokenizer" / "source.old").rename(directory / "tokenizer" / "target")
    (directory / "tokenizer" / "target.old").rename(directory / "tokenizer" / "source")
    return TFLITE


def _swap_source_vocabulary(directory):
    """What makes ids of texts, and nothing that makes texts of ids."""
    source, target = (directory / "tokenizer" / side for side in ("source", "target"))
    for file in target.iterdir():
        shutil.copy(file, source / file.name)
    return TFLITE


def _spoil_a_last_bit(directory):
    """Too little for any number to show."""
    path = directory / INT8
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x01
    path.write_bytes(content)
    return INT8


@pytest.mark.parametrize(
    "spoil",
    [
        _spoil_weights,
        pytest.param(_truncate, marks=pytest.mark.slow),
        pytest.param(_remove, marks=pytest.mark.slow),
        pytest.param(_swap_tokenizer, marks=pytest.mark.slow),
        pytest.param(_swap_source_vocabulary, marks=pytest.mark.slow),
        _spoil_a_last_bit,
    ],
)
def test_verify_names_a_spoiled_artefact(copy, spoil):
    name = spoil(copy)
    with pytest.raises(ResultError, match=f"verification failed for .*{name}"):
        verify_export(copy)
    report = json.loads((copy / "report.json").read_text())
    verdicts = {artefact["file"]: artefact["verified"] for artefact in report["artefacts"]}
    assert verdicts[name] is False
    assert "NO: " in (copy / "report.md").read_text()


def test_an_artefact_that_is_not_written_does_not_stop_the_others(task, tmp_path, monkeypatch):
    def fail(*_):
        raise ResultError("the converter fell over")

    monkeypatch.setattr(FORMATS["keras"], "write", fail)
    directory = tmp_path / "out"
    with pytest.raises(
        ResultError, match=r"model\.keras: was not written: the converter fell over"
    ):
        export(task, directory, ["keras", "litert"])
    report = json.loads((directory / "report.json").read_text())
    assert [artefact["verified"] for artefact in report["artefacts"]] == [False, True]
    assert "NO: was not written" in (directory / "report.md").read_text()


def test_what_a_format_has_not_is_said():
    task = SimpleNamespace(decodes=True)
    formats, quantize = ["saved_model", "litert", "litert_static"], ["full_int8", "selective_int8"]
    assert impossible_quantizations(task, formats, quantize) == [
        ("litert_static", "full_int8"),
        ("litert_static", "selective_int8"),
    ]


def test_damaged_artefacts_are_clear_errors(copy):
    report = copy / "report.json"
    report.rename(copy / "kept")  # its checksums would tell
    (copy / TFLITE).write_bytes(b"no flatbuffer")
    with pytest.raises(UserError, match="is not an export of ours, or is damaged"):
        load_artefact(copy / TFLITE)
    (copy / "saved_model/1/saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(UserError, match="is not a SavedModel of ours, or is damaged"):
        load_artefact(copy / "saved_model/1")
    shutil.rmtree(copy / "tokenizer" / "source")
    with pytest.raises(UserError, match=r"tokenizer\.json is not a tokenizer"):
        load_artefact(copy)
    (copy / "kept").rename(report)
    (copy / "verification/expected.npz").write_bytes(b"x")
    with pytest.raises(UserError, match="cannot be verified"):
        verify_export(copy)


def test_bad_arguments(task, tmp_path):
    with pytest.raises(UserError, match=r'no format \'litrt\'; did you mean "litert"'):
        export(task, tmp_path / "a", formats=["litrt"])
    with pytest.raises(UserError, match="no quantisation 'int3'"):
        export(task, tmp_path / "a", quantize=["int3"])
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is not empty"):
        export(task, tmp_path)
    with pytest.raises(UserError, match="is not a run, a task"):
        load_artefact(tmp_path)


def test_what_a_decoding_loop_of_fixed_shapes_cannot_have(task):
    planned = plan(task, ["litert", "litert_static"], ["full_int8", "dynamic_int8"])
    assert [artefact.file for artefact in planned] == [
        "model.full_int8.tflite",
        "model.dynamic_int8.tflite",
        "static.dynamic_int8.tflite",
    ]


@pytest.mark.parametrize("file", ["saved_model/1", "model.tflite"])
@pytest.mark.parametrize("form", [tuple, np.array, tf.constant], ids=["tuple", "array", "tensor"])
def test_artefacts_take_texts_in_every_form(form, file, exported, examples):
    artefact = load_artefact(exported[0] / file)
    texts = [source for source, _ in examples[:3]]
    assert artefact(form(texts)) == artefact([text.encode() for text in texts]) == artefact(texts)
    with pytest.raises(TypeError, match=r"write task\(\[text\]\)"):
        artefact(tf.constant("alpha"))
