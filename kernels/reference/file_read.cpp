// Reads of a temporary file, through the page cache or past it.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

namespace orrery {
namespace {

constexpr Index block_bytes = Index{1} << 20;   // of one read

constexpr Index direct_grain = 4096;            // what direct reads want memory to be aligned to

std::uint64_t* direct_start(const Copies<std::uint64_t>& values) {
    const auto at = reinterpret_cast<std::uintptr_t>(values[0]);
    return values[0] + (direct_grain - at % direct_grain) % direct_grain / 8;
}

// An open file without a name: gone when the program ends, however it ends.
struct TemporaryFile {
    int descriptor = -1;
    explicit TemporaryFile(bool direct) {
        std::string path = (std::filesystem::temp_directory_path() / "orrery-read-XXXXXX").string();
        descriptor = mkstemp(path.data());
        if (descriptor < 0) return;
        if (direct) {
            const int again = open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
            close(descriptor);
            descriptor = again;   // below zero where the file system has no direct reads
        }
        unlink(path.c_str());
    }
    ~TemporaryFile() {
        if (descriptor >= 0) close(descriptor);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
};

}  // namespace

PreparedKernel prepare_file_read(const KernelCase& c, int, Rng& rng) {
    const Index blocks = (c.sizes[0] + block_bytes - 1) / block_bytes;
    const auto file = std::make_shared<TemporaryFile>(c.sizes[1] != 0);
    const auto written = zeros<std::uint64_t>(1, (block_bytes + direct_grain) / 8);
    const auto seen = zeros<std::uint64_t>(1, written->extent());
    for (std::uint64_t& value : written->values()) value = rng.next();
    bool whole = file->descriptor >= 0;
    for (Index i = 0; whole && i < blocks; ++i) {
        direct_start(*written)[0] = static_cast<std::uint64_t>(i);   // so that blocks differ
        whole = pwrite(file->descriptor, direct_start(*written), block_bytes, i * block_bytes) == block_bytes;
    }
    if (whole) fsync(file->descriptor);
    const auto fine = std::make_shared<bool>(whole);
    PreparedKernel kernel;
    kernel.bytes = Bytes::from_si(static_cast<double>(blocks * block_bytes));
    kernel.error_max = 0.0;
    kernel.run = [=](int) {
        for (Index i = 0; i < blocks && *fine; ++i) {
            *fine = pread(file->descriptor, direct_start(*seen), block_bytes, i * block_bytes) == block_bytes &&
                    direct_start(*seen)[0] == static_cast<std::uint64_t>(i);
        }
    };
    kernel.check = [=, run = kernel.run]() -> double {
        run(0);
        if (!*fine) return std::numeric_limits<double>::infinity();
        for (Index i = 1; blocks > 0 && i < block_bytes / 8; ++i) {
            if (direct_start(*seen)[i] != direct_start(*written)[i]) return 1.0;
        }
        return 0.0;
    };
    return kernel;
}

}  // namespace orrery
