#!/bin/sh
# Build the demo's viewer into demo/viewer/dist. Without Node.js the demo runs too, only without this page.
set -eu
cd "$(dirname "$0")/../demo/viewer"

if ! command -v npm > /dev/null || ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then
    echo "The viewer needs Node.js 20.19 or newer with npm, which is not here; everything else works without." >&2
    exit 0
fi
echo "Building the viewer (the first time takes some seconds)"
npm install --no-audit --no-fund --silent
npm run --silent build -- --logLevel warn
touch dist/.ready
