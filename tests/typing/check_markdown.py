"""Runs pyright on the Python blocks of Markdown files, with the project's configuration.

    python tests/typing/check_markdown.py README.md

Errors name the file and its line.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def python_blocks(text):
    """The Python blocks of a text, each on the line where it is in the text."""
    return ["\n" * text.count("\n", 0, m.start(1)) + m[1] for m in BLOCK.finditer(text)]


def check(files):
    """Prints pyright's report; returns its exit status."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    # The interpreter that runs this script takes the place of the virtual environment.
    unused = ("include", "venv", "venvPath")
    config = {name: v for name, v in settings["tool"]["pyright"].items() if name not in unused}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
        for file in files:
            for number, code in enumerate(python_blocks(file.read_text(encoding="utf-8")), 1):
                Path(folder, f"{file.stem}_{number}.py").write_text(code, encoding="utf-8")
        command = ["-m", "pyright", "--project", folder, "--pythonpath", sys.executable]
        return subprocess.run([sys.executable, *command], check=False).returncode


if __name__ == "__main__":
    sys.exit(check([Path(name) for name in sys.argv[1:]]))
