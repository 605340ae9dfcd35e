// Levels down, a middle, levels up with skips; each of residual blocks and, where wanted, transformers.
#include "models/families/latent_unet.hpp"

#include "models/families/convolutional.hpp"

namespace orrery {
namespace {

/// One level's place in the network, and what its blocks need to know.
class LatentBuilder {
  public:
    LatentBuilder(const LatentUNet& model, const PassShape& shape, LayeredModel& layered)
        : model_(model), shape_(shape), layered_(layered) {}

    /// Group norm, activation, 3 x 3, the time embedding's projection, norm, activation, 3 x 3, and the shortcut.
    Image residual(Image image, std::int64_t filters, bool attends) {
        return add_block(layered_, shape_, attends ? "residual and transformer" : "residual", image, 1, [&](Chain& chain) {
            const std::int64_t input = chain.image().channels;
            norm_ahead(chain);
            chain.convolve("convolution 3x3", bare(filters, 3));
            chain.add(linear_operator(shape_, "time projection", shape_.samples, filters, 4 * model_.channels));
            chain.add(streaming_operator(shape_, "time sum", elements(chain), {2.0, 2.0, 0.0, 1}));
            norm_ahead(chain);
            chain.convolve("convolution 3x3", bare(filters, 3));
            if (input != filters) {
                const Image after = chain.image();
                Image before = after;
                before.channels = input;
                chain.set_image(before);
                chain.convolve("shortcut", bare(filters, 1));
                chain.set_image(after);
            }
            chain.add(streaming_operator(shape_, "residual", elements(chain), {3.0, 2.0, 0.0, 1}));
            if (attends) transformer(chain);
        });
    }

    /// A convolution that halves or doubles the image.
    Image resize(Image image, bool enlarges) {
        return add_block(layered_, shape_, enlarges ? "enlarge" : "halve", image, 1, [&](Chain& chain) {
            if (enlarges) {
                Image larger = chain.image();
                larger.height *= 2;
                larger.width *= 2;
                chain.set_image(larger);
                chain.add(streaming_operator(shape_, "repeat pixels", elements(chain), {1.25, 1.25, 0.0, 1}));
            }
            ChainStep step = bare(image.channels, 3);
            step.stride = enlarges ? 1 : 2;
            chain.convolve("resizing 3x3", step);
        });
    }

    void transformer(Chain& chain) {
        const Image image = chain.image();
        const std::int64_t width = image.channels;
        const std::int64_t places = image.height * image.width;
        const std::int64_t rows = shape_.samples * places;
        const std::int64_t text_rows = shape_.samples * model_.text_tokens;
        const AttentionShape self{shape_.samples, width / model_.head_size, model_.head_size, places, places, false};
        AttentionShape cross = self;
        cross.keys = model_.text_tokens;
        const auto linear = [&](std::string_view name, std::int64_t out, std::int64_t in, bool biased) {
            chain.add(linear_operator(shape_, name, rows, out, in, biased));
        };
        const auto sum = [&] { chain.add(streaming_operator(shape_, "residual", elements(chain), {3.0, 2.0, 0.0, 1})); };
        norm_ahead(chain, false);
        linear("transformer in", width, width, true);
        chain.add(layer_norm_operator(shape_, "norm", rows, width));
        linear("qkv", 3 * width, width, false);
        chain.add(attention_operator(shape_, "self attention", self));
        linear("projection", width, width, true);
        sum();
        chain.add(layer_norm_operator(shape_, "norm", rows, width));
        linear("queries", width, width, false);
        chain.add(linear_operator(shape_, "text keys and values", text_rows, 2 * width, model_.text_width, false));
        chain.add(attention_operator(shape_, "cross attention", cross));
        linear("projection", width, width, true);
        sum();
        chain.add(layer_norm_operator(shape_, "norm", rows, width));
        linear("mlp up", 8 * width, width, true);
        chain.add(streaming_operator(shape_, "gated activation", 4.0 * elements(chain), {3.0, 5.0, 2.0, shape_.fused_kernels ? 1 : 2}));
        linear("mlp down", width, 4 * width, true);
        sum();
        linear("transformer out", width, width, true);
        sum();
    }

  private:
    [[nodiscard]] double elements(const Chain& chain) const {
        return chain.image().elements() * static_cast<double>(shape_.samples);
    }
    static ChainStep bare(std::int64_t filters, std::int64_t kernel) {
        ChainStep step{filters, kernel, 1};
        step.norm = ImageNorm::none;
        step.activation = ImageActivation::none;
        step.biased = true;
        return step;
    }
    /// Group norm ahead of a convolution, with its activation.
    void norm_ahead(Chain& chain, bool activates = true) const {
        ChainStep step;
        step.activation = activates ? ImageActivation::swish : ImageActivation::none;
        chain.add(norm_operator(shape_, elements(chain), chain.image().channels, step));
    }

    const LatentUNet& model_;
    const PassShape& shape_;
    LayeredModel& layered_;
};

/// The frozen encoder: plain transformer layers, forward only.
void add_text_encoder(LayeredModel& layered, const LatentUNet& model, const PassShape& shape) {
    const std::int64_t width = model.text_encoder_width;
    const std::int64_t rows = shape.samples * model.text_tokens;
    ModelBlock embedding;
    embedding.name = "text embedding";
    embedding.operators = {frozen(embedding_operator(shape, "text embedding", rows, model.text_vocabulary, width)),
                           frozen(embedding_operator(shape, "text positions", rows, model.text_tokens, width))};
    layered.blocks.push_back(std::move(embedding));
    ModelBlock layer;
    layer.name = "text layer";
    layer.count = model.text_layers;
    const AttentionShape attention{shape.samples, width / 64, 64, model.text_tokens, model.text_tokens, true};
    for (ModelOperator& one : std::vector<ModelOperator>{
             layer_norm_operator(shape, "norm", rows, width), linear_operator(shape, "qkv", rows, 3 * width, width),
             attention_operator(shape, "text attention", attention), linear_operator(shape, "projection", rows, width, width),
             layer_norm_operator(shape, "norm", rows, width), linear_operator(shape, "mlp up", rows, 4 * width, width),
             streaming_operator(shape, "activation", static_cast<double>(rows * width) * 4.0, {2.0, 3.0, 1.0, 1}),
             linear_operator(shape, "mlp down", rows, width, 4 * width)}) {
        layer.operators.push_back(frozen(std::move(one)));
    }
    layered.blocks.push_back(std::move(layer));
}

}  // namespace

LayeredModel describe(const LatentUNet& model, const PassShape& shape) {
    LayeredModel layered;
    layered.sample = "images";
    if (model.text_layers > 0) add_text_encoder(layered, model, shape);
    LatentBuilder build(model, shape, layered);
    Image image{1, model.latent, model.latent, model.latent_channels};
    image = add_block(layered, shape, "input", image, 1, [&](Chain& chain) {
        chain.add(linear_operator(shape, "time embedding", shape.samples, 4L * model.channels, model.channels));
        chain.add(linear_operator(shape, "time embedding", shape.samples, 4L * model.channels, 4L * model.channels));
        ChainStep step{model.channels, 3, 1};
        step.norm = ImageNorm::none;
        step.activation = ImageActivation::none;
        step.biased = true;
        step.first = true;
        chain.convolve("input 3x3", step);
    });
    std::vector<Image> skips{image};
    const std::size_t levels = model.multipliers.size();
    for (std::size_t level = 0; level < levels; ++level) {
        const std::int64_t filters = std::int64_t{model.channels} * model.multipliers[level];
        for (int i = 0; i < model.residual_blocks; ++i) {
            image = build.residual(image, filters, static_cast<int>(level) < model.attention_levels);
            skips.push_back(image);
        }
        if (level + 1 == levels) break;
        image = build.resize(image, false);
        skips.push_back(image);
    }
    image = build.residual(image, image.channels, true);
    image = build.residual(image, image.channels, false);
    for (std::size_t level = levels; level-- > 0;) {
        const std::int64_t filters = std::int64_t{model.channels} * model.multipliers[level];
        for (int i = 0; i <= model.residual_blocks; ++i) {
            image.channels += skips.back().channels;
            skips.pop_back();
            image = build.residual(image, filters, static_cast<int>(level) < model.attention_levels);
        }
        if (level > 0) image = build.resize(image, true);
    }
    add_block(layered, shape, "output", image, 1, [&](Chain& chain) {
        chain.add(norm_operator(shape, image.elements() * static_cast<double>(shape.samples), image.channels, {}));
        ChainStep step{model.latent_channels, 3, 1};
        step.norm = ImageNorm::none;
        step.activation = ImageActivation::none;
        step.biased = true;
        chain.convolve("output 3x3", step);
    });
    return layered;
}

}  // namespace orrery
