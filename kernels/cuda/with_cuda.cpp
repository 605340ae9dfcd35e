// The table of kernels on a real GPU, and what stands in the way of using one.
#include "kernels/cuda/device_step.hpp"
#include "kernels/cuda/device_suite.hpp"
#include "kernels/cuda/gpu.hpp"
#include "kernels/cuda/gpu_sensors.hpp"
#include "kernels/cuda/nccl_reduce.hpp"
#include "kernels/cuda/table.hpp"

namespace orrery {
namespace {

constexpr int oldest_architecture = 80;   // of the PTX that the .cu files are compiled to

std::string cuda_version_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

GpuDescription described(int number, const cuda::GpuFacts& facts) {
    GpuDescription gpu;
    gpu.number = number;
    gpu.name = facts.name;
    gpu.pci = facts.pci;
    gpu.major = facts.major;
    gpu.minor = facts.minor;
    gpu.processors = facts.processors;
    gpu.memory = Bytes::from_si(static_cast<double>(facts.memory));
    gpu.memory_free = Bytes::from_si(static_cast<double>(facts.memory_free));
    gpu.cache = Bytes::from_si(static_cast<double>(facts.cache));
    gpu.libraries = "CUDA " + cuda_version_text(facts.runtime) + " (driver " + cuda_version_text(facts.driver) + ")";
    for (const std::string& library : {cuda::library_product_version(), cuda::reduce_library_version()}) {
        if (!library.empty()) gpu.libraries += ", " + library;
    }
    return gpu;
}

// The mean over one array on each GPU of this machine, in place.
PreparedKernel prepare_gpu_all_reduce(const KernelCase& c, int, Rng& rng) {
    const int gpus = cuda::gpu_count();
    const cuda::PlannedReduce reduce = cuda::plan_all_reduce(gpus);
    const auto values = cuda::random_values<float>(c.sizes[0], rng);
    std::vector<cuda::DeviceArray<cuda::Gpu, float>> arrays;
    std::vector<float*> places;
    for (int g = gpus - 1; g >= 0; --g) {   // the first GPU stays chosen
        cuda::choose_gpu_number(g);
        arrays.insert(arrays.begin(), cuda::DeviceArray<cuda::Gpu, float>(1, values));
        places.insert(places.begin(), arrays.front()[0]);
    }
    PreparedKernel kernel;
    const auto ranks = static_cast<double>(gpus);
    kernel.bytes = Bytes::from_si(4.0 * static_cast<double>(c.sizes[0]) * 2.0 * (ranks - 1.0) / ranks);   // that each GPU sends
    kernel.flop = Flop::from_si(static_cast<double>(c.sizes[0]) * (ranks - 1.0));
    kernel.finish = [] { cuda::Gpu::finish(); };
    kernel.run = [=](int) { reduce(places, c.sizes[0]); };
    kernel.check = [=, run = kernel.run] {
        std::vector<double> want(values.size(), 0.0);
        for (std::size_t g = 0; g < arrays.size(); ++g) {
            std::vector<float> own = values;
            for (std::size_t i = 0; i < own.size(); ++i) want[i] += static_cast<double>(own[i] *= static_cast<float>(g + 1)) / ranks;
            arrays[g].write(0, own);
        }
        run(0);
        double worst = 0.0;
        for (int g = gpus - 1; g >= 0; --g) {
            cuda::choose_gpu_number(g);
            worst = std::max(worst, relative_error(arrays[static_cast<std::size_t>(g)].read(), want));
        }
        return worst;
    };
    return kernel;
}

}  // namespace

const std::vector<KernelEntry>& device_kernels() {
    static const std::vector<KernelEntry> entries = [] {
        std::vector<KernelEntry> all = cuda::device_table<cuda::Gpu>();
        all.push_back({"all-reduce", "elements", "Mean over the GPUs of this machine by NCCL.", {DataType::fp32}, prepare_gpu_all_reduce});
        return all;
    }();
    return entries;
}

DeviceBench gpu_bench(const GpuDescription& gpu) {
    DeviceBench bench;
    bench.kernels = &device_kernels();
    bench.cache = gpu.cache;
    bench.memory_free = [number = gpu.number] { return Bytes::from_si(static_cast<double>(cuda::gpu_facts(number).memory_free)); };
    bench.seconds_of = [watch = std::make_shared<cuda::GpuStopwatch>()](const std::function<void()>& launches) {
        watch->start();
        launches();
        return watch->stop();
    };
    bench.held_back = [sensors = GpuSensors(gpu.pci)] {
        const std::optional<GpuReading> reading = sensors.read();
        return reading && reading->held_back();
    };
    return bench;
}

Result<MeasuredStep> run_gpu_step(const StepShape& shape, int steps, std::uint64_t seed) {
    try {
        cuda::GpuMarks marks;
        return cuda::run_step_on_device<cuda::Gpu, cuda::Bf16>(shape, steps, seed, {[&] { marks.mark(); }, [&] { return marks.gaps(); }});
    } catch (const cuda::GpuError& error) {
        return Problem{"a training step on a GPU", std::string("cannot run: ") + error.what(), "see what nvidia-smi says, and whether another program holds its memory"};
    }
}

Result<GpuDescription> open_gpu(const std::string& device) {
    const std::string place = "--device " + device;
    const int number = device.size() > 5 ? std::stoi(device.substr(5)) : 0;
    if (cuda::driver_version() == 0) {
        return Problem{place, "cannot be measured: this machine has no NVIDIA driver (libcuda.so.1)",
                       "run it on a machine with a GPU and its driver, or leave --device out to measure the processor"};
    }
    try {
        const int shown = cuda::gpu_count();
        if (shown == 0) {
            return Problem{place, "cannot be measured: the NVIDIA driver shows no GPU",
                           "see what nvidia-smi says and whether CUDA_VISIBLE_DEVICES hides it"};
        }
        if (number >= shown) {
            return Problem{place, "is not there: this machine shows " + std::to_string(shown) + (shown == 1 ? " GPU" : " GPUs"),
                           "write cuda:0" + (shown > 1 ? " to cuda:" + std::to_string(shown - 1) : std::string())};
        }
        const cuda::GpuFacts facts = cuda::gpu_facts(number);
        if (10 * facts.major + facts.minor < oldest_architecture) {
            return Problem{place, "is a " + facts.name + " of compute capability " + std::to_string(facts.major) + "." + std::to_string(facts.minor) +
                                      "; the kernels need 8.0 (Ampere) or newer",
                           "choose a newer GPU"};
        }
        return described(number, facts);
    } catch (const cuda::GpuError& error) {
        return Problem{place, std::string("cannot be used: ") + error.what(), "see what nvidia-smi says; a driver older than the program's CUDA must be renewed"};
    }
}

}  // namespace orrery
