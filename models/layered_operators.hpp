// Operators that families are made of, forward and backward at once: the backward follows from the forward.
#pragma once

#include "models/layered_model.hpp"

namespace orrery {

/// Products of one linear map over `rows` rows: forward; backward, one for the input's gradient and one for the
/// weights'. Keeps its input. `biased`: one more parameter per output. `needs_input_gradient`: false for first layers.
ModelOperator linear_operator(const PassShape& shape, std::string_view name, std::int64_t rows, std::int64_t outputs,
                              std::int64_t inputs, bool biased = true, bool needs_input_gradient = true);

/// Fused attention where shape.flash_attention, else two batched products with softmax between them. `queries` and
/// `keys` per sample; `pairs` (samples times windows) problems of `heads` heads. Keeps queries, keys, values, output
/// (and unfused the scores).
struct AttentionShape {
    std::int64_t pairs = 1;
    std::int64_t heads = 1;
    std::int64_t head_size = 64;
    std::int64_t queries = 1;
    std::int64_t keys = 1;
    bool causal = false;
};
ModelOperator attention_operator(const PassShape& shape, std::string_view name, const AttentionShape& attention);

/// Work that reads and writes `forward` and `backward` values for each of `elements` (of shape.element_bytes each) in
/// as many kernels, and keeps `kept` values for each. Says what a norm, an activation, a sum or a pooling costs.
struct ElementCosts {
    double forward = 2.0;   // values moved per element
    double backward = 3.0;
    double kept = 0.0;      // values kept per element
    int kernels = 1;        // each way
};
ModelOperator streaming_operator(const PassShape& shape, std::string_view name, double elements,
                                 const ElementCosts& costs, double parameters = 0.0);

/// Layer norm (or RMS norm) over rows of `width`: weight and, if `biased`, bias.
ModelOperator layer_norm_operator(const PassShape& shape, std::string_view name, std::int64_t rows, std::int64_t width,
                                  bool biased = true);

/// Look-up of `rows` rows out of a table of `entries` rows of `width`; backward adds into it. The table is copied on
/// every replica.
ModelOperator embedding_operator(const PassShape& shape, std::string_view name, std::int64_t rows, std::int64_t entries,
                                 std::int64_t width);

/// A convolution with "same" padding: every side of the output is ceil(input / stride).
struct ConvolutionShape {
    std::int64_t depth = 1;      // of the input image
    std::int64_t height = 1;
    std::int64_t width = 1;
    std::int64_t channels = 1;
    std::int64_t filters = 1;
    std::int64_t kernel = 1;     // square (or cubic, where kernel_depth says so)
    std::int64_t kernel_depth = 1;
    std::int64_t stride = 1;
    std::int64_t stride_depth = 1;
    std::int64_t groups = 1;
    bool biased = false;
    bool transposed = false;     // a stride enlarges the image instead: the sizes above are those of the OUTPUT
    bool needs_input_gradient = true;
};
ModelOperator convolution_operator(const PassShape& shape, std::string_view name, const ConvolutionShape& convolution);

/// Values that the convolution gives per sample.
double output_elements(const ConvolutionShape& convolution);

/// The same operator with nothing trained in it and nothing ahead of it that is: no backward, no states.
ModelOperator frozen(ModelOperator one);

}  // namespace orrery
