# Results of checks, one line each. A check is a function named after the behaviour that it shows.

passed=0 failed=0 skipped=0

# check NAME: runs the function of that name, which fails at its first failing command.
check() {
    local name=$1 title=${1//_/ } said=$work/said/$1 figures code
    mkdir -p "$work/said"
    (
        trap 'echo "failed: $BASH_COMMAND, called by ${FUNCNAME[*]}"' ERR
        set -Ee
        "$name"
    ) >"$said" 2>&1
    code=$?
    figures=$(sed -n 's/^figure: //p' "$said" | paste -s -d '|' | sed 's/|/, /g')
    case $code in
    0) passed=$((passed + 1)) && echo "ok   $title${figures:+ ($figures)}" ;;
    77) skipped=$((skipped + 1)) && echo "skipped: $title: $(sed -n 's/^why: //p' "$said" | tail -n 1)" ;;
    *)
        failed=$((failed + 1))
        echo "FAIL $title: $(sed -n 's/^why: //p' "$said" | tail -n 1)${figures:+ ($figures)}"
        tail -n 25 "$said" | sed 's/^/     /'
        ;;
    esac
}

# What a check measured, beside its result.
figure() {
    echo "figure: $*"
}

fail() {
    echo "why: $*"
    exit 1
}

skip() {
    echo "why: $*"
    exit 77
}

# expect WHAT IS SHOULD
expect() {
    [[ $2 == "$3" ]] || fail "$1 is \"$2\", not \"$3\""
}

now_ms() {
    date +%s%3N
}

# Now, as journalctl takes it.
moment() {
    date --utc '+%F %T.%6N UTC'
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local until=$(($(now_ms) + $1 * 1000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        (($(now_ms) < until)) || fail "waited in vain for $what"
        sleep 0.05 # between two looks
    done
}

summary() {
    echo "$passed passed, $failed failed, $skipped skipped"
    ((failed == 0))
}
