"""`import` of a repository of the Hugging Face Hub, from a server on loopback."""

import json
import shutil
import socket
from pathlib import Path

import pytest
from reference.hub_server import serve_repository

from attention_zoo.hub import chosen_files

DATA = Path(__file__).parents[1] / "data"
COMMIT, OLD = "ab" * 20, "cd" * 20
REVISIONS = {"main": COMMIT, COMMIT: COMMIT, "v1": OLD, OLD: OLD}
NAME = "someone/a-model"


@pytest.fixture
def repository(tmp_path):
    folder = shutil.copytree(DATA / "roberta" / "xlm_roberta_states", tmp_path / "repository")
    shutil.copytree(DATA / "roberta" / "sentences" / "dense", folder, dirs_exist_ok=True)
    (folder / "pytorch_model.bin").write_bytes(b"not read")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"not read")
    return folder


def nowhere():
    """An address on loopback where nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_repository_is_downloaded_once_and_its_commit_is_written_down(zoo, repository, tmp_path):
    home = str(tmp_path / "home")
    with serve_repository(NAME, repository, REVISIONS) as (address, asked):
        hub = {"HF_ENDPOINT": address, "HF_HOME": home, "HF_HUB_DISABLE_XET": "1"}
        process = zoo("import", NAME, "--out", tmp_path / "run", **hub)
        assert f"downloading {NAME}, revision {COMMIT}: " in process.stderr
        assert not [path for path in asked if "onnx" in path or "pytorch_model" in path]
        zoo("import", NAME, "--revision", "v1", "--out", tmp_path / "old", **hub)
        message = zoo(
            "import", NAME, "--revision", "v9", "--out", tmp_path / "x", check=2, **hub
        ).stderr
        assert "Revision Not Found" in message
        message = zoo("import", "someone/else", "--out", tmp_path / "x", check=2, **hub).stderr
        assert "someone/else: " in message
    for run, commit in (("run", COMMIT), ("old", OLD)):
        origin = json.loads((tmp_path / run / "import.json").read_text())
        assert origin == {"source": NAME, "revision": commit}
    expected = json.loads((repository / "expected.json").read_text())
    answers = zoo("predict", tmp_path / "run", "--json", stdin=expected["texts"][0] + "\n").stdout
    assert json.loads(answers)["embedding"] == pytest.approx(expected["vectors"][""][0], abs=1e-5)
    # Without a network the cache answers.
    offline = {"HF_ENDPOINT": nowhere(), "HF_HOME": home}
    for number, more in enumerate(({}, {"HF_HUB_OFFLINE": "1"})):
        zoo("import", NAME, "--out", tmp_path / f"again{number}", **offline, **more)
        origin = json.loads((tmp_path / f"again{number}" / "import.json").read_text())
        assert origin == {"source": NAME, "revision": COMMIT}


def test_neither_a_folder_nor_reachable(zoo, tmp_path):
    offline = {"HF_ENDPOINT": nowhere(), "HF_HOME": str(tmp_path / "home")}
    process = zoo("import", NAME, "--out", tmp_path / "run", check=2, **offline)
    assert "cannot be reached" in process.stderr
    assert "it is not in the cache" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "run").exists()
    message = zoo("import", "a/b/c", "--out", tmp_path / "run", check=2).stderr
    assert "a/b/c: no such directory" in message
    message = zoo("import", DATA, "--revision", "main", "--out", tmp_path / "run", check=2).stderr
    assert "--revision is for a repository" in message


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("Repo id must use alphanumeric chars"), "a/b: Repo id must use"),
        (OSError(28, "No space left on device"), r"a/b: \[Errno 28\] No space left"),
        (ConnectionError(""), r"cannot be reached \(ConnectionError\)"),
    ],
)
def test_only_a_missing_network_asks_the_cache(error, message, monkeypatch, tmp_path):
    import huggingface_hub

    from attention_zoo.errors import UserError
    from attention_zoo.hub import fetch

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "model_info", fail)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(UserError, match=message):
        fetch("a/b")


def test_an_error_of_our_own_is_not_hidden(monkeypatch):
    import huggingface_hub

    from attention_zoo.hub import fetch

    monkeypatch.setattr(huggingface_hub, "model_info", lambda *_, **__: None)
    with pytest.raises(AttributeError):
        fetch("a/b")


def test_without_the_library_the_message_names_the_extra(monkeypatch):
    import sys

    from attention_zoo.errors import UserError
    from attention_zoo.hub import fetch

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'attention-zoo\[hub\]'"):
        fetch(NAME)


def test_a_folder_of_a_step_may_have_the_other_form_of_weights():
    names = ["model.safetensors", "pytorch_model.bin", "2_Dense/pytorch_model.bin", "a.h5"]
    assert chosen_files([*names, "2_Dense/config.json", "README.md", "source.spm"]) == [
        "2_Dense/config.json",
        "2_Dense/pytorch_model.bin",
        "model.safetensors",
        "source.spm",
    ]


def test_a_pruned_vocabulary_is_reported(zoo, tmp_path):
    (tmp_path / "corpus.txt").write_text("The cat's here\nnaïve café\tisn't it?\n")
    folder = DATA / "roberta" / "roberta_classifier"
    corpus = tmp_path / "corpus.txt"
    out = tmp_path / "run"
    process = zoo("import", folder, "--keep-vocabulary", corpus, "--out", out)
    report = json.loads((out / "import.json").read_text())["pruning"]
    assert report["tokens_kept"] < report["tokens_before"] == 601
    assert report["texts"] == 3
    assert f"kept {report['tokens_kept']} of 601 tokens: " in process.stderr
    zoo("import", folder, "--out", tmp_path / "whole")
    answers = [
        zoo("predict", tmp_path / name, "--json", stdin="The cat's here\n").stdout
        for name in ("run", "whole")
    ]
    assert answers[0] == answers[1]
