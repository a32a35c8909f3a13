#!/bin/bash
# Switches off one rule of safety after the other and lets the simulation find what breaks.
#
#   test/sim/mutants.sh [SIM] [NAME…]    SIM: the program, of a build with -Dmutants=true
#
# Prints the first seed that fails under each mutant; fails where a mutant survives SEEDS (20000)
# seeds. The list with what each rule is for: test/sim/MUTANTS.md.
set -u
here=$(cd "$(dirname "$0")" && pwd)
sim=${1:-$here/../../build-test/test/sim/sim}
[ $# -gt 0 ] && shift
seeds=${SEEDS:-20000}
if [ $# -gt 0 ]; then
    names=("$@")
else
    mapfile -t names < <(sed -n 's/^| `\([a-z-]*\)` | sim .*/\1/p' "$here/MUTANTS.md")
fi
survived=()
for name in "${names[@]}"; do
    found=$(LYNEX_MUTANT=$name "$sim" --seeds 0 "$seeds" | grep '^seed ' | head -1)
    if [ -n "$found" ]; then
        printf '%-24s %s\n' "$name" "$found"
    else
        printf '%-24s SURVIVED %s seeds\n' "$name" "$seeds"
        survived+=("$name")
    fi
done
echo "${#names[@]} mutants, ${#survived[@]} survived"
[ ${#survived[@]} -eq 0 ]
