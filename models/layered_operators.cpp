// The operators of layered models. Data gradient and weight gradient of a linear map have the arithmetic of its forward
// each (Goodfellow, Bengio, Courville, "Deep Learning", section 6.5); streaming kernels are charged by values moved.
#include "models/layered_operators.hpp"

#include "models/layer_tasks.hpp"

#include <algorithm>

namespace orrery {
namespace {

Bytes activation_bytes(const PassShape& shape, double values) { return Bytes::from_si(values * shape.element_bytes); }

double product_of_sizes(std::int64_t rows, std::int64_t width) {
    return static_cast<double>(rows) * static_cast<double>(width);
}

GraphTask product_task(const PassShape& shape, std::string_view name, std::int64_t m, std::int64_t n, std::int64_t k,
                       std::int64_t batch, OperatorClass part) {
    return compute_task(name, MatrixMultiply{m, n, k, batch, shape.type, shape.element_bytes}, part);
}

/// Two batched products with softmax over the scores between them; four and its gradient backward.
void add_unfused_attention(const PassShape& shape, const AttentionShape& a, ModelOperator& one) {
    const std::int64_t batch = a.pairs * a.heads;
    const double scores = static_cast<double>(batch) * product_of_sizes(a.queries, a.keys);
    const auto product = [&](std::string_view name, std::int64_t m, std::int64_t n, std::int64_t k) {
        return product_task(shape, name, m, n, k, batch, OperatorClass::attention);
    };
    one.forward = {product("scores", a.queries, a.keys, a.head_size),
                   streaming_task("softmax", activation_bytes(shape, 4.0 * scores).si(), 2),
                   product("values", a.queries, a.head_size, a.keys)};
    one.backward = {product("value gradient", a.keys, a.head_size, a.queries),
                    product("probability gradient", a.queries, a.keys, a.head_size),
                    streaming_task("softmax gradient", activation_bytes(shape, 5.0 * scores).si(), 2),
                    product("query gradient", a.queries, a.head_size, a.keys),
                    product("key gradient", a.keys, a.head_size, a.queries)};
    one.kept += activation_bytes(shape, 2.0 * scores);
}

void add_fused_attention(const PassShape& shape, const AttentionShape& a, ModelOperator& one) {
    Attention work;
    work.batch = a.pairs;
    work.heads = a.heads;
    work.kv_heads = a.heads;
    work.head_size = a.head_size;
    work.value_head_size = a.head_size;
    work.queries = a.queries;
    work.keys = a.keys;
    work.causal = a.causal;
    work.type = shape.type;
    work.kv_type = shape.type;
    one.forward = {compute_task(one.name, work, OperatorClass::attention)};
    work.backward = true;
    one.backward = {compute_task("attention gradient", work, OperatorClass::attention)};
}

Convolution convolution_work(const PassShape& shape, const ConvolutionShape& c) {
    Convolution work;
    work.batch = shape.samples;
    work.depth = c.depth;
    work.height = c.height;
    work.width = c.width;
    work.channels = c.transposed ? c.filters : c.channels;
    work.filters = c.transposed ? c.channels : c.filters;
    work.kernel_depth = c.kernel_depth;
    work.kernel_height = c.kernel;
    work.kernel_width = c.kernel;
    work.stride_depth = c.stride_depth;
    work.stride = c.stride;
    work.groups = c.groups;
    work.type = shape.type;
    return work;
}

}  // namespace

ModelOperator linear_operator(const PassShape& shape, std::string_view name, std::int64_t rows, std::int64_t outputs,
                              std::int64_t inputs, bool biased, bool needs_input_gradient) {
    ModelOperator one;
    one.name = name;
    one.forward = {product_task(shape, name, rows, outputs, inputs, 1, OperatorClass::matrix)};
    if (needs_input_gradient) {
        one.backward.push_back(
            product_task(shape, "input gradient", rows, inputs, outputs, 1, OperatorClass::matrix));
    }
    one.backward.push_back(product_task(shape, "weight gradient", outputs, inputs, rows, 1, OperatorClass::matrix));
    one.parameters = product_of_sizes(outputs, inputs) + (biased ? static_cast<double>(outputs) : 0.0);
    one.kept = activation_bytes(shape, product_of_sizes(rows, inputs));
    return one;
}

ModelOperator attention_operator(const PassShape& shape, std::string_view name, const AttentionShape& attention) {
    ModelOperator one;
    one.name = name;
    const double heads = static_cast<double>(attention.pairs * attention.heads);
    one.kept = activation_bytes(shape, heads * (2.0 * product_of_sizes(attention.queries, attention.head_size) +
                                                2.0 * product_of_sizes(attention.keys, attention.head_size)));
    if (shape.flash_attention) {
        add_fused_attention(shape, attention, one);
    } else {
        add_unfused_attention(shape, attention, one);
    }
    return one;
}

ModelOperator streaming_operator(const PassShape& shape, std::string_view name, double elements,
                                 const ElementCosts& costs, double parameters) {
    ModelOperator one;
    one.name = name;
    one.forward = {streaming_task(name, activation_bytes(shape, costs.forward * elements).si(), costs.kernels)};
    one.backward = {streaming_task(name, activation_bytes(shape, costs.backward * elements).si(), costs.kernels)};
    one.parameters = parameters;
    one.kept = activation_bytes(shape, costs.kept * elements);
    return one;
}

ModelOperator layer_norm_operator(const PassShape& shape, std::string_view name, std::int64_t rows, std::int64_t width,
                                  bool biased) {
    // Forward reads and writes once; backward reads the input and the gradient, and writes one.
    return streaming_operator(shape, name, product_of_sizes(rows, width), {2.0, 3.0, 1.0, 1},
                              static_cast<double>(width) * (biased ? 2.0 : 1.0));
}

ModelOperator embedding_operator(const PassShape& shape, std::string_view name, std::int64_t rows, std::int64_t entries,
                                 std::int64_t width) {
    ModelOperator one;
    one.name = name;
    const Bytes row = activation_bytes(shape, static_cast<double>(width));
    const Gather read{rows, row, row * static_cast<double>(entries), false};
    one.forward = {compute_task(name, read, OperatorClass::embedding)};
    Gather add = read;
    add.scatter_add = true;
    one.backward = {compute_task("embedding gradient", add, OperatorClass::embedding)};
    one.parameters = product_of_sizes(entries, width);
    return one;
}

ModelOperator convolution_operator(const PassShape& shape, std::string_view name, const ConvolutionShape& convolution) {
    Convolution work = convolution_work(shape, convolution);
    const auto task = [&](std::string_view called, ConvolutionPass pass) {
        work.pass = pass;
        return compute_task(called, work, OperatorClass::matrix);
    };
    const bool transposed = convolution.transposed;
    ModelOperator one;
    one.name = name;
    one.forward = {task(name, transposed ? ConvolutionPass::input_gradient : ConvolutionPass::forward)};
    if (convolution.needs_input_gradient) {
        one.backward.push_back(task("convolution input gradient",
                                    transposed ? ConvolutionPass::forward : ConvolutionPass::input_gradient));
    }
    one.backward.push_back(task("convolution weight gradient", ConvolutionPass::weight_gradient));
    one.parameters = static_cast<double>(work.weights());
    if (convolution.biased) one.parameters += static_cast<double>(convolution.filters);
    const std::int64_t pixels = transposed ? work.output_pixels() : work.input_pixels();
    one.kept = activation_bytes(shape, product_of_sizes(pixels, convolution.channels));
    return one;
}

double output_elements(const ConvolutionShape& convolution) {
    PassShape one_sample;
    const Convolution work = convolution_work(one_sample, convolution);
    const std::int64_t pixels = convolution.transposed ? work.input_pixels() : work.output_pixels();
    return product_of_sizes(pixels, convolution.filters);
}

ModelOperator frozen(ModelOperator one) {
    one.backward.clear();
    one.kept = Bytes{};
    one.frozen = true;
    return one;
}

}  // namespace orrery
