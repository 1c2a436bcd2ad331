#!/bin/sh
# Test the demo's viewer, and the component for both generations of the web UI, each with its host's runner.
set -eu
cd "$(dirname "$0")/.."
command -v npm > /dev/null || {
    echo "SKIPPED: npm is not here, so neither the viewer nor the web UI's component was tested."
    exit 0
}
for module in demo/viewer web-ui-patch/ce-2025.1 web-ui-patch/2026; do
    echo "== $module"
    if [ ! -f "$module/node_modules/.ready" ] || [ "$module/package.json" -nt "$module/node_modules/.ready" ]; then
        (cd "$module" && npm install --silent && touch node_modules/.ready)
    fi
    (cd "$module" && npm test --silent)
done
