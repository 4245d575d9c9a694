"""RoBERTa and XLM-R answer as in Transformers; `tests/data/roberta/make.py`."""

import gzip
import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from numpy.testing import assert_allclose
from reference.sweeps import quick_and_slow

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export.export import export
from attention_zoo.export.formats import FORMATS
from attention_zoo.export.hugging_face_tokenizers import compare_ids, write_tokenizer
from attention_zoo.tasks.importing import import_task
from attention_zoo.tasks.loading import load_task
from attention_zoo.text.hugging_face import read_hugging_face_tokenizer
from attention_zoo.text.registry import load_tokenizer

DATA = Path(__file__).parents[1] / "data" / "roberta"
KINDS = {
    "roberta_classifier": "classify",
    "roberta_masked": "fill_mask",
    "roberta_answers": "answer",
    "roberta_tags": "tag",
    "roberta_states": "embed",
    "xlm_roberta_classifier": "classify",
    "xlm_roberta_states": "embed",
    "multilingual_states": "embed",
}


def is_peculiar(line):
    """Whether the library normalizes a line otherwise than SentencePiece does."""
    return "\0" in line or any(unicodedata.category(c).startswith("M") for c in line)


def read_lines():
    return json.loads(gzip.decompress((DATA / "lines.json.gz").read_bytes()))


@pytest.mark.parametrize(
    "name",
    quick_and_slow(list(KINDS), ["roberta_classifier", "roberta_tags", "xlm_roberta_states"]),
)
def test_numbers_are_those_of_transformers(name, tmp_path):
    task = import_task(DATA / name)
    assert task.kind == KINDS[name]
    task.save(tmp_path / "task")
    _, order = read_hugging_face_tokenizer(DATA / name)
    for made in (task, load_task(tmp_path / "task")):
        for example in json.loads((DATA / name / "expected.json").read_text()):
            columns = [tf.constant([text]) for text in example["texts"]]
            ids, segments = made.tokenizer.encode_with_segments(
                columns[0], made.max_length, *columns[1:]
            )
            assert order[ids.numpy()[0]].tolist() == example["ids"]
            assert not segments.numpy().any()
            inputs = {"token_ids": ids, "segment_ids": segments, "mask": tf.ones_like(ids)}
            output = made.model(inputs)
            if isinstance(output, dict):
                output = output["states" if task.kind == "embed" else "token_logits"]
            output = np.asarray(output)
            output = output.reshape(-1, output.shape[-1])[:8]
            expected = np.array(example["output"])
            if task.kind == "fill_mask":
                expected = expected[:, order]
            assert_allclose(output, expected, atol=2e-5)


@pytest.mark.parametrize("family", ["roberta", "xlm_roberta"])
def test_ids_of_nasty_lines_are_those_of_the_library(family, tmp_path):
    content = read_lines()
    tokenizer, order = read_hugging_face_tokenizer(DATA / f"{family}_states")
    tokenizer.save(tmp_path)
    for made in (tokenizer, load_tokenizer(tmp_path)):
        rows = made.rows(content["lines"])
        assert len(content["lines"]) == 10_000
        different = [
            (line, order[row].tolist(), expected)
            for line, row, expected in zip(content["lines"], rows, content[family], strict=True)
            if order[row].tolist() != expected[1:-1]
        ]
        if family == "xlm_roberta":
            different = [each for each in different if not is_peculiar(each[0])]
        assert not different, (len(different), different[:3])


def test_ids_of_nasty_lines_are_those_of_sentencepiece():
    tokenizer, _ = read_hugging_face_tokenizer(DATA / "xlm_roberta_states")
    lines = [line for line in read_lines()["lines"] if not {"<", "\x85"} & set(line)]
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    different = [
        (line, row.tolist(), processor.encode(line))
        for line, row in zip(lines, tokenizer.rows(lines), strict=True)
        if row.tolist() != processor.encode(line)
    ]
    assert len(lines) > 4_000
    assert not different, (len(different), different[:3])


def test_old_files_are_read_like_new_ones():
    for family in ("roberta", "xlm_roberta"):
        old, new = (
            read_hugging_face_tokenizer(DATA / f"{family}_{name}")[0]
            for name in ("classifier", "states")
        )
        assert old.vocabulary == new.vocabulary
        # Only the new file says what becomes of the space before a mask.
        lines = [line for line in read_lines()["lines"][:1000] if "<mask>" not in line]
        for ours, theirs in zip(old.rows(lines), new.rows(lines), strict=True):
            assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("family", ["roberta", "xlm_roberta"])
def test_pieces_are_found_in_the_text(family):
    tokenizer, _ = read_hugging_face_tokenizer(DATA / f"{family}_states")
    lines = [line for line in read_lines()["lines"][:2000] if "<" not in line]
    pieces = tokenizer.tokenize_with_offsets(tf.constant(lines))
    for line, ids, words, starts, ends in zip(
        lines,
        *(x.to_list() for x in (pieces.ids, pieces.words, pieces.starts, pieces.ends)),
        strict=True,
    ):
        assert starts == sorted(starts)
        assert all(0 <= start < end <= len(line) for start, end in zip(starts, ends, strict=True))
        assert words == sorted(words)
        decoded = tokenizer.texts()
        for i, start, end in zip(ids, starts, ends, strict=True):
            text = decoded[i].decode().strip()
            is_whole_word = line[start:end] in line.split()
            if text.isascii() and text.isalnum() and line.isascii() and not is_whole_word:
                assert line[start:end] == text


EXAMPLES = {
    "classify": [("The cat's here [SEP] <s>", "LABEL_0"), ("naïve café 東京  it's", "LABEL_1")],
    "embed": [("The cat's here",), ("naïve  café 東京",)],
    "fill_mask": [("The cat's here, isn't it?",), ("naïve café",)],
    "tag": [("The cat's here", "LABEL_0 LABEL_1 LABEL_0"), ("naïve café", "LABEL_0 LABEL_1")],
    "answer": [("who?", "the naïve cat", '[{"text": "cat", "answer_start": 10}]')],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_they_are_exported_and_come_back(name, tmp_path):
    task = import_task(DATA / name)
    formats = ["saved_model", "litert", "huggingface"]
    report = export(task, tmp_path / "out", formats, examples=EXAMPLES[task.kind])
    assert all(artefact["verified"] for artefact in report["artefacts"])
    back = import_task(tmp_path / "out" / "huggingface")
    assert back.kind == task.kind
    texts = [task.input_of(example) for example in EXAMPLES[task.kind]]
    for ours, theirs in zip(task.predict(texts), back.predict(texts), strict=True):
        assert ours.text == theirs.text


@pytest.mark.parametrize("form", ["litert_text", "mediapipe"])
def test_formats_that_tokenize_themselves_are_for_wordpiece(form):
    for name in ("roberta_classifier", "xlm_roberta_states"):
        why = FORMATS[form].why_not(import_task(DATA / name))
        assert why.startswith("is for WordPiece, the task's tokenizer is of the kind ")


@pytest.mark.parametrize("name", ["roberta_states", "xlm_roberta_states"])
def test_the_library_reads_what_is_written(name, tmp_path):
    import tokenizers

    tokenizer, _ = read_hugging_face_tokenizer(DATA / name)
    write_tokenizer(tokenizer, 48, tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    lines = [line for line in read_lines()["lines"] if not is_peculiar(line)][:3000]
    for line, row in zip(lines, tokenizer.rows(lines), strict=True):
        assert theirs.encode(line, add_special_tokens=False).ids == row.tolist(), line
    first, second = "The cat's here", "b <mask> c"
    ids = tokenizer.encode(tf.constant([first]), 99, tf.constant([second])).numpy()[0]
    assert theirs.encode(first, second).ids == ids.tolist()


def test_a_gap_takes_the_space_before_it_and_is_filled_with_one():
    task = import_task(DATA / "roberta_masked")
    (prediction,) = task.predict(["The <mask> is here."])
    token = prediction.record["masks"][0][0]["token"]
    space = "" if token.startswith(" ") else " "
    assert prediction.record["text"] in (f"The{token} is here.", f"The{space}{token} is here.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"byte_fallback": True}}, "byte_fallback is True; accepted is False"),
        ({"model": {"ignore_merges": True}}, "ignore_merges is True"),
        ({"model": {"end_of_word_suffix": "</w>"}}, "end_of_word_suffix is '</w>'"),
        ({"model": {"merges": ["a b c", "Ġ t"]}}, "the pair 'a' 'b c' is not in the vocabulary"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer is 'Whitespace'"),
        ({"pre_tokenizer": {"use_regex": False}}, "use_regex is False"),
        ({"post_processor": {"cls": ["</s>", 2]}}, "puts texts together otherwise"),
        ({"normalizer": {"type": "NFC"}}, "normalizer"),
    ],
)
def test_other_settings_are_refused(change, message, tmp_path):
    folder = shutil.copytree(DATA / "roberta_states", tmp_path / "model")
    content = json.loads((folder / "tokenizer.json").read_text())
    for part, values in change.items():
        content[part] = {**(content[part] or {}), **values}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        read_hugging_face_tokenizer(folder)


def test_a_tokenizer_that_the_library_reads_otherwise_is_not_written(tmp_path):
    task = import_task(DATA / "roberta_states")
    task.tokenizer.add_prefix_space = True
    write_tokenizer(task.tokenizer, 48, tmp_path)
    task.tokenizer.add_prefix_space = False
    with pytest.raises(ResultError, match="splits 'The cat' into other tokens: "):
        compare_ids(task, tmp_path, [("The cat",)])
