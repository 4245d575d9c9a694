"""`attention-zoo answer`: answers as training data."""

import pytest

from attention_zoo import answering
from attention_zoo.answering import answer_file
from attention_zoo.errors import UserError
from attention_zoo.loading import load

NAMES = ["g2p_rnn", "g2p_transformer"]


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "words.txt"
    words = ["zoo", "", "model", " zoo ", "test", "x" * 50, *"abcdefgh"]
    path.write_text("\n".join(words) + "\n", encoding="utf-8")
    return path


def run(texts, out, sources=NAMES, exclude=(), **options):
    notes = []
    result = answer_file(sources, texts, out, options, exclude, notes.append)
    return result, out.read_text(encoding="utf-8").splitlines(), notes


def test_what_is_written(texts, tmp_path):
    (tmp_path / "test.tsv").write_text("word\tphonemes\ntest\tT EH S T\n", encoding="utf-8")
    exclude = [str(tmp_path / "test.tsv")]
    counts, rows, _ = run(texts, tmp_path / "out.tsv", NAMES[:1], exclude)
    words = ["zoo", "model", *"abcdefgh"]
    answers = load("g2p_rnn")(words)
    assert rows == ["word\tphonemes", *map("\t".join, zip(words, answers, strict=True))]
    assert counts == (10, 4)
    with pytest.raises(UserError, match="exists already"):
        run(texts, tmp_path / "out.tsv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tsv", "test.tsv", "words.txt"]


def test_an_interrupted_call_goes_on(texts, tmp_path, monkeypatch):
    _, whole, _ = run(texts, tmp_path / "whole.tsv")
    monkeypatch.setattr(answering, "_BLOCK", 4)
    partial = tmp_path / "out.tsv.partial"
    task = answering.together([load(name) for name in NAMES])
    calls = []

    class Stops:
        def __getattr__(self, name):
            return getattr(task, name)

        def __call__(self, texts, **options):
            calls.append(len(texts))
            if len(calls) == 2:
                raise KeyboardInterrupt
            return task(texts, **options)

    monkeypatch.setattr(answering, "together", lambda tasks: Stops())
    with pytest.raises(KeyboardInterrupt):
        run(texts, tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()
    with open(partial / "answers.jsonl", "a", encoding="utf-8") as file:
        file.write('"half a li')
    with pytest.raises(UserError, match="of other tasks, texts or options"):
        run(texts, tmp_path / "out.tsv", beam_size=2)
    _, rows, notes = run(texts, tmp_path / "out.tsv")
    assert rows == whole
    assert notes == [f"{partial}: continuing after 4 texts"]
    assert calls == [4, 4, 4, 3]
    assert not partial.exists()


def test_columns_that_are_numbers_have_no_header(texts, tmp_path, monkeypatch):
    task = answering.together([load(name) for name in NAMES])
    task.fields = (1, 2)

    class Spaces:
        def __getattr__(self, name):
            return getattr(task, name)

        def __call__(self, texts, **options):
            return [" ", *(text.upper() for text in texts[1:])]

    monkeypatch.setattr(answering, "together", lambda tasks: Spaces())
    run(texts, tmp_path / "out.tsv")
    written = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()]
    assert len(written) > 3
    assert all(answer == text.upper() for text, answer in written)


def test_other_weights_do_not_go_on(texts, tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(answering, "_answer_rest", stop)
    with pytest.raises(KeyboardInterrupt):
        run(texts, tmp_path / "out.tsv")
    monkeypatch.undo()
    monkeypatch.setattr(answering, "weights_digest", lambda path: "others")
    with pytest.raises(UserError, match="of other tasks, texts or options"):
        run(texts, tmp_path / "out.tsv")


def test_what_is_refused(texts, tmp_path):
    with pytest.raises(UserError, match="beam_size must be from 1 to"):
        run(texts, tmp_path / "out.tsv", beam_size=0)
    with pytest.raises(UserError, match="No such file"):
        run(tmp_path / "none.txt", tmp_path / "out.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["words.txt"]
