"""The folders on disk, what `setup.cfg` says of them, and what they may import."""

import ast
import configparser
import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import attention_zoo

ROOT = Path(__file__).parents[1]
KEPT = {"tests", "benchmarks", "docs", "examples", "notebooks"}
NOT_INSTALLED = {*KEPT, "build", "dist", "runs", "site"}
# A folder imports only from those before it.
ORDER = [
    "text",
    "layers",
    "zoo",
    "decoding",
    "train",
    "tasks",
    "recipes",
    "export",
    "viewer",
    "playground",
]
# Modules of api.
FOR_ALL = {
    *("backend", "checksums", "errors", "fields", "files", "json_files", "plugins"),
    *("pretrained", "quiet", "registry", "version"),
}
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")


def visible(path):
    return not path.name.startswith(".") and path.suffix != ".egg-info"


def package_of(folder):
    """The name under which a folder is installed."""
    first, *rest = folder.relative_to(ROOT).parts
    return ".".join(["attention_zoo", *([] if first == "api" else [first]), *rest])


TOP = sorted(p for p in ROOT.iterdir() if visible(p) and p.name not in NOT_INSTALLED)
MODULES = sorted(file for folder in TOP if folder.is_dir() for file in folder.rglob("*.py"))
FOLDERS = sorted({file.parent for file in MODULES})


def package_data():
    """The packages with data, and their patterns."""
    section = CONFIG["options.package_data"]
    return [(package, [p.strip() for p in section[package].split(",")]) for package in section]


def folder_of(package):
    return next(folder for folder in FOLDERS if package_of(folder) == package)


def test_every_folder_with_code_is_installed():
    on_disk = {package_of(folder): str(folder.relative_to(ROOT)) for folder in FOLDERS}
    lines = CONFIG["options"]["package_dir"].strip().splitlines()
    # The folders within a folder follow from it.
    top = {name: folder for name, folder in on_disk.items() if "/" not in folder}
    assert dict(line.split(" = ") for line in lines) == top
    packages = CONFIG["options"]["packages"].split()
    assert sorted(packages) == sorted(on_disk)
    assert {"attention_zoo", *(f"attention_zoo.{name}" for name in ORDER)} <= set(packages)


def test_every_package_has_an_init():
    assert [folder for folder in FOLDERS if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_is_found_under_its_name(file):
    name = package_of(file.parent)
    if file.stem != "__init__":
        name += f".{file.stem}"
    assert importlib.util.find_spec(name) is not None


def is_made(file):
    """Whether the file is data that a recipe's script writes, which is not shipped."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return any(file.is_relative_to(ROOT / line) for line in lines if line.startswith("recipes/"))


@pytest.mark.parametrize(("package", "patterns"), package_data(), ids=lambda value: str(value))
def test_data_files_are_named_and_installed(package, patterns):
    folder = folder_of(package)
    assert [pattern for pattern in patterns if not any(folder.glob(pattern))] == []
    named = {file for pattern in patterns for file in folder.glob(pattern)}
    files = {file for file in folder.rglob("*") if file.is_file() and not is_made(file)}
    assert {file for file in files if file.suffix not in (".py", ".pyc")} == named
    installed = importlib.resources.files(package)
    for file in named:
        relative = file.relative_to(folder).as_posix()
        assert installed.joinpath(relative).read_bytes() == file.read_bytes()


def test_only_packages_with_data_hold_other_files():
    with_data = [folder_of(package) for package, _ in package_data()]
    files = [file for folder in TOP if folder.is_dir() for file in folder.rglob("*")]
    others = [file for file in files if file.is_file() and file.suffix not in (".py", ".pyc")]
    assert [f for f in others if not any(f.is_relative_to(folder) for folder in with_data)] == []


class Imports(ast.NodeVisitor):
    """Collects what a source imports: pairs of the function it stands in and the full name."""

    def __init__(self, source, package):
        self.package = package
        self.function = None
        self.found = []
        self.visit(ast.parse(source))

    def visit_FunctionDef(self, node):
        outer, self.function = self.function, node.name
        self.generic_visit(node)
        self.function = outer

    def visit_Import(self, node):
        self.found += [(self.function, alias.name) for alias in node.names]

    def visit_ImportFrom(self, node):
        base = [node.module] if node.module else []
        if node.level:
            parts = self.package.split(".")
            base = parts[: len(parts) + 1 - node.level] + base
        self.found += [(self.function, ".".join([*base, alias.name])) for alias in node.names]


def imports_of(file):
    return Imports(file.read_text(encoding="utf-8"), package_of(file.parent)).found


def test_every_kind_of_import_is_read():
    source = "import a.b\nfrom c import d\ndef f():\n    from ..g import h\n    from . import i\n"
    assert Imports(source, "attention_zoo.text").found == [
        (None, "a.b"),
        (None, "c.d"),
        ("f", "attention_zoo.g.h"),
        ("f", "attention_zoo.text.i"),
    ]


@pytest.mark.parametrize(
    "files",
    [MODULES, *(sorted((ROOT / name).rglob("*.py")) for name in ("tests", "examples"))],
    ids=["package", "tests", "examples"],
)
def test_no_folder_is_imported_from_the_root_of_the_repository(files):
    # `import layers` works there, and makes a second copy of the module.
    names = {folder.name for folder in TOP if folder.is_dir()}
    found = [(str(file), name) for file in files for _, name in imports_of(file)]
    assert [(file, name) for file, name in found if name.split(".")[0] in names] == []


def may_import(importer, name):
    """Whether a file of the folder `importer` may import a name of ours."""
    parts = name.split(".")
    importer, *inner = importer.split("/")
    # Scripts of recipes use the package as people do.
    if importer == "api" or (importer == "recipes" and inner):
        return True
    second = parts[1] if len(parts) > 1 else None
    if second in FOR_ALL:
        return True
    if importer not in ORDER or second not in ORDER:
        return second == importer
    return ORDER.index(second) <= ORDER.index(importer)


def test_folders_import_only_from_those_before_them():
    against = {
        (file.relative_to(ROOT).as_posix(), function, name.rpartition(".")[0])
        for file in MODULES
        for function, name in imports_of(file)
        if name.split(".")[0] == "attention_zoo"
        and not may_import(file.parent.relative_to(ROOT).as_posix(), name)
    }
    assert against == set()


@pytest.mark.parametrize(
    ("importer", "name", "allowed"),
    [
        ("text", "attention_zoo.errors.UserError", True),
        ("text", "attention_zoo.text.tokenizer", True),
        ("text", "attention_zoo.layers", False),
        ("layers", "attention_zoo.text.vocabulary", True),
        ("export", "attention_zoo.train.metrics", True),
        ("train", "attention_zoo.export.export", False),
        ("zoo", "attention_zoo.loading", False),
        ("zoo", "attention_zoo", False),
        ("train", "attention_zoo.tasks.task", False),
        ("tasks/tag", "attention_zoo.train.losses", True),
        ("tasks", "attention_zoo.recipes.recipe", False),
        ("recipes", "attention_zoo.text.readers", True),
        ("recipes", "attention_zoo.export.export", False),
        ("text", "attention_zoo.recipes.dates", False),
        ("recipes/dates", "attention_zoo", True),
        ("api", "attention_zoo.export.export", True),
    ],
)
def test_the_rule_itself(importer, name, allowed):
    assert may_import(importer, name) is allowed


def test_version():
    (assignment,) = ast.parse((ROOT / "api" / "version.py").read_text()).body[1:]
    version = ast.literal_eval(assignment.value)
    assert attention_zoo.__version__ == version
    assert importlib.metadata.version("attention-zoo") == version


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["version"] == attention_zoo.__version__
    assert citation["license"] == CONFIG["metadata"]["license"]
    assert citation["repository-code"] == CONFIG["metadata"]["url"]


def test_command():
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="attention-zoo")
    assert command.value == "attention_zoo.cli:main"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import attention_zoo"],
        ["-m", "attention_zoo.cli", "--help"],
        ["-m", "attention_zoo.cli", "train", "--help"],
        ["-m", "attention_zoo.cli", "predict", "--help"],
    ],
    ids=" ".join,
)
def test_help_does_not_wait_for_tensorflow(arguments):
    process = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    assert ("Usage: " in process.stdout) == ("--help" in arguments)
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "attention_zoo" in imported
    assert not imported & {"tensorflow", "keras", "tensorflow_text", "ai_edge_litert"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LICENSE", "Apache License"),
        ("recipes/dates/LICENSE-UNICODE.txt", "UNICODE LICENSE"),
        ("recipes/dates/DroidSansFallback-dates.LICENSE.txt", "Apache License"),
        ("notebooks/DroidSansFallback-notebooks.LICENSE.txt", "Apache License"),
        ("recipes/zh_en/LICENSES/django.txt", "Django Software Foundation"),
        ("recipes/zh_en/LICENSES/jupyterlab.txt", "Jupyter"),
        ("recipes/zh_en/LICENSES/postgresql.txt", "PostgreSQL"),
        ("recipes/zh_en/LICENSES/vscode.txt", "Microsoft"),
        ("zoo/pretrained/g2p_rnn/LICENSE-CMUDICT.txt", "Carnegie Mellon University"),
        ("zoo/pretrained/g2p_transformer/LICENSE-CMUDICT.txt", "Carnegie Mellon University"),
        ("zoo/pretrained/zh_en/LICENSE-DATA.txt", "CC-BY 2.0 FR"),
        ("zoo/pretrained/zh_en/LICENSE-DATA.txt", "CC-BY-SA 4.0"),
        ("zoo/pretrained/zh_en/LICENSE-django.txt", "Django Software Foundation"),
        ("zoo/pretrained/zh_en/LICENSE-jupyterlab.txt", "Jupyter"),
        ("zoo/pretrained/zh_en/LICENSE-postgresql.txt", "PostgreSQL"),
        ("zoo/pretrained/zh_en/LICENSE-vscode.txt", "Microsoft"),
    ],
)
def test_licences(name, words):
    assert words.lower() in (ROOT / name).read_text(encoding="utf-8").lower()


def test_the_licence_of_the_metadata():
    assert CONFIG["metadata"]["license"] == "Apache-2.0"
    assert (ROOT / CONFIG["metadata"]["license_files"]).is_file()
    assert (ROOT / CONFIG["metadata"]["long_description"].removeprefix("file: ")).is_file()


def test_no_file_is_large():
    kept = [*TOP, *(ROOT / name for name in KEPT)]
    files = [file for path in kept for file in ([path] if path.is_file() else path.rglob("*"))]
    assert len(files) > 100
    large = [file for file in files if file.is_file() and file.stat().st_size > 3_000_000]
    large = [file for file in large if not is_made(file)]
    # But for weights in 16 bits, which are what they are.
    weights = sorted((ROOT / "zoo/pretrained").glob("*/model.safetensors"))
    assert sorted(large) == weights
    sizes = [file.stat().st_size for file in weights]
    assert max(sizes) < 12_000_000
    assert sum(sizes) < 30_000_000


def imported_names():
    """The names that scripts import from our modules; some scripts are run by hand only."""
    folders = ("benchmarks", "docs", "examples", "recipes", "tests")
    for file in sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("attention_zoo"):
                yield from ((node.module, alias.name, file) for alias in node.names)


def exists(module, name):
    if hasattr(importlib.import_module(module), name):
        return True
    return importlib.util.find_spec(f"{module}.{name}") is not None


def test_scripts_import_what_exists():
    missing = [
        f"{file.relative_to(ROOT)}: {module}.{name}"
        for module, name, file in imported_names()
        if not exists(module, name)
    ]
    assert missing == []
