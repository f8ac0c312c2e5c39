#!/bin/sh
# screenshots.sh MODEL LIBRARY - take the pictures of the page that are in docs/pictures, of
# "quiver serve" with that model and library, by Chromium without a window.
#
# Needs chromium and chromium-driver, which speak WebDriver, and curl; optipng makes the
# pictures smaller. Debian has all of them.
set -eu
cd "$(dirname "$0")/.."
model=$1 library=$2 out=docs/pictures
work=$(mktemp -d)
pids=
trap 'kill $pids 2> /dev/null || true; wait; rm -rf "$work"' EXIT

for program in chromium chromedriver curl; do
    command -v $program > /dev/null && continue
    echo "screenshots: $program is missing" >&2
    exit 1
done

# port LOG WORDS: what a program that was just started says after WORDS.
port() {
    for _ in $(seq 300); do
        number=$(sed -nE "s|.*$2([0-9]+).*|\\1|p" "$1" | head -n 1)
        [ -z "$number" ] || break
        sleep 0.1
    done
    echo "${number:?$1 never says $2}"
}

./quiver serve --model "$model" --library "$library" --router arrow --port 0 \
    2> "$work/serve" &
pids=$!
chromedriver --port=0 > "$work/driver" &
pids="$pids $!"
page=http://127.0.0.1:$(port "$work/serve" 'http://127.0.0.1:')/
driver=http://localhost:$(port "$work/driver" 'successfully on port ')/session

# wd PATH JSON: a command, and the "value" of its reply.
wd() {
    curl -sSf "$driver$1" -H 'Content-Type: application/json' -d "$2"
}

args='"--headless=new","--no-sandbox","--disable-gpu","--hide-scrollbars"'
session=$(wd '' "{\"capabilities\":{\"alwaysMatch\":{\"browserName\":\"chrome\",
    \"goog:chromeOptions\":{\"args\":[$args]}}}}" | sed -E 's/.*"sessionId":"([^"]+)".*/\1/')
driver=$driver/$session

# screen WIDTH HEIGHT light|dark
screen() {
    wd /goog/cdp/execute "{\"cmd\":\"Emulation.setDeviceMetricsOverride\",\"params\":{
        \"width\":$1,\"height\":$2,\"deviceScaleFactor\":1,\"mobile\":false}}" > /dev/null
    wd /goog/cdp/execute "{\"cmd\":\"Emulation.setEmulatedMedia\",\"params\":{\"features\":[
        {\"name\":\"prefers-color-scheme\",\"value\":\"$3\"}]}}" > /dev/null
}

# visit VIEW
visit() {
    wd /url '{"url":"about:blank"}' > /dev/null
    wd /url "{\"url\":\"$page#$1\"}" > /dev/null
    sleep 1.5
}

# run JAVASCRIPT, in which a text stands between single quotes
run() {
    line=$(printf %s "$1" | tr -s '\n ' ' ')
    wd /execute/sync "{\"script\":\"$line\",\"args\":[]}" > /dev/null
    sleep "${2:-0.5}"
}

# ask PROMPT: send it, and wait until it is answered.
ask() {
    run "document.querySelector('#max-tokens').value = 24;
         document.querySelector('#prompt').value = '$1';
         document.querySelector('#composer').requestSubmit()" 5
    run "document.activeElement.blur()"
}

# take NAME
take() {
    curl -sSf "$driver/screenshot" | sed -E 's/.*"value":"([^"]+)".*/\1/' |
        base64 -d > "$out/page-$1.png"
    ! command -v optipng > /dev/null || optipng -quiet -o3 "$out/page-$1.png"
    echo "$out/page-$1.png: $(wc -c < "$out/page-$1.png") bytes"
}

mkdir -p "$out"
screen 1080 860 light
visit complete
ask 'Once upon a time there was a little girl who'
run "document.querySelectorAll('.token')[12].focus()"
take desktop

screen 1080 860 dark
visit complete
run "document.querySelector('#beside').value = 'quiver/uniform'"
ask 'Eva has a red book. Does it follow that Eva has a horse?'
take dark

screen 360 740 light
visit complete
ask 'If Julia has a red hat, does it follow that Julia has a coat?'
take phone

screen 1080 860 light
visit library
take library

curl -sSf -X DELETE "$driver" > /dev/null
