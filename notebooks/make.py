"""Runs the notebooks and writes them with their outputs, as `.ipynb`. Run by hand.

    python notebooks/make.py [NAME...]

Without names it makes all. It needs the extra `notebooks`. It also writes the font for the Chinese
labels of figures, from Debian's package fonts-droid-fallback.
"""

import os
import sys
from pathlib import Path

import jupytext
import nbformat
from fontTools import subset
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
FONT = FOLDER / "DroidSansFallback-notebooks.ttf"
FULL_FONT = "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"
SECONDS = 1800  # for a cell


def main():
    """Makes the notebooks that the arguments name."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    write_font()
    names = sys.argv[1:] or sorted(path.name for path in FOLDER.glob("[0-9]*.py"))
    for name in names:
        script = FOLDER / name
        print(script.name, flush=True)
        notebook = read(script)
        resources = {"metadata": {"path": str(FOLDER)}}
        NotebookClient(notebook, timeout=SECONDS, resources=resources).execute()
        for cell in notebook.cells:
            cell.metadata.clear()
            if cell.cell_type == "code":
                cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
                cell.execution_count = None
                for output in cell.outputs:
                    output.pop("execution_count", None)
                    if len(output.get("data", {})) > 1:
                        output["data"].pop("text/plain", None)
        nbformat.write(notebook, script.with_suffix(".ipynb"))


def read(script):
    """A script as a notebook, without outputs."""
    notebook = jupytext.reads(script.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
    }
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"
    return notebook


def write_font():
    """Writes a font with the characters of the Chinese notebooks."""
    used = {c for path in FOLDER.glob("*.zh.py") for c in path.read_text(encoding="utf-8")}
    options = subset.Options()
    options.notdef_outline = True
    font = subset.load_font(FULL_FONT, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=sorted(ord(c) for c in used if ord(c) > 127))
    subsetter.subset(font)
    font["head"].modified = font["head"].created  # the same file every time
    subset.save_font(font, FONT, options)


if __name__ == "__main__":
    main()
