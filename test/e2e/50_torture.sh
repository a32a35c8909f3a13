# The campaign of test/torture, for two minutes: archivers killed, stopped and cheated while others insert, merge, update
# and delete. Nothing may be lost or twice, no bad end unexplained. `make torture` plays it for ten minutes.
#
# TORTURE_SECONDS (120), TORTURE_SEED (7).
. "$(dirname "$0")/lib.sh"
export LYNEX_BIN TORTURE_SEED=${TORTURE_SEED:-7} TORTURE_SECONDS=${TORTURE_SECONDS:-120} TORTURE_DIR=$T/torture
# How far two minutes come depends on what else the machine does: these are asked of the long one.
export KILLS_WANTED=30 STEP_KILLS_WANTED=0
mkdir "$T/torture"
out=$(python3 "$TOP/test/torture/torture.py" 2>&1)
status=$?
sed 's/^/# /' <<< "$out"
status_is "nothing lost, nothing twice, no bad end unexplained" 0 $status "$(grep -E '^(VIOLATION|NOT SHOWN|TORTURE_SEED|evidence)' <<< "$out")"
contains "the oracle found all rows at the end" "lost or twice or wrong: 0" "$out"
done_testing
