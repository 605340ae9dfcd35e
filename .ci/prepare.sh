# Shared by ./run and ./test: installs what is missing and builds. To be sourced with `root` set to the checkout.
# Everything it says goes to standard error.

packages=(g++ cmake ninja-build pkg-config git ca-certificates libsystemc-dev libeigen3-dev libboost-graph-dev
          nlohmann-json3-dev libtbb-dev libdnnl-dev libsqlite3-dev libopenmpi-dev openmpi-bin catch2 libcli11-dev libfmt-dev)
build="$root/build/release"

note() { printf 'orrery: %s\n' "$*" >&2; }
fail() { note "$@"; exit 3; }

# One build of a checkout at a time; others wait.
lock() {
    mkdir -p "$root/build" || fail "cannot write to $root/build"
    exec 9>>"$root/build/lock" || fail "cannot write to $root/build"
    flock -n 9 || { note "waiting for another build of $root"; flock 9; }
}
unlock() { exec 9>&-; }

missing_packages() {
    local present package
    present=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
    for package in "${packages[@]}"; do
        grep -qxF "$package installed" <<<"$present" || echo "$package"
    done
}

# Runs a command quietly; shows what it said only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null 9>&- || status=$?
    [ "$status" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

install_missing() {
    command -v dpkg-query >/dev/null || return 0   # not a Debian: CMake says what it does not find
    local missing as_root=()
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "please install, as root: apt-get install ${missing[*]}"
        as_root=(sudo)
        sudo -v >&2 || fail "please install, as root: apt-get install ${missing[*]}"
    fi
    note "installing ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600)
    quietly "${apt[@]}" update || note "the package lists could not be renewed; trying with those that are here"
    quietly "${apt[@]}" install -y --no-install-recommends "${missing[@]}" || fail "apt-get install did not succeed"
}

# A build folder of another place (a copied or moved checkout) is of no use here.
drop_foreign_build() {
    [ -f "$build/CMakeCache.txt" ] || return 0
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$build/CMakeCache.txt" || rm -rf "$build"
}

configure() {
    drop_foreign_build
    [ -f "$build/build.ninja" ] && [ ! "$root/CMakePresets.json" -nt "$build/build.ninja" ] && return 0
    note "configuring"
    # Warnings are errors with the compiler that this is written with; another one's new warnings stop nobody.
    local warnings_are_errors=OFF
    case $(c++ -dumpversion) in 12*) warnings_are_errors=ON ;; esac
    (cd "$root" && quietly cmake --preset release -DORRERY_WERROR=$warnings_are_errors) || fail "CMake could not configure $root"
}

# As many compilers at once as there are processors, and memory for (one takes up to about 1.2 GB).
jobs() {
    local processors memory
    processors=$(nproc)
    memory=$(awk '/^MemAvailable:/ { print int($2 / 1200000) }' /proc/meminfo 2>/dev/null || echo 1)
    [ "${memory:-1}" -ge 1 ] || memory=1
    echo $((processors < memory ? processors : memory))
}

# prepare TARGET..: everything up to a finished build of these targets (none: all).
prepare() {
    lock
    install_missing
    configure
    local status=0 quiet=--quiet
    if [ -t 2 ]; then quiet=; fi
    [ -x "$build/orrery" ] || note "building in $build; the first time takes some minutes"
    ninja $quiet -C "$build" -j "$(jobs)" "$@" >&2 9>&- </dev/null || status=$?
    unlock
    [ "$status" -eq 0 ] || fail "the build did not succeed"
}
