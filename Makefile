# make run    serves chat on this machine, from this checkout, with nothing to configure
# make test   runs the tests
# Everything lands in .venv/ and var/; a second run is quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AIOXMPP := .venv-aioxmpp
PIP := $(BIN)/python -m pip install --quiet
PYTEST_ARGS ?=
CODE := xmppd modules tests bench docs twisted
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help run test test-packaging test-peers lint format docs bench fuzz crash example clean

help:
	@echo "make run | test | test-packaging | test-peers | lint | docs | bench | fuzz | crash | example | clean"

define CHECK_PYTHON
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "xmppd wants Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make a virtual environment here: apt install python3-venv" >&2; exit 1; }
endef

# A stamp for each set of packages, so that nothing is installed twice.
$(VENV)/.made:
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made setup.cfg pyproject.toml
	$(PIP) --editable .
	@$(BIN)/twistd --help >/dev/null # writes the cache of plugins once
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.docs: $(VENV)/.%: $(VENV)/.run
	$(PIP) --editable '.[$*,postgresql]'
	@touch $@

# aioxmpp works with older libraries than ours: an environment of its own
$(AIOXMPP)/.made: Makefile
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(AIOXMPP)
	$(AIOXMPP)/bin/python -m pip install --quiet setuptools pytz 'pyopenssl<24.3' 'cryptography<44' aioxmpp
	@touch $@

run: $(VENV)/.run
	@mkdir -p -m 700 var
	@echo "Serving localhost from var/. In another terminal, add a user:"
	@echo "    $(BIN)/xmppctl adduser romeo@localhost"
	@echo "and log in with any XMPP client as romeo@localhost, server 127.0.0.1, port 5222."
	@echo "Its certificate is self-made: let the client accept it. Ctrl-C stops."
	$(BIN)/twistd --nodaemon --pidfile= xmppd

test: $(VENV)/.test $(AIOXMPP)/.made
	XMPPD_AIOXMPP_PYTHON="$${XMPPD_AIOXMPP_PYTHON:-$(CURDIR)/$(AIOXMPP)/bin/python}" \
	  $(BIN)/python -m pytest -rs --ignore=tests/packaging --ignore=tests/peers \
	    -n 2 --dist loadfile $(PYTEST_ARGS)

test-packaging: $(VENV)/.test
	$(BIN)/python -m pytest -rs tests/packaging $(PYTEST_ARGS)

# Beside Debian's prosody and ejabberd, in network namespaces with a DNS of their own: as root
test-peers: $(VENV)/.test
	$(BIN)/python -m pytest -rs --timeout=300 tests/peers $(PYTEST_ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check --config .ci/ruff.toml $(CODE)
	$(BIN)/ruff format --check --config .ci/ruff.toml $(CODE)
	$(BIN)/mypy -p xmppd

format: $(VENV)/.lint
	$(BIN)/ruff check --config .ci/ruff.toml --fix $(CODE)
	$(BIN)/ruff format --config .ci/ruff.toml $(CODE)

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html

# kills servers at random moments, 50 times each way; CRASHES=500 SEED=7 for more and others
crash: $(VENV)/.test
	XMPPD_TEST_CRASHES=$(or $(CRASHES),50) XMPPD_TEST_SEED=$(or $(SEED),1) XMPPD_TEST_CROWD=500 \
	  $(BIN)/python -m pytest -s tests/faults/test_crash.py tests/faults/test_return.py \
	  $(PYTEST_ARGS)

bench: $(VENV)/.test
	$(BIN)/python -m bench $(if $(QUICK),--quick)

fuzz: $(VENV)/.test
	XMPPD_FUZZ_EXAMPLES=$${XMPPD_FUZZ_EXAMPLES:-20000} XMPPD_FUZZ_MB=$${XMPPD_FUZZ_MB:-400} \
	  $(BIN)/python -m pytest -rs --timeout=3600 tests/fuzz $(PYTEST_ARGS)

example: $(VENV)/.run
	$(BIN)/xmppctl example > etc/xmppd.toml.new
	mv etc/xmppd.toml.new etc/xmppd.toml

clean:
	rm -rf $(VENV) $(AIOXMPP) build dist docs/_build docs/generated *.egg-info
