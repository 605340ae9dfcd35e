// Memory for the data of kernels: one region on large pages, given out from its start whenever nothing of it is in use.
#include "kernels/reference/buffer.hpp"

#include <cstdint>
#include <mutex>

#include <sys/mman.h>

namespace orrery {
namespace {

constexpr std::size_t region_bytes = std::size_t{1} << 36;   // of addresses: more than a kernel may take of a machine
constexpr std::size_t kept_bytes = std::size_t{3} << 30;     // of memory that stays touched between kernels
constexpr std::size_t line_bytes = 64;
constexpr std::size_t lines_apart = 17;                      // of a page's 64: no divisor of it, so all lines take turns

// The one place of the process that keeps state: pages stay touched from one kernel to the next.
class Region {
  public:
    void* take(std::size_t bytes) {
        const std::lock_guard guard(lock_);
        if (start_ == nullptr) reserve();
        const std::size_t size = (bytes + line_bytes - 1) / line_bytes * line_bytes + lines_apart * line_bytes;
        if (start_ == MAP_FAILED || used_ + size > region_bytes) return nullptr;
        char* const memory = static_cast<char*>(start_) + used_;
        used_ += size;
        most_ = std::max(most_, used_);
        ++live_;
        return memory;
    }
    bool give_back(void* memory) {
        const std::lock_guard guard(lock_);
        const auto* at = static_cast<const char*>(memory);
        if (start_ == nullptr || start_ == MAP_FAILED || at < start_ || at >= static_cast<const char*>(start_) + region_bytes) return false;
        if (--live_ > 0) return true;
        used_ = 0;
        if (most_ > kept_bytes) madvise(static_cast<char*>(start_) + kept_bytes, most_ - kept_bytes, MADV_DONTNEED);
        most_ = std::min(most_, kept_bytes);
        return true;
    }

  private:
    void reserve() {
        start_ = mmap(nullptr, region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (start_ != MAP_FAILED) madvise(start_, region_bytes, MADV_HUGEPAGE);
    }

    std::mutex lock_;
    void* start_ = nullptr;
    std::size_t used_ = 0;
    std::size_t most_ = 0;
    int live_ = 0;
};

Region& region() {
    static Region only;
    return only;
}

}  // namespace

void* kernel_memory(std::size_t bytes) {
#if !defined(__SANITIZE_ADDRESS__)   // which sees overruns of separate arrays only
    if (void* memory = region().take(bytes)) return memory;
#endif
    void* memory = std::aligned_alloc(line_bytes, std::max<std::size_t>((bytes + line_bytes - 1) / line_bytes, 1) * line_bytes);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

void release_kernel_memory(void* memory) {
    if (!region().give_back(memory)) std::free(memory);
}

}  // namespace orrery
