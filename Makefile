# Each target first sets up the environment that it needs, from the locked requirements/.
#
# make demo            run both modules in CellProfiler and print the results; IMAGES=folder: on your own
#                      images
# make test            all tests in random order, and their coverage (at least 98%); .venv
# make test-next       modules, engines and training with CellProfiler 5 and today's TensorFlow;
#                      .venv-next
# make test-stock      modules and cores with the packages of the CellProfiler application and without
#                      TensorFlow; then the release in such an application, frozen into
#                      build/application; .venv-stock
# make test-gui        both modules in the window of CellProfiler, without a screen; .venv-gui
# make test-tools      plates and models of other programs, profiles by CytoTable and pycytominer, and
#                      the cluster workflow, also on a Slurm (Debian's slurm-wlm and munge, as root),
#                      and the wheel; .venv-tools
# make test-newest     cores and command lines with the newest release of every package; .venv-newest
# make test-container  the container's file system, built in build/container without a container
#                      engine (as root, on Debian with mmdebstrap)
# make figures         pictures of the documentation, from the output of make demo
# make test-mutants    changes of the code that tests do not detect (minutes to hours, see
#                      benchmarks/mutants.py)
# make docs            the documentation, into docs/_build/html; .venv-tools
# make wheel           wheel and source distribution in dist/, checked for upload to a package index;
#                      .venv-tools
# make release         dist/cellprofiler-focus-darkfield-VERSION.zip, for the CellProfiler application
# make lint            style, format and types
# make lock            resolve requirements/*.txt again

export TF_CPP_MIN_LOG_LEVEL := 2
VENV := .venv/.complete
# As many processes as there are CPUs; a free one takes tests from the others.
PYTEST = bin/python -m pytest --numprocesses auto --dist worksteal --durations 10
CORES = tests/focusqual tests/segment tests/micrograph_networks

.PHONY: demo test test-next test-stock test-gui test-tools test-newest test-container test-mutants \
	docs figures wheel release lint lock

demo: $(VENV)
	.venv/bin/python example_pipelines/demo.py $(if $(IMAGES),"$(IMAGES)")

test: $(VENV)
	.venv/$(PYTEST) --cov

# Tests that depend on CellProfiler, TensorFlow or Keras; make test-newest runs the others.
test-next: $(VENV) .venv-next/.complete
	.venv-next/$(PYTEST) tests/plugins tests/micrograph_networks tests/*/training

# Tests of what the application runs.
test-stock: $(VENV) .venv-stock/.complete build/application/.complete
	.venv-stock/$(PYTEST) tests/plugins tests/micrograph_networks tests/*/inference
	.venv/$(PYTEST) tests/plugins -m application

test-gui: .venv-gui/.complete
	.venv-gui/bin/python -m pytest tests/gui -m window -p no:randomly

test-tools: $(VENV) .venv-tools/.complete
	.venv-tools/$(PYTEST) tests/formats tests/micrograph_networks/images
	.venv/bin/python -m pytest tests/cluster tests/profiles tests/test_distribution.py -m tools

test-newest:
	requirements/setup_venv.sh newest
	.venv-newest/$(PYTEST) $(CORES)

test-container: $(VENV)
	.venv/bin/python -m pytest tests/containers -m container

test-mutants: $(VENV) build/mutmut
	.venv/bin/python benchmarks/mutants.py

build/mutmut:
	"$(or $(shell command -v uv),.uv/bin/uv)" pip install --quiet --python .venv/bin/python \
		--target $@ --no-deps mutmut==3.3.1 libcst==1.7.0 setproctitle==1.3.8 toml==0.10.2 \
		rich==15.0.0 markdown-it-py==3.0.0 mdurl==0.1.2 textual==8.2.8

# -n and -W: a link or a name that leads nowhere is an error.
docs: .venv-tools/.complete
	.venv-tools/bin/sphinx-build -E -n -W --keep-going -q -c docs . docs/_build/html
	@echo "Open docs/_build/html/docs/index.html"

figures: demo
	.venv/bin/python release/pictures.py
	.venv/bin/python release/gallery.py

# The wheel is built from the source distribution, so it contains no file of an earlier build.
wheel: .venv-tools/.complete
	rm -f dist/*.whl dist/*.tar.gz
	.venv-tools/bin/python -m build --no-isolation
	.venv-tools/bin/twine check --strict dist/*.whl dist/*.tar.gz
	.venv-tools/bin/check-wheel-contents dist/*.whl

release: $(VENV)
	python3 release/build_release.py

lint: $(VENV)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

lock: .venv-tools/.complete
	UV="$(or $(shell command -v uv),.uv/bin/uv)" .venv-tools/bin/python requirements/lock.py

SETUP = requirements/setup_venv.sh requirements/venv.sh requirements/build-constraints.txt \
	requirements/databases.txt setup.py

$(VENV): requirements/stable.txt $(SETUP)
	requirements/setup_venv.sh stable
	@touch $@

.venv-%/.complete: requirements/%.txt $(SETUP)
	requirements/setup_venv.sh $*
	@touch $@

build/application/.complete: .venv-stock/.complete requirements/application.spec \
		requirements/start_application.py
	.venv-stock/bin/python -m PyInstaller --noconfirm --clean --log-level ERROR \
		--distpath build/application --workpath build/freezing requirements/application.spec
	@touch $@
