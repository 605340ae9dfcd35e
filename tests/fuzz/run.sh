#!/bin/sh
# Builds the reader of scenarios with clang's fuzzer, ASan and UBSan, and runs it: tests/fuzz/run.sh [SECONDS] [BUILD-DIR]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-60}
build=${2:-$root/build/fuzz}
flags="-O1 -g1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined"
# The reader and what it calls: the rest of the folder is not needed.
objects=""
for name in bind calibration_file catalog catalog_files catalog_pages collective_file explain hugging_face json keys \
            nearest output_file overlay quantity read_scenario resolve scenario_checks schema sha256 shown_text; do
    objects="$objects CMakeFiles/orrery_scenarios.dir/scenarios/$name.cpp.o"
done
mkdir -p "$build/corpus"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Debug -DBUILD_TESTING=OFF \
      -DCMAKE_CXX_FLAGS="$flags" > "$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
cd "$build"
ninja ${NINJA_FLAGS:-} orrery_hardware orrery_network orrery_models $objects
clang++ -std=c++20 $flags -fsanitize=fuzzer -I"$root" "$root/tests/fuzz/reader_fuzz.cpp" $objects \
        liborrery_models.a liborrery_network.a liborrery_hardware.a -lfmt -o reader_fuzz
ORRERY_HOME="$root" ./reader_fuzz -max_total_time="$seconds" -max_len=4096 -timeout=10 -dict="$root/tests/fuzz/reader.dict" \
    corpus "$root/tests/fuzz/seeds" "$root/scenarios"
