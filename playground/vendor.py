"""Fetches LiteRT.js from the npm registry into `playground/litert/`. Run by hand to update it.

    python playground/vendor.py

It needs npm. Nothing else does: what it writes is part of the package.
"""

import gzip
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGES = {"@litertjs/core": "2.5.3", "@litertjs/wasm-utils": "2.5.3"}
# Without relaxed SIMD, which Safari lacks.
RUNTIME = "litert_wasm_compat_internal"
FILES = {
    "@litertjs/core": {
        "dist/index.js": "index.js",
        f"wasm/{RUNTIME}.js": f"{RUNTIME}.js",
        f"wasm/{RUNTIME}.wasm": f"{RUNTIME}.wasm.gz",
    },
    "@litertjs/wasm-utils": {"dist/bundle.js": "wasm-utils.js"},
}
FOLDER = Path(__file__).parent / "litert"


def main():
    """Writes the files, and where they are from."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for package, version in PACKAGES.items():
            command = ["npm", "pack", "--silent", f"{package}@{version}"]
            archive = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True)
            with tarfile.open(Path(place) / archive.stdout.strip()) as packed:
                for source, target in FILES[package].items():
                    member = packed.extractfile(f"package/{source}")
                    assert member, source
                    content = member.read()
                    digest = hashlib.sha256(content).hexdigest()
                    if target.endswith(".gz"):
                        content = gzip.compress(content, 9, mtime=0)
                    (FOLDER / target).write_bytes(content)
                    rows.append(f"| `{target}` | {package} {version}, `{source}` | `{digest}` |")
    table = "\n".join(["| file | from | SHA-256, uncompressed |", "|---|---|---|", *rows])
    (FOLDER / "README.md").write_text(
        "# LiteRT.js\n\nRuns LiteRT files in a browser. Copyright Google LLC, Apache License 2.0 "
        "(`LICENSE`), from https://github.com/google-ai-edge/LiteRT. Unchanged, but for the "
        "compression; written by `playground/vendor.py`.\n\n" + table + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
