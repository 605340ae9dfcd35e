// Blocks of modulated norms, self attention, cross attention and MLP; heads split by tensor, tokens by context degree.
#include "models/families/diffusion_transformer.hpp"

#include "models/layered_operators.hpp"

namespace orrery {
namespace {

constexpr std::int64_t time_width = 256;  // of the sinusoidal embedding (both papers' code)

GraphTask exchange_of(std::string_view name, CollectiveKind kind, double bytes, Axis axis, DataType type) {
    return {name, ExchangeTask{Collective{kind, Bytes::from_si(bytes), type}, axis}};
}

class TransformerBlock {
  public:
    TransformerBlock(const DiffusionTransformer& model, const PassShape& shape)
        : model_(model), shape_(shape), tokens_(shape.samples * shape.sequence / shape.context),
          width_(model.hidden), split_(model.hidden / shape.tensor) {}

    ModelBlock build() {
        block_.name = "diffusion block";
        block_.count = model_.layers;
        block_.input = Bytes::from_si(static_cast<double>(tokens_ * width_) * shape_.element_bytes);
        modulation();
        norm();
        self_attention();
        if (model_.text_width > 0) cross_attention();
        norm();
        mlp();
        return std::move(block_);
    }

  private:
    void add(ModelOperator one) { block_.operators.push_back(std::move(one)); }
    void linear(std::string_view name, std::int64_t rows, std::int64_t out, std::int64_t in) {
        add(linear_operator(shape_, name, rows, out, in));
    }
    [[nodiscard]] double values() const { return static_cast<double>(tokens_ * width_) / static_cast<double>(shape_.tensor); }

    void modulation() {
        if (model_.shared_modulation) {
            ModelOperator offsets = streaming_operator(shape_, "modulation", static_cast<double>(6 * width_), {3.0, 3.0, 0.0, 1});
            offsets.parameters = static_cast<double>(6 * width_);
            add(offsets);
        } else {
            linear("modulation", shape_.samples, 6 * width_, width_);
        }
    }
    /// Norm without parameters, scaled and shifted; then gather the tokens that tensor ranks normed apart.
    void norm() {
        ModelOperator one = streaming_operator(shape_, "modulated norm", values(), {2.0, 4.0, 1.0, shape_.fused_kernels ? 1 : 3});
        enter_tensor(one);
        add(one);
    }
    void enter_tensor(ModelOperator& one) const {
        if (shape_.tensor == 1) return;
        const double bytes = static_cast<double>(tokens_ * width_) * shape_.element_bytes;
        one.forward.push_back(exchange_of("token gather", CollectiveKind::all_gather, bytes, Axis::tensor, shape_.type));
        one.backward.insert(one.backward.begin(),
                            exchange_of("token scatter", CollectiveKind::reduce_scatter, bytes, Axis::tensor, shape_.type));
    }
    void leave_tensor(ModelOperator& one) const {
        if (shape_.tensor == 1) return;
        const double bytes = static_cast<double>(tokens_ * width_) * shape_.element_bytes;
        one.forward.push_back(exchange_of("token scatter", CollectiveKind::reduce_scatter, bytes, Axis::tensor, shape_.type));
        one.backward.insert(one.backward.begin(),
                            exchange_of("token gather", CollectiveKind::all_gather, bytes, Axis::tensor, shape_.type));
    }
    void leave(std::string_view name, std::int64_t in) {
        ModelOperator one = linear_operator(shape_, name, tokens_, width_, in);
        leave_tensor(one);
        add(one);
        add(streaming_operator(shape_, "gated residual", values(), {4.0, 4.0, 1.0, shape_.fused_kernels ? 1 : 2}));
    }
    void query_norms(std::int64_t rows) {
        if (!model_.query_norms) return;
        ModelOperator one = streaming_operator(shape_, "query norms", static_cast<double>(rows * split_) * 2.0, {2.0, 3.0, 1.0, 2});
        one.parameters = static_cast<double>(2 * split_);
        add(one);
    }
    void self_attention() {
        linear("qkv", tokens_, 3 * split_, width_);
        query_norms(tokens_);
        if (model_.text_width > 0)  // rotary positions along three axes
            add(streaming_operator(shape_, "rotary", static_cast<double>(2 * tokens_ * split_), {2.0, 2.0, 0.0, 2}));
        AttentionShape a{shape_.samples, model_.heads / shape_.tensor, width_ / model_.heads,
                         shape_.sequence / shape_.context, shape_.sequence, false};
        ModelOperator one = attention_operator(shape_, "self attention", a);
        if (shape_.context > 1) {
            const double bytes = 2.0 * shape_.element_bytes * static_cast<double>(shape_.samples * shape_.sequence * split_) /
                                 static_cast<double>(shape_.context);
            one.forward.insert(one.forward.begin(), exchange_of("context all-gather", CollectiveKind::all_gather, bytes,
                                                                Axis::context, shape_.type));
            one.backward.insert(one.backward.begin(), exchange_of("context gradient exchange", CollectiveKind::all_gather,
                                                                  2.0 * bytes, Axis::context, shape_.type));
        }
        add(one);
        leave("projection", split_);
    }
    void cross_attention() {
        const std::int64_t text_rows = shape_.samples * model_.text_tokens;
        ModelOperator one = layer_norm_operator(shape_, "cross norm", tokens_ / shape_.tensor, width_);
        enter_tensor(one);
        add(one);
        linear("cross queries", tokens_, split_, width_);
        linear("cross keys and values", text_rows, 2 * split_, width_);
        query_norms(tokens_);
        AttentionShape a{shape_.samples, model_.heads / shape_.tensor, width_ / model_.heads,
                         shape_.sequence / shape_.context, model_.text_tokens, false};
        add(attention_operator(shape_, "cross attention", a));
        leave("cross projection", split_);
    }
    void mlp() {
        const std::int64_t inner = model_.ffn / shape_.tensor;
        linear("mlp up", tokens_, inner, width_);
        add(streaming_operator(shape_, "activation", static_cast<double>(tokens_ * inner), {2.0, 3.0, 1.0, 1}));
        leave("mlp down", inner);
    }

    const DiffusionTransformer& model_;
    const PassShape& shape_;
    std::int64_t tokens_;
    std::int64_t width_;
    std::int64_t split_;
    ModelBlock block_;
};

ModelBlock input_block(const DiffusionTransformer& model, const PassShape& shape, std::int64_t tokens) {
    const std::int64_t width = model.hidden;
    ModelBlock block;
    block.name = "patch embedding";
    auto& all = block.operators;
    all.push_back(linear_operator(shape, "patch embedding", tokens, width, model.patch_values, true, false));
    all.push_back(linear_operator(shape, "time embedding", shape.samples, width, time_width));
    all.push_back(linear_operator(shape, "time embedding", shape.samples, width, width));
    if (model.shared_modulation) all.push_back(linear_operator(shape, "time projection", shape.samples, 6 * width, width));
    if (model.classes > 0)  // and one row for no class
        all.push_back(embedding_operator(shape, "class embedding", shape.samples, model.classes + 1, width));
    if (model.text_width > 0) {
        const std::int64_t rows = shape.samples * model.text_tokens;
        all.push_back(linear_operator(shape, "text embedding", rows, width, model.text_width, true, false));
        all.push_back(linear_operator(shape, "text embedding", rows, width, width));
    }
    return block;
}

ModelBlock output_block(const DiffusionTransformer& model, const PassShape& shape, std::int64_t tokens) {
    const std::int64_t width = model.hidden;
    ModelBlock block;
    block.name = "head";
    auto& all = block.operators;
    if (!model.shared_modulation) all.push_back(linear_operator(shape, "last modulation", shape.samples, 2 * width, width));
    all.push_back(streaming_operator(shape, "modulated norm", static_cast<double>(tokens * width), {2.0, 4.0, 1.0, 1}));
    all.push_back(linear_operator(shape, "patch outputs", tokens, model.output_values, width));
    all.push_back(streaming_operator(shape, "loss", static_cast<double>(tokens * model.output_values), {6.0, 3.0, 1.0, 3}));
    return block;
}

}  // namespace

LayeredModel describe(const DiffusionTransformer& model, const PassShape& shape) {
    LayeredModel layered;
    layered.has_tokens = true;
    layered.splits_tensor = true;
    layered.splits_context = true;
    const std::int64_t tokens = shape.samples * shape.sequence / shape.context;
    layered.blocks = {input_block(model, shape, tokens), TransformerBlock(model, shape).build(),
                      output_block(model, shape, tokens)};
    return layered;
}

}  // namespace orrery
