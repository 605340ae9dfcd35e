// Products by cuBLASLt, which is looked for at run time; without its header at build time every plan is refused.
#include "kernels/cuda/gpu_launch.hpp"
#include "kernels/cuda/product_call.hpp"

#include <limits>
#include <string>

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
#include <dlfcn.h>

namespace orrery::cuda {
namespace {

constexpr std::size_t workspace_bytes = 32u << 20;   // what the library recommends for Hopper (cuBLAS 12 documentation, 2.1.2)
constexpr int algorithms_tried = 16;
constexpr int timed_runs = 5;

#define ORRERY_LIBRARY_CALL(name) decltype(&::name) name = nullptr
struct Library {
    void* handle_of_file = nullptr;
    cublasLtHandle_t handle = nullptr;
    ORRERY_LIBRARY_CALL(cublasLtCreate);
    ORRERY_LIBRARY_CALL(cublasLtGetVersion);
    ORRERY_LIBRARY_CALL(cublasLtMatmul);
    ORRERY_LIBRARY_CALL(cublasLtMatmulAlgoGetHeuristic);
    ORRERY_LIBRARY_CALL(cublasLtMatmulDescCreate);
    ORRERY_LIBRARY_CALL(cublasLtMatmulDescDestroy);
    ORRERY_LIBRARY_CALL(cublasLtMatmulDescSetAttribute);
    ORRERY_LIBRARY_CALL(cublasLtMatrixLayoutCreate);
    ORRERY_LIBRARY_CALL(cublasLtMatrixLayoutDestroy);
    ORRERY_LIBRARY_CALL(cublasLtMatrixLayoutSetAttribute);
    ORRERY_LIBRARY_CALL(cublasLtMatmulPreferenceCreate);
    ORRERY_LIBRARY_CALL(cublasLtMatmulPreferenceDestroy);
    ORRERY_LIBRARY_CALL(cublasLtMatmulPreferenceSetAttribute);
};
#undef ORRERY_LIBRARY_CALL

template <class Function>
void look_up(void* file, const char* name, Function& function, bool& whole) {
    function = reinterpret_cast<Function>(dlsym(file, name));
    whole = whole && function != nullptr;
}

Library open_library() {
    Library library;
    const std::string versioned = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
    library.handle_of_file = dlopen(versioned.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library.handle_of_file == nullptr) library.handle_of_file = dlopen("libcublasLt.so", RTLD_NOW | RTLD_LOCAL);
    if (library.handle_of_file == nullptr) return library;
    bool whole = true;
    void* file = library.handle_of_file;
    look_up(file, "cublasLtCreate", library.cublasLtCreate, whole);
    look_up(file, "cublasLtGetVersion", library.cublasLtGetVersion, whole);
    look_up(file, "cublasLtMatmul", library.cublasLtMatmul, whole);
    look_up(file, "cublasLtMatmulAlgoGetHeuristic", library.cublasLtMatmulAlgoGetHeuristic, whole);
    look_up(file, "cublasLtMatmulDescCreate", library.cublasLtMatmulDescCreate, whole);
    look_up(file, "cublasLtMatmulDescDestroy", library.cublasLtMatmulDescDestroy, whole);
    look_up(file, "cublasLtMatmulDescSetAttribute", library.cublasLtMatmulDescSetAttribute, whole);
    look_up(file, "cublasLtMatrixLayoutCreate", library.cublasLtMatrixLayoutCreate, whole);
    look_up(file, "cublasLtMatrixLayoutDestroy", library.cublasLtMatrixLayoutDestroy, whole);
    look_up(file, "cublasLtMatrixLayoutSetAttribute", library.cublasLtMatrixLayoutSetAttribute, whole);
    look_up(file, "cublasLtMatmulPreferenceCreate", library.cublasLtMatmulPreferenceCreate, whole);
    look_up(file, "cublasLtMatmulPreferenceDestroy", library.cublasLtMatmulPreferenceDestroy, whole);
    look_up(file, "cublasLtMatmulPreferenceSetAttribute", library.cublasLtMatmulPreferenceSetAttribute, whole);
    if (!whole) library.handle_of_file = nullptr;   // another library of that name
    return library;
}

const Library& the_library() {
    static const Library library = open_library();
    return library;
}

void require_library(cublasStatus_t status, const char* what) {
    if (status != CUBLAS_STATUS_SUCCESS) throw GpuError(std::string(what) + ": cuBLASLt status " + std::to_string(static_cast<int>(status)));
}

// The library's handle belongs to one GPU: it is made at the first product.
cublasLtHandle_t product_handle(const Library& library) {
    static const cublasLtHandle_t handle = [&] {
        cublasLtHandle_t made = nullptr;
        require_library(library.cublasLtCreate(&made), "opening cuBLASLt");
        return made;
    }();
    return handle;
}

struct FormCodes {
    cudaDataType_t in;
    cudaDataType_t out;
    cublasComputeType_t compute;
    cudaDataType_t scale;
};

FormCodes codes_of(ProductForm form) {
    switch (form) {
        case ProductForm::fp32: return {CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F};
        case ProductForm::tf32: return {CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F};
        case ProductForm::bf16: return {CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F};
        case ProductForm::fp16: return {CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F};
        case ProductForm::fp8: return {CUDA_R_8F_E4M3, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F};
        case ProductForm::int8: return {CUDA_R_8I, CUDA_R_32I, CUBLAS_COMPUTE_32I, CUDA_R_32I};
    }
    return {};
}

// Descriptors of one call, given back when the last copy of its plan goes.
struct Descriptors {
    cublasLtMatmulDesc_t product = nullptr;
    cublasLtMatrixLayout_t left = nullptr;
    cublasLtMatrixLayout_t right = nullptr;
    cublasLtMatrixLayout_t out = nullptr;
    cublasLtMatmulPreference_t preference = nullptr;
    std::shared_ptr<void> workspace;
    bool whole_numbers = false;
    bool accumulates = false;
    cublasLtMatmulAlgo_t algorithm{};

    Descriptors() = default;
    Descriptors(const Descriptors&) = delete;
    Descriptors& operator=(const Descriptors&) = delete;
    ~Descriptors() {
        const Library& library = the_library();
        if (product != nullptr) library.cublasLtMatmulDescDestroy(product);
        for (const cublasLtMatrixLayout_t layout : {left, right, out}) {
            if (layout != nullptr) library.cublasLtMatrixLayoutDestroy(layout);
        }
        if (preference != nullptr) library.cublasLtMatmulPreferenceDestroy(preference);
    }
};

cublasLtMatrixLayout_t layout_of(cudaDataType_t type, Index rows, Index columns, Index batch) {
    const Library& library = the_library();
    cublasLtMatrixLayout_t layout = nullptr;
    require_library(library.cublasLtMatrixLayoutCreate(&layout, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), rows),
                    "describing a matrix");
    const auto count = static_cast<std::int32_t>(batch);
    const std::int64_t stride = rows * columns;
    require_library(library.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)), "describing a batch");
    require_library(library.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof(stride)), "describing a batch");
    return layout;
}

void run_product(const Descriptors& d, const void* left, const void* right, void* out) {
    const Library& library = the_library();
    const float one = 1.0F;
    const float zero = 0.0F;
    const std::int32_t whole_one = 1;
    const std::int32_t whole_zero = 0;
    const void* alpha = d.whole_numbers ? static_cast<const void*>(&whole_one) : &one;
    const void* beta = d.whole_numbers ? static_cast<const void*>(&whole_zero) : d.accumulates ? &one : &zero;
    require_library(library.cublasLtMatmul(product_handle(library), d.product, alpha, left, d.left, right, d.right, beta, out, d.out, out, d.out, &d.algorithm,
                                           d.workspace.get(), workspace_bytes, nullptr),
                    "multiplying");
}

void describe_product(Descriptors& d, const ProductCall& call) {
    const Library& library = the_library();
    const FormCodes codes = codes_of(call.form);
    d.whole_numbers = call.form == ProductForm::int8;
    require_library(library.cublasLtMatmulDescCreate(&d.product, codes.compute, codes.scale), "describing a product");
    const cublasOperation_t turn = call.left_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    require_library(library.cublasLtMatmulDescSetAttribute(d.product, CUBLASLT_MATMUL_DESC_TRANSA, &turn, sizeof(turn)), "describing a product");
    const cublasOperation_t turn_right = call.right_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    require_library(library.cublasLtMatmulDescSetAttribute(d.product, CUBLASLT_MATMUL_DESC_TRANSB, &turn_right, sizeof(turn_right)), "describing a product");
    d.accumulates = call.accumulates;
    d.left = call.left_transposed ? layout_of(codes.in, call.depth, call.rows, call.batch) : layout_of(codes.in, call.rows, call.depth, call.batch);
    d.right = call.right_transposed ? layout_of(codes.in, call.columns, call.depth, call.batch) : layout_of(codes.in, call.depth, call.columns, call.batch);
    d.out = layout_of(codes.out, call.rows, call.columns, call.batch);
    require_library(library.cublasLtMatmulPreferenceCreate(&d.preference), "asking for an algorithm");
    require_library(library.cublasLtMatmulPreferenceSetAttribute(d.preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof(workspace_bytes)),
                    "asking for an algorithm");
    d.workspace = Gpu::allocate(workspace_bytes);
}

// The fastest of what the library proposes, each run some times after one that warms up.
void choose_algorithm(Descriptors& d, const void* left, const void* right, void* out) {
    const Library& library = the_library();
    cublasLtMatmulHeuristicResult_t proposals[algorithms_tried] = {};
    int found = 0;
    require_library(library.cublasLtMatmulAlgoGetHeuristic(product_handle(library), d.product, d.left, d.right, d.out, d.out, d.preference, algorithms_tried,
                                                           proposals, &found),
                    "asking for an algorithm");
    if (found == 0) throw GpuError("cuBLASLt has no algorithm for this product");
    double best = std::numeric_limits<double>::infinity();
    cublasLtMatmulAlgo_t winner = proposals[0].algo;
    GpuStopwatch watch;
    for (int i = 0; i < found; ++i) {
        d.algorithm = proposals[i].algo;
        run_product(d, left, right, out);
        watch.start();
        for (int run = 0; run < timed_runs; ++run) run_product(d, left, right, out);
        const double seconds = watch.stop();
        if (seconds < best) {
            best = seconds;
            winner = d.algorithm;
        }
    }
    d.algorithm = winner;
}

}  // namespace

std::string library_product_version() {
    const Library& library = the_library();
    if (library.handle_of_file == nullptr) return {};
    const std::size_t version = library.cublasLtGetVersion();   // 10000 major + 100 minor + patch, of cuBLAS 12 and newer
    return "cuBLASLt " + std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." + std::to_string(version % 100);
}

PlannedProduct plan_library_product(const ProductCall& call, const void* left, const void* right, void* out) {
    if (the_library().handle_of_file == nullptr) throw GpuError("libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR) + " was not found");
    auto descriptors = std::make_shared<Descriptors>();
    describe_product(*descriptors, call);
    choose_algorithm(*descriptors, left, right, out);
    return [descriptors](const void* a, const void* b, void* c) { run_product(*descriptors, a, b, c); };
}

}  // namespace orrery::cuda

#else

namespace orrery::cuda {

std::string library_product_version() { return {}; }

PlannedProduct plan_library_product(const ProductCall&, const void*, const void*, void*) {
    throw GpuError("this build has no cuBLASLt: its header was not found when it was made");
}

}  // namespace orrery::cuda

#endif
