"""What MkDocs runs while it builds the site: see `mkdocs.yml`."""

import ast
import base64
import configparser
import json
import posixpath
import re
import shutil
from pathlib import Path

import griffe
import latex2mathml.converter
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
# Where mkdocstrings looks for the package.
PACKAGES = ROOT / "build" / "docs"
COMMANDS, RECIPES = "<!-- commands -->", "<!-- recipes -->"


def on_startup(**_):
    """Links the folders of the repository into a package, as `setup.cfg` maps them."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["options"]["package_dir"].strip().splitlines()
    folders = dict(line.split(" = ") for line in lines)
    shutil.rmtree(PACKAGES, ignore_errors=True)
    for name in setup["options"]["packages"].split():
        # The nearest mapped package, and what follows in the name.
        mapped = max((n for n in folders if f"{name}.".startswith(f"{n}.")), key=len)
        folder = "/".join([folders[mapped], *name[len(mapped) :].split(".")[1:]])
        package = PACKAGES.joinpath(*name.split("."))
        package.mkdir(parents=True)
        for file in (ROOT / folder).glob("*.py"):
            (package / file.name).symlink_to(file)


def on_files(files, config, **_):
    """Adds the notebooks as pages, with their outputs."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        pictures = []
        page = notebook_page(json.loads(path.read_text(encoding="utf-8")), path.stem, pictures)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for name, picture in pictures:
            files.append(File.generated(config, f"notebooks/{name}", content=picture))


def notebook_page(notebook, name, pictures):
    """A notebook as Markdown.

    Args:
        notebook: the content of an `.ipynb` file.
        name: the beginning of the names of its pictures.
        pictures: a list to which pairs of a name and the bytes of a picture are appended.
    """
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(MATHS.sub(mathml, source))
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                pictures.append(
                    (f"{name}-{len(pictures) + 1}.png", base64.b64decode(data["image/png"]))
                )
                parts.append(f"![]({pictures[-1][0]})")
            elif "text/html" in data:
                parts.append("".join(data["text/html"]).replace("\n", "&#10;"))
            else:
                text = "".join(output.get("text", data.get("text/plain", "")))
                parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts)


# Formulas, but not the dollar signs in code.
MATHS = re.compile(r"`[^`]*`|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$]+?)\$", re.DOTALL)


def mathml(match):
    """A formula of TeX as MathML, which browsers draw."""
    if match["block"]:
        return latex2mathml.converter.convert(match["block"].strip(), display="block")
    if not match["inline"]:
        return match[0]
    # In a span, because Markdown takes other tags at the beginning of a line for blocks.
    return f"<span>{latex2mathml.converter.convert(match['inline'])}</span>"


class PublicNames(griffe.Extension):
    """Tells griffe, which does not run code, where the lazily imported public names are."""

    def on_package(self, *, pkg, **_):
        """Adds an alias for each name in `_PUBLIC` of `attention_zoo/__init__.py`."""
        if "_PUBLIC" not in pkg.members:
            return
        public = ast.literal_eval(str(pkg.members["_PUBLIC"].value))
        for name, module in public.items():
            if name not in pkg.members:
                pkg.set_member(name, griffe.Alias(name, f"{pkg.path}.{module}.{name}", parent=pkg))


def on_page_markdown(markdown, page, config, **_):
    """Inserts the commands, and turns links to other files of the repository into URLs."""
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, commands())
    if RECIPES in markdown:
        markdown = markdown.replace(RECIPES, recipes())
    folder = posixpath.dirname(page.file.src_uri)

    def link(match):
        target = posixpath.normpath(posixpath.join("docs", folder, match[1]))
        if target.startswith("docs/") or target.startswith("..") or ":" in match[1]:
            return match[0]
        if not (ROOT / target).exists():
            raise PluginError(f"{page.file.src_uri}: {target} does not exist")
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"]({config.repo_url}/{kind}/main/{target}{match[2] or ''})"

    return re.sub(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", link, markdown)


def commands():
    """Every command with its arguments and options, as Markdown."""
    import typer
    from typer.cli import get_docs_for_click

    from attention_zoo.commands import app

    group = typer.main.get_command(app)
    with group.make_context("attention-zoo", [], resilient_parsing=True) as context:
        text = get_docs_for_click(obj=group, ctx=context, name="attention-zoo")
    # Without the page's own heading, and the list of commands that the contents repeat.
    text = text[text.index("## `attention-zoo list`") :]
    return text.replace("```console\n$ ", "```console\n")


def model_types():
    """The table of `model_type` in `docs/how-to/import-weights.md`, from the registry."""
    from attention_zoo.zoo.importers.relatives import RELATIVES

    remarks = {"bert": "", **{name: relative.remarks for name, relative in RELATIVES.items()}}
    remarks["marian"] = "see [Translate on a phone](translate-on-a-phone.md)"
    rows = [f"| `{name}` | {text} |".replace("|  |", "| |") for name, text in remarks.items()]
    return "\n".join(["| `model_type` | remarks |", "|---|---|", *rows])


def architectures():
    """The table of architectures in the same page: which task they are."""
    from attention_zoo.tasks.encoder_settings import EncoderRecipe
    from attention_zoo.tasks.settings import TASKS

    rows = []
    for name, recipe in TASKS.items():
        if issubclass(recipe, EncoderRecipe) and recipe.architectures:
            known = ", ".join(f"`{each}`" for each in recipe.architectures)
            rows.append(f"| {known} | `{name}` |")
    rows.append("| `MarianMTModel`, Marian's own models | `seq2seq` |")
    return "\n".join(["| architecture | task |", "|---|---|", *rows])


def recipes():
    """Every section and field of a recipe, task by task, from the JSON Schema."""
    from attention_zoo.recipes.recipe import recipe_schema

    schema = recipe_schema()
    definitions = schema["$defs"]
    shared = ("ModelSettings", "ExportSettings")
    parts = [_section(f"`{name}` of every task", definitions[name]) for name in shared]
    for task, reference in sorted(schema["discriminator"]["mapping"].items()):
        parts.append(f"## {task}\n")
        for name, about in definitions[reference.rpartition("/")[2]]["properties"].items():
            section = (about.get("$ref") or about.get("allOf", [{}])[0].get("$ref", "")) or ""
            section = section.rpartition("/")[2]
            if section and section not in shared:
                parts.append(_section(f"`{name}`", definitions[section]))
    return "\n".join(parts)


def _section(title, section):
    rows = [
        f"| `{name}` | {_default(about)} | {about.get('description', '')} |"
        for name, about in section["properties"].items()
    ]
    if not rows:
        return ""
    return "\n".join(
        [f"### {title}\n", "| key | default | what it is |", "|---|---|---|", *rows, ""]
    )


def _default(about):
    if "default" not in about:
        return "" if "const" in about else "needed"
    value = about["default"]
    return f"`{json.dumps(value)}`".replace("|", "\\|")


def on_post_page(output, page, **_):
    """Refuses pages that would load anything from another host."""
    loaded = re.findall(r'<(?:script|img|iframe)[^>]*src="(https?:[^"]+)"', output)
    for tag in re.findall(r"<link[^>]*>", output):
        if 'rel="canonical"' not in tag:
            loaded += re.findall(r'href="(https?:[^"]+)"', tag)
    if loaded:
        raise PluginError(f"{page.file.src_uri} loads {loaded[0]}: the site works offline")
    return output
