# make book: the HTML book.  make test: everything that must hold.  make times: the same, and the run times go into book/checked.json.
# make store: execute the chapters and keep their outputs.  make chapter NAME=61_title TITLE="Title": a new chapter.
# make release: the book as one PDF and one zip, with their checksums, in _build/html.
# make address: the address of this copy, from git remote or from ADDRESS=https://..., in every place that names it.
PYTHON ?= python3
VENV = .venv
RUN = $(VENV)/bin/python
# What these name belongs to another Python, or would be found in the place of the pinned packages.
unexport PYTHONHOME PYTHONPATH
ALONE = PYTHONHOME= PYTHONPATH=
# The pinned packages have wheels up to 3.14.
FIT = import sys; sys.exit(not (3, 11, 5) <= sys.version_info[:3] < (3, 15))
HERE = import sys; print(sys.prefix, *sys.version_info[:2])
NEEDED = $(PYTHON) does not fit: Python 3.11.5 or later (up to 3.14) is needed, with its module venv; name one: make PYTHON=python3.12
usable = $(shell $(ALONE) $(RUN) -c '$(FIT)' 2>/dev/null && $(ALONE) $(RUN) -m pip --version 2>/dev/null)
fits = $(shell $(ALONE) "$(PYTHON)" -c 'import ensurepip, venv; $(FIT)' 2>/dev/null && echo yes)

.PHONY: book test times release store chapter address benchmark clean

# The stamp says where and with which Python the environment was made; when that is no longer so, it is made again.
ifneq "$(shell $(ALONE) $(RUN) -c '$(HERE)' 2>/dev/null || echo none)" "$(shell cat $(VENV)/installed 2>/dev/null)"
.PHONY: $(VENV)/installed
endif

# An environment that can be used is kept, with what has been installed in it.
$(VENV)/installed: requirements.txt pyproject.toml
	$(if $(usable),,$(if $(fits),"$(PYTHON)" -m venv --clear $(VENV),$(error $(NEEDED))))
	$(RUN) -m pip install -q --disable-pip-version-check -r requirements.txt
	$(RUN) -m pip install -q --disable-pip-version-check --no-deps -e .
	$(RUN) -c '$(HERE)' >$@

book: $(VENV)/installed
	$(RUN) -m tools.build

test: $(VENV)/installed
	$(RUN) -m tools.check

times: $(VENV)/installed
	$(RUN) -m tools.check --record

chapter: $(VENV)/installed
	$(RUN) -m tools.chapter $(NAME) "$(TITLE)"

address:  # needs no environment
	"$(PYTHON)" -m tools.address $(ADDRESS)

release: $(VENV)/installed
	$(RUN) -m tools.release

store: $(VENV)/installed
	$(RUN) -m tools.store book/*.ipynb

benchmark: $(VENV)/installed
	$(RUN) benchmarks/flow_against_descent.py
	$(RUN) benchmarks/replicas_against_authors.py
	$(RUN) benchmarks/kernels.py
	$(RUN) benchmarks/how_far.py
	$(RUN) benchmarks/checkup.py

clean:
	rm -rf $(VENV) _build
