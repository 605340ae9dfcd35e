// Fibers, meetings and memory checks of the emulated GPU.
#include "tests/kernels/emulated_gpu.hpp"

#include "hardware/rng.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <numeric>

#include <ucontext.h>

namespace orrery::testing {
namespace {

constexpr std::size_t stack_bytes = 128 * 1024;   // of a fiber; sanitizers make frames large
constexpr std::uint32_t never_written = 0x7fa00001U;   // a signalling pattern

struct World {
    std::map<const std::byte*, std::size_t> allocations;
    std::uint64_t order = 0;
    std::uint64_t bytes_moved = 0;
};

World& world() {
    static World the_world;
    return the_world;
}

void fill_unwritten(std::byte* bytes, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::byte>(never_written >> (8 * (reinterpret_cast<std::uintptr_t>(bytes + i) % 4)));
    }
}

std::vector<int> order_of(int size, std::uint64_t seed, std::uint64_t id) {
    std::vector<int> order(static_cast<std::size_t>(size));
    std::iota(order.begin(), order.end(), 0);
    if (seed == 1) std::reverse(order.begin(), order.end());
    if (seed > 1) {
        Rng rng = Rng::stream(seed, "emulated order", id);
        for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
    }
    return order;
}

}  // namespace

struct EmulatedWarp {
    // Two sets by turns: a lane may show its next value before another has read the last.
    std::array<std::array<WarpSlot, cuda::warp_lanes>, 2> slots{};
    int arrived = 0;
    std::uint64_t meetings = 0;
    const char* what = nullptr;
};

struct EmulatedFiber {
    ucontext_t context{};
    bool done = false;
    const std::uint64_t* waits_for = nullptr;   // a count that must have passed `waits_at`
    std::uint64_t waits_at = 0;
    std::exception_ptr error;
};

struct EmulatedBlock {
    cuda::Grid grid;
    cuda::Index index = 0;
    std::byte* shared = nullptr;
    std::vector<EmulatedFiber> fibers;
    std::vector<EmulatedWarp> warps;
    ucontext_t scheduler{};
    int running = 0;
    int at_barrier = 0;
    int exited = 0;
    std::uint64_t barriers = 0;
    const std::function<void(EmulatedLane&)>* body = nullptr;

    EmulatedFiber& current() { return fibers[static_cast<std::size_t>(running)]; }
    void yield() { swapcontext(&current().context, &scheduler); }
    void wait_until_past(const std::uint64_t& count, std::uint64_t at) {
        current().waits_for = &count;
        current().waits_at = at;
        yield();
    }
};

namespace {

// makecontext hands over ints only: the block's address comes in two halves.
void run_fiber(unsigned low, unsigned high) {
    auto* block = reinterpret_cast<EmulatedBlock*>(static_cast<std::uintptr_t>(low) | (static_cast<std::uintptr_t>(high) << 32));
    EmulatedFiber& fiber = block->current();
    try {
        EmulatedLane lane(*block, block->running);
        (*block->body)(lane);
    } catch (...) {
        fiber.error = std::current_exception();
    }
    fiber.done = true;
    ++block->exited;
    swapcontext(&fiber.context, &block->scheduler);
}

// Each of the threads [first, end) that waits for nothing runs until it waits; false where there was none.
bool resume_those_ready(EmulatedBlock& block, const std::vector<int>& order, int first, int end) {
    bool moved = false;
    for (const int i : order) {
        EmulatedFiber& fiber = block.fibers[static_cast<std::size_t>(i)];
        const bool waits = fiber.waits_for != nullptr && *fiber.waits_for <= fiber.waits_at;
        if (i < first || i >= end || fiber.done || waits) continue;
        fiber.waits_for = nullptr;
        block.running = i;
        swapcontext(&block.scheduler, &fiber.context);
        if (fiber.error) std::rethrow_exception(fiber.error);
        moved = true;
    }
    return moved;
}

void run_block(EmulatedBlock& block, std::byte* stacks, std::uint64_t order_seed) {
    const int threads = block.grid.threads;
    block.fibers = std::vector<EmulatedFiber>(static_cast<std::size_t>(threads));
    block.warps = std::vector<EmulatedWarp>(static_cast<std::size_t>(threads / cuda::warp_lanes));
    block.at_barrier = block.exited = 0;
    const auto address = reinterpret_cast<std::uintptr_t>(&block);
    for (int i = 0; i < threads; ++i) {
        EmulatedFiber& fiber = block.fibers[static_cast<std::size_t>(i)];
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = stacks + static_cast<std::size_t>(i) * stack_bytes;
        fiber.context.uc_stack.ss_size = stack_bytes;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, reinterpret_cast<void (*)()>(run_fiber), 2, static_cast<unsigned>(address),
                    static_cast<unsigned>(address >> 32));
    }
    const bool warp_by_warp = order_seed % 2 == 1;
    for (std::uint64_t round = 0; block.exited < threads; ++round) {
        const std::vector<int> order = order_of(threads, order_seed, static_cast<std::uint64_t>(block.index) * 4096 + round % 16);
        bool moved = false;
        if (warp_by_warp) {
            for (int warp = 0; warp < threads; warp += cuda::warp_lanes) {
                const int first = order_seed == 1 ? threads - cuda::warp_lanes - warp : warp;
                while (resume_those_ready(block, order, first, first + cuda::warp_lanes)) moved = true;
            }
        } else {
            moved = resume_those_ready(block, order, 0, threads);
        }
        if (!moved) throw EmulationError("threads wait for others that never come");
    }
}

}  // namespace

void require_global(const void* p, std::size_t bytes, const char* what) {
    const auto* at = static_cast<const std::byte*>(p);
    const auto& allocations = world().allocations;
    auto found = allocations.upper_bound(at);
    const std::string words = std::string(what) + " " + std::to_string(bytes) + " bytes ";
    if (found == allocations.begin()) throw EmulationError(words + "outside of all arrays");
    --found;
    const auto offset = static_cast<std::size_t>(at - found->first);
    if (offset + bytes > found->second) {
        throw EmulationError(words + "at byte " + std::to_string(offset) + " of an array of " + std::to_string(found->second));
    }
    if (offset % bytes != 0) throw EmulationError(words + "at byte " + std::to_string(offset) + ": no multiple of their number");
    world().bytes_moved += bytes;
}

int EmulatedLane::threads() const { return block_->grid.threads; }
cuda::Index EmulatedLane::block() const { return block_->index; }
cuda::Index EmulatedLane::blocks() const { return block_->grid.blocks; }

void EmulatedLane::sync() {
    if (block_->exited > 0) throw EmulationError("a barrier that some threads of the block never reach");
    const std::uint64_t at = block_->barriers;
    if (++block_->at_barrier == block_->grid.threads) {
        block_->at_barrier = 0;
        ++block_->barriers;
    }
    block_->wait_until_past(block_->barriers, at);
}

const std::array<WarpSlot, cuda::warp_lanes>& EmulatedLane::meet(const char* what, const WarpSlot& mine) {
    EmulatedWarp& group = block_->warps[static_cast<std::size_t>(warp())];
    if (group.arrived > 0 && std::strcmp(group.what, what) != 0) {
        throw EmulationError(std::string("lanes of a warp meet for ") + what + " and for " + group.what);
    }
    group.what = what;
    const std::uint64_t at = group.meetings;
    auto& slots = group.slots[at % 2];
    slots[static_cast<std::size_t>(lane())] = mine;
    if (++group.arrived == cuda::warp_lanes) {
        group.arrived = 0;
        ++group.meetings;
    }
    block_->wait_until_past(group.meetings, at);
    return slots;
}

std::byte* EmulatedLane::shared_bytes(int first_byte, std::size_t bytes) {
    require_shared(block_->shared + first_byte, bytes);
    return block_->shared + first_byte;
}

void EmulatedLane::require_shared(const void* p, std::size_t bytes) const {
    const std::ptrdiff_t offset = static_cast<const std::byte*>(p) - block_->shared;
    if (offset < 0 || static_cast<std::size_t>(offset) + bytes > static_cast<std::size_t>(block_->grid.shared_bytes)) {
        throw EmulationError("uses bytes " + std::to_string(offset) + " to " + std::to_string(offset + static_cast<std::ptrdiff_t>(bytes)) +
                             " of " + std::to_string(block_->grid.shared_bytes) + " of shared memory");
    }
}

// The source is read at once. It lands at once or as late as the kernel's own waits allow, by the order: a GPU may do
// either.
void EmulatedLane::copy_later(void* to, const void* from, bool wanted) {
    require_shared(to, cuda::vector_bytes);
    if (reinterpret_cast<std::uintptr_t>(to) % cuda::vector_bytes != 0) throw EmulationError("cp.async to an address that is no multiple of 16");
    Copy copy{to, {}, groups_};
    if (wanted) {
        require_global(from, cuda::vector_bytes, "copies");
        std::memcpy(copy.bytes.data(), from, cuda::vector_bytes);
    }
    if (world().order / 2 % 2 == 1) {
        std::memcpy(copy.to, copy.bytes.data(), copy.bytes.size());
        return;
    }
    copies_.push_back(copy);
}

void EmulatedLane::commit_copies() { ++groups_; }

void EmulatedLane::land_copies(int pending) {
    std::erase_if(copies_, [&](const Copy& copy) {
        if (copy.group >= groups_ - pending) return false;
        std::memcpy(copy.to, copy.bytes.data(), copy.bytes.size());
        return true;
    });
}

std::shared_ptr<void> EmulatedGpu::allocate(std::size_t bytes) {
    constexpr std::size_t alignment = 256;   // of cudaMalloc
    const std::size_t whole = (bytes / alignment + 1) * alignment;
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, whole));
    if (memory == nullptr) throw EmulationError("no memory");
    fill_unwritten(memory, whole);
    world().allocations[memory] = bytes;
    return {memory, [](void* p) {
                world().allocations.erase(static_cast<const std::byte*>(p));
                std::free(p);
            }};
}

void EmulatedGpu::write(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
}

void EmulatedGpu::read(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
}

void EmulatedGpu::set_order(std::uint64_t seed) { world().order = seed; }

std::uint64_t EmulatedGpu::bytes_moved() { return world().bytes_moved; }

void EmulatedGpu::run(const cuda::Grid& grid, const std::function<void(EmulatedLane&)>& body) {
    if (grid.threads < cuda::warp_lanes || grid.threads > 1024 || grid.threads % cuda::warp_lanes != 0) {
        throw EmulationError("a block of " + std::to_string(grid.threads) + " threads");
    }
    if (grid.blocks > 2147483647) throw EmulationError("more blocks than a grid can have");
    if (grid.shared_bytes > shared_most()) throw EmulationError("more shared memory than a block can have");
    const auto shared_size = static_cast<std::size_t>(grid.shared_bytes);
    const std::unique_ptr<std::byte, decltype(&std::free)> shared(
        static_cast<std::byte*>(std::aligned_alloc(128, (shared_size / 128 + 1) * 128)), &std::free);
    const auto stacks = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(grid.threads) * stack_bytes);
    for (const int index : order_of(static_cast<int>(grid.blocks), world().order, ~std::uint64_t{0})) {
        EmulatedBlock block;
        block.grid = grid;
        block.index = index;
        block.shared = shared.get();
        block.body = &body;
        fill_unwritten(shared.get(), shared_size);
        run_block(block, stacks.get(), world().order);
    }
}

}  // namespace orrery::testing
