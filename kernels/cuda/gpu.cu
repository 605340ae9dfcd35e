// The CUDA runtime's side of the door: each call checked, each refusal in words.
#include "kernels/cuda/gpu_launch.hpp"

namespace orrery::cuda {
namespace {

cudaEvent_t event_of(const std::shared_ptr<void>& event) { return static_cast<cudaEvent_t>(event.get()); }

std::shared_ptr<void> make_event() {
    cudaEvent_t event = nullptr;
    require_success(cudaEventCreate(&event), "making an event");
    return {event, [](void* p) { cudaEventDestroy(static_cast<cudaEvent_t>(p)); }};
}

int attribute(cudaDeviceAttr which, int number) {
    int value = 0;
    require_success(cudaDeviceGetAttribute(&value, which, number), "asking for a property of the GPU");
    return value;
}

int current_gpu() {
    int number = 0;
    require_success(cudaGetDevice(&number), "asking for the current GPU");
    return number;
}

}  // namespace

void require_success(cudaError_t status, const char* what) {
    if (status != cudaSuccess) throw GpuError(std::string(what) + ": " + cudaGetErrorString(status));
}

std::shared_ptr<void> Gpu::allocate(std::size_t bytes) {
    void* memory = nullptr;
    require_success(cudaMalloc(&memory, bytes == 0 ? 1 : bytes), "allocating memory of the GPU");
    return {memory, [](void* p) { cudaFree(p); }};
}

void Gpu::write(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) require_success(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "copying to the GPU");
}

void Gpu::read(void* to, const void* from, std::size_t bytes) {
    finish();
    if (bytes > 0) require_success(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "copying from the GPU");
}

void Gpu::finish() { require_success(cudaDeviceSynchronize(), "waiting for the GPU"); }

std::shared_ptr<void> Gpu::allocate_pinned(std::size_t bytes) {
    void* memory = nullptr;
    require_success(cudaMallocHost(&memory, bytes == 0 ? 1 : bytes), "allocating pinned memory");
    return {memory, [](void* p) { cudaFreeHost(p); }};
}

void Gpu::copy_in(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) require_success(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, nullptr), "copying to the GPU");
}

void Gpu::copy_out(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) require_success(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, nullptr), "copying from the GPU");
}

int Gpu::processors() { return attribute(cudaDevAttrMultiProcessorCount, current_gpu()); }

int Gpu::shared_most() { return attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, current_gpu()); }

int driver_version() {
    int version = 0;
    return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

int gpu_count() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorNoDevice) return 0;
    require_success(status, "counting GPUs");
    return count;
}

GpuFacts gpu_facts(int number) {
    cudaDeviceProp properties{};
    require_success(cudaGetDeviceProperties(&properties, number), "asking what the GPU is");
    constexpr int address_length = 32;
    char address[address_length] = {};
    require_success(cudaDeviceGetPCIBusId(address, address_length, number), "asking for the GPU's address");
    GpuFacts facts;
    facts.name = properties.name;
    facts.pci = address;
    facts.major = properties.major;
    facts.minor = properties.minor;
    facts.processors = properties.multiProcessorCount;
    facts.cache = static_cast<std::size_t>(properties.l2CacheSize);
    choose_gpu_number(number);
    require_success(cudaMemGetInfo(&facts.memory_free, &facts.memory), "asking for free memory of the GPU");
    facts.driver = driver_version();
    facts.runtime = CUDART_VERSION;
    return facts;
}

void choose_gpu_number(int number) { require_success(cudaSetDevice(number), "choosing the GPU"); }

GpuStopwatch::GpuStopwatch() : begin_(make_event()), end_(make_event()) {}

void GpuStopwatch::start() { require_success(cudaEventRecord(event_of(begin_)), "recording an event"); }

double GpuStopwatch::stop() {
    require_success(cudaEventRecord(event_of(end_)), "recording an event");
    require_success(cudaEventSynchronize(event_of(end_)), "waiting for an event");
    float milliseconds = 0.0F;
    require_success(cudaEventElapsedTime(&milliseconds, event_of(begin_), event_of(end_)), "reading events");
    return 1e-3 * static_cast<double>(milliseconds);
}

void GpuMarks::mark() {
    if (used_ == events_.size()) events_.push_back(make_event());
    require_success(cudaEventRecord(event_of(events_[used_++])), "recording an event");
}

std::vector<double> GpuMarks::gaps() {
    std::vector<double> seconds;
    if (used_ > 0) require_success(cudaEventSynchronize(event_of(events_[used_ - 1])), "waiting for an event");
    for (std::size_t i = 1; i < used_; ++i) {
        float milliseconds = 0.0F;
        require_success(cudaEventElapsedTime(&milliseconds, event_of(events_[i - 1]), event_of(events_[i])), "reading events");
        seconds.push_back(1e-3 * static_cast<double>(milliseconds));
    }
    used_ = 0;
    return seconds;
}

}  // namespace orrery::cuda
