#!/usr/bin/env bash
# The main job, shown with the commands that anyone can type: run.sh PATH-OF-LAMBENT
set -euo pipefail
lambent=$1
here=$(cd "$(dirname "$0")" && pwd)
home=$(mktemp -d "${TMPDIR:-/tmp}/lambent-demo-XXXXXX")
port=$(( 20000 + RANDOM % 20000 ))
server=

stop() {
	[ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server"; } || true
	rm -rf -- "$home/code" "$home/data" "$home/server.log"
	rmdir "$home" 2>/dev/null || true
}
trap stop EXIT

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
run() { # run COMMAND...: shows it, and runs it
	local shown=(lambent "${@:2}")
	printf '$ %s\n' "${shown[*]}"
	"$@"
}

sandbox=native
if ! "$lambent" doctor >/dev/null 2>&1; then
	say "The native sandbox can't run on this host (see: lambent doctor). Going on with --sandbox process, which isolates nothing."
	sandbox=process
fi

say "1. A server, in a folder of its own"
serve=(serve --dev --listen "127.0.0.1:$port" --data "$home/data" --sandbox "$sandbox" --async-retry-delays 200ms,400ms)
printf '$ lambent %s\n' "${serve[*]}"
"$lambent" "${serve[@]}" >"$home/server.log" 2>&1 &
server=$!
export LAMBENT_ENDPOINT="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_REGION=us-east-1
"$lambent" health --wait 20s || { cat "$home/server.log"; exit 1; }

say "2. A function"
mkdir "$home/code"
cp -r "$here/orders" "$home/code/orders"
run "$lambent" deploy "$home/code/orders"

say "3. A thousand orders, some of which it can't handle"
run "$lambent" invoke orders --async --events "$here/orders.jsonl"
"$lambent" health --drained 60s
handled() { "$lambent" logs orders | grep -c ' handled: ' || true; }
echo "handled: $(handled) of 1000"

say "4. What failed is kept, and grouped by its like"
run "$lambent" deadletter groups
one=$("$lambent" deadletter list --error-type TypeError --limit 1 --output json | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' | head -1)

say "5. One of them, with its attempts"
run "$lambent" deadletter show "$one"

say "6. That order has no customer: edit it and run it again"
run "$lambent" deadletter edit "$one" --patch '{"customer": {"name": "Zoe"}}'
run "$lambent" deadletter redrive "$one" --wait

say "7. The others are the function's fault: deploy a fix and run them again"
cp "$here/orders-fixed/lambda_function.py" "$home/code/orders/"
run "$lambent" deploy "$home/code/orders"
run "$lambent" deadletter redrive --function orders --wait
"$lambent" health --drained 60s

say "8. Nothing is left"
run "$lambent" deadletter list
echo "handled: $(handled) of 1000"
left=$("$lambent" deadletter groups --output json | grep -c '"fingerprint"' || true)
[ "$(handled)" = 1000 ] && [ "$left" = 0 ] || { echo "something is left: that is a bug" >&2; exit 1; }

say "The same by hand, in the folder of the source:"
cat <<TEXT
  build/lambent serve --dev --data /tmp/lambent --async-retry-delays 1s,2s      # in one terminal
  export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_REGION=us-east-1
  build/lambent deploy demo/orders
  build/lambent invoke orders --async --events demo/orders.jsonl
  build/lambent deadletter groups
  build/lambent deadletter list --error-type TypeError
  build/lambent deadletter show ID
  build/lambent deadletter edit ID --patch '{"customer": {"name": "Zoe"}}'
  build/lambent deadletter redrive ID --wait
  build/lambent deploy demo/orders-fixed --name orders
  build/lambent deadletter redrive --function orders --wait
  build/lambent deadletter list
TEXT
