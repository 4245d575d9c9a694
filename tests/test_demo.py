"""`make demo` on a fresh copy of the repository: minutes, so it is marked slow."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_demo(tmp_path):
    ignored = shutil.ignore_patterns(".venv", ".git", "runs", "__pycache__", "build", "*.egg-info")
    copy = shutil.copytree(ROOT, tmp_path / "copy", ignore=ignored)
    process = subprocess.run(
        ["make", "demo"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr[-3000:]
    report = json.loads((copy / "runs/demo/export/report.json").read_text())
    assert report["examples"] == 1000
    keras_score = report["keras"]["metric"]["exact_match"]
    assert keras_score >= 98.0
    for artefact in report["artefacts"]:
        assert artefact["verified"]
        if artefact["quantize"] == "none":
            assert artefact["same_answers"] == 1.0
        assert artefact["metric"]["exact_match"] >= keras_score - 0.5
    assert (copy / "runs/demo/attention.png").read_bytes().startswith(b"\x89PNG")
    assert "Sunday, November 22, 2026" in process.stderr
    assert "attention-zoo verify runs/demo/export" in process.stderr
