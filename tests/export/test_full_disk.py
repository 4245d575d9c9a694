"""Exports for which there is no room: a message, and nothing left half-written."""

import contextlib
import resource
from pathlib import Path

import numpy as np
import pytest

from attention_zoo.errors import UserError
from attention_zoo.export.export import export


@contextlib.contextmanager
def no_file_above(size):
    """Files cannot become larger, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Without decoding, so that converting takes no time.
@pytest.mark.parametrize("form", ["saved_model", "litert_stream", "keras", "h5"])
def test_no_room_for_an_artefact(form, task, examples, tmp_path):
    out = tmp_path / "out"
    with no_file_above(50_000), pytest.raises(UserError, match=f"^cannot write {out}.*too large"):
        export(task, out, formats=[form], examples=examples[:1])
    assert not out.exists()


def test_no_room_for_what_the_model_says(task, examples, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(np, "savez_compressed", lambda *_, **__: Path("/dev/full").write_text("x"))
    with pytest.raises(UserError, match=rf"^cannot write {tmp_path}/out: No space left"):
        export(task, tmp_path / "out", examples=examples[:1])
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupt_leaves_nothing(task, examples, tmp_path):
    def interrupt(message):
        if message.startswith("writing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(task, tmp_path / "out", examples=examples[:1], progress=interrupt)
    assert not (tmp_path / "out").exists()
