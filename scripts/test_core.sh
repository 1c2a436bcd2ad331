#!/bin/sh
# Compile and test each addition to Core beside its stand-ins.
set -eu
cd "$(dirname "$0")/.."
for tool in javac mvn; do
    command -v "$tool" > /dev/null || {
        echo "SKIPPED: $tool is not here, so the additions to Core were neither compiled nor tested."
        exit 0
    }
done
for module in core-patch/*/pom.xml; do
    echo "== $module"
    mvn -B -ntp -q -Dmaven.test.redirectTestOutputToFile=true -f "$module" test
    grep -h "Tests run" "${module%pom.xml}"target/surefire-reports/*.txt
done
