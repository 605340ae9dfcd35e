// Two-dimensional convolution by oneDNN with "same" padding.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/convolution_oracle.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/onednn.hpp"

namespace orrery {
namespace {

struct BoundConvolution {
    OneDnn library;
    dnnl::convolution_forward primitive;
    OwnedMemory x, w, y, scratch;
    dnnl::memory y_plain;

    void run() const {
        if (!primitive) return;
        library.run(primitive, {{DNNL_ARG_SRC, x.memory}, {DNNL_ARG_WEIGHTS, w.memory}, {DNNL_ARG_DST, y.memory}, {DNNL_ARG_SCRATCHPAD, scratch.memory}});
    }
    // The result row by row of pixels, for the judge.
    void read_back() const {
        if (primitive) library.run(dnnl::reorder(y.memory, y_plain), {{DNNL_ARG_FROM, y.memory}, {DNNL_ARG_TO, y_plain}});
    }
};

using ConvTag = dnnl::memory::format_tag;
using ConvForm = dnnl::memory::data_type;

// Values in the library's own form and layout.
OwnedMemory moved(const OneDnn& library, const dnnl::memory& plain, const dnnl::memory::desc& wanted) {
    const OwnedMemory result = library.own(wanted);
    library.run(dnnl::reorder(plain, result.memory), {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, result.memory}});
    return result;
}

BoundConvolution bind_convolution(const Convolution& work, const float* x, const float* w, float* y) {
    BoundConvolution bound;
    if (work.batch * work.channels * work.filters * work.height * work.width == 0) return bound;
    const ConvForm form = work.type == DataType::bf16 ? ConvForm::bf16 : ConvForm::f32;
    const Index pad_rows = padding_in_all(work.height, work.kernel_height, work.stride);
    const Index pad_columns = padding_in_all(work.width, work.kernel_width, work.stride);
    const dnnl::memory::dims x_dims{work.batch, work.channels, work.height, work.width};
    const dnnl::memory::dims w_dims{work.filters, work.channels, work.kernel_height, work.kernel_width};
    const dnnl::memory::dims y_dims{work.batch, work.filters, convolved_side(work.height, work.stride), convolved_side(work.width, work.stride)};
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::convolution_forward::primitive_desc plan(
        {dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, {x_dims, form, ConvTag::any},
         {w_dims, form, ConvTag::any}, {y_dims, form, ConvTag::any}, {work.stride, work.stride},
         {pad_rows / 2, pad_columns / 2}, {pad_rows - pad_rows / 2, pad_columns - pad_columns / 2}},
        attributes, bound.library.engine);
    bound.primitive = dnnl::convolution_forward(plan);
    bound.x = moved(bound.library, bound.library.over({x_dims, ConvForm::f32, ConvTag::nchw}, x), plan.src_desc());
    bound.w = moved(bound.library, bound.library.over({w_dims, ConvForm::f32, ConvTag::oihw}, w), plan.weights_desc());
    bound.y = bound.library.own(plan.dst_desc());
    bound.y_plain = bound.library.over({y_dims, ConvForm::f32, ConvTag::nchw}, y);
    bound.scratch = bound.library.own(plan.scratchpad_desc());
    return bound;
}

}  // namespace

PreparedKernel prepare_convolution(const KernelCase& c, int copies, Rng& rng) {
    const Convolution work = convolution_of(c);
    // Inputs that bf16 holds exactly, so that both number formats have one oracle.
    const auto x = random_floats(1, work.input_pixels() * work.channels, rng);
    const auto w = random_floats(1, work.weights(), rng);
    for (float& value : x->values()) value = from_bf16(to_bf16(value));
    for (float& value : w->values()) value = from_bf16(to_bf16(value));
    const auto y = zeros<float>(1, work.output_pixels() * work.filters);
    auto bound = std::make_shared<std::vector<BoundConvolution>>();
    for (int i = 0; i < copies; ++i) bound->push_back(bind_convolution(work, (*x)[0], (*w)[0], (*y)[0]));
    PreparedKernel kernel;
    kernel.work = work;
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.error_max = c.type == DataType::bf16 ? 1e-2 : 1e-5;
    kernel.run = [=](int i) { (*bound)[static_cast<std::size_t>(i)].run(); };
    kernel.check = [=, run = kernel.run] {
        poison(y->values());
        run(0);
        (*bound)[0].read_back();
        return convolution_error(work, x->values(), w->values(), y->values(), ImageLayout::channels_first);
    };
    return kernel;
}

}  // namespace orrery
