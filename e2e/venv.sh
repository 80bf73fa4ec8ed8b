#!/bin/sh
# Makes the virtual environment with the real clients: venv.sh FOLDER
set -eu
venv=$1
here=$(dirname "$0")
if [ ! -x "$venv/bin/python" ]; then
	# The real interpreter: a version manager's shim on PATH would be asked at every start.
	python=$(python3 -c 'import sys; print(sys.executable)')
	if ! "$python" -m venv "$venv" 2>/dev/null; then
		rm -rf "$venv"
		if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
			apt-get install -y -q python3-venv >/dev/null 2>&1 || { apt-get update -q && apt-get install -y -q python3-venv; } >/dev/null
		fi
		"$python" -m venv "$venv"
	fi
fi
"$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$here/requirements.txt"
touch "$venv/ready"
