# Makes the virtual environment that the other scripts run in. Sourced by them, not run: `. scripts/environment.sh`.
#
# make_environment NAME installs requirements/NAME.txt (hashes checked) and this project into $VENV. It is done once:
# a stamp inside the environment remembers the lock, and a second call with the same lock only reads it.

cd "$(dirname "$0")/.." || exit 2
ROOT=$(pwd)
VENV=${TWINSTREAM_VENV:-$ROOT/.venv}
case $VENV in /*) ;; *) VENV=$ROOT/$VENV ;; esac

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$1"
    exit 2
}

# 3.11 comes first because every test runs there; PYTHON=/path/to/python names another one.
find_python() {
    tried=
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        tried="$tried $candidate"
        "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
            >/dev/null 2>&1 && { command -v "$candidate"; return; }
    done
    say "expected Python 3.11, 3.12 or 3.13 with its venv module, found${tried:- no Python at all}${tried:+ (too old, too new, or without venv)}."
    say "Debian or Ubuntu: sudo apt-get install python3 python3-venv. macOS: brew install python@3.13."
    say "Or name one: PYTHON=/path/to/python3.12 $0"
    return 1
}

# The stamp changes with the lock, with what the project declares, and with the place it was installed from.
stamp_of() {
    { cat "requirements/$1.txt" pyproject.toml; printf '%s\n' "$ROOT"; } | cksum
}

make_environment() {
    stamp=$(stamp_of "$1")
    # The test lock holds all of the core one, in the same versions, so it serves for both.
    for made in "$1" test; do
        [ -f "$VENV/.stamp-$made" ] && [ "$(cat "$VENV/.stamp-$made")" = "$(stamp_of "$made")" ] && return
    done
    if ! "$VENV/bin/python" -c 'import pip' >/dev/null 2>&1; then
        python=$(find_python) || exit 2
        say "[1/3] making $VENV with $("$python" --version 2>&1) ($python)"
        "$python" -m venv --clear "$VENV" || fail "could not make $VENV; is the disk full, or the folder read-only?"
    else
        say "[1/3] $VENV is there"
    fi
    say "[2/3] installing $(grep -c '^[a-z].*==' "requirements/$1.txt") packages, hashes checked; the first time takes a minute or two"
    quiet=
    [ -t 2 ] || quiet=--quiet
    pip_install $quiet --require-hashes --requirement "requirements/$1.txt" ||
        fail "the packages could not be installed; the reason stands above (no network, or a proxy that changes files?). Run $0 again."
    say "[3/3] installing twinstream itself"
    pip_install --quiet --no-deps --no-build-isolation --editable . || fail "twinstream could not be installed; see above"
    rm -f "$VENV"/.stamp-*
    printf '%s\n' "$stamp" >"$VENV/.stamp-$1"
}

pip_install() {
    "$VENV/bin/python" -m pip --disable-pip-version-check --no-input install "$@" </dev/null >&2
}

# What tests borrow from npm goes to a cache beside no checkout: $TWINSTREAM_NODE is its node_modules. Without npm, or
# without a network, the variable stays empty, and the tests that need it say that they did not run.
make_node_tools() {
    TWINSTREAM_NODE=
    export TWINSTREAM_NODE
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || return 0
    tools=${TWINSTREAM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/twinstream}/node-$(cksum <requirements/node/package-lock.json | cut -d' ' -f1)
    if [ ! -f "$tools/.done" ]; then
        say "fetching the Node.js tools of the tests into $tools"
        mkdir -p "$tools" && cp requirements/node/package.json requirements/node/package-lock.json "$tools" || return 0
        (cd "$tools" && npm ci --silent --no-fund --no-audit --ignore-scripts </dev/null >&2) || {
            say "npm could not fetch them; see above"
            return 0
        }
        : >"$tools/.done"
    fi
    TWINSTREAM_NODE=$tools/node_modules
}
