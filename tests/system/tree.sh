# A Debian tree with what the package meets on a real machine. Made once, then kept; every run boots a copy.

packages=(
    systemd systemd-sysv dbus procps logrotate # what boots, and what rotates
    redis-server postgresql                    # beside the daemon
    curl sqlite3 python3                       # what the checks ask with
    nftables iproute2                          # what blocks, and whom
)

# Release and mirror are this machine's: whatever its apt is configured with.
suite() {
    (. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

mirror() {
    # shellcheck disable=SC2016 # $(...) is apt's own
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk -v suite="$1" '$2 == suite && $3 == "main" { print $1; exit }'
}

# Makes the tree in $1 unless one of the same packages is there.
make_tree() {
    local tree=$1 suite mirror key
    suite=$(suite)
    key="$suite ${packages[*]}"
    [[ -f $tree.key && $(<"$tree.key") == "$key" ]] && return
    mirror=$(mirror "$suite")
    [[ -n $mirror ]] || { echo "apt on this machine names no mirror for \"$suite\"" && return 1; }
    echo "making a tree of $suite: some minutes, the first time alone"
    rm -rf "$tree" "$tree.key"
    debootstrap --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$tree" "$mirror" \
        >"$tree.log" 2>&1 || { tail -n 20 "$tree.log" && return 1; }
    # The checks write faster than an application may.
    mkdir -p "$tree/etc/systemd/journald.conf.d" "$tree/var/log/journal"
    printf '[Journal]\nRateLimitIntervalSec=0\nSystemMaxUse=1G\n' >"$tree/etc/systemd/journald.conf.d/checks.conf"
    rm -rf "$tree"/var/cache/apt/archives/*.deb
    echo "$key" >"$tree.key"
}
