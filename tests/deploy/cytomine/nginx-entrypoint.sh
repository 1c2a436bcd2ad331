#!/bin/sh
# Put each file of the two folders in its place; in templates, names that are set become their values, others stay.
set -eu
names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z_0-9]*\)=.*/$\1/p' | tr '\n' ' ')
for folder in /cm_configs_default /cm_configs; do
    [ -d "$folder" ] || continue
    find "$folder" -type f | while read -r file; do
        target=${file#"$folder"}
        mkdir -p "$(dirname "$target")"
        case $file in
            *.sample) envsubst "$names" < "$file" > "${target%.sample}" ;;
            *) cp "$file" "$target" ;;
        esac
    done
done
exec "$@"
