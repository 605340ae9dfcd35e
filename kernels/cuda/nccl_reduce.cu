// NCCL's side of the all-reduce; without its header at build time every plan is refused.
#include "kernels/cuda/gpu_launch.hpp"
#include "kernels/cuda/nccl_reduce.hpp"

#if __has_include(<nccl.h>)
#include <dlfcn.h>
#include <nccl.h>

namespace orrery::cuda {
namespace {

struct Communication {
    void* file = nullptr;
    decltype(&::ncclGetVersion) get_version = nullptr;
    decltype(&::ncclCommInitAll) init_all = nullptr;
    decltype(&::ncclCommDestroy) destroy = nullptr;
    decltype(&::ncclGroupStart) group_start = nullptr;
    decltype(&::ncclGroupEnd) group_end = nullptr;
    decltype(&::ncclAllReduce) all_reduce = nullptr;
};

template <class Function>
bool find_symbol(void* file, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(file, name));
    return function != nullptr;
}

const Communication& the_communication() {
    static const Communication library = [] {
        Communication c;
        void* file = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
        const bool whole = file != nullptr && find_symbol(file, "ncclGetVersion", c.get_version) && find_symbol(file, "ncclCommInitAll", c.init_all) &&
                           find_symbol(file, "ncclCommDestroy", c.destroy) && find_symbol(file, "ncclGroupStart", c.group_start) &&
                           find_symbol(file, "ncclGroupEnd", c.group_end) && find_symbol(file, "ncclAllReduce", c.all_reduce);
        c.file = whole ? file : nullptr;
        return c;
    }();
    return library;
}

void require_nccl(ncclResult_t status, const char* what) {
    if (status != ncclSuccess) throw GpuError(std::string(what) + ": NCCL status " + std::to_string(static_cast<int>(status)));
}

struct Communicators {
    std::vector<ncclComm_t> of_gpus;
    explicit Communicators(int gpus) : of_gpus(static_cast<std::size_t>(gpus), nullptr) {
        require_nccl(the_communication().init_all(of_gpus.data(), gpus, nullptr), "joining the GPUs");
    }
    Communicators(const Communicators&) = delete;
    Communicators& operator=(const Communicators&) = delete;
    ~Communicators() {
        for (const ncclComm_t one : of_gpus) the_communication().destroy(one);
    }
};

}  // namespace

std::string reduce_library_version() {
    if (the_communication().file == nullptr) return {};
    int version = 0;
    the_communication().get_version(&version);   // 10000 major + 100 minor + patch, since 2.9
    return "NCCL " + std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." + std::to_string(version % 100);
}

PlannedReduce plan_all_reduce(int gpus) {
    if (the_communication().file == nullptr) throw GpuError("libnccl.so.2 was not found");
    if (gpus < 2) throw GpuError("an all-reduce needs two GPUs");
    auto team = std::make_shared<Communicators>(gpus);
    return [team](const std::vector<float*>& arrays, Index elements) {
        const Communication& library = the_communication();
        require_nccl(library.group_start(), "starting an all-reduce");
        for (std::size_t g = 0; g < arrays.size(); ++g) {
            require_nccl(library.all_reduce(arrays[g], arrays[g], static_cast<std::size_t>(elements), ncclFloat32, ncclAvg, team->of_gpus[g], nullptr), "reducing");
        }
        require_nccl(library.group_end(), "ending an all-reduce");
    };
}

}  // namespace orrery::cuda

#else

namespace orrery::cuda {

std::string reduce_library_version() { return {}; }

PlannedReduce plan_all_reduce(int) { throw GpuError("this build has no NCCL: its header was not found when it was made"); }

}  // namespace orrery::cuda

#endif
