# make demo   set up .venv, run the modules in CellProfiler, print the result
#             IMAGES=folder: on your own images
# make test   set up .venv, run all tests in random order, print what they cover (98% or more)
# make test-next  set up .venv-next (CellProfiler 5, today's TensorFlow), run the tests there, and
#             compare with .venv what the example pipelines measure
# make test-stock  set up .venv-stock (Python 3.8 with what the CellProfiler application holds, no
#             TensorFlow), run the tests of modules and cores there; freeze such an application into
#             build/application, run the release in it, and compare with .venv what it measures
# make test-newest  set up .venv-newest (Python 3.13, the newest release of every package), run the
#             tests of cores and command lines there
# make test-formats  set up .venv-formats (OME-Zarr's programs, the model zoo's), run the tests of
#             what we read of others and write for others
# make test-profiles  set up .venv-profiles (CytoTable, pycytominer), go from images to profiles
# make test-cluster  run the Snakemake workflow, here and on a Slurm of its own (Debian's
#             slurm-wlm and munge, as root; without them that part is skipped)
# make test-container  build the container's file system in build/container, without an engine, and
#             run the example pipelines in it (as root, on Debian with mmdebstrap)
# make release  make dist/cellprofiler-focus-darkfield-VERSION.zip, with which the modules run in the
#             CellProfiler application; the same files give the same bytes
# make test-gui  set up .venv-gui (CellProfiler with its window, on Debian's wxPython), drive both
#             modules in the window of CellProfiler, without a screen
# make figures  the pictures of the window in docs/, by make test-gui's steps
# make crossvalidate  compare recipes of the dark-field training on the images of the folder
#             $FOCUSQUAL_DATA; takes days, and goes on where it was stopped
#             BFLOAT16=1: multiply in bfloat16, faster where the processor can
#             VARIANTS="short full": only these; the rows of others stay in the table
# make lint   check style, format and types
# make docs   build the documentation into docs/_build/html
# make lock   resolve requirements/*.txt again
# make clean  remove everything that these commands made

export TF_CPP_MIN_LOG_LEVEL := 2
VENV := .venv/.complete
FOCUSQUAL_DATA ?= ../shared/data
# As many processes as there are CPUs; a free one takes work off the others.
PYTEST = bin/python -m pytest --numprocesses auto --dist worksteal
TESTS_OF_CORES = tests/focusqual tests/segment tests/micrograph_networks
TESTS_OF_MODULES = tests/plugins $(TESTS_OF_CORES)
UV = $(or $(shell command -v uv),.uv/bin/uv)

.PHONY: demo demo-focus demo-darkfield test test-next test-stock test-newest test-formats \
	test-profiles test-cluster test-container test-gui figures release crossvalidate lint docs lock \
	clean

demo: demo-focus demo-darkfield

demo-focus: $(VENV)
	.venv/bin/python example_pipelines/focus_demo.py $(if $(IMAGES),"$(IMAGES)")

demo-darkfield: $(VENV)
	.venv/bin/python example_pipelines/darkfield_demo.py $(if $(IMAGES),"$(IMAGES)")

test: $(VENV)
	.venv/$(PYTEST) --cov

test-next: $(VENV) .venv-next/.complete
	.venv-next/$(PYTEST) $(TESTS_OF_MODULES)

test-stock: $(VENV) .venv-stock/.complete build/application/.complete
	.venv-stock/$(PYTEST) $(TESTS_OF_MODULES)
	.venv/$(PYTEST) tests/plugins -m application

test-newest:
	requirements/setup_newest_venv.sh
	.venv-newest/$(PYTEST) $(TESTS_OF_CORES)

test-formats: .venv-formats/.complete
	.venv-formats/$(PYTEST) tests/formats tests/micrograph_networks/images

test-cluster: $(VENV) .venv-cluster/.complete
	.venv/bin/python -m pytest tests/cluster -m cluster

test-profiles: $(VENV) .venv-profiles/.complete
	.venv/bin/python -m pytest tests/profiles -m profiles

test-container: $(VENV)
	.venv/bin/python -m pytest tests/containers -m container

release:
	python3 release/build_release.py

test-gui: .venv-gui/.complete
	.venv-gui/bin/python -m pytest tests/gui -m window -p no:randomly

figures: .venv-gui/.complete
	.venv-gui/bin/python tests/gui/figures.py

crossvalidate: $(VENV)
	.venv/bin/python benchmarks/crossvalidate.py --csv $(FOCUSQUAL_DATA)/darkfield/data.csv \
		--backbone-weights $(FOCUSQUAL_DATA)/vgg16/vgg16_imagenet_notop.h5 \
		--output build/crossvalidation $(if $(BFLOAT16),--mixed-precision) \
		$(if $(VARIANTS),--variants $(VARIANTS))

lint: $(VENV)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# -n and -W: a link or a name that leads nowhere is an error.
docs: .venv-docs/.complete
	.venv-docs/bin/sphinx-build -E -n -W --keep-going -q -c docs . docs/_build/html
	@echo "Open docs/_build/html/docs/index.html"

$(VENV): requirements/stable.txt requirements/databases.txt requirements/build-constraints.txt \
		requirements/venv.sh requirements/setup_venv.sh setup.py
	requirements/setup_venv.sh .venv stable 3.9
	@touch $@

.venv-stock/.complete .venv-frozen/.complete: .venv-%/.complete: requirements/%.txt \
		requirements/databases.txt requirements/build-constraints.txt requirements/venv.sh \
		requirements/setup_venv.sh setup.py
	requirements/setup_venv.sh .venv-$* $* 3.8
	@touch $@

build/application/.complete: .venv-frozen/.complete requirements/application.spec \
		requirements/start_application.py
	.venv-frozen/bin/python -m PyInstaller --noconfirm --clean --log-level ERROR \
		--distpath build/application --workpath build/freezing requirements/application.spec
	@touch $@

.venv-gui/.complete: requirements/gui.txt requirements/build-constraints.txt requirements/venv.sh \
		requirements/setup_gui_venv.sh setup.py
	requirements/setup_gui_venv.sh
	@touch $@

.venv-%/.complete: requirements/%.txt requirements/venv.sh requirements/setup_other_venv.sh setup.py
	requirements/setup_other_venv.sh $*
	@touch $@

LOCK = $(UV) pip compile --generate-hashes --no-emit-index-url --quiet \
	--custom-compile-command "make lock"

lock: $(VENV)
	$(LOCK) requirements/stable.in setup.py \
		--extra cellprofiler --extra cpu --extra train --extra report --extra parquet \
		--extra test \
		--override requirements/overrides.txt \
		--build-constraint requirements/build-constraints.txt \
		--python .venv/bin/python -o requirements/stable.txt
	$(LOCK) requirements/databases.in --python-version 3.8 -o requirements/databases.txt
	for name in stock frozen; do \
		$(LOCK) requirements/$$name.in \
			--override requirements/overrides.txt \
			--build-constraint requirements/build-constraints.txt \
			--python-version 3.8 -o requirements/$$name.txt || exit; \
	done
	$(LOCK) requirements/gui.in \
		--override requirements/gui-overrides.txt \
		--build-constraint requirements/build-constraints.txt \
		--python-version 3.11 -o requirements/gui.txt
	$(LOCK) requirements/next.in setup.py --extra cpu --extra train --extra test \
		--override requirements/overrides.txt \
		--python-version 3.11 -o requirements/next.txt
	$(LOCK) requirements/formats.in setup.py --extra cpu --extra test --extra zoo \
		--python-version 3.11 -o requirements/formats.txt
	$(LOCK) requirements/cluster.in --emit-build-options \
		--python-version 3.11 -o requirements/cluster.txt
	$(LOCK) requirements/profiles.in --python-version 3.11 -o requirements/profiles.txt
	$(LOCK) requirements/docs.in setup.py --python-version 3.11 -o requirements/docs.txt

clean:
	rm -rf .venv .venv-* .uv demo build dist docs/_build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
